//! Every keyring event of the account known here: what is to be opened, what is to be saved, as a state machine that
//! performs no I/O.
//!
//! What a reader can rely on:
//! - An event is saved as soon as it is known, closed, so that an account with a keyring is never taken for a new one.
//! - A keyring counts as open only once its secret is saved: what was sealed with it can be read after a crash.
//! - One keyring is opened at a time, oldest first, and one that fails goes behind the others.
//! - What a signer said for good is saved too: no signer is asked twice about the same event.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use event_index::KeyringRow;
use nostr::event::{Event, EventId};

use super::saved;
use crate::{Keyring, KeyringError, SignerNextStep};

/// Keyring events kept at most: as many as one question to a relay returns. Only the account can sign more.
pub(super) const KEYRINGS_MAX: usize = 500;
/// The pause after a signer gave no answer doubles from the first to the second of these.
const SIGNER_PAUSE_FIRST: Duration = Duration::from_secs(10);
const SIGNER_PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// The pause after the store could not be written. The writer restarts well within it.
const SAVE_PAUSE: Duration = Duration::from_secs(2);

/// What is inside a keyring event, as far as known.
#[derive(Debug, Clone)]
pub(super) enum Inside {
    /// The signer has not been asked, or gave no answer.
    Closed,
    /// The signer refused. A person can have it asked again.
    Refused(KeyringError),
    /// No keyring of ours, for good.
    Junk(KeyringError),
    /// A keyring.
    Open(Keyring),
}

/// One keyring event of the account.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) event: Event,
    pub(super) inside: Inside,
    /// A relay returned it from what it stored.
    pub(super) read_back: bool,
    /// Everything above is in the store.
    pub(super) saved: bool,
    attempts: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    known: BTreeMap<EventId, Known>,
    opening: Option<EventId>,
    open_at: Option<Instant>,
    failure: Option<KeyringError>,
    saving: Option<EventId>,
    save_at: Option<Instant>,
}

impl Shelf {
    /// Puts back what was saved.
    pub(super) fn load(&mut self, row: KeyringRow) {
        let inside = saved::read(&row.event, row.secret.as_deref().map(Vec::as_slice));
        let known = Known {
            event: row.event,
            inside,
            read_back: row.read_back,
            saved: true,
            attempts: 0,
        };
        self.known.insert(row.id, known);
    }

    /// Takes in an event the account signed; `read_back` when a relay had it stored. Returns whether anything is new.
    pub(super) fn take(&mut self, event: Event, read_back: bool) -> bool {
        if let Some(known) = self.known.get_mut(&event.id) {
            let news = read_back && !known.read_back;
            if news {
                known.read_back = true;
                known.saved = false;
            }
            return news;
        }
        if self.known.len() >= KEYRINGS_MAX {
            tracing::warn!(id = %event.id, "more kind 1081 events than are kept; this one is left out");
            return false;
        }
        self.insert(event, Inside::Closed, read_back);
        true
    }

    /// Takes in the keyring that was just created here.
    pub(super) fn create(&mut self, event: Event, keyring: Keyring) {
        self.insert(event, Inside::Open(keyring), false);
    }

    /// The keyring event to hand to the signer, if it is time for one. [`Self::opened`] must follow.
    pub(super) fn next_to_open(&mut self, now: Instant) -> Option<Event> {
        if self.opening.is_some() || self.open_at.is_some_and(|at| at > now) {
            return None;
        }
        let closed = self
            .known
            .values()
            .filter(|known| matches!(known.inside, Inside::Closed));
        let next = closed.min_by_key(|known| (known.attempts, known.event.created_at, known.event.id))?;
        self.opening = Some(next.event.id);
        Some(next.event.clone())
    }

    /// What became of it.
    pub(super) fn opened(&mut self, id: EventId, result: Result<Keyring, KeyringError>, now: Instant) {
        self.opening = None;
        let Some(known) = self.known.get_mut(&id) else {
            return;
        };
        match result {
            Ok(keyring) => {
                known.inside = Inside::Open(keyring);
                known.saved = false;
                (self.open_at, self.failure) = (None, None);
            }
            Err(KeyringError::Signer(error)) if error.next_step() == SignerNextStep::RetryLater => {
                let doubled = 2_u32.saturating_pow(known.attempts);
                let pause = SIGNER_PAUSE_FIRST.saturating_mul(doubled).min(SIGNER_PAUSE_MAX);
                known.attempts = known.attempts.saturating_add(1);
                self.open_at = Some(now + pause);
                self.failure = Some(KeyringError::Signer(error));
            }
            Err(error @ KeyringError::Signer(_)) => known.inside = Inside::Refused(error),
            Err(error) => {
                known.inside = Inside::Junk(error);
                known.saved = false;
            }
        }
    }

    /// A person wants the signer asked again, now.
    pub(super) fn unlock(&mut self) {
        (self.open_at, self.failure) = (None, None);
        for known in self.known.values_mut() {
            if matches!(known.inside, Inside::Refused(_)) {
                known.inside = Inside::Closed;
            }
            known.attempts = 0;
        }
    }

    /// The row to write, if it is time for one. [`Self::saved`] must follow.
    pub(super) fn next_to_save(&mut self, now: Instant) -> Option<KeyringRow> {
        if self.saving.is_some() || self.save_at.is_some_and(|at| at > now) {
            return None;
        }
        let (id, known) = self.known.iter_mut().find(|(_, known)| !known.saved)?;
        // A change while this is being written makes it unsaved again.
        known.saved = true;
        self.saving = Some(*id);
        let secret = saved::write(&known.inside);
        Some(KeyringRow {
            id: *id,
            event: known.event.clone(),
            secret,
            read_back: known.read_back,
        })
    }

    /// What became of it. Returns the event that is saved as it now stands, if it is.
    pub(super) fn saved(&mut self, id: EventId, written: bool, now: Instant) -> Option<&Known> {
        self.saving = None;
        let known = self.known.get_mut(&id)?;
        if written {
            self.save_at = None;
            Some(&*known).filter(|known| known.saved)
        } else {
            known.saved = false;
            self.save_at = Some(now + SAVE_PAUSE);
            None
        }
    }

    /// When there is something to open or to save that has to wait.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let closed = self
            .known
            .values()
            .any(|known| matches!(known.inside, Inside::Closed));
        let unsaved = self.known.values().any(|known| !known.saved);
        let open_at = self.open_at.filter(|_| closed && self.opening.is_none());
        let save_at = self.save_at.filter(|_| unsaved && self.saving.is_none());
        open_at.into_iter().chain(save_at).filter(|at| *at > now).min()
    }

    /// Whether the signer has one of them in its hands.
    pub(super) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    /// How many only the signer can open, which it has not done yet.
    pub(super) fn closed(&self) -> usize {
        let closed = |known: &&Known| matches!(known.inside, Inside::Closed | Inside::Refused(_));
        self.known.values().filter(closed).count()
    }

    /// Whether any event of the account is known.
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The event of this id.
    pub(super) fn get(&self, id: &EventId) -> Option<&Known> {
        self.known.get(id)
    }

    /// Whether `id` can be promised to other devices: read back from a relay, and that is saved.
    pub(super) fn is_ready(&self, id: &EventId) -> bool {
        self.known
            .get(id)
            .is_some_and(|known| known.read_back && known.saved && self.saving != Some(*id))
    }

    /// Every event, oldest first.
    pub(super) fn oldest_first(&self) -> Vec<&Known> {
        let mut all: Vec<&Known> = self.known.values().collect();
        all.sort_by_key(|known| (known.event.created_at, known.event.id));
        all
    }

    /// Ids of open and saved keyrings: what relays should hold.
    pub(super) fn to_publish(&self) -> BTreeSet<EventId> {
        let open = |known: &Known| matches!(known.inside, Inside::Open(_)) && known.saved;
        self.known
            .iter()
            .filter(|(id, known)| open(known) && self.saving != Some(**id))
            .map(|(id, _)| *id)
            .collect()
    }

    /// The store refused the last row.
    pub(super) fn cannot_save(&self) -> bool {
        self.save_at.is_some()
    }

    /// Why nothing opens, when nothing is under way that might still.
    pub(super) fn locked(&self) -> Option<String> {
        let under_way = self.known.values().any(|known| match &known.inside {
            Inside::Closed => known.attempts == 0,
            Inside::Open(_) => true,
            Inside::Refused(_) | Inside::Junk(_) => false,
        });
        if under_way || self.known.is_empty() {
            return None;
        }
        if let Some(failure) = &self.failure {
            return Some(failure.to_string());
        }
        let why = |known: &&Known| match &known.inside {
            Inside::Refused(error) => Some((0, error.to_string())),
            Inside::Junk(error) => Some((1, error.to_string())),
            _ => None,
        };
        // What a person can do something about comes first.
        self.oldest_first()
            .iter()
            .filter_map(why)
            .min()
            .map(|(_, why)| why)
    }

    fn insert(&mut self, event: Event, inside: Inside, read_back: bool) {
        let known = Known {
            inside,
            read_back,
            saved: false,
            attempts: 0,
            event,
        };
        self.known.insert(known.event.id, known);
    }
}
