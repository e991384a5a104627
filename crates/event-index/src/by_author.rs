//! Which author each held event is by.

use std::collections::BTreeMap;

use nostr::event::EventId;
use nostr::key::PublicKey;
use redb::ReadableTable;
use serde::Deserialize;

use crate::forgotten::Forgotten;
use crate::tables::{ENVELOPES, FORGOTTEN};
use crate::{IndexError, Item, Store};

/// The part of an event that says whose it is.
#[derive(Deserialize)]
struct Head {
    id: EventId,
    pubkey: PublicKey,
    created_at: u64,
}

impl Store {
    /// The items of each of these authors, sorted; an author of whom nothing is held has an empty list. Cost: the index
    /// knows no authors, so every envelope is read and parsed in part; 40 bytes of memory an
    /// item. For relays that take one author per filter only; nobody else pays.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when an envelope is no event any more.
    pub fn items_by_author(
        &self,
        authors: impl IntoIterator<Item = PublicKey>,
    ) -> Result<BTreeMap<PublicKey, Vec<Item>>, IndexError> {
        let mut found: BTreeMap<PublicKey, Vec<Item>> =
            authors.into_iter().map(|author| (author, Vec::new())).collect();
        let transaction = self.read()?;
        for row in transaction.open_table(ENVELOPES)?.iter()? {
            let (seq, bytes) = row?;
            let head: Head = serde_json::from_slice(bytes.value()).map_err(|_| IndexError::Corrupt {
                what: format!("the event with number {}", seq.value()),
                seq: Some(seq.value()),
            })?;
            if let Some(items) = found.get_mut(&head.pubkey) {
                items.push(Item {
                    created_at: head.created_at,
                    id: head.id,
                });
            }
        }
        for row in transaction.open_table(FORGOTTEN)?.iter()? {
            let (seq, bytes) = row?;
            let Forgotten { item, author, .. } = Forgotten::decode(seq.value(), bytes.value())?;
            if let Some(items) = found.get_mut(&author) {
                items.push(item);
            }
        }
        for items in found.values_mut() {
            items.sort_unstable();
        }
        Ok(found)
    }
}
