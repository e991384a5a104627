//! The actor: carries out what the cores decide.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::prelude::*;
use event_index::IndexError;
use futures_util::lock::Mutex;
use nostr::event::EventId;
use nostr::key::PublicKey;
use relay_link::{CLOCK_SKEW_MAX, ClientFrame, RelayLink, RelayUrl, SubId, clock_skew, clock_words};
use supervision::{Env, Lifeline, Turned};
use zeroize::Zeroizing;

use super::connected::{Connected, Question, all_keyrings, one_keyring};
use super::places::Places;
use super::publish::{self, Publisher};
use super::shelf::{Inside, Shelf};
use super::{Keeper, KeeperParts, KeysChanged};
use crate::{
    DeviceSecret, Discovery, KeySet, Keyring, KeyringError, NewKeyring, SearchAnswer, SearchOutput,
    SignerError, SignerNextStep, open_keyring,
};

/// A new keyring is dated this far back, in seconds. No envelope may be older than its keyring, and a second holds only
/// so many envelopes: dated now, the first history of an account would leave at 100 messages a second. This opens the
/// whole window that sealing times may lie in (DESIGN 6), and every relay takes it.
const KEYRING_BACKDATED: u64 = 300;

/// Why there is no keyring while nothing is sent.
const NOT_MADE: &str = "no relay holds a history key of this account, and none is made while nothing is sent; run `chat-sync sync`";

/// Frames of a dozen relays, and commands from three neighbours who each have one batch under way.
const MAILBOX_MAX: usize = 256;
/// One prefix for everything the keeper opens, so that a NOTICE arrives once.
const SUB_PREFIX: &str = "keys";
/// A signer has its own deadlines, five minutes at most for each of the three requests that one of ours can cost a remote
/// one (`connect`, `get_public_key`, itself; field guide S-1); this is for a signer that forgot them.
pub const SIGNER_WAIT: Duration = Duration::from_secs(22 * 60);
/// The pause after the store could not be read.
const LOAD_PAUSE: Duration = Duration::from_secs(2);
/// The pause before a clock that was wrong is looked at again.
const CLOCK_PAUSE: Duration = Duration::from_secs(60);
/// The pause after a creation that the signer did not answer doubles from the first to the second of these.
const CREATE_PAUSE_FIRST: Duration = Duration::from_secs(10);
const CREATE_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

pub(super) struct KeeperActor {
    pub(super) env: Env,
    pub(super) lifeline: Lifeline,
    pub(super) parts: KeeperParts,
    pub(super) outlets: Keeper,
    pub(super) account: PublicKey,
    pub(super) keys: Arc<KeySet>,
    pub(super) shelf: Shelf,
    pub(super) publisher: Publisher<RelayUrl>,
    pub(super) places: Places,
    pub(super) relays: BTreeMap<RelayUrl, Connected>,
    /// Every link that was heard of.
    pub(super) links: BTreeMap<RelayUrl, RelayLink>,
    /// Relays that were dialled in vain.
    pub(super) unreachable: BTreeSet<RelayUrl>,
    /// Absent until the saved keyrings were read: nothing may be searched for before.
    pub(super) discovery: Option<Discovery<RelayUrl>>,
    /// Why the store could not be read, or no keyring could be created.
    pub(super) trouble: Option<String>,
    pub(super) create_at: Option<Instant>,
    create_failures: u32,
    creating: Option<SpawnHandle>,
    /// Whoever asks the signer holds it: one request at a time is what a person can follow.
    pub(super) signer_turn: Arc<Mutex<()>>,
    /// Relays that the signer is being asked to prove the account to.
    pub(super) proving: usize,
    /// When the signer did not do that, and why.
    pub(super) declined: BTreeMap<RelayUrl, (Instant, String)>,
    pub(super) announced: Option<KeysChanged>,
    pub(super) announce_at: Option<Instant>,
    timer: Option<SpawnHandle>,
}

impl KeeperActor {
    pub(super) fn new(env: Env, lifeline: Lifeline, parts: KeeperParts, outlets: Keeper) -> Self {
        let account = parts.signer.public_key();
        let keys = Arc::new(KeySet::new(account).writing_under(parts.profile));
        Self {
            env,
            lifeline,
            parts,
            outlets,
            account,
            keys,
            shelf: Shelf::default(),
            publisher: Publisher::new(),
            places: Places::default(),
            relays: BTreeMap::new(),
            links: BTreeMap::new(),
            unreachable: BTreeSet::new(),
            discovery: None,
            trouble: None,
            create_at: None,
            create_failures: 0,
            creating: None,
            signer_turn: Arc::default(),
            proving: 0,
            declined: BTreeMap::new(),
            announced: None,
            announce_at: None,
            timer: None,
        }
    }

    /// Carries out everything that is due. To be called after every change.
    pub(super) fn drive(&mut self, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        self.search(now, ctx);
        self.stop_creating(ctx);
        self.publish(now);
        self.open_next(now, ctx);
        self.save_next(now, ctx);
        self.save_places(now, ctx);
        self.announce(now);
        self.arm_timer(now, ctx);
    }

    /// Reads what was saved. Messages wait meanwhile.
    fn load(&mut self, ctx: &mut Context<Self>) {
        let (store, workers) = (Arc::clone(self.parts.index.store()), self.env.workers);
        let own = self.parts.signer.own_secret();
        let mut keys = KeySet::new(self.account).writing_under(self.parts.profile);
        let load = async move {
            let work = move || {
                let mut saved = Shelf::default();
                store.keyrings()?.into_iter().for_each(|row| saved.load(row));
                if let Some(secret) = own {
                    keys.add_own_secret(&secret);
                }
                for known in saved.oldest_first() {
                    add_to(&mut keys, known.event.id, &known.inside);
                }
                Ok((saved, keys))
            };
            workers.run(work).await
        };
        let loaded = load.into_actor(self).map(|result, keeper, ctx| match result {
            Ok((saved, keys)) => keeper.loaded(saved, keys, ctx),
            Err(error) => keeper.not_loaded(error, ctx),
        });
        ctx.wait(loaded);
    }

    fn loaded(&mut self, saved: Shelf, keys: KeySet, ctx: &mut Context<Self>) {
        let now = self.env.clock.now();
        let mut discovery =
            Discovery::new(self.outlets.relays(), now).with_witnesses(self.parts.witnesses.iter().cloned());
        if !saved.is_empty() {
            discovery.found();
        }
        for relay in self.relays.keys() {
            discovery.connected(relay, now);
        }
        for relay in &self.unreachable {
            discovery.unreachable(relay, now);
        }
        (self.shelf, self.keys, self.discovery) = (saved, Arc::new(keys), Some(discovery));
        self.trouble = None;
        self.drive(ctx);
    }

    fn not_loaded(&mut self, error: IndexError, ctx: &mut Context<Self>) {
        tracing::error!(%error, "the saved keyrings could not be read; trying again");
        self.trouble = Some(error.to_string());
        self.announce(self.env.clock.now());
        ctx.run_later(LOAD_PAUSE, Self::load);
    }

    /// What was held back while nothing was sent is sent now.
    fn turned(&mut self, turned: Turned, ctx: &mut Context<Self>) {
        if turned.any(|on| on.uploads) && turned.now.uploads {
            if self.trouble.as_deref() == Some(NOT_MADE) {
                self.search_again(self.env.clock.now());
            }
            self.drive(ctx);
        }
    }

    fn search(&mut self, now: Instant, ctx: &mut Context<Self>) {
        while let Some(output) = self.discovery.as_mut().and_then(Discovery::poll_output) {
            match output {
                SearchOutput::Ask(relay) => self.ask(&relay, now),
                SearchOutput::Dial(relay) => {
                    if let Some(link) = self.links.get(&relay) {
                        // One that is being started again dials by itself.
                        let _ = link.redial();
                    }
                }
                SearchOutput::Create => self.create(ctx),
            }
        }
    }

    fn ask(&mut self, relay: &RelayUrl, now: Instant) {
        let sub = SubId::fresh(SUB_PREFIX, &*self.env.entropy);
        let filters = vec![all_keyrings(self.account)];
        let Some(connected) = self.relays.get_mut(relay) else {
            return;
        };
        let before = connected.question.replace(Question::new(sub.clone()));
        if let Some(before) = before {
            connected.closed(&before.sub);
            self.send(relay, ClientFrame::Close { sub: before.sub });
        }
        if !self.send(relay, ClientFrame::Req { sub, filters })
            && let Some(discovery) = &mut self.discovery
        {
            discovery.answered(relay, SearchAnswer::NoAnswer, now);
        }
    }

    fn publish(&mut self, now: Instant) {
        if !self.parts.switches.now().uploads {
            return;
        }
        while let Some(output) = self.publisher.poll_output(now) {
            let (relay, id, sent) = match output {
                publish::Output::Send(relay, id) => {
                    let event = self.shelf.get(&id).map(|known| known.event.clone());
                    let sent =
                        event.is_some_and(|event| self.send(&relay, ClientFrame::Event(Box::new(event))));
                    (relay, id, sent)
                }
                publish::Output::ReadBack(relay, id) => {
                    let sub = SubId::fresh(SUB_PREFIX, &*self.env.entropy);
                    let filters = vec![one_keyring(self.account, id)];
                    self.forget_read_back(&relay, id);
                    let sent = self.send(
                        &relay,
                        ClientFrame::Req {
                            sub: sub.clone(),
                            filters,
                        },
                    );
                    if let Some(connected) = self.relays.get_mut(&relay).filter(|_| sent) {
                        connected.read_backs.insert(sub, id);
                    }
                    (relay, id, sent)
                }
            };
            if !sent {
                self.publisher.failed(&relay, id, now);
            }
        }
    }

    /// Closes the subscriptions of earlier read-backs that were not answered.
    fn forget_read_back(&mut self, relay: &RelayUrl, id: EventId) {
        let Some(connected) = self.relays.get_mut(relay) else {
            return;
        };
        for sub in connected.take_read_backs(id) {
            self.send(relay, ClientFrame::Close { sub });
        }
    }

    /// Hands a frame to the relay's link. A link that is full or gone takes none.
    pub(super) fn send(&self, relay: &RelayUrl, frame: ClientFrame) -> bool {
        let connected = self.relays.get(relay);
        connected.is_some_and(|connected| {
            connected
                .link
                .try_send(frame, self.outlets.frames.clone())
                .is_ok()
        })
    }

    fn create(&mut self, ctx: &mut Context<Self>) {
        if !self.parts.switches.now().uploads {
            self.trouble = Some(NOT_MADE.to_owned());
            if let Some(discovery) = &mut self.discovery {
                discovery.creation_failed();
            }
            return;
        }
        if let Some(skew) = self.clock_skew() {
            // Nothing can be sealed before its keyring's time: dated in the future, it would hold everything back until then.
            self.trouble = Some(clock_words(skew));
            self.create_at = Some(self.env.clock.now() + CLOCK_PAUSE);
            if let Some(discovery) = &mut self.discovery {
                discovery.creation_failed();
            }
            return;
        }
        tracing::info!("no relay holds a keyring of this account; creating the first one");
        let device = loop {
            // Nearly every draw is a secret key.
            if let Ok(device) = DeviceSecret::from_bytes(&Zeroizing::new(self.env.entropy.draw_32())) {
                break device;
            }
        };
        let (signer, created_at) = (
            Arc::clone(&self.parts.signer),
            self.env.clock.unix().saturating_sub(KEYRING_BACKDATED),
        );
        let turn = Arc::clone(&self.signer_turn);
        let create = async move {
            let _turn = turn.lock().await;
            let keyring = NewKeyring::new(device);
            within(keyring.create(&*signer, created_at)).await
        };
        let created = create.into_actor(self).map(|result, keeper, ctx| {
            let now = keeper.env.clock.now();
            keeper.creating = None;
            match result {
                Ok((event, keyring)) => {
                    keeper.create_failures = 0;
                    keeper.trouble = None;
                    keeper.shelf.create(event, keyring);
                }
                Err(error) => keeper.not_created(error, now),
            }
            keeper.drive(ctx);
        });
        self.creating = Some(ctx.spawn(created));
    }

    /// How far the clocks of relays are ahead of this one, when that is too far to date anything by it.
    fn clock_skew(&self) -> Option<i64> {
        let clocks = self
            .relays
            .values()
            .filter_map(|connected| connected.link.clock());
        let skew = clock_skew(clocks, self.env.clock.now(), self.env.clock.unix())?;
        Some(skew).filter(|skew| skew.unsigned_abs() > CLOCK_SKEW_MAX)
    }

    /// Drops the keyring that is being made when another one turned up.
    fn stop_creating(&mut self, ctx: &mut Context<Self>) {
        if !self.is_creating()
            && let Some(creating) = self.creating.take()
        {
            tracing::info!("a keyring turned up; the new one is not used");
            ctx.cancel_future(creating);
        }
    }

    fn not_created(&mut self, error: KeyringError, now: Instant) {
        tracing::warn!(%error, "no keyring was created");
        let pause = CREATE_PAUSE_FIRST
            .saturating_mul(2_u32.saturating_pow(self.create_failures))
            .min(CREATE_PAUSE_MAX);
        self.create_failures = self.create_failures.saturating_add(1);
        let again = match &error {
            KeyringError::Signer(error) => error.next_step() == SignerNextStep::RetryLater,
            _ => true,
        };
        // Without a time it waits for a person's `Unlock`.
        self.create_at = again.then_some(now + pause);
        self.trouble = Some(error.to_string());
        if let Some(discovery) = &mut self.discovery {
            discovery.creation_failed();
        }
    }

    pub(super) fn is_creating(&self) -> bool {
        self.discovery.as_ref().is_some_and(Discovery::is_creating)
    }

    fn open_next(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let Some(event) = self.shelf.next_to_open(now) else {
            return;
        };
        let signer = Arc::clone(&self.parts.signer);
        let id = event.id;
        let turn = Arc::clone(&self.signer_turn);
        let open = async move {
            let _turn = turn.lock().await;
            within(open_keyring(&*signer, &event)).await
        };
        let opened = open.into_actor(self).map(move |result, keeper, ctx| {
            if let Err(error) = &result {
                tracing::warn!(%id, %error, "a keyring stays closed");
            }
            keeper.shelf.opened(id, result, keeper.env.clock.now());
            keeper.drive(ctx);
        });
        ctx.spawn(opened);
    }

    fn save_next(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let Some(row) = self.shelf.next_to_save(now) else {
            return;
        };
        let id = row.id;
        let index = self.parts.index.clone();
        let save = async move { index.put_keyring(row).await };
        let saved = save.into_actor(self).map(move |result, keeper, ctx| {
            if let Err(error) = &result {
                tracing::error!(%id, %error, "a keyring could not be saved; trying again");
            }
            let now = keeper.env.clock.now();
            if let Some(known) = keeper.shelf.saved(id, result.is_ok(), now) {
                add_to(Arc::make_mut(&mut keeper.keys), id, &known.inside);
                if matches!(known.inside, Inside::Open(_)) {
                    keeper.publish_saved(id, now);
                }
            }
            keeper.drive(ctx);
        });
        ctx.spawn(saved);
    }

    fn save_places(&mut self, now: Instant, ctx: &mut Context<Self>) {
        let Some(places) = self.places.next_to_save(now) else {
            return;
        };
        let (index, kept) = (self.parts.index.clone(), places.clone());
        let save = async move { index.place_keyrings(places).await };
        let saved = save.into_actor(self).map(move |result, keeper, ctx| {
            if let Err(error) = &result {
                tracing::error!(%error, "where keyrings are could not be saved; trying again");
            }
            keeper.places.saved(kept, result.is_ok(), keeper.env.clock.now());
            keeper.drive(ctx);
        });
        ctx.spawn(saved);
    }

    fn publish_saved(&mut self, id: EventId, now: Instant) {
        if self.is_creating() {
            // Ours, and saved: the search is over, and everybody is to have it.
            self.publisher.wanted_everywhere(id, now);
            if let Some(discovery) = &mut self.discovery {
                discovery.found();
            }
        }
        for (relay, connected) in &self.relays {
            let lacks = |question: &Question| question.is_answered() && !question.listed.contains(&id);
            if connected.question.as_ref().is_some_and(lacks) {
                self.publisher.listed(relay, [id], now);
            }
        }
    }

    fn arm_timer(&mut self, now: Instant, ctx: &mut Context<Self>) {
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        let wakes = [
            self.discovery.as_ref().and_then(Discovery::poll_timeout),
            self.publisher.poll_timeout(now),
            self.shelf.poll_timeout(now),
            self.places.poll_timeout(now),
            self.create_at,
            self.announce_at,
        ];
        if let Some(at) = wakes.into_iter().flatten().min() {
            self.timer = Some(ctx.run_later(at.saturating_duration_since(now), Self::wake));
        }
    }

    fn wake(&mut self, ctx: &mut Context<Self>) {
        self.timer = None;
        let now = self.env.clock.now();
        self.publisher.handle_timeout(now);
        if let Some(discovery) = &mut self.discovery {
            discovery.handle_timeout(now);
        }
        if self.create_at.is_some_and(|at| at <= now) {
            self.search_again(now);
        }
        self.drive(ctx);
    }

    /// Begins a new search after a creation that failed.
    pub(super) fn search_again(&mut self, now: Instant) {
        self.create_at = None;
        self.trouble = None;
        if let Some(discovery) = &mut self.discovery {
            discovery.resume(now);
        }
    }
}

impl Actor for KeeperActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.parts.switches.clone().follow(ctx, Self::turned);
        self.load(ctx);
    }
}

/// Puts what is inside a saved event to use.
fn add_to(keys: &mut KeySet, id: EventId, inside: &Inside) {
    match inside {
        Inside::Open(keyring) => {
            keys.add(Keyring::clone(keyring));
        }
        Inside::Junk(error) => keys.add_unopened(id, error.clone()),
        Inside::Closed | Inside::Refused(_) => {}
    }
}

/// Waits for a signer, not for ever.
async fn within<T>(answer: impl Future<Output = Result<T, KeyringError>>) -> Result<T, KeyringError> {
    match actix::clock::timeout(SIGNER_WAIT, answer).await {
        Ok(result) => result,
        Err(_) => Err(KeyringError::Signer(SignerError::NoAnswer {
            signer: "the signer".to_owned(),
            waited: SIGNER_WAIT,
        })),
    }
}
