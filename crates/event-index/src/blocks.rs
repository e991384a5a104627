//! Blocks: runs of at most 96 items with their count, the sum of their ids, and the items at both ends.

use crate::block_items::{Packed, load_items};
use crate::fingerprint::Sum;
use crate::{IndexError, Item};

/// The end of a range is found by reading at most as many items: one row, which fills one page. The unit tests and the
/// fuzz target see more cuts and joins with smaller ones.
pub(crate) const BLOCK_ITEMS_MAX: u64 = if cfg!(any(test, fuzzing)) { 8 } else { 96 };

/// A block with fewer joins a neighbour that has room, so that deletions leave no dust behind.
const BLOCK_ITEMS_LOW: u64 = BLOCK_ITEMS_MAX / 4;

/// A row of `blocks-3`.
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

/// A block after a change.
#[derive(Debug)]
pub(crate) struct Changed {
    pub(crate) block: Block,
    /// What is to be written; `None` where nothing changed.
    pub(crate) items: Option<Vec<Item>>,
}

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
            what: format!("blocks-3 {} {}", self.first.created_at, self.first.id),
        }
    }
}

impl Changed {
    fn same(block: Block) -> Self {
        Self { block, items: None }
    }

    fn to(items: Vec<Item>) -> Self {
        Self {
            block: Block::of(&items),
            items: Some(items),
        }
    }

    fn into_items(self, packed: &impl Packed) -> Result<Vec<Item>, IndexError> {
        match self.items {
            Some(items) => Ok(items),
            None => load_items(packed, &self.block),
        }
    }
}

/// What `old`, neighbouring blocks that reach up to `end`, become by `changes`, which all lie below `end`. Cost: the
/// items of those with changes are read, one row each, and of those that are joined.
pub(crate) fn changed_blocks(
    packed: &impl Packed,
    old: &[Block],
    changes: &[(Item, Change)],
    end: Option<Item>,
) -> Result<Vec<Changed>, IndexError> {
    let mut new = Vec::with_capacity(old.len() + 8);
    if old.is_empty() {
        let items = changed(&[], changes).ok_or_else(|| IndexError::Index {
            what: "blocks-3".to_owned(),
        })?;
        cut(items, end.is_none(), &mut new);
    }
    let mut rest = changes;
    for (number, block) in old.iter().enumerate() {
        let block_end = old.get(number + 1).map(|next| next.first).or(end);
        let here = rest.partition_point(|(item, _)| block_end.is_none_or(|end| *item < end));
        let (here, later) = rest.split_at(here);
        rest = later;
        if here.is_empty() {
            new.push(Changed::same(*block));
            continue;
        }
        let held: Vec<Item> = load_items(packed, block)?;
        let items = changed(&held, here).ok_or_else(|| block.damaged())?;
        cut(items, block_end.is_none(), &mut new);
    }
    joined(packed, new)
}

/// These items after the changes, both in order; `None` when one is added that is there, or removed that is not.
fn changed(items: &[Item], changes: &[(Item, Change)]) -> Option<Vec<Item>> {
    let mut new = Vec::with_capacity(items.len() + changes.len());
    let mut rest = items;
    for (item, change) in changes {
        let (before, later) = rest.split_at(rest.partition_point(|held| held < item));
        new.extend_from_slice(before);
        let held = later.first() == Some(item);
        rest = &later[usize::from(held)..];
        match (change, held) {
            (Change::Added, false) => new.push(*item),
            (Change::Removed, true) => {}
            _ => return None,
        }
    }
    new.extend_from_slice(rest);
    Some(new)
}

/// Puts these items behind `blocks`: as one block, as several when they are too many, or as none.
fn cut(items: Vec<Item>, at_end: bool, blocks: &mut Vec<Changed>) {
    if (1..=BLOCK_ITEMS_MAX).contains(&(items.len() as u64)) {
        blocks.push(Changed::to(items));
        return;
    }
    let mut rest = items.as_slice();
    for length in parts(items.len(), BLOCK_ITEMS_MAX as usize, at_end) {
        let (here, later) = rest.split_at(length);
        rest = later;
        blocks.push(Changed::to(here.to_vec()));
    }
}

/// Joins neighbours of which one is low, where both fit into one.
fn joined(packed: &impl Packed, blocks: Vec<Changed>) -> Result<Vec<Changed>, IndexError> {
    let mut joined: Vec<Changed> = Vec::with_capacity(blocks.len());
    for next in blocks {
        let fits = joined.last().is_some_and(|last| {
            let (left, right) = (last.block.sum.count(), next.block.sum.count());
            left.min(right) < BLOCK_ITEMS_LOW && left + right <= BLOCK_ITEMS_MAX
        });
        match joined.pop_if(|_| fits) {
            Some(last) => {
                let mut items = last.into_items(packed)?;
                items.append(&mut next.into_items(packed)?);
                joined.push(Changed::to(items));
            }
            None => joined.push(next),
        }
    }
    Ok(joined)
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
