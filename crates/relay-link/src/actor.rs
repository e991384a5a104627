//! The actor around one connection: moves frames and arms timers. Who gets a frame, when to dial and when to give
//! up is decided by [`Router`], [`Backoff`] and [`Keepalive`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use actix::prelude::*;
use nostr::key::PublicKey;
use supervision::{Constructor, Env, Lifeline, Outlet, Restarted, Side, Switchboard, Turned, crash_point};
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::Span;

use crate::auth::{self, Auth};
use crate::backoff::{Backoff, Pace};
use crate::keepalive::{Action, Keepalive};
use crate::link::{InfoAsked, QUEUE_FRAMES_MAX, QueuedText, SendFrame};
use crate::router::Router;
use crate::websocket::CONNECT_DEADLINE;
use crate::writer::{self, GOODBYE_DEADLINE, Pen};
use crate::{
    AuthChanged, AuthDeclined, ClockReading, Connection, ConnectionError, Dial, DialError, FrameArrived,
    Identity, Incoming, InfoError, LinkChanged, LinkState, RelayFrame, RelayInfo, RelayLink, SignAuth, Steer,
};

/// Frames that wait are bounded by the queue, which [`RelayLink::try_send`] keeps at [`QUEUE_FRAMES_MAX`]; beside
/// them come commands and restarts, a few at a time.
const MAILBOX_MAX: usize = QUEUE_FRAMES_MAX + 64;
/// For a part of this program to take a frame. A slow disk needs seconds; a minute is a deadlock, and a dropped
/// connection makes everyone start over.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(60);
/// For a signature. Whoever signs has deadlines of its own, up to 5 minutes for each of three requests that one of ours
/// may cost a remote signer (field guide S-1); this is for one that forgot them.
const SIGN_DEADLINE: Duration = Duration::from_secs(25 * 60);

/// Keeps one relay connected. Reached through its [`RelayLink`].
pub struct RelayLinkActor {
    env: Env,
    lifeline: Lifeline,
    link: RelayLink,
    dial: Arc<dyn Dial>,
    watchers: Vec<Outlet<LinkChanged>>,
    identity: Option<Identity>,
    switches: Switchboard,
    backoff: Backoff,
    state: watch::Sender<LinkState>,
    phase: Phase,
    /// What everything that is logged about this relay is in.
    span: Span,
}

enum Phase {
    Dialing(SpawnHandle),
    Open(Box<Open>),
    Waiting(SpawnHandle),
    Stopped,
}

struct Open {
    number: u64,
    router: Router<Outlet<FrameArrived>>,
    /// Absent when this link may be nobody.
    auth: Option<Auth>,
    auth_timer: Option<SpawnHandle>,
    keepalive: Keepalive,
    pen: Pen,
    reader: SpawnHandle,
    writer: SpawnHandle,
    timer: SpawnHandle,
    /// A frame is being handled: the socket is not read, so its silence says nothing.
    delivering: bool,
}

impl RelayLinkActor {
    /// An actor that serves `link`, opens connections with `dial` and tells `watchers` how the link stands. It
    /// dials when it is started.
    pub fn new(
        env: Env,
        lifeline: Lifeline,
        link: &RelayLink,
        dial: Arc<dyn Dial>,
        watchers: Vec<Outlet<LinkChanged>>,
    ) -> Self {
        link.shared().served.send_replace(true);
        Self {
            env,
            lifeline,
            link: link.clone(),
            dial,
            watchers,
            identity: None,
            switches: Switchboard::default(),
            backoff: Backoff::for_relay(link.url()),
            state: watch::Sender::new(LinkState::Connecting),
            phase: Phase::Stopped,
            span: tracing::info_span!("relay", relay = %link.url()),
        }
    }

    /// Lets the link answer a relay that wants to know who asks. Without this it answers none.
    #[must_use]
    pub fn as_identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Has the link dial, and answer who asks, only while these allow it. Without this it may.
    #[must_use]
    pub fn switched_by(mut self, switches: Switchboard) -> Self {
        self.switches = switches;
        self
    }

    /// What the guardian needs to start the actor and to start it again.
    pub fn constructor(
        env: Env,
        link: RelayLink,
        dial: Arc<dyn Dial>,
        watchers: Vec<Outlet<LinkChanged>>,
    ) -> Constructor {
        Box::new(move |lifeline| {
            Self::new(env.clone(), lifeline, &link, Arc::clone(&dial), watchers.clone()).start();
        })
    }

    fn dial(&mut self, ctx: &mut Context<Self>) {
        if !self.switches.now().sync {
            self.phase = Phase::Stopped;
            self.state.send_replace(LinkState::Resting);
            return;
        }
        let opening = timeout(CONNECT_DEADLINE, self.dial.dial(self.link.url()));
        let opening = async {
            opening.await.unwrap_or(Err(DialError::TimedOut {
                after: CONNECT_DEADLINE,
            }))
        };
        let handle = ctx.spawn(opening.into_actor(self).map(|outcome, actor, ctx| match outcome {
            Ok(connection) => actor.opened(connection, ctx),
            Err(error) => {
                let wait = actor.backoff.wait(Pace::of(&error), &*actor.env.entropy);
                actor.wait(wait, error.to_string(), ctx);
            }
        }));
        self.phase = Phase::Dialing(handle);
        self.state.send_replace(LinkState::Connecting);
    }

    /// The relay said what its clock shows.
    fn dated(&self, date: Option<u64>) {
        if let Some(relay) = date {
            self.link.shared().dated(ClockReading {
                relay,
                at: self.env.clock.now(),
                unix: self.env.clock.unix(),
            });
        }
    }

    fn opened(&mut self, connection: Connection, ctx: &mut Context<Self>) {
        let span = self.span.clone();
        let _relay = span.enter();
        let now = self.env.clock.now();
        self.backoff.opened(now);
        self.dated(connection.date);
        let number = self.link.shared().opened();
        let (pen, paper) = writer::pair();
        let writing = writer::write(paper, connection.outgoing, Arc::clone(self.link.shared()));
        let writer = ctx.spawn(writing.into_actor(self).map(move |outcome, actor, ctx| {
            if let Err(error) = outcome {
                actor.lost(number, error.to_string(), ctx);
            }
        }));
        let reader = ctx.spawn(
            connection
                .incoming
                .into_actor(self)
                .then(move |incoming, actor, ctx| {
                    let deliveries = actor.arrived(number, incoming, ctx);
                    deliver(deliveries).into_actor(actor)
                })
                .map(move |taken, actor, ctx| actor.delivered(number, taken, ctx))
                .finish()
                .map(move |(), actor, ctx| actor.lost(number, ConnectionError::Closed.to_string(), ctx)),
        );
        let keepalive = Keepalive::opened(now);
        let timer = self.arm(&keepalive, number, ctx);
        let router = Router::new();
        let auth = self
            .identity
            .as_ref()
            .filter(|_| self.switches.now().auth)
            .map(|identity| Auth::new(identity.reserved));
        let open = Open {
            number,
            router,
            auth,
            auth_timer: None,
            keepalive,
            pen,
            reader,
            writer,
            timer,
            delivering: false,
        };
        self.phase = Phase::Open(Box::new(open));
        tracing::info!(connection = number, "connected");
        self.tell_auth(None);
        self.state
            .send_replace(LinkState::Connected { connection: number });
    }

    /// What to hand to whom.
    fn arrived(
        &mut self,
        number: u64,
        incoming: Result<Incoming, ConnectionError>,
        ctx: &mut Context<Self>,
    ) -> Vec<(Outlet<FrameArrived>, FrameArrived)> {
        let span = self.span.clone();
        let _relay = span.enter();
        self.env.tripwire.step(self.lifeline.role());
        let Some(open) = self.phase.open(number) else {
            return Vec::new();
        };
        open.keepalive.heard();
        let text = match incoming {
            Ok(Incoming::Text(text)) => text,
            Ok(Incoming::Pong) => return Vec::new(),
            Err(error) => {
                self.lost(number, error.to_string(), ctx);
                return Vec::new();
            }
        };
        self.link.shared().counters.received(text.len());
        let frame = match RelayFrame::parse(&text) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!(relay = %self.link.url(), %error, "unreadable frame");
                if open.router.bad_frame().is_err() {
                    self.distrust(number, ctx);
                }
                return Vec::new();
            }
        };
        // Most frames are events, which no authentication is about.
        let deliveries = match &mut open.auth {
            Some(auth) if !matches!(frame, RelayFrame::Event { .. }) => {
                auth.heard(frame, self.env.clock.now());
                self.authenticate(number, ctx)
            }
            _ => self.addressed(number, frame),
        };
        if let Some(open) = self.phase.open(number) {
            open.delivering = !deliveries.is_empty();
        }
        deliveries
    }

    /// Who gets this frame.
    fn addressed(&mut self, number: u64, frame: RelayFrame) -> Vec<(Outlet<FrameArrived>, FrameArrived)> {
        let Some(open) = self.phase.open(number) else {
            return Vec::new();
        };
        match &frame {
            RelayFrame::Ok { .. } => crash_point(Side::Before, || "take:OK"),
            RelayFrame::Event { .. } => crash_point(Side::Before, || "take:EVENT"),
            _ => {}
        }
        let receivers = open.router.receivers(&frame);
        let relay = self.link.url().clone();
        // A frame goes to one receiver as a rule, and events are long: `repeat_n` moves the last one.
        let facts = std::iter::repeat_n(FrameArrived { relay, frame }, receivers.len());
        receivers.into_iter().zip(facts).collect()
    }

    /// Carries out what the authentication wants, and returns what is to be handed to whom.
    fn authenticate(
        &mut self,
        number: u64,
        ctx: &mut Context<Self>,
    ) -> Vec<(Outlet<FrameArrived>, FrameArrived)> {
        let mut deliveries = Vec::new();
        while let Some(output) = self.phase.auth(number).and_then(Auth::poll_output) {
            match output {
                auth::Output::Pass(frame) => deliveries.extend(self.addressed(number, frame)),
                auth::Output::Told(refused) => self.tell_auth(refused),
                auth::Output::Sign { key, challenge } => self.sign(number, key, challenge, ctx),
                auth::Output::Send(frame) => {
                    let text = QueuedText::reserve(self.link.shared(), frame.encode());
                    // A full queue means that the relay does not read: it runs into the deadlines of whoever asked.
                    if let (Some(text), Some(open)) = (text, self.phase.open(number)) {
                        open.pen.write(text);
                    }
                }
            }
        }
        self.arm_auth(number, ctx);
        deliveries
    }

    /// [`Self::authenticate`] when nothing of the socket is being handled.
    fn authenticate_aside(&mut self, number: u64, ctx: &mut Context<Self>) {
        let deliveries = self.authenticate(number, ctx);
        if !deliveries.is_empty() {
            let delivery = deliver(deliveries).into_actor(self);
            ctx.spawn(delivery.map(move |taken, actor, ctx| {
                if !taken {
                    actor.delivered(number, taken, ctx);
                }
            }));
        }
    }

    fn sign(&self, number: u64, key: PublicKey, challenge: String, ctx: &mut Context<Self>) {
        let signs = self.identity.as_ref().map(|identity| identity.signs.clone());
        let asked = SignAuth {
            relay: self.link.url().clone(),
            challenge: challenge.clone(),
            key,
        };
        let declined = |why: &str| Err(AuthDeclined(why.to_owned()));
        let signing = async move {
            match timeout(SIGN_DEADLINE, signs.unwrap_or_else(Outlet::empty).send(asked)).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_)) => declined("the part of this program that signs is being started again"),
                Err(_) => declined("the signer gave no answer"),
            }
        };
        ctx.spawn(signing.into_actor(self).map(move |outcome, actor, ctx| {
            let now = actor.env.clock.now();
            if let Some(auth) = actor.phase.auth(number) {
                auth.signed(key, &challenge, outcome, now);
                actor.authenticate_aside(number, ctx);
            }
        }));
    }

    fn arm_auth(&mut self, number: u64, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let Some(open) = self.phase.open(number) else {
            return;
        };
        if let Some(timer) = open.auth_timer.take() {
            ctx.cancel_future(timer);
        }
        let due = open.auth.as_ref().and_then(Auth::poll_timeout);
        open.auth_timer = due.map(|due| {
            ctx.run_later(due.saturating_duration_since(now), move |actor, ctx| {
                let now = actor.env.clock.now();
                if let Some(auth) = actor.phase.auth(number) {
                    auth.handle_timeout(now);
                    actor.authenticate_aside(number, ctx);
                }
            })
        });
    }

    fn tell_auth(&self, refused: Option<String>) {
        if let Some(identity) = &self.identity {
            let relay = self.link.url().clone();
            if let Some(why) = &refused {
                tracing::warn!(%relay, why, "the relay does not let this device in");
            }
            // A snapshot: a full mailbox misses one, and the next connection tells again.
            let _ = identity.told.try_send(AuthChanged { relay, refused });
        }
    }

    fn delivered(&mut self, number: u64, taken: bool, ctx: &mut Context<Self>) {
        if let Some(open) = self.phase.open(number) {
            open.delivering = false;
        }
        if !taken {
            let why = "this program was too busy to read from the relay for a minute".into();
            self.lost(number, why, ctx);
        }
    }

    fn arm(&self, keepalive: &Keepalive, number: u64, ctx: &mut Context<Self>) -> SpawnHandle {
        let wait = keepalive.next().saturating_duration_since(self.env.clock.now());
        ctx.run_later(wait, move |actor, ctx| actor.tick(number, ctx))
    }

    fn tick(&mut self, number: u64, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let Some(open) = self.phase.open(number) else {
            return;
        };
        if open.delivering {
            open.keepalive.heard();
        }
        match open.keepalive.due(now) {
            Action::Wait => {}
            Action::Ping => open.pen.ping(),
            Action::Dead => {
                return self.lost(number, "the relay gave no sign of life".into(), ctx);
            }
        }
        self.rearm(ctx);
    }

    fn rearm(&mut self, ctx: &mut Context<Self>) {
        let Phase::Open(open) = &self.phase else { return };
        ctx.cancel_future(open.timer);
        let timer = self.arm(&open.keepalive, open.number, ctx);
        if let Phase::Open(open) = &mut self.phase {
            open.timer = timer;
        }
    }

    /// The connection of this number is gone; a later one is not touched.
    fn lost(&mut self, number: u64, why: String, ctx: &mut Context<Self>) {
        if self.hang_up(number, ctx) {
            let wait = self
                .backoff
                .after_connection(self.env.clock.now(), &*self.env.entropy);
            self.wait(wait, why, ctx);
        }
    }

    fn distrust(&mut self, number: u64, ctx: &mut Context<Self>) {
        if self.hang_up(number, ctx) {
            let wait = self.backoff.wait(Pace::Cap, &*self.env.entropy);
            self.wait(
                wait,
                "the relay sent too many messages that are not Nostr".into(),
                ctx,
            );
        }
    }

    /// Drops everything of the connection of this number; `false` when it is not the open one.
    fn hang_up(&mut self, number: u64, ctx: &mut Context<Self>) -> bool {
        let Some(open) = self.phase.open(number) else {
            return false;
        };
        for handle in [open.reader, open.writer, open.timer]
            .into_iter()
            .chain(open.auth_timer)
        {
            ctx.cancel_future(handle);
        }
        self.link.shared().ended();
        self.phase = Phase::Stopped;
        true
    }

    fn wait(&mut self, wait: Duration, why: String, ctx: &mut Context<Self>) {
        self.span.in_scope(|| tracing::info!(?wait, why, "not connected"));
        let until = self.env.clock.now() + wait;
        self.phase = Phase::Waiting(ctx.run_later(wait, Self::dial));
        self.state.send_replace(LinkState::Waiting { until, why });
    }

    /// Takes up or lets go of the connection. Who asks is a matter of a whole connection, so that one begins anew.
    fn turned(&mut self, turned: Turned, ctx: &mut Context<Self>) {
        if self.link.shared().closed.load(Ordering::Acquire) {
            return;
        }
        let (sync, auth) = (turned.any(|on| on.sync), turned.any(|on| on.auth));
        if sync && turned.now.sync {
            self.backoff.reset();
            self.dial(ctx);
        } else if sync {
            match self.phase {
                Phase::Dialing(handle) | Phase::Waiting(handle) => {
                    ctx.cancel_future(handle);
                }
                Phase::Open(ref open) => {
                    let number = open.number;
                    self.hang_up(number, ctx);
                }
                Phase::Stopped => {}
            }
            self.phase = Phase::Stopped;
            self.state.send_replace(LinkState::Resting);
        } else if auth
            && self.identity.is_some()
            && let Phase::Open(open) = &self.phase
        {
            let number = open.number;
            self.hang_up(number, ctx);
            self.dial(ctx);
        }
    }

    fn redial(&mut self, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        match &mut self.phase {
            Phase::Dialing(_) | Phase::Stopped => {}
            Phase::Waiting(timer) => {
                ctx.cancel_future(*timer);
                self.backoff.reset();
                self.dial(ctx);
            }
            Phase::Open(open) => {
                open.pen.ping();
                open.keepalive.suspect(now);
                self.rearm(ctx);
            }
        }
    }

    fn close(&mut self, ctx: &mut Context<Self>) {
        if self.link.shared().closed.swap(true, Ordering::AcqRel) {
            return;
        }
        self.link.shared().ended();
        match std::mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Dialing(handle) | Phase::Waiting(handle) => {
                ctx.cancel_future(handle);
            }
            // Dropping the pen lets the writer finish.
            Phase::Open(open) => {
                ctx.cancel_future(open.reader);
                ctx.cancel_future(open.timer);
                if let Some(timer) = open.auth_timer {
                    ctx.cancel_future(timer);
                }
            }
            Phase::Stopped => {}
        }
        self.state.send_replace(LinkState::Stopped);
        ctx.run_later(GOODBYE_DEADLINE, |_, ctx| ctx.stop());
    }

    /// Tells one watcher the latest state whenever it changed, one at a time: a slow watcher skips states and holds
    /// up nobody.
    fn announce_to(&self, watcher: Outlet<LinkChanged>, ctx: &mut Context<Self>) {
        let (link, mut changes) = (self.link.clone(), self.state.subscribe());
        let announcing = async move {
            while changes.changed().await.is_ok() {
                let state = changes.borrow_and_update().clone();
                // A watcher that is gone hears the state again when it was restarted.
                let _ = watcher
                    .send(LinkChanged {
                        link: link.clone(),
                        state,
                    })
                    .await;
            }
        };
        ctx.spawn(announcing.into_actor(self));
    }

    fn announce(&self) {
        self.state.send_modify(|_| {});
    }
}

impl Phase {
    fn open(&mut self, number: u64) -> Option<&mut Open> {
        match self {
            Self::Open(open) if open.number == number => Some(open),
            _ => None,
        }
    }

    fn auth(&mut self, number: u64) -> Option<&mut Auth> {
        self.open(number)?.auth.as_mut()
    }
}

/// `false` when a receiver did not take its frame in time. One that is gone does not need it.
async fn deliver(deliveries: Vec<(Outlet<FrameArrived>, FrameArrived)>) -> bool {
    for (outlet, fact) in deliveries {
        if timeout(DELIVERY_DEADLINE, outlet.send(fact)).await.is_err() {
            return false;
        }
    }
    true
}

impl Actor for RelayLinkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        for watcher in self.watchers.clone() {
            self.announce_to(watcher, ctx);
        }
        let shared = Arc::clone(self.link.shared());
        shared.frames.fill(ctx.address().recipient());
        shared.steering.fill(ctx.address().recipient());
        shared.info.fill(ctx.address().recipient());
        shared.restarted.fill(ctx.address().recipient());
        self.switches.clone().follow(ctx, Self::turned);
        if shared.closed.load(Ordering::Acquire) {
            self.state.send_replace(LinkState::Stopped);
        } else {
            self.dial(ctx);
        }
    }
}

impl Drop for RelayLinkActor {
    /// Also after a panic: from here on nothing can be sent.
    fn drop(&mut self) {
        self.link.shared().ended();
        self.link.shared().served.send_replace(false);
    }
}

impl Handler<SendFrame> for RelayLinkActor {
    type Result = ();

    fn handle(&mut self, send: SendFrame, _: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        // Queued for a connection that has ended: the sender hears of that and starts over.
        let Some(open) = self.phase.open(send.connection) else {
            return;
        };
        open.router.sent(&send.frame, send.reply_to);
        open.pen.write(send.text);
        if let Some(auth) = &mut open.auth {
            auth.sent(send.frame);
        }
    }
}

impl Handler<InfoAsked> for RelayLinkActor {
    type Result = ResponseActFuture<Self, Result<RelayInfo, InfoError>>;

    fn handle(&mut self, InfoAsked: InfoAsked, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let asking = self.dial.info(self.link.url());
        Box::pin(asking.into_actor(self).map(|mut answer, actor, _| {
            actor.dated(answer.as_mut().ok().and_then(|info| info.date.take()));
            answer
        }))
    }
}

impl Handler<Steer> for RelayLinkActor {
    type Result = ();

    fn handle(&mut self, steer: Steer, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        match steer {
            Steer::Redial => self.redial(ctx),
            Steer::Announce => self.announce(),
            Steer::Close => self.close(ctx),
        }
    }
}

impl Handler<Restarted> for RelayLinkActor {
    type Result = ();

    fn handle(&mut self, _: Restarted, _: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.announce();
    }
}
