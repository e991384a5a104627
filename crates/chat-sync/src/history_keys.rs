//! The history keys of an account as they lie in its store: listed, and put on a card. No engine is needed for either.

use std::collections::BTreeMap;

use event_index::{IndexError, Store};
use nostr::event::{EventId, Kind};
use nostr::key::PublicKey;
use pns_keys::{CardKeyring, KeyCard, KeySet, keeper};

use crate::Account;

/// Envelopes read at once while they are counted; about a megabyte.
const COUNT_BATCH: usize = 1_000;

/// One keyring of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryKey {
    /// The id of its kind 1081 event.
    pub keyring: EventId,
    /// When it was made, unix seconds.
    pub created_at: u64,
    /// The author of envelopes under it; `None` while only the signer could open it.
    pub public: Option<PublicKey>,
    /// New messages are sealed with it.
    pub writes: bool,
    /// A relay was seen to serve it.
    pub read_back: bool,
    /// Messages on this device that are sealed with it.
    pub messages: u64,
}

/// Every keyring of the account, oldest first. Reads every envelope once to count them: about 10 us each; blocks.
pub fn history_keys(account: &Account) -> Result<Vec<HistoryKey>, IndexError> {
    let counts = count_by_author(&account.store)?;
    let rows = account.store.keyrings()?;
    let mut keys = KeySet::new(account.public_key).writing_under(account.profile);
    for CardKeyring { inside, .. } in rows.iter().filter_map(keeper::on_card) {
        keys.add(inside);
    }
    let writing = keys.writing_key().map(|writing| writing.keyring);
    let mut listed: Vec<HistoryKey> = rows
        .iter()
        .map(|row| {
            let open = keys.keyrings().find(|keyring| keyring.id() == row.id);
            let written = open.into_iter().flat_map(KeySet::authors_of);
            HistoryKey {
                keyring: row.id,
                created_at: row.event.created_at.as_secs(),
                public: open.map(|keyring| keyring.key(account.profile).public()),
                writes: writing == Some(row.id),
                read_back: row.read_back,
                messages: written.filter_map(|author| counts.get(&author)).sum(),
            }
        })
        .collect();
    listed.sort_by_key(|key| (key.created_at, key.keyring));
    Ok(listed)
}

/// Everything that is needed to read this account's history without its login; blocks on the disk.
pub fn key_card(account: &Account) -> Result<KeyCard, IndexError> {
    Ok(KeyCard {
        account: account.public_key,
        relays: account.relays.iter().map(ToString::to_string).collect(),
        keyrings: account
            .store
            .keyrings()?
            .iter()
            .filter_map(keeper::on_card)
            .collect(),
    })
}

fn count_by_author(store: &Store) -> Result<BTreeMap<PublicKey, u64>, IndexError> {
    let (mut counts, mut after) = (BTreeMap::new(), 0);
    loop {
        let events = store.events_after(after, COUNT_BATCH)?;
        let Some((last, _)) = events.last() else {
            return Ok(counts);
        };
        after = *last;
        for (_, event) in events {
            if event.kind == Kind::Custom(1080) {
                *counts.entry(event.pubkey).or_default() += 1;
            }
        }
    }
}
