//! What the actor does with each message: takes the value, moves it on.

use actix::prelude::*;
use event_index::DeliveryState;
use nostr::prelude::EventId;
use pns_keys::keeper::KeysChanged;
use reconciler::{HaveIds, Settle};
use relay_link::{FrameArrived, LinkChanged, OkClass, RelayFrame};
use supervision::{Restarted, Role};

use super::UploaderActor;
use crate::relay::Relay;

impl Handler<KeysChanged> for UploaderActor {
    type Result = ();

    fn handle(&mut self, fact: KeysChanged, ctx: &mut Self::Context) {
        self.step();
        self.keys = Some(fact);
        self.seal(0, ctx);
        self.settle_all(ctx);
    }
}

impl Handler<LinkChanged> for UploaderActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.step();
        let (url, now) = (link.url().clone(), self.env.clock.now());
        let relay = self
            .relays
            .entry(url.clone())
            .or_insert_with(|| Relay::new(link, now));
        if relay.link_changed(&state) {
            self.seal(0, ctx);
        }
        self.pump(&url, ctx);
    }
}

impl Handler<FrameArrived> for UploaderActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay: url, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.step();
        let RelayFrame::Ok {
            id: Some(id),
            accepted,
            reason,
        } = frame
        else {
            return;
        };
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        let Some(relay) = self.relays.get_mut(&url) else {
            return;
        };
        let class = OkClass::classify(accepted, &reason);
        let chance = self.env.entropy.draw_fraction();
        if let Some(row) = relay.outbox.answered(&id, class, &reason, (now, unix), chance) {
            relay.events.remove(&id);
            relay.done += 1;
            if row.state == DeliveryState::Accepted {
                relay.remember_accepted(id);
            }
            if !accepted {
                tracing::info!(relay = %url, event = %id, %reason, "refused");
            }
            relay.unwritten.push(row);
        }
        self.pump(&url, ctx);
    }
}

impl Handler<HaveIds> for UploaderActor {
    type Result = ();

    fn handle(&mut self, HaveIds { relay: url, ids, .. }: HaveIds, ctx: &mut Self::Context) {
        self.step();
        if !self.sends {
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
        let (index, name) = (self.index.clone(), url.to_string());
        let enqueue = async move { index.enqueue(name, ids).await };
        ctx.spawn(enqueue.into_actor(self).map(move |queued, actor, ctx| {
            let Some(relay) = actor.relays.get_mut(&url) else {
                return;
            };
            relay.enqueuing -= 1;
            match queued {
                Ok(0) => {}
                Ok(_) => relay.outbox.rewind(),
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
        if matches!(role, Role::Index | Role::Keeper) {
            self.relays.values_mut().for_each(|relay| relay.outbox.rewind());
            self.seal(0, ctx);
            self.settle_all(ctx);
        }
    }
}
