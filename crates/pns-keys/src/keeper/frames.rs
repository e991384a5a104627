//! What links and relays tell the keeper.

use std::time::Instant;

use actix::prelude::*;
use nostr::event::Event;
use relay_link::{ClientFrame, FrameArrived, LinkChanged, LinkState, RelayFrame, RelayUrl, SubId};

use super::actor::KeeperActor;
use super::connected::{Connected, Heard};
use crate::{SearchAnswer, check_keyring};

impl Handler<LinkChanged> for KeeperActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let relay = link.url().clone();
        let now = self.env.clock.now();
        let known = self.relays.get(&relay).map(|connected| connected.connection);
        self.links.entry(relay.clone()).or_insert_with(|| link.clone());
        match state {
            // The same snapshot again.
            LinkState::Connected { connection } if known == Some(connection) => return,
            LinkState::Connected { connection } => {
                self.disconnected(&relay, now);
                self.unreachable.remove(&relay);
                self.relays
                    .insert(relay.clone(), Connected::new(link, connection));
                self.publisher.connected(&relay);
                if let Some(discovery) = &mut self.discovery {
                    discovery.connected(&relay, now);
                }
            }
            LinkState::Connecting | LinkState::Resting => self.disconnected(&relay, now),
            LinkState::Waiting { .. } | LinkState::Stopped => {
                self.disconnected(&relay, now);
                self.unreachable.insert(relay.clone());
                if let Some(discovery) = &mut self.discovery {
                    discovery.unreachable(&relay, now);
                }
            }
        }
        self.drive(ctx);
    }
}

impl Handler<FrameArrived> for KeeperActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let now = self.env.clock.now();
        match frame {
            RelayFrame::Event { sub, event } => self.event(&relay, sub, *event, now),
            RelayFrame::Eose { sub, .. } => self.eose(&relay, &sub, now),
            RelayFrame::Closed { sub, .. } => self.closed(&relay, &sub, now),
            RelayFrame::Notice { .. } => self.spoil(&relay, now),
            RelayFrame::Ok {
                id: Some(id),
                accepted,
                reason,
            } => {
                if !accepted {
                    tracing::warn!(%relay, %id, reason, "a relay did not take a keyring");
                }
                self.publisher.ok(&relay, id, accepted, &reason, now);
            }
            // An OK without an id runs into its deadline; the rest answers nothing the keeper asked.
            _ => {}
        }
        self.drive(ctx);
    }
}

impl KeeperActor {
    fn disconnected(&mut self, relay: &RelayUrl, now: Instant) {
        if self.relays.remove(relay).is_none() {
            return;
        }
        self.publisher.disconnected(relay);
        if let Some(discovery) = &mut self.discovery {
            discovery.disconnected(relay, now);
        }
    }

    fn event(&mut self, relay: &RelayUrl, sub: SubId, event: Event, now: Instant) {
        let Some(connected) = self.relays.get_mut(relay) else {
            return;
        };
        let heard = connected.heard(&sub);
        if heard == Heard::Stray
            && let Some(close) = connected.close_stray(sub)
        {
            self.send(relay, close);
        }
        let id = event.id;
        let known = self.shelf.get(&id).is_some_and(|known| known.event == event);
        if !known && let Err(error) = check_keyring(&self.account, &event) {
            if event.pubkey == self.account {
                // There was one of ours, and the relay, or somebody before it, changed it.
                tracing::warn!(%relay, %id, %error, "a relay sent a keyring that this account did not sign so");
                self.spoil(relay, now);
            }
            return;
        }
        match heard {
            Heard::Stored => {
                if let Some(question) = self
                    .relays
                    .get_mut(relay)
                    .and_then(|relay| relay.question.as_mut())
                {
                    question.listed.insert(id);
                }
                self.publisher.held(relay, id);
            }
            Heard::ReadBack(wanted) if wanted == id => self.publisher.held(relay, id),
            // Passed on while it may not be stored yet: it is asked for by its id.
            Heard::ReadBack(_) | Heard::News | Heard::Stray => self.publisher.echoed(relay, id),
        }
        let stored = matches!(heard, Heard::Stored) || heard == Heard::ReadBack(id);
        self.take(event, stored);
        if stored && self.shelf.get(&id).is_some() {
            self.places.seen(relay, id, true, self.env.clock.unix());
        }
    }

    /// Takes in an event the account signed. Returns whether it is new.
    pub(super) fn take(&mut self, event: Event, stored: bool) -> bool {
        if let Some(discovery) = &mut self.discovery {
            discovery.found();
        }
        self.shelf.take(event, stored)
    }

    fn eose(&mut self, relay: &RelayUrl, sub: &SubId, now: Instant) {
        let Some(connected) = self.relays.get_mut(relay) else {
            return;
        };
        match connected.heard(sub) {
            Heard::Stored => {
                let Some(question) = connected.question.as_mut() else {
                    return;
                };
                question.ended = true;
                if question.spoiled {
                    // It was counted as no answer when it was spoiled.
                    return;
                }
                let answer = if question.listed.is_empty() {
                    SearchAnswer::Empty
                } else {
                    SearchAnswer::Found
                };
                let lacks: Vec<_> = self
                    .shelf
                    .to_publish()
                    .difference(&question.listed)
                    .copied()
                    .collect();
                for id in &lacks {
                    self.places.seen(relay, *id, false, self.env.clock.unix());
                }
                self.publisher.listed(relay, lacks, now);
                self.answered(relay, answer, now);
            }
            Heard::ReadBack(id) => {
                connected.read_backs.remove(sub);
                connected.closed(sub);
                self.send(relay, ClientFrame::Close { sub: sub.clone() });
                // Unless the event came before this, in which case nothing has failed.
                self.publisher.failed(relay, id, now);
            }
            Heard::News | Heard::Stray => {}
        }
    }

    fn closed(&mut self, relay: &RelayUrl, sub: &SubId, now: Instant) {
        let Some(connected) = self.relays.get_mut(relay) else {
            return;
        };
        match connected.heard(sub) {
            Heard::Stored => {
                let spoiled = connected.question.take().is_some_and(|question| question.spoiled);
                connected.closed(sub);
                if !spoiled {
                    self.answered(relay, SearchAnswer::NoAnswer, now);
                }
            }
            Heard::News => {
                if let Some(discovery) = &mut self.discovery {
                    discovery.lapsed(relay, now);
                }
            }
            Heard::ReadBack(id) => {
                connected.read_backs.remove(sub);
                connected.closed(sub);
                self.publisher.failed(relay, id, now);
            }
            Heard::Stray => {}
        }
    }

    /// Something was said between the question and its EOSE after which the EOSE proves nothing.
    fn spoil(&mut self, relay: &RelayUrl, now: Instant) {
        let question = self
            .relays
            .get_mut(relay)
            .and_then(|connected| connected.question.as_mut());
        let Some(question) = question.filter(|question| !question.ended && !question.spoiled) else {
            return;
        };
        question.spoiled = true;
        self.answered(relay, SearchAnswer::NoAnswer, now);
    }

    fn answered(&mut self, relay: &RelayUrl, answer: SearchAnswer, now: Instant) {
        if let Some(discovery) = &mut self.discovery {
            discovery.answered(relay, answer, now);
        }
    }
}
