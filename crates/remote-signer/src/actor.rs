//! The actor around [`Session`]: moves events between it and the links, decides nothing about the protocol.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use actix::prelude::*;
use nostr::event::Event;
use pns_keys::SignerError;
use relay_link::{
    AuthDeclined, FrameArrived, LinkChanged, LinkState, RelayFrame, RelayLink, RelayUrl, SignAuth,
};
use supervision::{Env, Lifeline};
use tokio::sync::oneshot;

use crate::envelope::Sealer;
use crate::messages::Ask;
use crate::request::Answer;
use crate::session::{Output, Session, Settings};
use crate::subscriptions::{RESUBSCRIBE_PAUSE, Subscription, Subscriptions};
use crate::{AuthUrl, Bunker, BunkerParts};

/// Requests of a keeper and of a few links, and answers to two requests from at most eight relays.
const MAILBOX_MAX: usize = 128;

/// Speaks with one remote signer. Reached through its [`Bunker`].
pub(crate) struct BunkerActor {
    env: Env,
    lifeline: Lifeline,
    parts: BunkerParts,
    bunker: Bunker,
    sealer: Sealer,
    session: Session,
    relays: Subscriptions,
    replies: BTreeMap<u64, oneshot::Sender<Result<Answer, SignerError>>>,
    tickets: u64,
    timer: Option<SpawnHandle>,
}

impl BunkerActor {
    pub(crate) fn new(env: Env, lifeline: Lifeline, parts: BunkerParts, bunker: Bunker) -> Self {
        let mut prefix = [0; 8];
        env.entropy.fill(&mut prefix);
        let settings = Settings {
            remote: parts.uri.remote(),
            secret: parts.uri.secret().map(|secret| secret.to_owned().into()),
            accepted: bunker.is_accepted(),
            prefix,
            patience: parts.patience,
            signer: parts.uri.signer(),
        };
        let session = Session::new(settings, env.clock.now());
        let sealer = Sealer::new(parts.client.clone(), parts.uri.remote());
        let relays = Subscriptions::new(bunker.frames.clone());
        Self {
            env,
            lifeline,
            parts,
            bunker,
            sealer,
            session,
            relays,
            replies: BTreeMap::new(),
            tickets: 0,
            timer: None,
        }
    }

    /// Carries out what the session wants. To be called after every change.
    fn drain(&mut self, ctx: &mut Context<Self>) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Send { id, json } => {
                    let (nonce, aux) = (self.env.entropy.draw_32(), self.env.entropy.draw_32());
                    let event = self.sealer.seal(&json, self.env.clock.unix(), nonce, &aux);
                    let copies = self.relays.publish(&event);
                    self.session.sent(&id, event.id, copies, self.env.clock.now());
                }
                Output::Accepted => self.bunker.accepted.store(true, Ordering::Release),
                Output::AuthUrl(url) => self.show(url),
                Output::Answer { ticket, outcome } => {
                    if let Some(reply) = self.replies.remove(&ticket) {
                        // Whoever asked may be gone.
                        let _ = reply.send(outcome);
                    }
                }
            }
        }
        self.arm_timer(ctx);
    }

    fn show(&self, url: String) {
        let fact = AuthUrl {
            remote: self.parts.uri.remote(),
            url,
        };
        let shown = self.parts.auth_urls.iter();
        let shown = shown.filter(|outlet| outlet.try_send(fact.clone()).is_ok());
        if shown.count() == 0 {
            tracing::warn!("the signer wants a page opened, and nobody is there to show it");
        }
    }

    fn subscribe(&mut self, link: RelayLink, connection: u64) {
        let filter = self.sealer.filter(self.env.clock.unix());
        if self.relays.open(link, connection, filter, &*self.env.entropy) {
            self.session.connected(self.env.clock.now());
        }
    }

    fn unsubscribed(&mut self, relay: &RelayUrl, why: &str) {
        self.relays.remove(relay);
        if self.relays.is_empty() {
            self.session
                .disconnected(&format!("{relay}: {why}"), self.env.clock.now());
        }
    }

    /// A relay that ended the subscription would keep answers to itself: asked again after a pause.
    fn closed(&mut self, relay: &RelayUrl, reason: &str, ctx: &mut Context<Self>) {
        let Some(Subscription { link, connection, .. }) = self.relays.remove(relay) else {
            return;
        };
        self.unsubscribed(relay, &format!("it ended the subscription: {reason}"));
        ctx.run_later(RESUBSCRIBE_PAUSE, move |actor, ctx| {
            if actor.relays.connection(link.url()).is_none() {
                actor.subscribe(link, connection);
                actor.drain(ctx);
            }
        });
    }

    fn arm_timer(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(at) = self.session.poll_timeout() {
            let wait = at.saturating_duration_since(self.env.clock.now());
            self.timer = Some(ctx.run_later(wait, |actor, ctx| {
                actor.timer = None;
                actor.forget_cancelled();
                actor.session.handle_timeout(actor.env.clock.now());
                actor.drain(ctx);
            }));
        }
    }

    fn forget_cancelled(&mut self) {
        let cancelled = self.replies.iter().filter(|(_, reply)| reply.is_closed());
        let cancelled: Vec<u64> = cancelled.map(|(ticket, _)| *ticket).collect();
        for ticket in cancelled {
            self.replies.remove(&ticket);
            self.session.cancel(ticket);
        }
    }
}

impl Actor for BunkerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
    }
}

impl Handler<Ask> for BunkerActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.forget_cancelled();
        self.tickets += 1;
        self.replies.insert(self.tickets, ask.reply);
        let now = self.env.clock.now();
        self.session.ask(self.tickets, ask.wanted, ask.request, now);
        self.drain(ctx);
    }
}

impl Handler<SignAuth> for BunkerActor {
    type Result = Result<Event, AuthDeclined>;

    fn handle(&mut self, asked: SignAuth, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        if asked.key != self.parts.client.public() {
            let why = "the signer's relay wants a key proven that is not this device's".to_owned();
            return Err(AuthDeclined(why));
        }
        let (unix, aux) = (self.env.clock.unix(), self.env.entropy.draw_32());
        Ok(self.sealer.prove(&asked, unix, &aux))
    }
}

impl Handler<LinkChanged> for BunkerActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let url = link.url().clone();
        if !self.parts.uri.relays().contains(&url) {
            return;
        }
        let known = self.relays.connection(&url);
        match state {
            LinkState::Connected { connection } if known == Some(connection) => {}
            LinkState::Connected { connection } => self.subscribe(link, connection),
            LinkState::Connecting => self.unsubscribed(&url, "still connecting"),
            LinkState::Waiting { why, .. } => self.unsubscribed(&url, &why),
            LinkState::Resting => self.unsubscribed(&url, "synchronising is switched off"),
            LinkState::Stopped => self.unsubscribed(&url, "the connection was closed"),
        }
        self.drain(ctx);
    }
}

impl Handler<FrameArrived> for BunkerActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let now = self.env.clock.now();
        match frame {
            RelayFrame::Event { event, .. } => {
                if let Some(response) = self.sealer.open(&event) {
                    self.session.handle_response(response, now);
                }
            }
            RelayFrame::Ok {
                id: Some(id),
                accepted,
                reason,
            } => {
                let reason = format!("{relay}: {reason}");
                self.session.handle_verdict(&id, accepted, &reason, now);
            }
            RelayFrame::Closed { sub, reason } if self.relays.is_open(&relay, &sub) => {
                self.closed(&relay, &reason, ctx);
            }
            _ => {}
        }
        self.drain(ctx);
    }
}
