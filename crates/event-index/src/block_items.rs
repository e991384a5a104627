//! The items of a block as one row, beside the block: reading it is one look-up instead of a walk through `items-1`.

use std::fmt;
use std::ops::Range;

use redb::{OwnedAccessGuard, ReadOnlyTable, ReadableTable};

use crate::blocks::Block;
use crate::fingerprint::Sum;
use crate::tables::{Blob, Bytes32};
use crate::{IndexError, Item};

/// One item of a row: `created_at` (8, LE) ‖ event id (32).
const ITEM_BYTES: usize = 40;

/// Items that are looked at one by one: a responder cuts a block of 96 in sixteen.
const NEAR: usize = 8;

/// Any state of the table `block-items-1`.
pub(crate) trait Packed: ReadableTable<(u64, Bytes32), Blob> {}
impl<T: ReadableTable<(u64, Bytes32), Blob>> Packed for T {}

/// The items of a block where they lie, in the page that redb read. It keeps its transaction alive.
pub(crate) struct BlockItems(OwnedAccessGuard<Blob>);

impl BlockItems {
    /// The items of `block`, which they add up to.
    pub(crate) fn load(
        packed: &ReadOnlyTable<(u64, Bytes32), Blob>,
        block: &Block,
    ) -> Result<Self, IndexError> {
        let row = packed.get_owned(block.first.key())?;
        let items = Self(row.ok_or_else(|| damaged(block))?);
        let rows = items.rows();
        let ends = rows.first().map(item_of).zip(rows.last().map(item_of));
        if ends == Some((block.first, block.last)) && items.sum(0..rows.len()) == block.sum {
            Ok(items)
        } else {
            Err(damaged(block))
        }
    }

    fn rows(&self) -> &[[u8; ITEM_BYTES]] {
        // What is no whole item is left out; the sum shows that something is missing.
        self.0.value().as_chunks().0
    }

    pub(crate) fn len(&self) -> usize {
        self.rows().len()
    }

    pub(crate) fn item(&self, number: usize) -> Item {
        item_of(&self.rows()[number])
    }

    pub(crate) fn range(&self, range: Range<usize>) -> impl Iterator<Item = Item> {
        self.rows()[range].iter().map(item_of)
    }

    /// How many items are below `bound`, which is looked for right behind the first `hint` of them to begin with.
    pub(crate) fn below(&self, bound: &Item, hint: usize) -> usize {
        let (rows, bound) = (self.rows(), bound.key());
        let is_below = |row: &[u8; ITEM_BYTES]| {
            let created_at = u64::from_le_bytes(std::array::from_fn(|n| row[n]));
            (created_at, id_of(row)) < bound
        };
        let passed = rows
            .get(..hint)
            .is_some_and(|rows| rows.last().is_none_or(is_below));
        let from = if passed { hint } else { 0 };
        let near = rows[from..]
            .iter()
            .take(NEAR)
            .take_while(|row| is_below(row))
            .count();
        let from = from + near;
        if near < NEAR {
            from
        } else {
            from + rows[from..].partition_point(is_below)
        }
    }

    #[inline]
    pub(crate) fn sum(&self, range: Range<usize>) -> Sum {
        Sum::of_ids(self.rows()[range].iter().map(id_of))
    }
}

/// The id is the last 32 of the 40 bytes.
fn id_of(row: &[u8; ITEM_BYTES]) -> &[u8; 32] {
    row.last_chunk().expect("an item is longer than an id")
}

impl fmt::Debug for BlockItems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BlockItems").field(&self.len()).finish()
    }
}

/// The value of their row.
pub(crate) fn to_bytes(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(items.len() * ITEM_BYTES);
    for item in items {
        bytes.extend_from_slice(&item.created_at.to_le_bytes());
        bytes.extend_from_slice(item.id.as_bytes());
    }
    bytes
}

/// The items of a block, which are those it was made of.
pub(crate) fn load_items<C>(packed: &impl Packed, block: &Block) -> Result<C, IndexError>
where
    C: FromIterator<Item> + AsRef<[Item]>,
{
    let row = packed.get(block.first.key())?.ok_or_else(|| damaged(block))?;
    let items: C = from_bytes(row.value()).collect();
    if items.as_ref().is_empty() || Block::of(items.as_ref()) != *block {
        return Err(damaged(block));
    }
    Ok(items)
}

pub(crate) fn damaged(block: &Block) -> IndexError {
    IndexError::Index {
        what: format!("block-items-1 {} {}", block.first.created_at, block.first.id),
    }
}

/// Bytes that are no whole item are left out; the sum shows that something is missing.
fn from_bytes(bytes: &[u8]) -> impl Iterator<Item = Item> {
    bytes.as_chunks().0.iter().map(item_of)
}

fn item_of(row: &[u8; ITEM_BYTES]) -> Item {
    let created_at = u64::from_le_bytes(std::array::from_fn(|n| row[n]));
    Item::at((created_at, id_of(row)))
}

#[cfg(test)]
mod tests {
    use nostr::event::EventId;

    use super::*;

    #[test]
    fn items_come_back_and_half_an_item_is_none() {
        let item = |n: u8| Item {
            created_at: u64::from(n) << 40 | 7,
            id: EventId::from_byte_array([n; 32]),
        };
        let items: Vec<Item> = (0..9).map(item).collect();
        let bytes = to_bytes(&items);
        assert_eq!(from_bytes(&bytes).collect::<Vec<_>>(), items);
        let cut = from_bytes(&bytes[..bytes.len() - 1]);
        assert_eq!(cut.collect::<Vec<_>>(), items[..8]);
    }
}
