//! Superblocks: runs of at most 256 blocks with their count and the sum of their ids.

use crate::blocks::Block;
use crate::fingerprint::Sum;
use crate::{IndexError, Item};

/// A million items are 41 superblocks: what a view reads when it is made. Smaller in unit tests, as blocks are.
pub(crate) const SUPERBLOCK_BLOCKS_MAX: usize = if cfg!(any(test, fuzzing)) { 8 } else { 256 };

/// A superblock with fewer joins a neighbour that has room.
const SUPERBLOCK_BLOCKS_LOW: u32 = SUPERBLOCK_BLOCKS_MAX as u32 / 4;

/// A row of `superblocks-2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Superblock {
    /// The first item of its first block.
    pub(crate) first: Item,
    /// How many blocks it has.
    pub(crate) blocks: u32,
    /// Of all its items.
    pub(crate) sum: Sum,
}

impl Superblock {
    /// The superblock of these blocks; `None` when there are none.
    pub(crate) fn of(blocks: &[Block]) -> Option<Self> {
        let mut sum = Sum::default();
        for block in blocks {
            sum.merge(&block.sum);
        }
        Some(Self {
            first: blocks.first()?.first,
            blocks: blocks.len() as u32,
            sum,
        })
    }

    /// The row with this key and value.
    pub(crate) fn from_row(key: (u64, &[u8; 32]), value: &[u8; 44]) -> Self {
        let mut sum = [0; 40];
        sum.copy_from_slice(&value[4..]);
        Self {
            first: Item::at(key),
            blocks: u32::from_le_bytes(std::array::from_fn(|n| value[n])),
            sum: Sum::from_bytes(&sum),
        }
    }

    /// The value of its row.
    pub(crate) fn to_bytes(self) -> [u8; 44] {
        let mut value = [0; 44];
        value[..4].copy_from_slice(&self.blocks.to_le_bytes());
        value[4..].copy_from_slice(&self.sum.to_bytes());
        value
    }

    /// Whether it should join a neighbour.
    pub(crate) fn is_low(&self) -> bool {
        self.blocks < SUPERBLOCK_BLOCKS_LOW
    }

    /// This one and the next after it as one, when they fit into one.
    pub(crate) fn joined(mut self, next: &Self) -> Option<Self> {
        self.blocks += next.blocks;
        self.sum.merge(&next.sum);
        (self.blocks as usize <= SUPERBLOCK_BLOCKS_MAX).then_some(self)
    }

    pub(crate) fn damaged(&self) -> IndexError {
        IndexError::Index {
            what: format!("superblocks-2 {} {}", self.first.created_at, self.first.id),
        }
    }
}
