//! The blocks of one superblock, read for looking things up in them.

use redb::{ReadOnlyTable, ReadableTable};

use crate::blocks::Block;
use crate::fingerprint::Sum;
use crate::superblocks::{SUPERBLOCK_BLOCKS_MAX, Superblock};
use crate::tables::Bytes32;
use crate::{IndexError, Item};

/// Blocks that follow each other, by columns: a search goes through one of them, and a block's sum is the difference of two
/// neighbours.
#[derive(Debug)]
pub(crate) struct OpenBlocks {
    firsts: Vec<Item>,
    lasts: Vec<Item>,
    /// The sum of all items before each block, and behind them the one before whatever follows.
    befores: Vec<Sum>,
}

impl OpenBlocks {
    /// The blocks of `superblock`, which they add up to; `before` is the sum of all items before it.
    pub(crate) fn load(
        table: &ReadOnlyTable<(u64, Bytes32), &'static [u8; 80]>,
        superblock: &Superblock,
        before: Sum,
    ) -> Result<Self, IndexError> {
        let count = superblock.blocks as usize;
        if !(1..=SUPERBLOCK_BLOCKS_MAX).contains(&count) {
            return Err(superblock.damaged());
        }
        let mut blocks = Self {
            firsts: Vec::with_capacity(count),
            lasts: Vec::with_capacity(count),
            befores: Vec::with_capacity(count + 1),
        };
        blocks.befores.push(before);
        let mut sum = before;
        for found in ReadableTable::range(table, superblock.first.key()..)?.take(count) {
            let (key, value) = found?;
            let block = Block::from_row(key.value(), value.value());
            let count = sum.count().checked_add(block.sum.count());
            if block.sum.count() == 0 || count.is_none() {
                return Err(block.damaged());
            }
            sum.merge(&block.sum);
            blocks.firsts.push(block.first);
            blocks.lasts.push(block.last);
            blocks.befores.push(sum);
        }
        let whole = blocks.firsts.len() == count
            && blocks.firsts.first() == Some(&superblock.first)
            && sum.without(&before) == Some(superblock.sum);
        if whole {
            Ok(blocks)
        } else {
            Err(superblock.damaged())
        }
    }

    pub(crate) fn first(&self, block: usize) -> &Item {
        &self.firsts[block]
    }

    pub(crate) fn last(&self, block: usize) -> &Item {
        &self.lasts[block]
    }

    /// The sum of all items before this block.
    pub(crate) fn before(&self, block: usize) -> &Sum {
        &self.befores[block]
    }

    /// The rank of the first item behind this block.
    pub(crate) fn end(&self, block: usize) -> u64 {
        self.befores[block + 1].count()
    }

    /// The block as its row has it.
    pub(crate) fn block(&self, block: usize) -> Block {
        let sum = self.befores[block + 1].without(&self.befores[block]);
        Block {
            first: self.firsts[block],
            last: self.lasts[block],
            sum: sum.expect("blocks were added up in order"),
        }
    }

    /// The block with the item at `rank`, which is looked for around `hint` first; `None` when it lies before all of them.
    pub(crate) fn at_rank(&self, rank: u64, hint: usize) -> Option<usize> {
        let near = hint..(hint + 4).min(self.firsts.len());
        let near = near
            .into_iter()
            .find(|&block| (self.before(block).count()..self.end(block)).contains(&rank));
        near.or_else(|| {
            self.befores
                .partition_point(|sum| sum.count() <= rank)
                .checked_sub(1)
        })
        .map(|block| block.min(self.firsts.len() - 1))
    }

    /// The last block that begins at or before `bound`; `None` when all begin behind it.
    pub(crate) fn of_bound(&self, bound: &Item) -> Option<usize> {
        self.firsts.partition_point(|first| first <= bound).checked_sub(1)
    }
}
