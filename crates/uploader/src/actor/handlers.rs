//! What the actor does with each message: takes the value, moves it on.

use actix::prelude::*;
use event_index::DeliveryState;
use nostr::prelude::EventId;
use pns_keys::keeper::KeysChanged;
use reconciler::{HaveIds, Settle};
use relay_link::{FrameArrived, LinkChanged, OkClass, RelayFrame, RelayUrl};
use supervision::{Restarted, Role};

use super::UploaderActor;
use crate::messages::{LookAgain, UseRelays};
use crate::relay::Relay;

/// Between events that a relay lost (field guide U-15): two a second, the pace that every relay is met with. The device
/// holds them, so nothing is in danger while a relay is filled again.
const LOST_PAUSE_MS: u64 = 500;

impl Handler<KeysChanged> for UploaderActor {
    type Result = ();

    fn handle(&mut self, fact: KeysChanged, ctx: &mut Self::Context) {
        self.step();
        self.keys = Some(fact);
        self.seal(ctx);
        self.sign(ctx);
        self.settle_all(ctx);
    }
}

impl Handler<LinkChanged> for UploaderActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.step();
        let (url, now, unix) = (link.url().clone(), self.env.clock.now(), self.env.clock.unix());
        if !self.sealer.relays.contains(&url) {
            // It was let go, and its link is being closed.
            return;
        }
        let known = self.relays.contains_key(&url);
        let relay = self
            .relays
            .entry(url.clone())
            .or_insert_with(|| Relay::new(link, now));
        if relay.link_changed(&state, now, unix) {
            self.seal(ctx);
            self.sign(ctx);
        }
        if !known {
            self.load_profile(&url, ctx);
        }
        self.pump(&url, ctx);
        self.read_back(&url, ctx);
    }
}

impl Handler<UseRelays> for UploaderActor {
    type Result = ();

    /// What is waiting at a relay that was let go is dropped with its rows, which is not done here.
    fn handle(&mut self, UseRelays(relays): UseRelays, ctx: &mut Self::Context) {
        self.step();
        self.relays.retain(|url, _| relays.contains(url));
        self.sealer.relays.clone_from(&relays);
        self.deleter.relays = relays;
        self.settle_all(ctx);
    }
}

impl Handler<LookAgain> for UploaderActor {
    type Result = ();

    fn handle(&mut self, _: LookAgain, ctx: &mut Self::Context) {
        self.step();
        let urls: Vec<RelayUrl> = self.relays.keys().cloned().collect();
        for url in urls {
            if let Some(relay) = self.relays.get_mut(&url) {
                relay.outbox.rewind();
            }
            self.pump(&url, ctx);
        }
    }
}

impl Handler<FrameArrived> for UploaderActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay: url, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.step();
        let (id, accepted, reason) = match frame {
            RelayFrame::Ok {
                id: Some(id),
                accepted,
                reason,
            } => (id, accepted, reason),
            other => return self.heard(&url, other, ctx),
        };
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        let Some(relay) = self.relays.get_mut(&url) else {
            return;
        };
        let class = OkClass::classify(accepted, &reason);
        let chance = self.env.entropy.draw_fraction();
        if let Some(row) = relay.outbox.answered(&id, class, &reason, (now, unix), chance) {
            if !relay.outbox.keeps(&row) {
                relay.events.remove(&id);
                relay.done += 1;
            }
            if row.state == DeliveryState::Accepted {
                relay.remember_accepted(id);
                relay.read_back.accepted(row.clone(), now);
            }
            if !accepted {
                tracing::info!(relay = %url, event = %id, %reason, "refused");
            }
            relay.unwritten.push(row);
        } else if !accepted && relay.accepted.contains(&id) {
            tracing::info!(relay = %url, event = %id, %reason, "refused after it was taken");
            relay.read_back.contradicted(&id);
        }
        self.pump(&url, ctx);
        self.read_back(&url, ctx);
    }
}

impl UploaderActor {
    /// Takes a frame that is no OK.
    fn heard(&mut self, url: &RelayUrl, frame: RelayFrame, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        match frame {
            RelayFrame::Notice { message } => {
                relay.outbox.noticed(&message, now);
                relay.read_back.noticed();
                self.pump(url, ctx);
            }
            RelayFrame::Event { sub, event } if relay.read_back.is_about(&sub) => {
                relay.read_back.showed(event.id);
            }
            RelayFrame::Eose { sub, .. } if relay.read_back.is_about(&sub) => {
                self.was_read_back(url, sub, ctx);
            }
            RelayFrame::Closed { sub, .. } if relay.read_back.is_about(&sub) => {
                relay.read_back.refused(now);
                self.read_back(url, ctx);
            }
            _ => {}
        }
    }
}

impl Handler<HaveIds> for UploaderActor {
    type Result = ();

    fn handle(&mut self, HaveIds { relay: url, ids, .. }: HaveIds, ctx: &mut Self::Context) {
        self.step();
        if !self.sends() {
            return;
        }
        let Some(relay) = self.relays.get_mut(&url) else {
            return;
        };
        let ids: Vec<EventId> = ids
            .into_iter()
            .filter(|id| !relay.accepted.contains(id) && !relay.outbox.carries(id))
            .collect();
        if ids.is_empty() {
            return;
        }
        relay.enqueuing += 1;
        let (index, name, unix) = (self.index.clone(), url.to_string(), self.env.clock.unix());
        let pause = if url.is_loopback() { 0 } else { LOST_PAUSE_MS };
        let next_lost = relay.next_lost;
        let enqueue = async move { index.queue_missing(name, ids, unix, pause, next_lost).await };
        ctx.spawn(enqueue.into_actor(self).map(move |queued, actor, ctx| {
            let Some(relay) = actor.relays.get_mut(&url) else {
                return;
            };
            relay.enqueuing -= 1;
            match queued {
                Ok(done) => {
                    relay.next_lost = relay.next_lost.max(done.next_lost);
                    if done.queued + done.forgotten > 0 {
                        relay.outbox.added();
                    }
                    if done.recalled > 0 {
                        tracing::info!(relay = %url, messages = done.recalled, "lacks forgotten messages: they come again");
                    }
                    if done.out_of_reach > 0 {
                        tracing::warn!(
                            relay = %url, messages = done.out_of_reach,
                            "lacks messages that are forgotten here and on no other relay in use; a device that has them sends them"
                        );
                    }
                }
                // The next comparison names them again.
                Err(error) => tracing::error!(relay = %url, %error, "have ids could not be queued"),
            }
            actor.pump(&url, ctx);
        }));
    }
}

impl Handler<Settle> for UploaderActor {
    type Result = ();

    fn handle(&mut self, Settle { relay: url, pass }: Settle, ctx: &mut Self::Context) {
        self.step();
        let now = self.env.clock.now();
        if let Some(relay) = self.relays.get_mut(&url) {
            relay.settle = Some((pass, now));
        }
        self.pump(&url, ctx);
    }
}

impl Handler<Restarted> for UploaderActor {
    type Result = ();

    fn handle(&mut self, Restarted(role): Restarted, ctx: &mut Self::Context) {
        self.step();
        if role == Role::Status {
            // What it was told went with it.
            self.relays
                .values_mut()
                .for_each(|relay| relay.told_parked = None);
            self.settle_all(ctx);
        }
        if matches!(role, Role::Index | Role::Keeper) {
            self.relays.values_mut().for_each(|relay| relay.outbox.rewind());
            self.seal(ctx);
            self.sign(ctx);
            self.settle_all(ctx);
        }
    }
}
