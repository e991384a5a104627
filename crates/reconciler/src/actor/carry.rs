//! Carrying out what a pass asks for.

use std::sync::Arc;

use actix::prelude::*;
use nostr::event::EventId;
use relay_link::{ClientFrame, Lesson, RelayUrl, SendFailed};

use super::ReconcilerActor;
use crate::errands::Errand;
use crate::messages::{HaveIds, NeedIds, PageArrived, Settle, Side};
use crate::pass::Output;

impl ReconcilerActor {
    /// Carries out everything the pass of this number asks for, and arms its timer.
    pub(super) fn drain(&mut self, url: &RelayUrl, number: u64, ctx: &mut Context<Self>) {
        while let Some(output) = self
            .relays
            .get_mut(url)
            .and_then(|relay| relay.pass(number))
            .and_then(|running| running.core.poll_output())
        {
            self.carry_out(url, number, output, ctx);
        }
        for side in [Side::Up, Side::Down] {
            self.next_errand(url, number, side, ctx);
        }
        self.arm(url, number, ctx);
    }

    fn carry_out(&mut self, url: &RelayUrl, pass: u64, output: Output, ctx: &mut Context<Self>) {
        let relay = || url.clone();
        match output {
            Output::Snapshot => self.take_snapshot(relay(), pass, ctx),
            Output::Send(frame) => self.send(url, pass, frame),
            Output::Sift { epoch, ids } => self.sift(relay(), pass, epoch, ids, ctx),
            Output::Have(ids) => self.add(
                url,
                pass,
                Side::Up,
                Errand::Have(HaveIds {
                    relay: relay(),
                    pass,
                    ids,
                }),
            ),
            Output::Need(ids) => {
                self.add(
                    url,
                    pass,
                    Side::Down,
                    Errand::Need(NeedIds {
                        relay: relay(),
                        pass,
                        ids,
                    }),
                );
            }
            Output::Events(events) => {
                self.add(
                    url,
                    pass,
                    Side::Down,
                    Errand::Page(PageArrived {
                        relay: relay(),
                        pass,
                        events,
                    }),
                );
            }
            Output::Settle => {
                for side in [Side::Up, Side::Down] {
                    self.add(
                        url,
                        pass,
                        side,
                        Errand::Settle(Settle { relay: relay(), pass }, side),
                    );
                }
            }
            Output::Look { after } => self.look(relay(), pass, after, ctx),
            Output::NegProven => self.learn(url, Lesson::NegSpoken, ctx),
            Output::NegUnavailable { why } => {
                tracing::info!(relay = %url, why, "no negentropy here; asking again in a day");
                self.learn(url, Lesson::NegRefused { why }, ctx);
            }
            Output::Phase(phase) => self.tell(url, pass, phase, ctx),
            Output::Done { report, agreed } => self.finish(url, pass, report, agreed, ctx),
        }
    }

    fn send(&mut self, url: &RelayUrl, number: u64, frame: ClientFrame) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        // Not connected is told by the link as well, and ends the pass then.
        if relay.link.try_send(frame, self.frames.clone()) == Err(SendFailed::QueueFull)
            && let Some(running) = relay.pass(number)
        {
            running.core.fail(SendFailed::QueueFull.to_string());
        }
    }

    fn take_snapshot(&self, url: RelayUrl, number: u64, ctx: &mut Context<Self>) {
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let name = url.to_string();
        let take =
            move || Ok::<_, event_index::IndexError>((store.agreements()?.remove(&name), store.view()?));
        let taking = async move { workers.run(take).await };
        ctx.spawn(taking.into_actor(self).map(move |taken, actor, ctx| {
            actor.with_pass(&url, number, ctx, |pass, now| match taken {
                Ok((agreement, view)) => {
                    if let Some(agreement) = agreement {
                        pass.agreement_found(&agreement);
                    }
                    let last_seq = view.last_seq();
                    pass.snapshot_taken(Arc::new(view), last_seq, now);
                }
                Err(error) => pass.fail(format!("the store could not be read: {error}")),
            });
        }));
    }

    fn sift(&self, url: RelayUrl, number: u64, epoch: u32, ids: Vec<EventId>, ctx: &mut Context<Self>) {
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let sifting = async move {
            let live = move || {
                let mut live = Vec::with_capacity(ids.len());
                for id in ids {
                    if !store.is_tombstoned(&id)? {
                        live.push(id);
                    }
                }
                Ok::<_, event_index::IndexError>(live)
            };
            workers.run(live).await
        };
        ctx.spawn(sifting.into_actor(self).map(move |sifted, actor, ctx| {
            actor.with_pass(&url, number, ctx, |pass, now| match sifted {
                Ok(live) => pass.sifted(epoch, live, now),
                Err(error) => pass.fail(format!("the store could not be read: {error}")),
            });
        }));
    }

    fn look(&self, url: RelayUrl, number: u64, after: u64, ctx: &mut Context<Self>) {
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let looking = async move { workers.run(move || store.events_after(after, 1)).await };
        ctx.spawn(looking.into_actor(self).map(move |found, actor, ctx| {
            actor.with_pass(&url, number, ctx, |pass, _| match found {
                Ok(events) => pass.looked(!events.is_empty()),
                Err(error) => pass.fail(format!("the store could not be read: {error}")),
            });
        }));
    }

    fn add(&mut self, url: &RelayUrl, number: u64, side: Side, errand: Errand) {
        if let Some(running) = self.relays.get_mut(url).and_then(|relay| relay.pass(number)) {
            match side {
                Side::Up => running.up.add(errand),
                Side::Down => running.down.add(errand),
            }
        }
    }

    fn next_errand(&mut self, url: &RelayUrl, number: u64, side: Side, ctx: &mut Context<Self>) {
        let Some(running) = self.relays.get_mut(url).and_then(|relay| relay.pass(number)) else {
            return;
        };
        let errands = match side {
            Side::Up => &mut running.up,
            Side::Down => &mut running.down,
        };
        let Some(errand) = errands.next() else { return };
        let (page, doors, url) = (errand.is_page(), self.doors.clone(), url.clone());
        ctx.spawn(
            errand
                .run(doors)
                .into_actor(self)
                .map(move |delivered, actor, ctx| {
                    if delivered.is_err() {
                        // Its restart is announced, and starts the pass over.
                        tracing::debug!(relay = %url, ?side, "a neighbour died with ids or events of a pass");
                    }
                    let running = actor.relays.get_mut(&url).and_then(|relay| relay.pass(number));
                    match (running, side) {
                        (Some(running), Side::Up) => running.up.done(),
                        (Some(running), Side::Down) => running.down.done(),
                        (None, _) => return,
                    }
                    actor.with_pass(&url, number, ctx, |pass, now| {
                        if page {
                            pass.events_taken(now);
                        }
                    });
                }),
        );
    }

    fn arm(&mut self, url: &RelayUrl, number: u64, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let Some(running) = self.relays.get_mut(url).and_then(|relay| relay.pass(number)) else {
            return;
        };
        let due = running.core.poll_timeout();
        if running.timer.map(|(armed, _)| armed) == due {
            return;
        }
        if let Some((_, timer)) = running.timer.take() {
            ctx.cancel_future(timer);
        }
        running.timer = due.map(|due| {
            let url = url.clone();
            let timer = ctx.run_later(due.saturating_duration_since(now), move |actor, ctx| {
                if let Some(running) = actor.relays.get_mut(&url).and_then(|relay| relay.pass(number)) {
                    running.timer = None;
                }
                actor.with_pass(&url, number, ctx, crate::pass::Pass::handle_timeout);
            });
            (due, timer)
        });
    }
}
