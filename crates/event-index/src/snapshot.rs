//! Every item at one moment, in the order NIP-77 compares them.

use std::ops::Range;

use nostr::event::EventId;
use redb::{ReadableTable, ReadableTableMetadata};

use crate::fingerprint::Sum;
use crate::tables::{COUNTERS, ITEMS};
use crate::writer::Counted;
use crate::{IndexError, Item, Store};

/// Every item at one moment. It stays still while a session runs; what arrives meanwhile is in the next one. Cost:
/// 40 bytes an item.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    items: Vec<Item>,
    last_seq: u64,
}

impl Store {
    /// Copies the items out of one short read transaction.
    pub fn snapshot(&self) -> Result<Snapshot, IndexError> {
        let transaction = self.read()?;
        let table = transaction.open_table(ITEMS)?;
        let mut items = Vec::with_capacity(table.len()? as usize);
        for row in table.iter()? {
            let (key, _) = row?;
            let (created_at, id) = key.value();
            items.push(Item {
                created_at,
                id: EventId::from_byte_array(*id),
            });
        }
        let last_seq = Counted::load(&transaction.open_table(COUNTERS)?)?.seq;
        Ok(Snapshot { items, last_seq })
    }
}

impl Snapshot {
    /// A snapshot of these items, for cores that are driven without a store. They need not be sorted.
    pub fn of(mut items: Vec<Item>, last_seq: u64) -> Self {
        items.sort_unstable();
        items.dedup();
        Self { items, last_seq }
    }

    /// The items, sorted.
    pub fn items(&self) -> &[Item] {
        &self.items
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The index of the first item that is not below `bound`: where a range that ends at `bound` (exclusive) ends. A
    /// bound with an id prefix is the item whose id has zeros behind it; infinity has time `u64::MAX`.
    pub fn lower_bound(&self, bound: &Item) -> usize {
        self.items.partition_point(|item| item < bound)
    }

    /// The NIP-77 fingerprint of the items with these indices.
    ///
    /// # Panics
    /// As slicing does, when the range is not within `0..len()`.
    pub fn fingerprint(&self, range: Range<usize>) -> [u8; 16] {
        let mut sum = Sum::default();
        for item in &self.items[range] {
            sum.add(item.id.as_bytes());
        }
        sum.fingerprint()
    }

    /// The last sequence number given out before this moment; every item's is at most that.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }
}
