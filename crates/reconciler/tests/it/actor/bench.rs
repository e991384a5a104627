//! An actor with its neighbours, links and relay, all in memory.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::prelude::*;
use event_index::{
    Arrival, EventIndex, EventIndexActor, Extra, ExtraReason, Item, MemoryDisk, Store, StoreKey,
};
use nostr::event::{Event, EventId};
use nostr::filter::MatchEventOptions;
use nostr::key::PublicKey;
use pns_keys::keeper::{KeyState, KeysChanged};
use reconciler::{
    HaveIds, NeedIds, PageArrived, PassChanged, PassReport, Phase, Reconciler, ReconcilerParts, Settle,
    Settled, Side,
};
use relay_link::{
    ClientFrame, Dial, DialError, InfoError, LinkChanged, MemoryEnd, RelayFrame, RelayInfo, RelayLink,
    RelayLinkActor, RelayUrl, memory_pair,
};
use supervision::{Env, Lifeline, Outlet, Role, SeededEntropy, SimulatedClock, Tripwire, Workers};
use tokio::sync::mpsc;

use crate::fake_relay::{Habits, Pager, Responder};
use crate::world::author;

/// Runs on an actix system whose time jumps ahead whenever nothing can happen.
pub(crate) fn on_paused_time(test: impl Future<Output = ()>) {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    System::with_tokio_rt(runtime).block_on(async {
        tokio::time::timeout(Duration::from_secs(3 * 24 * 3600), test)
            .await
            .expect("the test ends within three days of its time");
    });
}

/// A relay in memory.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) events: Vec<Event>,
    pub(crate) speaks_neg: bool,
    /// It takes one author per filter.
    pub(crate) one_author: bool,
    /// Nobody can connect.
    pub(crate) down: bool,
    /// It stops answering and hangs up at the first NEG-OPEN, this many times.
    pub(crate) hang_ups: u32,
    pub(crate) neg_opens: u32,
    /// What it says about itself, and how often it was asked.
    pub(crate) info: Option<RelayInfo>,
    pub(crate) info_asked: u32,
}

#[derive(Clone)]
pub(crate) struct FakeRelay(Arc<Mutex<Shelf>>);

impl FakeRelay {
    pub(crate) fn holding(events: &[Event]) -> Self {
        Self(Arc::new(Mutex::new(Shelf {
            events: events.to_vec(),
            speaks_neg: true,
            ..Shelf::default()
        })))
    }

    pub(crate) fn shelf<T>(&self, with: impl FnOnce(&mut Shelf) -> T) -> T {
        with(&mut self.0.lock().unwrap())
    }

    pub(crate) async fn serve(self, mut end: MemoryEnd) {
        while let Some(text) = end.hear().await {
            let frame = ClientFrame::parse(&text).expect("we send what a relay can read");
            let answers = self.shelf(|shelf| match &frame {
                ClientFrame::NegOpen { .. } | ClientFrame::NegMsg { .. } => {
                    shelf.neg_opens += u32::from(matches!(frame, ClientFrame::NegOpen { .. }));
                    if shelf.hang_ups > 0 {
                        shelf.hang_ups -= 1;
                        return None;
                    }
                    if let ClientFrame::NegOpen { sub, filter, .. } = &frame
                        && shelf.one_author
                        && filter.authors.as_ref().map(BTreeSet::len) != Some(1)
                    {
                        return Some(vec![RelayFrame::NegErr {
                            sub: sub.clone(),
                            reason: "blocked: filter must have exactly one author, p tag, or e tag".into(),
                            cap: None,
                        }]);
                    }
                    if !shelf.speaks_neg {
                        return Some(vec![RelayFrame::Notice {
                            message: "ERROR: bad msg: negentropy disabled".into(),
                        }]);
                    }
                    if let (true, ClientFrame::NegOpen { filter, .. }) = (shelf.one_author, &frame) {
                        // One round each, so that an opening says it all.
                        let by = |event: &&Event| filter.match_event(event, MatchEventOptions::new());
                        let items: Vec<Item> = shelf.events.iter().filter(by).map(Item::of).collect();
                        return Some(Responder::new(&items, 0).hear(&frame).into_iter().collect());
                    }
                    let items: Vec<Item> = shelf.events.iter().map(Item::of).collect();
                    Some(Responder::new(&items, 0).hear(&frame).into_iter().collect())
                }
                _ => Some(Pager::new(shelf.events.clone(), Habits::default()).hear(&frame)),
            });
            let Some(answers) = answers else { return };
            for answer in answers {
                end.say(answer.encode()).await;
            }
        }
    }
}

impl Dial for FakeRelay {
    fn dial(
        &self,
        _: &RelayUrl,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<relay_link::Connection, DialError>> + Send>> {
        if self.shelf(|shelf| shelf.down) {
            return Box::pin(std::future::ready(Err(DialError::Refused)));
        }
        let (connection, end) = memory_pair();
        tokio::spawn(self.clone().serve(end));
        Box::pin(std::future::ready(Ok(connection)))
    }

    fn info(
        &self,
        _: &RelayUrl,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<RelayInfo, InfoError>> + Send>> {
        let info = self.shelf(|shelf| {
            shelf.info_asked += 1;
            shelf.info.clone()
        });
        Box::pin(std::future::ready(info.ok_or(InfoError::NotOffered)))
    }
}

/// Uploader and realtime in one: moves what it is told to, or keeps silent.
struct Neighbour {
    relay: FakeRelay,
    store: Arc<Store>,
    settled: Outlet<Settled>,
    pub(crate) silent: Arc<Mutex<bool>>,
    moved: [u64; 2],
    heard: mpsc::UnboundedSender<String>,
}

impl Actor for Neighbour {
    type Context = Context<Self>;
}

impl Neighbour {
    fn held(&self, ids: &[EventId]) -> Vec<Event> {
        ids.iter()
            .filter_map(|id| self.store.event(id).unwrap())
            .collect()
    }

    fn store(&mut self, events: Vec<Event>) {
        let arrivals = events
            .into_iter()
            .map(|event| Arrival { event, source: None })
            .collect();
        self.moved[1] += self.store.ingest(arrivals).unwrap().stored.len() as u64;
    }
}

impl Handler<HaveIds> for Neighbour {
    type Result = ();
    fn handle(&mut self, fact: HaveIds, _: &mut Self::Context) {
        let _ = self.heard.send(format!("have {}", fact.ids.len()));
        let events = self.held(&fact.ids);
        self.moved[0] += events.len() as u64;
        self.relay.shelf(|shelf| shelf.events.extend(events));
    }
}

impl Handler<NeedIds> for Neighbour {
    type Result = ();
    fn handle(&mut self, fact: NeedIds, _: &mut Self::Context) {
        let _ = self.heard.send(format!("need {}", fact.ids.len()));
        let deleted = |event: &&Event| fact.deleted.contains(&event.id);
        let extra = |event: &Event| Extra {
            item: Item::of(event),
            reason: ExtraReason::Tombstoned,
        };
        let extra: Vec<Extra> = self
            .relay
            .shelf(|shelf| shelf.events.iter().filter(deleted).map(extra).collect());
        self.store.place(fact.relay.as_str(), &extra, &[]).unwrap();
        let wanted = |event: &&Event| fact.ids.contains(&event.id);
        let events = self
            .relay
            .shelf(|shelf| shelf.events.iter().filter(wanted).cloned().collect());
        self.store(events);
    }
}

impl Handler<PageArrived> for Neighbour {
    type Result = ();
    fn handle(&mut self, fact: PageArrived, _: &mut Self::Context) {
        let _ = self.heard.send(format!("page {}", fact.events.len()));
        self.store(fact.events);
    }
}

#[derive(Message)]
#[rtype(result = "()")]
struct Answer(Settle, Side);

impl Handler<Settle> for Neighbour {
    type Result = ();
    fn handle(&mut self, fact: Settle, ctx: &mut Self::Context) {
        // One actor plays both sides; which one is asked does not matter, so it answers in turn.
        let _ = self.heard.send("settle".into());
        if !*self.silent.lock().unwrap() {
            ctx.notify(Answer(fact.clone(), Side::Up));
            ctx.notify(Answer(fact, Side::Down));
        }
    }
}

impl Handler<Answer> for Neighbour {
    type Result = ();
    fn handle(&mut self, Answer(Settle { relay, pass }, side): Answer, _: &mut Self::Context) {
        let moved = std::mem::take(&mut self.moved[usize::from(side == Side::Down)]);
        self.settled
            .try_send(Settled {
                relay,
                pass,
                side,
                moved,
                left: 0,
                withheld: 0,
            })
            .unwrap();
    }
}

/// Collects what is told about passes.
struct Watcher(mpsc::UnboundedSender<PassChanged>);

impl Actor for Watcher {
    type Context = Context<Self>;
}

impl Handler<PassChanged> for Watcher {
    type Result = ();
    fn handle(&mut self, fact: PassChanged, _: &mut Self::Context) {
        let _ = self.0.send(fact);
    }
}

pub(crate) struct Bench {
    pub(crate) env: Env,
    pub(crate) clock: Arc<SimulatedClock>,
    pub(crate) relay: FakeRelay,
    pub(crate) index: EventIndex,
    pub(crate) reconciler: Reconciler,
    pub(crate) parts: ReconcilerParts,
    pub(crate) url: RelayUrl,
    pub(crate) silent: Arc<Mutex<bool>>,
    heard: mpsc::UnboundedReceiver<String>,
    pub(crate) told: mpsc::UnboundedReceiver<PassChanged>,
    pub(crate) links: Vec<RelayLink>,
}

impl Bench {
    /// Everything but the link.
    pub(crate) fn new(ours: &[Event], relay: &FakeRelay) -> Self {
        let clock = Arc::new(SimulatedClock::starting_at(1_800_000_000));
        let env = Env {
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
            workers: Workers::inline(),
            tripwire: Tripwire::none(),
        };
        let store = Store::open(MemoryDisk::new().storage(), &StoreKey::from_bytes([3; 32])).unwrap();
        let arrivals = ours
            .iter()
            .map(|event| Arrival {
                event: event.clone(),
                source: None,
            })
            .collect();
        store.ingest(arrivals).unwrap();
        let index = EventIndex::new(Arc::new(store));
        let writer = EventIndexActor::new(
            env.clone(),
            Lifeline::unwatched(Role::Index),
            Arc::clone(index.store()),
            Outlet::empty(),
        );
        index.fill(&writer.start());

        let (reconciler, silent) = (Reconciler::new(), Arc::new(Mutex::new(false)));
        let (saying, heard) = mpsc::unbounded_channel();
        let neighbour = Neighbour {
            relay: relay.clone(),
            store: Arc::clone(index.store()),
            settled: reconciler.settled.clone(),
            silent: Arc::clone(&silent),
            moved: [0; 2],
            heard: saying,
        }
        .start();
        let (tell, told) = mpsc::unbounded_channel();
        let parts = ReconcilerParts {
            switches: supervision::Switchboard::default(),
            index: index.clone(),
            have: Outlet::empty(),
            need: Outlet::empty(),
            pages: Outlet::empty(),
            settle_up: Outlet::empty(),
            // It answers for both when asked as the uploader.
            settle_down: Outlet::empty(),
            changes: vec![Outlet::empty()],
        };
        parts.have.fill(neighbour.clone().recipient());
        parts.need.fill(neighbour.clone().recipient());
        parts.pages.fill(neighbour.clone().recipient());
        parts.settle_up.fill(neighbour.recipient());
        parts.changes[0].fill(Watcher(tell).start().recipient());
        reconciler.start(env.clone(), Lifeline::unwatched(Role::Reconciler), parts.clone());
        let url = "ws://relay.example".parse().unwrap();
        Self {
            env,
            clock,
            relay: relay.clone(),
            index,
            reconciler,
            parts,
            url,
            silent,
            heard,
            told,
            links: Vec::new(),
        }
    }

    pub(crate) fn link(&mut self) {
        let link = RelayLink::new(self.url.clone());
        let watchers: Vec<Outlet<LinkChanged>> = vec![self.reconciler.links.clone()];
        let role = Role::Link(self.url.to_string());
        let dial: Arc<dyn Dial> = Arc::new(self.relay.clone());
        RelayLinkActor::new(self.env.clone(), Lifeline::unwatched(role), &link, dial, watchers).start();
        self.links.push(link);
    }

    pub(crate) async fn keys(&self, known: bool) {
        self.keys_of(known.then(author).into_iter().collect()).await;
    }

    pub(crate) async fn keys_of(&self, read: BTreeSet<PublicKey>) {
        let known = !read.is_empty();
        let why = "relays are being asked".to_owned();
        let state = if known {
            KeyState::Ready
        } else {
            KeyState::Searching { why }
        };
        let fact = KeysChanged {
            asking: false,
            closed: 0,
            account: author(),
            read,
            rumor_authors: BTreeSet::new(),
            write: None,
            state,
        };
        self.reconciler.keys.send(fact).await.unwrap();
    }

    pub(crate) async fn running(ours: &[Event], relay: &FakeRelay) -> Self {
        let mut bench = Self::new(ours, relay);
        bench.keys(true).await;
        bench.link();
        bench
    }

    pub(crate) async fn done(&mut self) -> (u64, PassReport) {
        loop {
            let PassChanged { relay, pass, phase } = self.told.recv().await.expect("the watcher lives");
            assert_eq!(relay, self.url);
            if let Phase::Done(report) = phase {
                return (pass, report);
            }
        }
    }

    pub(crate) fn heard(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.heard.try_recv().ok()).collect()
    }
}
