//! When a first keyring may be created: the one irreversible step, as a state machine that performs no I/O.
//!
//! Tell [`Discovery`] what relays answered and what time it is, carry out what [`Discovery::poll_output`] says until it
//! is `None`, then arm one timer for [`Discovery::poll_timeout`] and call [`Discovery::handle_timeout`] when it fires.
//!
//! What a reader can rely on:
//! - A relay's answer has three values: it holds a keyring, it holds none, and no answer. Only a clean EOSE says
//!   *none*, and only the second one, asked for at least [`ASK_AGAIN_AFTER`] after the first, makes it count.
//! - [`SearchOutput::Create`] comes only when every configured relay has answered so, or at least two have and
//!   [`TWO_RELAYS_WAIT`] has passed, or one has [`ALONE_ANSWERS`] times over ten minutes and the others were dialled once
//!   more; never while a relay that was asked for the first time may still be looking, and never for an empty set of relays.
//! - *Witnesses* are relays that are asked as well and count for nothing but what they hold: nothing is created before each
//!   has said that it holds no keyring, could not be reached or asked, or had [`WITNESS_WAIT`].
//! - It comes once. Until [`Discovery::resume`] there is no second one, and after [`Discovery::found`] there is none at
//!   all.
//! - A relay is asked again, after a growing pause, until it has answered; also when nothing is searched for any more,
//!   because the question is a live subscription for keyrings that other devices create.
//!
//! Spec: DESIGN 3 "Keyring", field guide S-9 and fault F42.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::{Duration, Instant};

/// A relay that answered "none" is asked again this much later before it is believed (field guide S-9).
pub const ASK_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// With two relays' answers the others get this long from the first question on (field guide S-9).
pub const TWO_RELAYS_WAIT: Duration = Duration::from_secs(10);
/// How often a single relay has to answer when no other one does.
pub const ALONE_ANSWERS: usize = 3;
/// A single relay's answers count when they are this far apart: three of them span ten minutes.
const ALONE_APART: Duration = Duration::from_secs(5 * 60);
/// How long a creation waits for a witness: a connection, and an answer as slow as that of F42.
pub const WITNESS_WAIT: Duration = Duration::from_secs(20);
/// How long a relay that was dialled once more may take: a connection (field guide 7) and an answer.
const DIAL_WAIT: Duration = Duration::from_secs(30);
/// A question with no reply for this long is *no answer*: twice what the slow relay of F42 takes.
const SILENCE: Duration = Duration::from_secs(15);
/// The pause before a relay that gave no answer is asked again doubles from the first to the second of these.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// A relay that closes subscriptions after its EOSE tells no news: it is asked this often instead.
const LAPSED_PAUSE: Duration = Duration::from_secs(60);

/// What a relay said about the account's keyrings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchAnswer {
    /// Events, then a clean EOSE. One the account signed is enough, whether or not it opens.
    Found,
    /// A clean EOSE and nothing of the account before it.
    Empty,
    /// CLOSED, a NOTICE between the question and EOSE, a dropped connection, something forged.
    NoAnswer,
}

/// What to carry out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SearchOutput<R> {
    /// Ask this relay with a fresh subscription, in place of the one before.
    Ask(R),
    /// Dial this relay now, whenever its next try would be: another one's word alone is about to count.
    Dial(R),
    /// Create the account's first keyring, then call [`Discovery::found`], or [`Discovery::creation_failed`].
    Create,
}

/// How far a search is, for a person: its `Display` is one clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchProgress {
    /// Relays that are configured.
    pub configured: usize,
    /// Relays that are connected.
    pub connected: usize,
    /// Relays that are known to hold no keyring.
    pub empty: usize,
}

impl fmt::Display for SearchProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            configured,
            connected,
            empty,
        } = *self;
        if configured == 0 {
            return f.write_str("no relay is configured to look for your history key; add one");
        }
        if connected == 0 {
            return write!(
                f,
                "none of {configured} relays is connected to ask for your history key"
            );
        }
        write!(
            f,
            "looking for your history key: {connected} of {configured} relays connected, {empty} hold none; a new key \
             is made only when that is certain"
        )
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Searching,
    Creating,
    /// Creation failed; [`Discovery::resume`] begins a new search.
    Paused,
    Settled,
}

/// Decides whom to ask for keyrings, and whether to create the first one. `R` names a relay.
#[derive(Debug)]
pub struct Discovery<R> {
    phase: Phase,
    relays: BTreeMap<R, Asked>,
    /// When this search was begun.
    since: Instant,
    /// When the first question of this search went out.
    began: Option<Instant>,
    /// The latest time anybody told.
    now: Instant,
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact about a relay, independent of the others"
)]
#[derive(Debug, Default)]
struct Asked {
    /// Counts for nothing but what it holds.
    witness: bool,
    connected: bool,
    /// It was dialled, in vain.
    unreachable: bool,
    /// When it was dialled once more.
    dialled: Option<Instant>,
    /// The last question was answered, so its subscription is live.
    open: bool,
    /// When to ask next; absent while a question is open or nothing more is to be asked.
    due: Option<Instant>,
    /// When the open question counts as unanswered.
    silent_at: Option<Instant>,
    /// There was some outcome to a question in this search, if only silence.
    heard: bool,
    /// Questions without an answer in a row, for the pause.
    failures: u32,
    /// The first of the two clean EOSE that make one answer.
    half: Option<Instant>,
    /// When whole answers came, at least [`ALONE_APART`] apart; no more than [`ALONE_ANSWERS`] are kept.
    empty: Vec<Instant>,
}

impl<R: Ord + Clone> Discovery<R> {
    /// A search among `relays`, none of which is connected yet.
    pub fn new(relays: BTreeSet<R>, now: Instant) -> Self {
        let relays = relays
            .into_iter()
            .map(|relay| (relay, Asked::default()))
            .collect();
        Self {
            phase: Phase::Searching,
            relays,
            since: now,
            began: None,
            now,
        }
    }

    /// Has these relays asked as well. Configured ones among them stay what they are.
    #[must_use]
    pub fn with_witnesses(mut self, witnesses: impl IntoIterator<Item = R>) -> Self {
        for relay in witnesses {
            self.relays.entry(relay).or_insert_with(|| Asked {
                witness: true,
                ..Asked::default()
            });
        }
        self
    }

    /// The relays configured from now on. What the ones that stay have answered stays; a new one counts as
    /// unconnected until [`Self::connected`]. Witnesses stay, except those that are configured now.
    pub fn set_relays(&mut self, relays: BTreeSet<R>, now: Instant) {
        self.now = now;
        self.relays
            .retain(|relay, asked| asked.witness || relays.contains(relay));
        for relay in relays {
            self.relays.entry(relay).or_default().witness = false;
        }
    }

    /// `relay` has a fresh connection: it is asked at once. Relays that are not configured are not asked.
    pub fn connected(&mut self, relay: &R, now: Instant) {
        self.now = now;
        if let Some(asked) = self.relays.get_mut(relay) {
            asked.connected = true;
            asked.unreachable = false;
            asked.open = false;
            asked.silent_at = None;
            asked.due = Some(now);
        }
    }

    /// `relay` was dialled, and there is no connection.
    pub fn unreachable(&mut self, relay: &R, now: Instant) {
        self.now = now;
        if let Some(asked) = self.relays.get_mut(relay) {
            asked.unreachable = true;
        }
    }

    /// `relay` lost its connection. A question in the air has no answer; answers it gave stay.
    pub fn disconnected(&mut self, relay: &R, now: Instant) {
        self.now = now;
        if let Some(asked) = self.relays.get_mut(relay).filter(|asked| asked.connected) {
            asked.connected = false;
            asked.heard |= asked.silent_at.is_some();
            asked.silent_at = None;
            asked.due = None;
            asked.half = None;
        }
        if self.relays.values().all(|asked| !asked.connected) {
            // Being offline is not waiting for the others: their ten seconds begin with the next question.
            self.began = None;
        }
    }

    /// What `relay` answered to the question it was asked last. A late answer is an answer.
    pub fn answered(&mut self, relay: &R, answer: SearchAnswer, now: Instant) {
        self.now = now;
        if answer == SearchAnswer::Found {
            self.found();
        }
        let searching = self.phase == Phase::Searching;
        let Some(asked) = self.relays.get_mut(relay).filter(|asked| asked.connected) else {
            return;
        };
        match answer {
            SearchAnswer::NoAnswer => asked.fail(now),
            SearchAnswer::Empty if searching => asked.count_empty(now),
            SearchAnswer::Found | SearchAnswer::Empty => asked.answer(None),
        }
    }

    /// `relay` closed the live subscription after it had answered. The answer stands; it is asked again later.
    pub fn lapsed(&mut self, relay: &R, now: Instant) {
        self.now = now;
        if let Some(asked) = self
            .relays
            .get_mut(relay)
            .filter(|asked| asked.connected && asked.open)
        {
            asked.open = false;
            asked.due.get_or_insert(now + LAPSED_PAUSE);
        }
    }

    /// There is a keyring: from a relay, from the store, or created just now. Nothing is created any more.
    pub fn found(&mut self) {
        self.phase = Phase::Settled;
        for asked in self.relays.values_mut().filter(|asked| asked.open) {
            asked.due = None;
        }
    }

    /// Creation failed. What relays answered is forgotten, because it grows old; [`Self::resume`] searches again.
    pub fn creation_failed(&mut self) {
        if self.phase == Phase::Creating {
            self.phase = Phase::Paused;
        }
    }

    /// Begins a new search after a failed creation.
    pub fn resume(&mut self, now: Instant) {
        self.now = now;
        if self.phase != Phase::Paused {
            return;
        }
        self.phase = Phase::Searching;
        (self.since, self.began) = (now, None);
        for asked in self.relays.values_mut() {
            *asked = Asked {
                witness: asked.witness,
                connected: asked.connected,
                unreachable: asked.unreachable,
                due: asked.connected.then_some(now),
                ..Asked::default()
            };
        }
    }

    /// A keyring may be created now and none has turned up since [`SearchOutput::Create`].
    pub fn is_creating(&self) -> bool {
        self.phase == Phase::Creating
    }

    /// A keyring is known, so nothing is searched for.
    pub fn is_settled(&self) -> bool {
        self.phase == Phase::Settled
    }

    /// How far the search is.
    pub fn progress(&self) -> SearchProgress {
        SearchProgress {
            configured: self.configured().count(),
            connected: self.configured().filter(|asked| asked.connected).count(),
            empty: self.configured().filter(|asked| !asked.empty.is_empty()).count(),
        }
    }

    fn configured(&self) -> impl Iterator<Item = &Asked> {
        self.relays.values().filter(|asked| !asked.witness)
    }

    fn witnesses(&self) -> impl Iterator<Item = &Asked> {
        self.relays.values().filter(|asked| asked.witness)
    }

    /// Gives up on questions that were open too long, and notes the time.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        for asked in self.relays.values_mut() {
            if asked.silent_at.is_some_and(|at| at <= now) {
                asked.fail(now);
            }
        }
    }

    /// The next thing to carry out, if any.
    pub fn poll_output(&mut self) -> Option<SearchOutput<R>> {
        let now = self.now;
        let due = self
            .relays
            .iter_mut()
            .find(|(_, asked)| asked.due.is_some_and(|due| due <= now));
        if let Some((relay, asked)) = due {
            asked.due = None;
            asked.silent_at = Some(now + SILENCE);
            self.began.get_or_insert(now);
            return Some(SearchOutput::Ask(relay.clone()));
        }
        if self.phase == Phase::Searching
            && self.is_one_enough()
            && let Some((relay, asked)) = self
                .relays
                .iter_mut()
                .find(|(_, asked)| !asked.witness && !asked.connected && asked.dialled.is_none())
        {
            (asked.dialled, asked.unreachable) = (Some(now), false);
            return Some(SearchOutput::Dial(relay.clone()));
        }
        if self.phase == Phase::Searching && self.is_certain() {
            self.phase = Phase::Creating;
            return Some(SearchOutput::Create);
        }
        None
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let searching = self.phase == Phase::Searching;
        let others = self.began.map(|began| began + TWO_RELAYS_WAIT);
        let witnesses = self.witnesses().any(|asked| !asked.has_spoken());
        let witnesses = witnesses.then_some(self.since + WITNESS_WAIT);
        let dialled = self.relays.values().filter_map(|asked| asked.dialled);
        let waits = others.into_iter().chain(witnesses);
        let waits = waits.chain(dialled.map(|at| at + DIAL_WAIT));
        self.relays
            .values()
            .flat_map(|asked| [asked.due, asked.silent_at])
            .flatten()
            .chain(waits.filter(|at| searching && *at > self.now))
            .min()
    }

    fn is_certain(&self) -> bool {
        if self
            .relays
            .values()
            .any(|asked| asked.silent_at.is_some() && !asked.heard)
        {
            return false;
        }
        if self.now < self.since + WITNESS_WAIT && self.witnesses().any(|asked| !asked.has_spoken()) {
            return false;
        }
        let empty = self.empty();
        let waited = self
            .began
            .is_some_and(|began| self.now >= began + TWO_RELAYS_WAIT);
        (empty > 0 && empty == self.configured().count())
            || (empty >= 2 && waited)
            || (self.is_one_enough() && self.configured().all(|asked| asked.is_heard_out(self.now)))
    }

    /// How many relays are known to hold none.
    fn empty(&self) -> usize {
        self.configured().filter(|asked| !asked.empty.is_empty()).count()
    }

    /// One relay has said so often that it holds none that its word counts alone.
    fn is_one_enough(&self) -> bool {
        self.empty() < self.configured().count()
            && self.configured().any(|asked| asked.empty.len() >= ALONE_ANSWERS)
    }
}

impl Asked {
    /// A witness has said that it holds none, or can't be asked.
    fn has_spoken(&self) -> bool {
        !self.empty.is_empty() || self.failures > 0 || (self.unreachable && !self.connected)
    }

    /// It is not saying anything just now, and was dialled once more if it was away.
    fn is_heard_out(&self, now: Instant) -> bool {
        if self.connected {
            self.silent_at.is_none() && self.half.is_none()
        } else {
            self.unreachable || self.dialled.is_some_and(|at| now >= at + DIAL_WAIT)
        }
    }

    fn answer(&mut self, ask_next: Option<Instant>) {
        self.heard = true;
        self.open = true;
        self.failures = 0;
        self.silent_at = None;
        self.due = ask_next;
    }

    fn fail(&mut self, now: Instant) {
        let pause = PAUSE_FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(PAUSE_MAX);
        self.heard = true;
        self.open = false;
        self.failures = self.failures.saturating_add(1);
        self.silent_at = None;
        self.due = Some(now + pause);
        // What came before a failure says nothing about what comes after it.
        self.half = None;
    }

    fn count_empty(&mut self, now: Instant) {
        match self.half {
            Some(first) if now >= first + ASK_AGAIN_AFTER => {
                self.half = None;
                if self.empty.last().is_none_or(|last| now >= *last + ALONE_APART)
                    && self.empty.len() < ALONE_ANSWERS
                {
                    self.empty.push(now);
                }
                let last = self.empty.last().map_or(now, |last| *last);
                self.answer(Some(last + ALONE_APART));
            }
            // A second EOSE too early is one answer said twice.
            Some(first) => self.answer(Some(first + ASK_AGAIN_AFTER)),
            None => {
                self.half = Some(now);
                self.answer(Some(now + ASK_AGAIN_AFTER));
            }
        }
    }
}

#[cfg(test)]
mod tests;
