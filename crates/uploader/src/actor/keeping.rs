//! Asking relays whether they hold what they said yes to.

use std::sync::Arc;

use actix::prelude::*;
use event_index::DeliveryState;
use nostr::prelude::{Filter, Kind};
use reconciler::relay_profile;
use relay_link::{ClientFrame, RelayProfile, RelayUrl, SubId};

use super::UploaderActor;
use crate::pace::Pace;

/// Events that are sent: envelopes and deletions.
const KINDS: [Kind; 2] = [Kind::Custom(1080), Kind::EventDeletion];

impl UploaderActor {
    /// Asks for a sample when it is time, gives up a question that took too long, and arms a timer for the next step.
    pub(crate) fn read_back(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let authors = self
            .keys
            .as_ref()
            .map(|keys| keys.read.clone())
            .unwrap_or_default();
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if let Some(timer) = relay.read_back_timer.take() {
            ctx.cancel_future(timer);
        }
        if !relay.connected() || authors.is_empty() {
            return;
        }
        if let Some(sub) = relay.read_back.expire(now) {
            let _ = relay
                .link
                .try_send(ClientFrame::Close { sub }, self.handle.frames.clone());
        }
        let entropy = &*self.env.entropy;
        let at = match relay.read_back.next(now, || SubId::fresh("kept", entropy)) {
            None => return,
            Some(Err(at)) => at,
            Some(Ok((sub, ids))) => {
                let filter = Filter::new()
                    .limit(ids.len())
                    .ids(ids)
                    .authors(authors)
                    .kinds(KINDS);
                let frame = ClientFrame::Req {
                    sub,
                    filters: vec![filter],
                };
                if relay.link.try_send(frame, self.handle.frames.clone()).is_err() {
                    relay.read_back.unanswered(now);
                }
                now + super::RETRY
            }
        };
        let again = url.clone();
        let wait = at.saturating_duration_since(now);
        relay.read_back_timer = Some(ctx.run_later(wait, move |actor, ctx| actor.read_back(&again, ctx)));
    }

    /// The relay has shown all it holds of the sample.
    pub(crate) fn was_read_back(&mut self, url: &RelayUrl, sub: SubId, ctx: &mut Context<Self>) {
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let _ = relay
            .link
            .try_send(ClientFrame::Close { sub }, self.handle.frames.clone());
        let answer = relay.read_back.ended(now);
        for mut row in answer.present {
            row.absent = 0;
            row.turn(DeliveryState::Verified, unix);
            relay.unwritten.push(row);
        }
        for mut row in answer.absent {
            row.found_absent(unix);
            tracing::warn!(
                relay = %url, event = %row.id, times = row.absent,
                "the relay said yes to an event and does not hold it"
            );
            relay.accepted.remove(&row.id);
            relay.unwritten.push(row);
            relay.rewind_when_written = true;
        }
        self.pump(url, ctx);
        self.read_back(url, ctx);
    }

    /// Reads what is known of a relay, before the first event leaves for it.
    pub(crate) fn load_profile(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let (store, workers, url) = (Arc::clone(self.index.store()), self.env.workers, url.clone());
        let name = url.to_string();
        let loading = async move { workers.run(move || relay_profile(&store, &name)).await };
        ctx.spawn(loading.into_actor(self).map(move |loaded, actor, ctx| {
            let profile = loaded.unwrap_or_else(|error| {
                tracing::warn!(relay = %url, %error, "what is known of a relay could not be read; it is learned again");
                RelayProfile::default()
            });
            let (now, unix) = (actor.env.clock.now(), actor.env.clock.unix());
            if let Some(relay) = actor.relays.get_mut(&url) {
                let pace = match profile.events_per_hour(unix) {
                    _ if url.is_loopback() => Pace::unlimited(now),
                    Some((per_hour, age)) => Pace::kept(now, per_hour, age),
                    None => Pace::learning(now),
                };
                relay.outbox.learned(pace, profile.too_large_from(unix));
                relay.profiled = true;
            }
            actor.pump(&url, ctx);
        }));
    }
}
