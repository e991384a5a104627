//! Blocks: runs of at most 64 items with their count, the sum of their ids, and the items at both ends.

use redb::ReadableTable;

use crate::fingerprint::Sum;
use crate::tables::Bytes32;
use crate::{IndexError, Item};

/// The end of a range is found by reading at most as many items: one or two pages of a tree. Larger ones make scattered
/// differences dear, smaller ones the rows of a superblock. The unit tests and the fuzz
/// target see more cuts and joins with smaller ones.
pub(crate) const BLOCK_ITEMS_MAX: u64 = if cfg!(any(test, fuzzing)) { 8 } else { 64 };

/// A block with fewer joins a neighbour that has room, so that deletions leave no dust behind.
const BLOCK_ITEMS_LOW: u64 = BLOCK_ITEMS_MAX / 4;

/// A row of `blocks-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    /// Its first item.
    pub(crate) first: Item,
    /// Its last item: a bound at the seam behind it is found without reading items.
    pub(crate) last: Item,
    /// Of all its items.
    pub(crate) sum: Sum,
}

/// What a transaction did to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Added,
    Removed,
}

/// Any state of the table `items-1`.
pub(crate) trait Items: ReadableTable<(u64, Bytes32), u64> {}
impl<T: ReadableTable<(u64, Bytes32), u64>> Items for T {}

impl Block {
    /// The block of these items, of which there is one at least.
    pub(crate) fn of(items: &[Item]) -> Self {
        Self {
            first: items[0],
            last: items[items.len() - 1],
            sum: Sum::of(items),
        }
    }

    /// The row with this key and value.
    pub(crate) fn from_row(key: (u64, &[u8; 32]), value: &[u8; 80]) -> Self {
        let (mut sum, mut id) = ([0; 40], [0; 32]);
        sum.copy_from_slice(&value[..40]);
        id.copy_from_slice(&value[48..]);
        let created_at = u64::from_le_bytes(std::array::from_fn(|n| value[40 + n]));
        Self {
            first: Item::at(key),
            last: Item::at((created_at, &id)),
            sum: Sum::from_bytes(&sum),
        }
    }

    /// The value of its row.
    pub(crate) fn to_bytes(self) -> [u8; 80] {
        let mut value = [0; 80];
        value[..40].copy_from_slice(&self.sum.to_bytes());
        value[40..48].copy_from_slice(&self.last.created_at.to_le_bytes());
        value[48..].copy_from_slice(self.last.id.as_bytes());
        value
    }

    pub(crate) fn damaged(&self) -> IndexError {
        IndexError::Index {
            what: format!("blocks-2 {} {}", self.first.created_at, self.first.id),
        }
    }

    fn changed(&self, changes: &[(Item, Change)]) -> Result<Sum, IndexError> {
        let mut sum = self.sum;
        for (item, change) in changes {
            match change {
                Change::Added => sum.add(item.id.as_bytes()),
                Change::Removed => sum.remove(item.id.as_bytes()).ok_or_else(|| self.damaged())?,
            }
        }
        Ok(sum)
    }
}

/// What `old`, neighbouring blocks that reach up to `end`, become by `changes`, which all lie below `end` and are done
/// in `items` already. `items` is read where a block loses or gets a first item, or is cut.
pub(crate) fn changed_blocks(
    items: &impl Items,
    old: &[Block],
    changes: &[(Item, Change)],
    end: Option<Item>,
) -> Result<Vec<Block>, IndexError> {
    let mut new = Vec::with_capacity(old.len() + 8);
    let Some((lowest, _)) = changes.first() else {
        return Ok(old.to_vec());
    };
    if old.is_empty() {
        cut(items, *lowest, end, &mut new)?;
    }
    let mut rest = changes;
    for (number, block) in old.iter().enumerate() {
        let block_end = old.get(number + 1).map(|next| next.first).or(end);
        let here = rest.partition_point(|(item, _)| block_end.is_none_or(|end| *item < end));
        let (here, later) = rest.split_at(here);
        rest = later;
        let (Some((lowest, _)), Some((highest, _))) = (here.first(), here.last()) else {
            new.push(*block);
            continue;
        };
        let sum = block.changed(here)?;
        let start = block.first.min(*lowest);
        match sum.count() {
            0 => {}
            1..=BLOCK_ITEMS_MAX => {
                let first = if *lowest <= block.first {
                    first_item(items, start)?.ok_or_else(|| block.damaged())?
                } else {
                    block.first
                };
                let last = if *highest >= block.last {
                    last_item(items, block_end)?.ok_or_else(|| block.damaged())?
                } else {
                    block.last
                };
                new.push(Block { first, last, sum });
            }
            count => {
                if cut(items, start, block_end, &mut new)? != count {
                    return Err(block.damaged());
                }
            }
        }
    }
    Ok(joined(new))
}

/// Cuts the items from `start` to `end` into blocks behind `blocks`; returns how many items that were.
fn cut(
    items: &impl Items,
    start: Item,
    end: Option<Item>,
    blocks: &mut Vec<Block>,
) -> Result<u64, IndexError> {
    let found = items_between(items, start, end)?;
    let mut rest = found.as_slice();
    for length in parts(found.len(), BLOCK_ITEMS_MAX as usize, end.is_none()) {
        let (here, later) = rest.split_at(length);
        rest = later;
        blocks.push(Block::of(here));
    }
    Ok(found.len() as u64)
}

/// Joins neighbours of which one is low, where both fit into one.
fn joined(blocks: Vec<Block>) -> Vec<Block> {
    let mut joined: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        if let Some(last) = joined.last_mut() {
            let (left, right) = (last.sum.count(), block.sum.count());
            if left.min(right) < BLOCK_ITEMS_LOW && left + right <= BLOCK_ITEMS_MAX {
                last.sum.merge(&block.sum);
                last.last = block.last;
                continue;
            }
        }
        joined.push(block);
    }
    joined
}

/// The sizes of the parts that `count` is cut into, at most `max` each. At the end of the store they are full but for
/// the last, because what comes next is nearly always newer still; elsewhere they are equal, to leave room in each.
pub(crate) fn parts(count: usize, max: usize, at_end: bool) -> impl Iterator<Item = usize> {
    let number = count.div_ceil(max);
    (0..number).map(move |part| {
        if at_end {
            max.min(count - part * max)
        } else {
            count / number + usize::from(part < count % number)
        }
    })
}

/// The items from `start` up to `end`.
pub(crate) fn items_between(
    items: &impl Items,
    start: Item,
    end: Option<Item>,
) -> Result<Vec<Item>, IndexError> {
    let mut found = Vec::new();
    for row in items.range(start.key()..)? {
        let item = Item::at(row?.0.value());
        if end.is_some_and(|end| item >= end) {
            break;
        }
        found.push(item);
    }
    Ok(found)
}

fn first_item(items: &impl Items, start: Item) -> Result<Option<Item>, IndexError> {
    let row = items.range(start.key()..)?.next().transpose()?;
    Ok(row.map(|(key, _)| Item::at(key.value())))
}

/// The last item below `end`, or of all.
fn last_item(items: &impl Items, end: Option<Item>) -> Result<Option<Item>, IndexError> {
    let row = match &end {
        Some(end) => items.range(..end.key())?.next_back().transpose()?,
        None => items.last()?,
    };
    Ok(row.map(|(key, _)| Item::at(key.value())))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn parts_are_full_at_the_end_and_equal_elsewhere() {
        let sizes = |count, at_end| parts(count, 256, at_end).collect::<Vec<_>>();
        assert_eq!(sizes(257, true), [256, 1]);
        assert_eq!(sizes(257, false), [129, 128]);
        assert_eq!(sizes(512, true), [256, 256]);
        assert_eq!(sizes(1_000, false), [250; 4]);
        assert!(sizes(0, true).is_empty() && sizes(0, false).is_empty());
    }
}
