//! The actor around [`Outbox`] and the sealing of drafts: moves values, decides nothing about the protocol.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::fut::wrap_future;
use actix::prelude::*;
use event_index::EventIndex;
use nostr::prelude::EventId;
use pns_keys::keeper::{KeysChanged, SealBatch, SignDeletion, WriteKey};
use reconciler::{LessonLearned, Settled, Side};
use relay_link::{CLOCK_SKEW_MAX, Lesson, RelayUrl, clock_skew, clock_words};
use supervision::{Env, Lifeline, Outlet, Switchboard, Turned};

use crate::deletions::Deleter;
use crate::drafts::{Batch, Next as SealNext, SealFailed, Sealer};
use crate::handle::Uploader;
use crate::messages::{Deleted, Drafted, ParkedChanged, Sealed, SealingHeld, UploadsChanged};
use crate::outbox::{Next, Read};
use crate::relay::Relay;
use crate::sealing::NotNow;
use crate::window::Window;

mod deleting;
mod handlers;
mod keeping;

/// OKs for a full flight from every relay, commands and facts: each is small, and the link waits when it is full.
const MAILBOX_MAX: usize = 512;
/// Answers that come together are written together; a crash before the write sends those events once more.
const WRITE_GATHER: Duration = Duration::from_millis(20);
/// Pause before a step that failed (the store restarting, the link's queue full) is tried again.
const RETRY: Duration = Duration::from_millis(200);
/// Pause before a clock that was wrong is looked at again.
const CLOCK_AGAIN: Duration = Duration::from_secs(60);
/// How long a pass waits for the keyring to be read back before what is sealed counts as left.
const KEYRING_PATIENCE: Duration = Duration::from_secs(15);

/// Where the uploader's facts go.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Messages became drafts.
    pub drafted: Outlet<Drafted>,
    /// Drafts became envelopes.
    pub sealed: Outlet<Sealed>,
    /// Messages were deleted here.
    pub deleted: Outlet<Deleted>,
    /// Uploads of a pass are through.
    pub settled: Outlet<Settled>,
    /// Progress.
    pub uploads_changed: Outlet<UploadsChanged>,
    /// What keeps drafts.
    pub sealing_held: Outlet<SealingHeld>,
    /// What relays do not take.
    pub parked_changed: Outlet<ParkedChanged>,
    /// What was learned about relays.
    pub lessons: Outlet<LessonLearned>,
}

/// What the uploader works with.
#[derive(Debug, Clone)]
pub struct UploaderParts {
    /// The configured relays: each message goes to every one of them.
    pub relays: Vec<RelayUrl>,
    /// Whether anything may leave. While not, drafts stay drafts, and what a comparison names as held here only is passed
    /// over. Whether a long message may become several.
    pub switches: Switchboard,
    /// Drafts, envelopes, deliveries.
    pub index: EventIndex,
    /// Seals.
    pub keeper: Outlet<SealBatch>,
    /// Signs deletions.
    pub sign: Outlet<SignDeletion>,
    /// Who is told.
    pub facts: Facts,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact about the sealing that goes on"
)]
/// The uploader's actor. Its memory can be lost at any moment: rows and drafts are on disk.
pub struct UploaderActor {
    pub(crate) env: Env,
    pub(crate) lifeline: Lifeline,
    pub(crate) index: EventIndex,
    pub(crate) facts: Facts,
    pub(crate) switches: Switchboard,
    handle: Uploader,
    sealer: Sealer,
    deleter: Deleter,
    /// Deletions are being signed.
    signing: bool,
    /// Something may have been deleted since the last ids were read.
    sign_again: bool,
    keys: Option<KeysChanged>,
    relays: BTreeMap<RelayUrl, Relay>,
    sealing: bool,
    /// Drafts may have come since the last batch was read.
    seal_again: bool,
    seal_timer: Option<SpawnHandle>,
    /// Drafts wait for the next second, and for nothing else.
    window_full: bool,
}

impl UploaderActor {
    /// `handle` is the one that is going to be filled with this actor.
    pub fn new(env: Env, lifeline: Lifeline, parts: UploaderParts, handle: Uploader) -> Self {
        let UploaderParts {
            relays,
            switches,
            index,
            keeper,
            sign,
            facts,
        } = parts;
        let deleter = Deleter {
            env: env.clone(),
            index: index.clone(),
            keeper: sign,
            relays: relays.clone(),
        };
        let sealer = Sealer {
            env: env.clone(),
            index: index.clone(),
            keeper,
            relays,
        };
        Self {
            env,
            lifeline,
            index,
            facts,
            switches,
            handle,
            sealer,
            deleter,
            signing: false,
            sign_again: false,
            keys: None,
            relays: BTreeMap::new(),
            sealing: false,
            seal_again: false,
            seal_timer: None,
            window_full: false,
        }
    }

    fn step(&self) {
        self.env.tripwire.step(self.lifeline.role());
    }

    pub(crate) fn sends(&self) -> bool {
        self.switches.now().uploads
    }

    /// What waited while nothing was sent goes out.
    fn turned(&mut self, turned: Turned, ctx: &mut Context<Self>) {
        if turned.any(|on| on.uploads) && turned.now.uploads {
            self.seal(ctx);
            self.sign(ctx);
            self.settle_all(ctx);
        }
    }

    /// No envelope leaves before its keyring was read back from a relay (DESIGN 3).
    fn may_send(&self) -> bool {
        let ready = |write: WriteKey| write.ready;
        self.sends() && self.keys.as_ref().and_then(|keys| keys.write).is_some_and(ready)
    }

    /// Sends what this relay may be sent now, then arms one timer for the next step.
    fn pump(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let (now, unix, may_send) = (self.env.clock.now(), self.env.clock.unix(), self.may_send());
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if let Some(timer) = relay.timer.take() {
            ctx.cancel_future(timer);
        }
        if relay.connected() && may_send && relay.profiled && !relay.loading && !relay.checking {
            for row in relay.outbox.expire(now, unix, self.env.entropy.draw_fraction()) {
                relay.events.remove(&row.id);
                relay.unwritten.push(row);
            }
            let mut leaving = Vec::new();
            let again = loop {
                match relay.outbox.next(now, unix) {
                    Next::Send(row) => leaving.push(row.id),
                    Next::Load { after, read } => {
                        relay.loading = true;
                        Self::load(&self.index, &self.env, url.clone(), (after, read), ctx);
                        break None;
                    }
                    Next::Wait(until) => break Some(until.saturating_duration_since(now)),
                    Next::Idle => break None,
                }
            };
            if !leaving.is_empty() {
                relay.checking = true;
                Self::check_and_send(&self.index, &self.env, url.clone(), leaving, ctx);
            }
            if let Some(pause) = again {
                let url = url.clone();
                relay.timer = Some(ctx.run_later(pause, move |actor, ctx| actor.pump(&url, ctx)));
            }
        }
        self.write(url, ctx);
        self.tell_progress(url);
        self.tell_parked(url);
        self.teach(url);
        self.settle(url, ctx);
    }

    /// Sends events that are still held: one may have been deleted here since it was read from the queue, and its row
    /// went with it.
    fn check_and_send(
        index: &EventIndex,
        env: &Env,
        url: RelayUrl,
        ids: Vec<EventId>,
        ctx: &mut Context<Self>,
    ) {
        let (store, workers) = (Arc::clone(index.store()), env.workers);
        let checking = async move {
            let held = workers
                .run(move || Window::still_held(&store, &ids).map(|held| (ids, held)))
                .await;
            (url, held)
        };
        ctx.spawn(wrap_future::<_, Self>(checking).map(|(url, held), actor, ctx| {
            let Some(relay) = actor.relays.get_mut(&url) else {
                return;
            };
            relay.checking = false;
            let unix = actor.env.clock.unix();
            match held {
                Ok((ids, held)) => {
                    for (id, held) in ids.into_iter().zip(held) {
                        if relay.outbox.carries(&id) {
                            let rows = relay.send(&id, held, unix, actor.handle.frames.clone());
                            relay.unwritten.extend(rows);
                        }
                    }
                    actor.pump(&url, ctx);
                }
                Err(error) => {
                    tracing::error!(relay = %url, %error, "the store could not be read; trying again");
                    relay.outbox.take_back();
                    relay.timer = Some(ctx.run_later(RETRY, move |actor, ctx| actor.pump(&url, ctx)));
                }
            }
        }));
    }

    fn load(
        index: &EventIndex,
        env: &Env,
        url: RelayUrl,
        (after, read): (u64, Read),
        ctx: &mut Context<Self>,
    ) {
        let (store, workers, name) = (Arc::clone(index.store()), env.workers, url.to_string());
        let unix = env.clock.unix();
        let reading = async move {
            workers
                .run(move || Window::read(&store, &name, after, unix))
                .await
        };
        ctx.spawn(wrap_future::<_, Self>(reading).map(move |loaded, actor, ctx| {
            let unix = actor.env.clock.unix();
            let Some(relay) = actor.relays.get_mut(&url) else {
                return;
            };
            relay.loading = false;
            match loaded {
                Ok((mut window, events)) => {
                    // The answer to these is known and on its way to the disk.
                    window.renew(relay.unread.iter().chain(&relay.unwritten));
                    relay.forget_written();
                    window.rows.retain(|row| !relay.accepted.contains(&row.id));
                    relay.outbox.load(read, window, unix);
                    relay
                        .events
                        .extend(events.into_iter().map(|event| (event.id, event)));
                    // What an earlier reading brought and is read again when its time comes.
                    let at_hand = relay.outbox.at_hand();
                    relay.events.retain(|id, _| at_hand.contains(id));
                    actor.pump(&url, ctx);
                }
                Err(error) => {
                    tracing::error!(relay = %url, %error, "the queue could not be read; trying again");
                    relay.timer = Some(ctx.run_later(RETRY, move |actor, ctx| actor.pump(&url, ctx)));
                }
            }
        }));
    }

    /// Writes changed rows, those that gather within a moment together.
    fn write(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        if relay.writing || relay.unwritten.is_empty() {
            return;
        }
        relay.writing = true;
        let url = url.clone();
        ctx.run_later(WRITE_GATHER, move |actor, ctx| {
            let Some(relay) = actor.relays.get_mut(&url) else {
                return;
            };
            let rows = std::mem::take(&mut relay.unwritten);
            relay.unread.extend(rows.iter().cloned());
            let (index, kept) = (actor.index.clone(), rows.clone());
            let write = async move { index.set_deliveries(rows).await };
            ctx.spawn(write.into_actor(actor).map(move |written, actor, ctx| {
                let Some(relay) = actor.relays.get_mut(&url) else {
                    return;
                };
                relay.writing = false;
                relay.forget_written();
                if let Err(error) = written {
                    tracing::error!(relay = %url, %error, "answers could not be written; trying again");
                    // Newer changes of the same rows come after these.
                    relay.unwritten.splice(0..0, kept);
                    ctx.run_later(RETRY, move |actor, ctx| actor.write(&url, ctx));
                } else {
                    if relay.unwritten.is_empty() && std::mem::take(&mut relay.rewind_when_written) {
                        relay.outbox.rewind();
                    }
                    actor.pump(&url, ctx);
                }
            }));
        });
    }

    fn tell_parked(&mut self, url: &RelayUrl) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let Some((parked, why)) = relay.outbox.parked() else {
            return;
        };
        let fact = ParkedChanged {
            relay: url.clone(),
            parked,
            why: why.map(ToOwned::to_owned),
        };
        if relay.told_parked.as_ref() != Some(&fact)
            && self.facts.parked_changed.try_send(fact.clone()).is_ok()
        {
            relay.told_parked = Some(fact);
        }
    }

    /// Hands what was learned about a relay to whoever keeps it.
    fn teach(&mut self, url: &RelayUrl) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let lessons = [
            relay.outbox.pace_lesson().map(Lesson::EventsPerHour),
            relay.outbox.size_lesson().map(Lesson::TooLargeFrom),
        ];
        for lesson in lessons.into_iter().flatten() {
            let fact = LessonLearned {
                relay: url.clone(),
                lesson,
            };
            // A lesson that gets lost costs a refusal after the next start.
            let _ = self.facts.lessons.try_send(fact);
        }
    }

    fn tell_progress(&mut self, url: &RelayUrl) {
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let backlog = relay.outbox.backlog();
        let fact = UploadsChanged {
            relay: url.clone(),
            done: relay.done,
            total: relay.done + backlog,
        };
        if backlog == 0 {
            relay.done = 0;
        }
        // Progress is a snapshot: a full mailbox misses one and gets the next.
        let _ = self.facts.uploads_changed.try_send(fact);
    }

    /// Answers the pass that waits for this relay, once nothing of ours is under way.
    fn settle(&mut self, url: &RelayUrl, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let sealing = self.sealing || self.window_full || self.signing;
        let (sends, may_send) = (self.sends(), self.may_send());
        let has_key = self.keys.as_ref().is_some_and(|keys| keys.write.is_some());
        let unread_keyring = sends && has_key && !may_send;
        let Some(relay) = self.relays.get_mut(url) else {
            return;
        };
        let Some((pass, since)) = relay.settle else { return };
        let key_deadline = since + KEYRING_PATIENCE;
        if unread_keyring && now < key_deadline {
            let again = url.clone();
            ctx.run_later(key_deadline - now, move |actor, ctx| actor.settle(&again, ctx));
            return;
        }
        if relay.busy() || sealing {
            return;
        }
        let moving = relay.connected() && may_send;
        if moving && relay.outbox.settled(now).is_none() {
            return;
        }
        relay.settle = None;
        let moved = relay.outbox.take_accepted();
        relay.accepted.clear();
        let (store, workers, url) = (Arc::clone(self.index.store()), self.env.workers, url.clone());
        let settled = self.facts.settled.clone();
        let name = url.to_string();
        let count = async move { workers.run(move || store.undelivered(&name)).await };
        ctx.spawn(count.into_actor(self).map(move |left, actor, ctx| match left {
            Ok(left) => {
                let fact = Settled {
                    relay: url,
                    pass,
                    side: Side::Up,
                    moved,
                    left,
                    withheld: 0,
                };
                ctx.spawn(
                    async move { settled.send(fact).await }
                        .into_actor(actor)
                        .map(|sent, _, _| {
                            if let Err(error) = sent {
                                tracing::debug!(%error, "nobody waits for the uploads of this pass");
                            }
                        }),
                );
            }
            Err(error) => {
                tracing::error!(relay = %url, %error, "the queue could not be counted; trying again");
                if let Some(relay) = actor.relays.get_mut(&url) {
                    relay.settle.get_or_insert((pass, since));
                }
                ctx.run_later(RETRY, move |actor, ctx| actor.settle(&url, ctx));
            }
        }));
    }

    fn settle_all(&mut self, ctx: &mut Context<Self>) {
        let urls: Vec<RelayUrl> = self.relays.keys().cloned().collect();
        for url in urls {
            self.pump(&url, ctx);
        }
    }

    /// Seals drafts when there is a key to write with and a relay to take them (DESIGN 6), batch after batch.
    pub(crate) fn seal(&mut self, ctx: &mut Context<Self>) {
        self.seal_from(SealNext::default(), ctx);
    }

    fn seal_from(&mut self, from: SealNext, ctx: &mut Context<Self>) {
        let Some(write) = self.keys.as_ref().and_then(|keys| keys.write) else {
            return;
        };
        if self.sealing {
            self.seal_again = true;
            return;
        }
        if !self.sends() || !self.relays.values().any(Relay::connected) {
            return;
        }
        // Until the next second there is no place, whatever was added: reading drafts would only show that again.
        if self.window_full && self.seal_timer.is_some() {
            return;
        }
        if let Some(timer) = self.seal_timer.take() {
            ctx.cancel_future(timer);
        }
        if let Some(skew) = self.clock_skew() {
            // Outer times would be wrong for ever: relays refuse them, and devices look for them elsewhere.
            let held = SealingHeld(Some(clock_words(skew)));
            let _ = self.facts.sealing_held.try_send(held);
            return self.seal_later(CLOCK_AGAIN, SealNext::default(), ctx);
        }
        self.sealing = true;
        self.seal_again = false;
        let (sealer, announced) = (self.sealer.clone(), self.facts.sealed.clone());
        let work = async move {
            let batch = sealer.seal_batch(from, write).await?;
            if !batch.sealed.is_empty() {
                // Delivered or not: a reader that is gone builds itself from the disk when it comes back.
                let _ = announced.send(Sealed(batch.sealed.clone())).await;
            }
            Ok(batch)
        };
        ctx.spawn(
            work.into_actor(self)
                .map(|done, actor, ctx| actor.sealed(done, ctx)),
        );
    }

    /// How far the clocks of relays are ahead of this one, when that is too far to seal by it (DESIGN 6).
    fn clock_skew(&self) -> Option<i64> {
        let clocks = self.relays.values().filter_map(|relay| relay.link.clock());
        let skew = clock_skew(clocks, self.env.clock.now(), self.env.clock.unix())?;
        Some(skew).filter(|skew| skew.unsigned_abs() > CLOCK_SKEW_MAX)
    }

    fn sealed(&mut self, done: Result<Batch, SealFailed>, ctx: &mut Context<Self>) {
        self.sealing = false;
        self.window_full = false;
        let mut held = None;
        match done {
            Ok(batch) => {
                if !batch.sealed.is_empty() {
                    self.relays.values_mut().for_each(|relay| relay.outbox.appended());
                }
                match batch.held {
                    Some(NotNow::WindowFull) => {
                        self.window_full = true;
                        self.seal_later(Duration::from_secs(1), batch.next.unwrap_or_default(), ctx);
                    }
                    Some(reason @ NotNow::ClockBehind(_)) => {
                        held = Some(reason.to_string());
                        self.seal_later(CLOCK_AGAIN, SealNext::default(), ctx);
                    }
                    None => match batch.next {
                        Some(next) => self.seal_from(next, ctx),
                        None if self.seal_again => self.seal(ctx),
                        None => {}
                    },
                }
            }
            Err(error) => {
                tracing::warn!(%error, "drafts stay drafts for now");
                self.seal_later(RETRY, SealNext::default(), ctx);
            }
        }
        let _ = self.facts.sealing_held.try_send(SealingHeld(held));
        self.settle_all(ctx);
    }

    fn seal_later(&mut self, pause: Duration, from: SealNext, ctx: &mut Context<Self>) {
        self.seal_timer = Some(ctx.run_later(pause, move |actor, ctx| {
            actor.seal_timer = None;
            actor.seal_from(from, ctx);
            actor.settle_all(ctx);
        }));
    }
}

impl Actor for UploaderActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.switches.clone().follow(ctx, Self::turned);
    }
}
