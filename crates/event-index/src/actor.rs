//! The one writer: runs commands on the store one after the other, and says how much there is afterwards.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use supervision::{Env, Lane, Lifeline, Outlet, Undelivered};

use crate::messages::{Command, CountsChanged};
use crate::{Counts, IndexError, Store};

/// Half a dozen actors write, and await the answers; the rest is room for a person with an importer.
const MAILBOX_MAX: usize = 256;
/// When whoever takes the counts is behind, they are offered again after this long, newer by then.
const OFFER_AGAIN: Duration = Duration::from_millis(50);

/// The actor behind [`EventIndex`](crate::EventIndex). It holds nothing that is not on disk, so a restart loses
/// nothing but the answers to commands under way.
pub struct EventIndexActor {
    env: Env,
    lifeline: Lifeline,
    store: Arc<Store>,
    counts: Outlet<CountsChanged>,
    told: Option<Counts>,
    /// Commands handed to the lane.
    asked: u64,
    /// The last of them whose counts were told: the end of one may be seen after that of the next.
    told_of: u64,
    offered: Option<SpawnHandle>,
    /// Where commands run: redb's cache is filled by whoever writes.
    lane: Lane,
}

impl EventIndexActor {
    /// An actor that writes to `store` and tells `counts`.
    pub fn new(env: Env, lifeline: Lifeline, store: Arc<Store>, counts: Outlet<CountsChanged>) -> Self {
        Self {
            lane: Lane::new(env.workers, "store"),
            env,
            lifeline,
            store,
            counts,
            told: None,
            asked: 0,
            told_of: 0,
            offered: None,
        }
    }

    fn tell(&mut self, now: Result<Counts, IndexError>, ctx: &mut Context<Self>) {
        let now = match now {
            Ok(now) if self.told == Some(now) => return,
            Ok(now) => now,
            Err(error) => {
                tracing::error!(%error, "the counts could not be read");
                return;
            }
        };
        match self.counts.try_send(CountsChanged(now)) {
            Ok(()) => self.told = Some(now),
            // Nobody listens, or a restarted listener asks the store itself.
            Err(Undelivered::Closed) => self.told = None,
            Err(Undelivered::Full) => {
                if let Some(earlier) = self.offered.take() {
                    ctx.cancel_future(earlier);
                }
                self.offered = Some(ctx.run_later(OFFER_AGAIN, |actor, ctx| {
                    actor.offered = None;
                    let now = actor.store.counts();
                    actor.tell(now, ctx);
                }));
            }
        }
    }
}

impl Actor for EventIndexActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        let now = self.store.counts();
        self.tell(now, ctx);
    }
}

impl<C: Command> Handler<C> for EventIndexActor {
    type Result = ResponseActFuture<Self, Result<C::Done, IndexError>>;

    fn handle(&mut self, command: C, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        self.asked += 1;
        let number = self.asked;
        let store = Arc::clone(&self.store);
        // The lane keeps them in order. The next one does not wait until this thread has seen the end of the one before: it has
        // a relay's frames to read meanwhile. Whoever sends a command awaits its answer, so callers bound what is queued.
        let work = self.lane.run(move || {
            let done = command.run(&store);
            let counts = done.is_ok().then(|| store.counts());
            (done, counts)
        });
        Box::pin(work.into_actor(self).map(move |(done, counts), actor, ctx| {
            if let Some(counts) = counts.filter(|_| number > actor.told_of) {
                actor.told_of = number;
                actor.tell(counts, ctx);
            }
            done
        }))
    }
}
