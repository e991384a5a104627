//! The items of a block as one row, beside the block: reading it is one look-up instead of a walk through `items-1`.

use redb::ReadableTable;

use crate::blocks::Block;
use crate::tables::{Blob, Bytes32};
use crate::{IndexError, Item};

/// One item of a row: `created_at` (8, LE) ‖ event id (32).
const ITEM_BYTES: usize = 40;

/// Any state of the table `block-items-1`.
pub(crate) trait Packed: ReadableTable<(u64, Bytes32), Blob> {}
impl<T: ReadableTable<(u64, Bytes32), Blob>> Packed for T {}

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
    let (rows, _) = bytes.as_chunks::<ITEM_BYTES>();
    let item = |row: &[u8; ITEM_BYTES]| {
        let created_at = u64::from_le_bytes(std::array::from_fn(|n| row[n]));
        let mut id = [0; 32];
        id.copy_from_slice(&row[8..]);
        Item::at((created_at, &id))
    };
    rows.iter().map(item)
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
