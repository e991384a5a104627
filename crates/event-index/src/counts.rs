//! How much there is of everything, without counting it.

use redb::{ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use crate::tables::{COUNTERS, DRAFTS, FORGOTTEN, ITEMS, KEYRING_PLACES, OTHERS, TOMBSTONES, UNSIGNED};
use crate::writer::{Counted, Writer};
use crate::{IndexError, Store};

/// How much there is of everything, all of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Live events, deletions and forgotten messages included.
    pub items: u64,
    /// Live messages (kind 1080) whose envelopes are here, and drafts.
    pub messages: u64,
    /// Live messages whose envelopes were dropped here because they are old: relays hold them.
    #[serde(default)]
    pub forgotten: u64,
    /// Messages without event ids.
    pub drafts: u64,
    /// Drafts, deleted ids that no kind 5 names yet, and events that some relay is still to get or to confirm.
    pub waiting: u64,
    /// Events that are parked at some relay.
    pub parked: u64,
    /// Deleted ids.
    pub tombstones: u64,
    /// Keyrings on relays: each counts once for every relay that was seen to hold it.
    pub keyring_copies: u64,
    /// Ids that were deleted here and that no kind 5 names yet.
    pub unsigned: u64,
    /// Bytes of the JSON of all live events that are not forgotten: what a download of everything would carry.
    pub event_bytes: u64,
}

/// What a relay writes around an event: `["EVENT","…",…]` with a subscription id of 16 characters, and the head of a
/// websocket message.
const FRAME_BYTES: u64 = 34;

impl Counts {
    /// Bytes that one relay would send if all of this was fetched from it again, without compression.
    pub fn full_download_bytes(&self) -> u64 {
        self.event_bytes + self.items.saturating_sub(self.forgotten) * FRAME_BYTES
    }
}

impl Store {
    /// The counts. Cost: seven lookups, whatever the size of the store.
    pub fn counts(&self) -> Result<Counts, IndexError> {
        let transaction = self.read()?;
        let items = transaction.open_table(ITEMS)?.len()?;
        let others = transaction.open_table(OTHERS)?.len()?;
        let forgotten = transaction.open_table(FORGOTTEN)?.len()?;
        let drafts = transaction.open_table(DRAFTS)?.len()?;
        let tombstones = transaction.open_table(TOMBSTONES)?.len()?;
        let keyring_copies = transaction.open_table(KEYRING_PLACES)?.len()?;
        let unsigned = transaction.open_table(UNSIGNED)?.len()?;
        let counted = Counted::load(&transaction.open_table(COUNTERS)?)?;
        Ok(Counts {
            items,
            messages: items.saturating_sub(others + forgotten) + drafts,
            forgotten,
            drafts,
            waiting: drafts + unsigned + counted.waiting,
            parked: counted.parked,
            tombstones,
            keyring_copies,
            unsigned,
            event_bytes: counted.event_bytes,
        })
    }

    /// Counts bytes in a file of a program that did not. Cost: one lookup when there is nothing to do, else the whole
    /// file.
    pub(crate) fn update_counts(&self) -> Result<(), IndexError> {
        let transaction = self.read()?;
        let counted = transaction.open_table(COUNTERS)?.get("bytes")?.is_some();
        let empty = transaction.open_table(ITEMS)?.is_empty()?;
        drop(transaction);
        if counted || empty {
            return Ok(());
        }
        self.write(count_bytes)
    }
}

/// Counts the bytes of all envelopes again.
pub(crate) fn count_bytes(writer: &mut Writer<'_>) -> Result<(), IndexError> {
    let mut bytes = 0;
    for row in writer.envelopes.table()?.iter()? {
        bytes += row?.1.value().len() as u64;
    }
    writer.counted().event_bytes = bytes;
    Ok(())
}
