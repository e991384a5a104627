//! The actor around [`Live`](crate::Live), [`Fetches`](crate::Fetches) and [`Intake`]: moves values, decides nothing
//! about the protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::prelude::*;
use event_index::{EventIndex, Marks};
use nostr::prelude::{Event, Filter, Timestamp};
use pns_keys::keeper::{KeysChanged, OpenBatch};
use reconciler::messages::{Settled, Side};
use relay_link::{ClientFrame, FrameArrived, RelayLink, RelayUrl, SubId};
use supervision::{Env, Lifeline, Outlet, Switchboard, Switches, Turned};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, watch};
use uploader::Delete;

use crate::handle::Realtime;
use crate::intake::{Arrived, Intake, PLACES, places};
use crate::line::Line;
use crate::live::OVERLAP;
use crate::messages::{ChatUpdate, ConversationsCounted, DownloadsChanged};
use crate::shelf::Shelf;
use crate::storing::{Intaker, Outcome, StoreFailed};
use crate::turn::Turns;
use crate::verify::{DELETION, ENVELOPE};

mod deleting;
mod handlers;
mod inquiring;
mod looking;

/// One frame of each relay at a time (links wait), facts and queries: small, and the link waits when it is full.
const MAILBOX_MAX: usize = 512;
/// Pause before a step that failed (a neighbour restarting, the link's queue full) is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Pause before what could not be stored is asked for again: longer than a neighbour takes to come back.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// Batches under way: one is stored, one waits for that, and one is checked on all cores. Without the one that waits, the disk
/// would.
const BATCHES_MAX: usize = 3;
/// A relay that sends this many events that fail their checks is cut off (field guide P-22).
const REJECTED_MAX: u32 = 50;

/// Where realtime's facts go.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Downloads of a pass are through.
    pub settled: Outlet<Settled>,
    /// Progress.
    pub downloads_changed: Outlet<DownloadsChanged>,
    /// How many conversations there are.
    pub conversations_counted: Outlet<ConversationsCounted>,
    /// Copies of deleted messages turned up.
    pub late_copies: Outlet<Delete>,
    /// Changes to conversations. A receiver that lags is told so by the channel and reads anew.
    pub updates: broadcast::Sender<ChatUpdate>,
}

/// Realtime's actor. Its memory can be lost at any moment: envelopes and drafts are on disk.
pub struct RealtimeActor {
    pub(crate) env: Env,
    pub(crate) lifeline: Lifeline,
    pub(crate) shelf: Arc<Mutex<Shelf>>,
    /// Turns true once the read model covers what is on disk, as far as the keys there are open it.
    pub(crate) loaded: watch::Sender<bool>,
    facts: Facts,
    handle: Realtime,
    switches: Switchboard,
    pub(crate) intaker: Intaker,
    keys: Option<KeysChanged>,
    lines: BTreeMap<RelayUrl, Line>,
    intake: Intake<OwnedSemaphorePermit>,
    room: Arc<Semaphore>,
    /// The relays of each batch that is under way.
    storing: BTreeMap<u64, BTreeSet<RelayUrl>>,
    batches: u64,
    turns: Turns,
    intake_timer: Option<SpawnHandle>,
    catching_up: Job,
    looking: Job,
    /// Makes every line of the list anew, once things are quiet.
    lines_timer: Option<SpawnHandle>,
    /// Puts lines of the list on disk.
    keep_timer: Option<SpawnHandle>,
}

/// Work of which one is under way at a time, and after it another one when something happened meanwhile.
#[derive(Debug, Default)]
struct Job {
    running: bool,
    again: bool,
}

impl Job {
    /// Whether to begin now.
    fn begin(&mut self) -> bool {
        self.again = self.running;
        !std::mem::replace(&mut self.running, true)
    }

    /// Ends, and says whether to begin again.
    fn end(&mut self) -> bool {
        self.running = false;
        std::mem::take(&mut self.again)
    }
}

impl RealtimeActor {
    /// `handle` is the one that is going to be filled with this actor. While `switches` have nothing fetched, what a
    /// comparison names as held there only counts as not delivered.
    pub fn new(
        env: Env,
        lifeline: Lifeline,
        index: EventIndex,
        keeper: Outlet<OpenBatch>,
        handle: Realtime,
        facts: Facts,
        switches: Switchboard,
    ) -> Self {
        let store = Arc::clone(index.store());
        // What it cannot tell, it tells when it can.
        let marks = store.marks().unwrap_or(Marks::END);
        let shelf = Shelf::new(store, handle.watchers.clone(), facts.updates.clone(), marks);
        Self {
            intaker: Intaker {
                env: env.clone(),
                index,
                keeper,
                watchers: handle.watchers.clone(),
                checking: Arc::default(),
            },
            env,
            lifeline,
            shelf: Arc::new(Mutex::new(shelf)),
            loaded: watch::Sender::new(false),
            facts,
            handle,
            switches,
            keys: None,
            lines: BTreeMap::new(),
            intake: Intake::default(),
            room: Arc::new(Semaphore::new(PLACES as usize)),
            storing: BTreeMap::new(),
            batches: 0,
            turns: Turns::default(),
            intake_timer: None,
            catching_up: Job::default(),
            looking: Job::default(),
            lines_timer: None,
            keep_timer: None,
        }
    }

    fn step(&self) {
        self.env.tripwire.step(self.lifeline.role());
    }

    fn takes(&self) -> bool {
        self.switches.now().downloads
    }

    /// Closes at every relay what may not be open, and opens what may.
    fn turned(&mut self, turned: Turned, ctx: &mut Context<Self>) {
        let listens = |on: &Switches| on.downloads && on.live;
        let (fetching, listening) = (turned.any(|on| on.downloads), turned.any(listens));
        let now = self.now();
        let urls: Vec<RelayUrl> = self.lines.keys().cloned().collect();
        for url in urls.into_iter().filter(|_| fetching || listening) {
            let Some(line) = self.lines.get_mut(&url).filter(|line| line.connected()) else {
                continue;
            };
            let mut closed = Vec::new();
            if fetching && !turned.now.downloads {
                closed = line.fetches.give_up();
            }
            if listening && listens(&turned.now) {
                // With what came while it was closed: the comparison that follows may end before it is open.
                line.live.again(now);
            } else if listening {
                closed.extend(line.live.off());
            }
            for sub in closed {
                close(&line.link, sub, &self.handle.frames);
            }
            self.pump(&url, ctx);
        }
    }

    fn now(&self) -> Instant {
        self.env.clock.now()
    }

    /// Opens what has to be open at this relay, asks for what is needed, and arms one timer for the next step.
    fn pump(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        let (takes, listens) = (self.takes(), self.switches.now().live);
        let Some(line) = self.lines.get_mut(url) else {
            return;
        };
        if let Some(timer) = line.timer.take() {
            ctx.cancel_future(timer);
        }
        let authors = self
            .keys
            .as_ref()
            .map(|keys| &keys.read)
            .filter(|read| takes && !read.is_empty());
        if let (true, Some(authors)) = (line.connected(), authors) {
            let history = Filter::new()
                .kinds([ENVELOPE, DELETION])
                .authors(authors.iter().copied());
            let frames = &self.handle.frames;
            let mut retry = false;
            if listens && line.live.due(now) {
                let since = Timestamp::from_secs(unix.saturating_sub(OVERLAP));
                let filter = history.clone().since(since).limit(line.live.stored());
                retry |= !open_live(line, filter, frames, &self.env, now);
            }
            for sub in line.fetches.expire(now) {
                let _ = line.link.try_send(ClientFrame::Close { sub }, frames.clone());
            }
            while !retry {
                let sub = SubId::fresh("fetch", &*self.env.entropy);
                let Some(ids) = line.fetches.next(sub.clone(), now) else {
                    break;
                };
                let filter = history.clone().limit(ids.len()).ids(ids);
                let request = ClientFrame::Req {
                    sub: sub.clone(),
                    filters: vec![filter],
                };
                if line.link.try_send(request, frames.clone()).is_err() {
                    line.fetches.unsent(&sub);
                    retry = true;
                }
            }
            let deadline = if retry {
                // Whatever is due can't be sent before the link takes frames again.
                Some(now + RETRY)
            } else {
                [line.live.deadline().filter(|_| listens), line.fetches.deadline()]
                    .into_iter()
                    .flatten()
                    .min()
            };
            if let Some(at) = deadline {
                let url = url.clone();
                let pause = at.saturating_duration_since(now);
                line.timer = Some(ctx.run_later(pause, move |actor, ctx| actor.pump(&url, ctx)));
            }
        }
        self.ask_what_is_served(url, ctx);
        self.tell_progress(url);
        self.settle(url, ctx);
    }

    /// Answers the pass that waits for this relay, once nothing of it is under way.
    fn settle(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let storing = self.storing.values().any(|relays| relays.contains(url));
        let waiting = storing || self.intake.holds(url);
        let takes = self.takes();
        let Some(line) = self.lines.get_mut(url) else {
            return;
        };
        if waiting || !line.fetches.idle() {
            return;
        }
        let Some(pass) = line.settle.take() else { return };
        let left = line.fetches.unavailable();
        let fact = Settled {
            relay: url.clone(),
            pass,
            side: Side::Down,
            moved: std::mem::take(&mut line.received),
            left,
            // What was passed over here is nobody's fault.
            withheld: if takes { left } else { 0 },
        };
        line.fetches.begin();
        let settled = self.facts.settled.clone();
        ctx.spawn(
            async move { settled.send(fact).await }
                .into_actor(self)
                .map(|sent, _, _| {
                    if let Err(error) = sent {
                        tracing::debug!(%error, "nobody waits for the downloads of this pass");
                    }
                }),
        );
    }

    fn tell_progress(&self, url: &RelayUrl) {
        let Some(line) = self.lines.get(url) else { return };
        let (done, total) = line.fetches.progress();
        // Progress is a snapshot: a full mailbox misses one and gets the next.
        let _ = self.facts.downloads_changed.try_send(DownloadsChanged {
            relay: url.clone(),
            live: line.live.is_live(),
            done,
            total,
        });
    }

    /// Makes room for events before they are taken in: a relay that is faster than the disk waits here.
    fn take_in(
        &mut self,
        url: RelayUrl,
        events: Vec<Event>,
        ctx: &mut Context<Self>,
    ) -> ResponseActFuture<Self, ()> {
        let wanted = events.iter().map(places).sum::<u32>().min(PLACES);
        let room = Arc::clone(&self.room);
        // As a rule there is room, and every event of a download comes through here.
        if let Ok(place) = Arc::clone(&room).try_acquire_many_owned(wanted) {
            self.admit(&url, events, place, ctx);
            return Box::pin(actix::fut::ready(()));
        }
        let enter = async move { room.acquire_many_owned(wanted).await };
        Box::pin(enter.into_actor(self).map(move |place, actor, ctx| {
            // The semaphore is never closed.
            if let Ok(place) = place {
                actor.admit(&url, events, place, ctx);
            }
        }))
    }

    fn admit(
        &mut self,
        url: &RelayUrl,
        events: Vec<Event>,
        mut place: OwnedSemaphorePermit,
        ctx: &mut Context<Self>,
    ) {
        let now = self.now();
        for event in events {
            // A page larger than the whole room enters an empty one.
            let place = place.split(places(&event) as usize).or_else(|| place.split(0));
            let Some(place) = place else { break };
            let arrived = Arrived {
                relay: url.clone(),
                event,
                place,
            };
            self.intake.push(arrived, now);
        }
        self.store_when_ripe(ctx);
    }

    fn store_when_ripe(&mut self, ctx: &mut Context<Self>) {
        let room = self.storing.len() < BATCHES_MAX;
        if !room || (self.intake_timer.is_some() && !self.intake.full()) {
            return;
        }
        let now = self.now();
        let ripe = if self.storing.is_empty() {
            self.intake.ripe_at(now)
        } else {
            self.intake.ripe_beside_at(now)
        };
        let Some(ripe) = ripe else { return };
        let pause = ripe.saturating_duration_since(now);
        if pause.is_zero() {
            self.store(ctx);
        } else {
            // More may have come by then.
            self.intake_timer = Some(ctx.run_later(pause, |actor, ctx| {
                actor.intake_timer = None;
                actor.store_when_ripe(ctx);
            }));
        }
    }

    fn store(&mut self, ctx: &mut Context<Self>) {
        if let Some(timer) = self.intake_timer.take() {
            ctx.cancel_future(timer);
        }
        let Some(keys) = &self.keys else { return };
        let now = self.env.clock.now();
        let batch = self.intake.take(now);
        if batch.is_empty() {
            return;
        }
        let (read_keys, rumor_authors) = (keys.read.clone(), keys.rumor_authors.clone());
        self.batches += 1;
        let number = self.batches;
        let relays: BTreeSet<&RelayUrl> = batch.iter().map(|arrived| &arrived.relay).collect();
        self.storing.insert(number, relays.into_iter().cloned().collect());
        let (mut turn, through) = self.turns.next();
        let intaker = self.intaker.clone();
        let work = async move {
            let (batch, places): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|arrived| ((arrived.relay, arrived.event), arrived.place))
                .unzip();
            let outcome = intaker.store(batch, read_keys, &rumor_authors, &mut turn).await;
            drop(places);
            // One that had nothing to store keeps its place in the order too.
            turn.comes().await;
            outcome
        };
        ctx.spawn(work.into_actor(self).map(move |outcome, actor, ctx| {
            actor.stored(number, outcome, ctx);
            drop(through);
        }));
    }

    fn stored(&mut self, number: u64, outcome: Result<Outcome, StoreFailed>, ctx: &mut Context<Self>) {
        let relays = self.storing.remove(&number).unwrap_or_default();
        match outcome {
            Ok(outcome) => {
                for (relay, count) in outcome.stored {
                    if let Some(line) = self.lines.get_mut(&relay) {
                        line.received += count;
                    }
                }
                for (relay, count) in outcome.rejected {
                    self.reject(&relay, count);
                }
                if !outcome.removed.is_empty() {
                    self.tell_removed(outcome.removed, ctx);
                } else if outcome.changed {
                    self.look(ctx);
                }
            }
            // Not stored, so not seen: the pass that waits must not take it for done.
            Err(error) => {
                tracing::warn!(%error, "a batch was not stored; the next comparison names it again");
                for relay in &relays {
                    if let Some(line) = self.lines.get_mut(relay) {
                        line.fetches.lost(1);
                    }
                }
                let again = relays.clone();
                ctx.run_later(ASK_AGAIN, move |actor, ctx| actor.ask_again(&again, ctx));
            }
        }
        if let Some(timer) = self.intake_timer.take() {
            // It was set beside the batch that is through.
            ctx.cancel_future(timer);
        }
        self.store_when_ripe(ctx);
        for relay in relays {
            self.pump(&relay, ctx);
        }
    }

    /// Opens live subscriptions anew: their overlap brings again what could not be stored.
    fn ask_again(&mut self, relays: &BTreeSet<RelayUrl>, ctx: &mut Context<Self>) {
        let now = self.now();
        for url in relays {
            if let Some(line) = self.lines.get_mut(url).filter(|line| line.connected()) {
                line.live.again(now);
            }
            self.pump(url, ctx);
        }
    }

    fn reject(&mut self, relay: &RelayUrl, count: u32) {
        let Some(line) = self.lines.get_mut(relay) else {
            return;
        };
        line.rejected += count;
        // What was sent in a message's place is not the message.
        line.fetches.lost(u64::from(count));
        if line.rejected >= REJECTED_MAX {
            tracing::error!(%relay, "sends events that fail their checks; the connection is closed");
            let _ = line.link.close();
        }
    }
}

fn open_live(
    line: &mut Line,
    filter: Filter,
    frames: &Outlet<FrameArrived>,
    env: &Env,
    now: Instant,
) -> bool {
    let sub = SubId::fresh("live", &*env.entropy);
    let request = ClientFrame::Req {
        sub: sub.clone(),
        filters: vec![filter],
    };
    if line.link.try_send(request, frames.clone()).is_err() {
        return false;
    }
    if let Some(old) = line.live.opened(sub, now) {
        close(&line.link, old, frames);
    }
    true
}

fn close(link: &RelayLink, sub: SubId, frames: &Outlet<FrameArrived>) {
    // A relay that is gone has closed it too.
    let _ = link.try_send(ClientFrame::Close { sub }, frames.clone());
}

impl Actor for RealtimeActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.switches.clone().follow(ctx, Self::turned);
        if self.intaker.watchers.serve() {
            // What the one before was about to say is lost.
            self.shelf().tell_reloaded();
        }
        self.begin_reading(ctx);
    }
}
