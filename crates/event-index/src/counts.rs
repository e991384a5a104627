//! How much there is of everything, without counting it.

use redb::ReadableTableMetadata;

use crate::tables::{COUNTERS, DRAFTS, ITEMS, OTHERS, TOMBSTONES};
use crate::writer::Counted;
use crate::{IndexError, Store};

/// How much there is of everything, all of one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Live events, deletions included.
    pub items: u64,
    /// Live messages (kind 1080) and drafts.
    pub messages: u64,
    /// Messages without event ids.
    pub drafts: u64,
    /// Drafts, and events that some relay is still to get or to confirm.
    pub waiting: u64,
    /// Events that are parked at some relay.
    pub parked: u64,
    /// Deleted ids.
    pub tombstones: u64,
}

impl Store {
    /// The counts. Cost: five lookups, whatever the size of the store.
    pub fn counts(&self) -> Result<Counts, IndexError> {
        let transaction = self.read()?;
        let items = transaction.open_table(ITEMS)?.len()?;
        let others = transaction.open_table(OTHERS)?.len()?;
        let drafts = transaction.open_table(DRAFTS)?.len()?;
        let tombstones = transaction.open_table(TOMBSTONES)?.len()?;
        let counted = Counted::load(&transaction.open_table(COUNTERS)?)?;
        Ok(Counts {
            items,
            messages: items.saturating_sub(others) + drafts,
            drafts,
            waiting: drafts + counted.waiting,
            parked: counted.parked,
            tombstones,
        })
    }
}
