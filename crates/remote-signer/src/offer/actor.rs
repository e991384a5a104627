//! The actor around [`Vigil`]: subscribes at the offer's relays and carries what arrives to it.

use std::time::Instant;

use actix::prelude::*;
use nostr::key::PublicKey;
use relay_link::{FrameArrived, LinkChanged, LinkState, RelayFrame, RelayLink, RelayUrl};
use supervision::{Env, Lifeline};

use super::Reception;
use super::vigil::Vigil;
use crate::BunkerUri;
use crate::envelope::{anyones_filter, open_from_anyone};
use crate::subscriptions::{RESUBSCRIBE_PAUSE, Subscription, Subscriptions};

/// State changes and messages from at most eight relays. What a flood pushes out is lost, as at a busy relay.
const MAILBOX_MAX: usize = 128;

/// Waits at relays for a signer. Reached through its [`Reception`]; idle once the wait is over.
pub(super) struct ReceptionActor {
    env: Env,
    lifeline: Lifeline,
    reception: Reception,
    relays: Subscriptions,
    vigil: Vigil,
    timer: Option<SpawnHandle>,
}

impl ReceptionActor {
    /// Waits since `since`, which may be before a restart.
    pub(super) fn new(env: Env, lifeline: Lifeline, reception: Reception, since: Instant) -> Self {
        let offer = &reception.offer;
        let secret = offer.secret().clone();
        let vigil = Vigil::new(secret, offer.relays(), reception.patience.page, since);
        Self {
            env,
            lifeline,
            relays: Subscriptions::new(reception.frames.clone()),
            reception,
            vigil,
            timer: None,
        }
    }

    fn subscribe(&mut self, link: RelayLink, connection: u64) {
        let filter = anyones_filter(self.reception.offer.client(), self.env.clock.unix());
        let url = link.url().clone();
        if self.relays.open(link, connection, filter, &*self.env.entropy) {
            self.vigil.relay_is(&url, None);
        }
    }

    fn unsubscribed(&mut self, relay: &RelayUrl, why: &str) {
        self.relays.remove(relay);
        self.vigil.relay_is(relay, Some(why));
    }

    /// A relay that ended the subscription would keep the signer's word to itself: asked again after a pause.
    fn closed(&mut self, relay: &RelayUrl, reason: &str, ctx: &mut Context<Self>) {
        let Some(Subscription { link, connection, .. }) = self.relays.remove(relay) else {
            return;
        };
        self.unsubscribed(relay, &format!("it ended the subscription: {reason}"));
        ctx.run_later(RESUBSCRIBE_PAUSE, move |actor, _| {
            if !actor.reception.is_over() && actor.relays.connection(link.url()).is_none() {
                actor.subscribe(link, connection);
            }
        });
    }

    /// Tells the outcome, if there is one. To be called after every change.
    fn drain(&mut self) {
        if let Some(outcome) = self.vigil.poll_outcome() {
            let outcome = outcome.map(|remote| self.address(remote));
            self.reception.finish(outcome);
            self.relays.close_all();
        }
    }

    fn address(&self, remote: PublicKey) -> BunkerUri {
        let relays = self.reception.offer.relays().iter().cloned();
        let address = BunkerUri::new(remote, relays, None);
        address.expect("an offer has one to eight relays, and an event's author is a point on the curve")
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(at) = self.vigil.poll_timeout() {
            let wait = at.saturating_duration_since(self.env.clock.now());
            self.timer = Some(ctx.run_later(wait, |actor, ctx| {
                actor.timer = None;
                actor.vigil.handle_timeout(actor.env.clock.now());
                actor.drain();
                // A clock that runs slower than the timer has to be asked again.
                actor.arm_timer(ctx);
            }));
        }
    }
}

impl Actor for ReceptionActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.arm_timer(ctx);
    }
}

impl Handler<LinkChanged> for ReceptionActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, _: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let url = link.url().clone();
        if self.reception.is_over() || !self.vigil.waits_at(&url) {
            return;
        }
        match state {
            LinkState::Connected { connection } if self.relays.connection(&url) == Some(connection) => {}
            LinkState::Connected { connection } => self.subscribe(link, connection),
            LinkState::Connecting => self.unsubscribed(&url, "still connecting"),
            LinkState::Waiting { why, .. } => self.unsubscribed(&url, &why),
            LinkState::Resting => self.unsubscribed(&url, "synchronising is switched off"),
            LinkState::Stopped => self.unsubscribed(&url, "the connection was closed"),
        }
    }
}

impl Handler<FrameArrived> for ReceptionActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        match frame {
            _ if self.reception.is_over() => {}
            RelayFrame::Event { event, .. } => {
                if let Some(response) = open_from_anyone(self.reception.offer.client(), &event) {
                    self.vigil.handle_response(event.pubkey, response);
                    self.drain();
                }
            }
            RelayFrame::Closed { sub, reason } if self.relays.is_open(&relay, &sub) => {
                self.closed(&relay, &reason, ctx);
            }
            _ => {}
        }
    }
}
