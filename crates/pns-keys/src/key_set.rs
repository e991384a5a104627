//! All history keys of one account: which to read with, which to write with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nostr::event::{Event, EventId};
use nostr::key::PublicKey;

use crate::{DeviceSecret, Keyring, KeyringError, OpenError, PnsKey, Profile, open_verified};

/// The keys an account reads and writes with. Grows only: a keyring once opened is read for ever.
#[derive(Debug, Clone)]
pub struct KeySet {
    account: PublicKey,
    profile: Profile,
    /// In the order that picks the write key: oldest first, then lowest id.
    keyrings: BTreeMap<(u64, EventId), Keyring>,
    /// Kind 1081 events of the account that did not open.
    unopened: BTreeMap<EventId, KeyringError>,
    keys: BTreeMap<PublicKey, Arc<PnsKey>>,
}

/// Whether there is a key to write with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySetState {
    /// At least one keyring is open.
    Ready,
    /// The account signed kind 1081 events and none of them opens. No keyring may be made: it would split the
    /// history once the locked one opens.
    Locked,
    /// No kind 1081 event of this account is known. Whether a first keyring may be made is for
    /// [`Discovery`](crate::Discovery) to say.
    Empty,
}

/// The key for new envelopes.
#[derive(Debug, Clone)]
pub struct WritingKey {
    /// The keyring it comes from.
    pub keyring: EventId,
    /// The keyring's outer time in unix seconds. No envelope is sealed before it.
    pub not_before: u64,
    /// The key itself.
    pub key: Arc<PnsKey>,
}

/// What devices of today write under, so what every keyring is read under.
const WRITTEN: [Profile; 2] = [Profile::Routstr, Profile::NipPns];

impl KeySet {
    /// An account of which nothing is known yet, writing under [`Profile::Routstr`].
    pub fn new(account: PublicKey) -> Self {
        Self {
            account,
            profile: Profile::Routstr,
            keyrings: BTreeMap::new(),
            unopened: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Writes under `profile` instead; a read-only profile changes nothing. What another device writes under the other
    /// one is read in any case.
    #[must_use]
    pub fn writing_under(mut self, profile: Profile) -> Self {
        if profile.writable() {
            self.profile = profile;
        }
        self
    }

    /// The account these keys belong to.
    pub fn account(&self) -> PublicKey {
        self.account
    }

    /// Takes in an opened keyring. Returns whether a key to read with is new. Adding twice does nothing.
    pub fn add(&mut self, keyring: Keyring) -> bool {
        let before = self.keys.len();
        for key in WRITTEN.map(|profile| keyring.key(profile)) {
            self.keys.entry(key.public()).or_insert_with(|| Arc::clone(key));
        }
        self.unopened.remove(&keyring.id());
        self.keyrings
            .insert((keyring.created_at(), keyring.id()), keyring);
        self.keys.len() > before
    }

    /// The authors of envelopes that devices of today seal with this keyring.
    pub fn authors_of(keyring: &Keyring) -> [PublicKey; WRITTEN.len()] {
        WRITTEN.map(|profile| keyring.key(profile).public())
    }

    /// Takes note of an event that did not open. Only those the account itself signed count.
    pub fn add_unopened(&mut self, id: EventId, error: KeyringError) {
        let opened = self.keyrings.keys().any(|(_, known)| *known == id);
        if error.signed_by_account() && !opened {
            self.unopened.insert(id, error);
        }
    }

    /// Also reads what `secret`, the account's own key, gives under every profile: older web apps had no keyrings.
    /// Nothing is ever written with these. Returns whether a key is new.
    pub fn add_own_secret(&mut self, secret: &DeviceSecret) -> bool {
        let before = self.keys.len();
        for profile in Profile::ALL {
            // A profile that fails, once in 2^128 keys, can have written nothing.
            if let Ok(key) = PnsKey::derive(profile, secret, "") {
                self.keys.entry(key.public()).or_insert_with(|| Arc::new(key));
            }
        }
        self.keys.len() > before
    }

    /// Whether there is a key to write with, and if not, why.
    pub fn state(&self) -> KeySetState {
        match (self.keyrings.is_empty(), self.unopened.is_empty()) {
            (false, _) => KeySetState::Ready,
            (true, false) => KeySetState::Locked,
            (true, true) => KeySetState::Empty,
        }
    }

    /// The authors to ask relays for.
    pub fn read(&self) -> BTreeSet<PublicKey> {
        self.keys.keys().copied().collect()
    }

    /// Whom a rumor may name as its author: the account, or the device key it was sealed under (DESIGN 3).
    pub fn rumor_authors(&self) -> BTreeSet<PublicKey> {
        self.keys
            .values()
            .map(|key| key.device())
            .chain([self.account])
            .collect()
    }

    /// The key of this author, if it is one of ours.
    pub fn key(&self, author: &PublicKey) -> Option<&Arc<PnsKey>> {
        self.keys.get(author)
    }

    /// The key of the oldest keyring: lowest outer time, then lowest id, so that every device picks the same.
    pub fn writing_key(&self) -> Option<WritingKey> {
        let keyring = self.keyrings.values().next()?;
        Some(WritingKey {
            keyring: keyring.id(),
            not_before: keyring.created_at(),
            key: Arc::clone(keyring.key(self.profile)),
        })
    }

    /// The opened keyrings, oldest first.
    pub fn keyrings(&self) -> impl Iterator<Item = &Keyring> {
        self.keyrings.values()
    }

    /// Events of the account that look like keyrings and did not open, with the reason.
    pub fn unopened(&self) -> impl Iterator<Item = (&EventId, &KeyringError)> {
        self.unopened.iter()
    }

    /// Opens an envelope with whichever key it belongs to. Its id and signature were checked before.
    pub fn open(&self, event: &Event) -> Result<Vec<u8>, OpenError> {
        let key = self
            .key(&event.pubkey)
            .ok_or(OpenError::WrongAuthor { author: event.pubkey })?;
        open_verified(key, event)
    }
}
