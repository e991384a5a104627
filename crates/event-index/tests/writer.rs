//! The one writer: in order, answered after the commit, replaceable.

mod common;

use std::sync::{Arc, Mutex};

use actix::prelude::*;
use event_index::messages::{CountsChanged, Ingest};
use event_index::{Counts, EventIndex, EventIndexActor, IndexError, MemoryDisk};
use supervision::{Env, Lifeline, Outlet, Role, Tripwire, Workers};

use common::{arrivals, draft, message, open};

#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<Counts>>>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<CountsChanged> for Listener {
    type Result = ();

    fn handle(&mut self, CountsChanged(counts): CountsChanged, _: &mut Self::Context) {
        self.0.lock().unwrap().push(counts);
    }
}

fn env(tripwire: Tripwire) -> Env {
    Env {
        workers: Workers::inline(),
        tripwire,
        ..Env::production()
    }
}

fn start(index: &EventIndex, env: Env, counts: Outlet<CountsChanged>) -> Addr<EventIndexActor> {
    let lifeline = Lifeline::unwatched(Role::Index);
    let addr = EventIndexActor::new(env, lifeline, Arc::clone(index.store()), counts).start();
    index.fill(&addr);
    addr
}

#[test]
fn a_command_is_answered_when_it_is_on_disk_and_the_counts_follow() {
    System::new().block_on(async {
        let disk = MemoryDisk::new();
        let index = EventIndex::new(Arc::new(open(&disk)));
        let listener = Listener::default();
        let counts = Outlet::empty();
        counts.fill(listener.clone().start().recipient());
        start(&index, Env::production(), counts);

        let ingested = index.ingest(arrivals([message(1), message(2)])).await.unwrap();
        assert_eq!(ingested.stored.len(), 2);
        index.add_drafts(vec![draft(index.store(), 1)]).await.unwrap();
        assert_eq!(
            index
                .enqueue("wss://a.example".to_owned(), vec![message(1).id])
                .await
                .unwrap(),
            1
        );
        index.ingest(arrivals([message(1)])).await.unwrap();

        let seen = listener.0.lock().unwrap().clone();
        let seen: Vec<_> = seen
            .iter()
            .map(|counts| (counts.items, counts.drafts, counts.waiting))
            .collect();
        assert_eq!(
            seen,
            [(0, 0, 0), (2, 0, 0), (2, 1, 1), (2, 1, 2)],
            "and nothing for what changed nothing"
        );
        let survivor = open(&disk.after_power_cut(|_| false));
        assert_eq!(survivor.counts().unwrap(), index.store().counts().unwrap());
    });
}

#[test]
fn commands_are_carried_out_in_the_order_they_came_and_the_last_counts_are_told_last() {
    for env in [Env::production(), env(Tripwire::none())] {
        System::new().block_on(async {
            let index = EventIndex::new(Arc::new(open(&MemoryDisk::new())));
            let listener = Listener::default();
            let counts = Outlet::empty();
            counts.fill(listener.clone().start().recipient());
            let addr = start(&index, env, counts);
            let answers: Vec<_> = (0..50)
                .map(|number| {
                    addr.send(Ingest {
                        arrivals: arrivals([message(number)]),
                    })
                })
                .collect();
            for answer in answers {
                answer.await.unwrap().unwrap();
            }
            let stored = index.store().events_after(0, 99).unwrap();
            assert!(
                stored
                    .into_iter()
                    .map(|(_, event)| event.id)
                    .eq((0..50).map(|number| message(number).id))
            );
            // One more turn of the loop, for what was told last.
            index.ingest(Vec::new()).await.unwrap();
            let told = listener.0.lock().unwrap().clone();
            assert!(told.is_sorted_by_key(|counts| counts.items), "never backwards");
            assert_eq!(told.last(), Some(&index.store().counts().unwrap()));
        });
    }
}

#[test]
fn a_dead_writer_is_an_error_and_its_successor_is_reached_by_every_clone() {
    System::new().block_on(async {
        let index = EventIndex::new(Arc::new(open(&MemoryDisk::new())));
        let clone = index.clone();
        assert!(matches!(
            index.ingest(Vec::new()).await,
            Err(IndexError::Unavailable)
        ));
        start(&index, env(Tripwire::armed([(Role::Index, 2)])), Outlet::empty());
        clone.ingest(arrivals([message(1)])).await.unwrap();
        // The panic unwinds through the actor's task, which only this system's arbiter sees.
        assert!(matches!(
            clone.ingest(arrivals([message(2)])).await,
            Err(IndexError::Unavailable)
        ));
        start(&index, env(Tripwire::none()), Outlet::empty());
        let ingested = clone.ingest(arrivals([message(1), message(2)])).await.unwrap();
        assert_eq!(
            (ingested.known, ingested.stored),
            (vec![message(1).id], vec![message(2).id])
        );
    });
}

#[test]
fn a_listener_that_is_behind_hears_the_last_counts() {
    #[derive(Default)]
    struct Busy(Listener);
    impl Actor for Busy {
        type Context = Context<Self>;
        fn started(&mut self, ctx: &mut Self::Context) {
            ctx.set_mailbox_capacity(1);
            // Takes nothing for a while: everybody's turn comes before it.
            ctx.wait(actix::clock::sleep(std::time::Duration::from_millis(20)).into_actor(self));
        }
    }
    impl Handler<CountsChanged> for Busy {
        type Result = ();
        fn handle(&mut self, fact: CountsChanged, _: &mut Self::Context) {
            self.0.0.lock().unwrap().push(fact.0);
        }
    }
    System::new().block_on(async {
        let index = EventIndex::new(Arc::new(open(&MemoryDisk::new())));
        let busy = Busy::default();
        let listener = busy.0.clone();
        let counts = Outlet::empty();
        counts.fill(busy.start().recipient());
        start(&index, env(Tripwire::none()), counts);
        for number in 0..20 {
            index.ingest(arrivals([message(number)])).await.unwrap();
        }
        let deadline = async {
            loop {
                if listener
                    .0
                    .lock()
                    .unwrap()
                    .last()
                    .is_some_and(|counts| counts.items == 20)
                {
                    return;
                }
                actix::clock::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let waited = actix::clock::timeout(std::time::Duration::from_secs(5), deadline).await;
        assert!(waited.is_ok(), "the last counts were lost");
    });
}
