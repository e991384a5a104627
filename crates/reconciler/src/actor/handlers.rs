//! What starts, feeds and ends passes.

use actix::prelude::*;
use pns_keys::keeper::{KeyState, KeysChanged};
use relay_link::{FrameArrived, LinkChanged, LinkState, RelayLink, RelayUrl};
use supervision::{Restarted, Role};

use super::ReconcilerActor;
use crate::messages::{Compare, LessonLearned, Settled, Side};
use crate::relay::Relay;

/// Why a relay is not dialled.
const RESTING: &str = "synchronising is switched off";

impl ReconcilerActor {
    fn step(&self) {
        self.env.tripwire.step(self.lifeline.role());
    }

    fn connected(&mut self, url: &RelayUrl, connection: u64, ctx: &mut Context<Self>) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if relay
            .running
            .as_ref()
            .is_some_and(|running| running.connection != connection)
        {
            self.fail(
                url,
                "connection lost: the relay was connected anew meanwhile".to_owned(),
                ctx,
            );
        }
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if relay.compared_on == Some(connection) {
            return;
        }
        relay.cadence.reset();
        if !self.keys.is_empty() {
            self.start_pass(url, ctx);
        } else if std::mem::take(&mut relay.asked) {
            self.refuse(url, self.no_keys(), ctx);
        }
    }

    fn disconnected(&mut self, url: &RelayUrl, why: &str, final_word: bool, ctx: &mut Context<Self>) {
        self.fail(url, format!("connection lost: {why}"), ctx);
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if let Some(again) = relay.again.take() {
            ctx.cancel_future(again);
        }
        if final_word && std::mem::take(&mut relay.asked) {
            self.refuse(url, format!("not connected: {why}"), ctx);
        }
    }

    fn no_keys(&self) -> String {
        format!("no history key is known yet: {}", self.keyless)
    }

    fn compare(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let state = self.relays.get(url).map(|relay| relay.state.clone());
        match state {
            Some(LinkState::Connected { .. }) if self.keys.is_empty() => {
                self.refuse(url, self.no_keys(), ctx);
            }
            Some(LinkState::Connected { .. }) => {
                if let Some(relay) = self.relays.get_mut(url) {
                    relay.cadence.reset();
                }
                self.start_pass(url, ctx);
            }
            // Ends within the 15 s a dial takes.
            Some(LinkState::Connecting) => {
                if let Some(relay) = self.relays.get_mut(url) {
                    relay.asked = true;
                }
            }
            Some(LinkState::Waiting { why, .. }) => self.refuse(url, format!("not connected: {why}"), ctx),
            Some(LinkState::Resting) => {
                self.refuse(url, format!("not connected: {RESTING}"), ctx);
            }
            Some(LinkState::Stopped) | None => {
                self.refuse(url, "not connected: the relay is not in use".to_owned(), ctx);
            }
        }
    }

    pub(super) fn connected_relays(&self) -> Vec<RelayUrl> {
        let connected = self
            .relays
            .iter()
            .filter(|(_, relay)| relay.connection().is_some());
        connected.map(|(url, _)| url.clone()).collect()
    }
}

impl Handler<LessonLearned> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, LessonLearned { relay, lesson }: LessonLearned, ctx: &mut Self::Context) {
        self.step();
        if self.profiles.knows(&relay) {
            self.learn(&relay, lesson, ctx);
        } else {
            self.load_profile(&relay.clone(), ctx, move |actor, ctx| {
                actor.learn(&relay, lesson, ctx);
            });
        }
    }
}

impl Handler<LinkChanged> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.step();
        let url = link.url().clone();
        if self.profiles.knows(&url) {
            self.link_changed(url, link, state, ctx);
        } else {
            self.load_profile(&url.clone(), ctx, move |actor, ctx| {
                actor.link_changed(url, link, state, ctx);
            });
        }
    }
}

impl ReconcilerActor {
    fn link_changed(&mut self, url: RelayUrl, link: RelayLink, state: LinkState, ctx: &mut Context<Self>) {
        if state == LinkState::Stopped && !self.relays.contains_key(&url) {
            return;
        }
        let relay = self
            .relays
            .entry(url.clone())
            .or_insert_with(|| Relay::new(link.clone()));
        (relay.link, relay.state) = (link, state.clone());
        match state {
            LinkState::Connected { connection } => {
                self.connected(&url, connection, ctx);
                self.ask_for_info(&url, ctx);
            }
            LinkState::Connecting => self.disconnected(&url, "connecting again", false, ctx),
            LinkState::Waiting { why, .. } => self.disconnected(&url, &why, true, ctx),
            LinkState::Resting => self.disconnected(&url, RESTING, true, ctx),
            LinkState::Stopped => {
                self.disconnected(&url, "the relay was taken out of use", true, ctx);
                self.relays.remove(&url);
                self.profiles.forget(&url);
            }
        }
    }
}

impl Handler<KeysChanged> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, KeysChanged { read, state, .. }: KeysChanged, ctx: &mut Self::Context) {
        self.step();
        self.keyless = match state {
            KeyState::Loading => "they are being loaded".to_owned(),
            KeyState::Searching { why } | KeyState::Asking { why } | KeyState::Locked { why } => why,
            KeyState::Ready => "the account has none".to_owned(),
        };
        if read == self.keys {
            return;
        }
        self.keys = read;
        for url in self.connected_relays() {
            if self.keys.is_empty() {
                self.fail(&url, self.no_keys(), ctx);
            } else {
                if let Some(relay) = self.relays.get_mut(&url) {
                    relay.cadence.reset();
                }
                self.start_pass(&url, ctx);
            }
        }
    }
}

impl Handler<FrameArrived> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.step();
        if let Some(number) = self.running(&relay) {
            self.with_pass(&relay, number, ctx, |pass, now| pass.handle_frame(frame, now));
        }
    }
}

impl Handler<Settled> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, settled: Settled, ctx: &mut Self::Context) {
        self.step();
        let Settled {
            relay,
            pass,
            side,
            moved,
            left,
            withheld,
        } = settled;
        self.with_pass(&relay, pass, ctx, |core, now| {
            if side == Side::Down {
                core.withheld(withheld);
            }
            core.settled(side, moved, left, now);
        });
    }
}

impl Handler<Compare> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, Compare { relay }: Compare, ctx: &mut Self::Context) {
        self.step();
        let all = || self.relays.keys().cloned().collect();
        for url in relay.map_or_else(all, |url| vec![url]) {
            self.compare(&url, ctx);
        }
    }
}

impl Handler<Restarted> for ReconcilerActor {
    type Result = ();

    fn handle(&mut self, Restarted(role): Restarted, ctx: &mut Self::Context) {
        self.step();
        match role {
            // What they were handed is gone; another comparison names it again.
            Role::Uploader | Role::Realtime | Role::Index => {
                for url in self.connected_relays() {
                    if self.running(&url).is_some() {
                        self.start_pass(&url, ctx);
                    }
                }
            }
            Role::Link(dead) => {
                let url = self.relays.keys().find(|url| url.to_string() == dead).cloned();
                if let Some(url) = url {
                    self.fail(&url, "connection lost: its link was restarted".to_owned(), ctx);
                }
            }
            Role::Status => {
                let told: Vec<_> = self
                    .relays
                    .iter()
                    .filter_map(|(url, relay)| {
                        relay.told.clone().map(|(pass, phase)| (url.clone(), pass, phase))
                    })
                    .collect();
                for (url, pass, phase) in told {
                    self.tell(&url, pass, phase, ctx);
                }
            }
            Role::Keeper | Role::Reconciler | Role::Signer | Role::SignerLink(_) | Role::RelayList => {}
        }
    }
}
