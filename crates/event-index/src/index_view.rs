//! The fingerprint index at one moment, read as far as it is touched.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::blocks::{Block, items_between};
use crate::fingerprint::Sum;
use crate::fingerprint_index::{Total, load_blocks};
use crate::superblocks::Superblock;
use crate::tables::{BLOCKS, Bytes32, COUNTERS, ITEMS, SUPERBLOCKS, TOTALS};
use crate::writer::Counted;
use crate::{IndexError, Item, Store, View};

/// Neighbouring ranges end in the same block, and the next frame asks for parts of what this one asked for. 256 blocks
/// are 2.5 MiB.
const BLOCKS_KEPT: usize = 256;

/// Every item at one moment, and the sums over them. It stays still while commits go on.
///
/// It holds one read transaction as long as it lives: pages it can see are not reused, so the file grows by what is
/// written meanwhile, and that space is used again only after the view is dropped. Keep one for a session, not longer.
///
/// Cost: making one reads the superblocks, one row for up to 65,536 items. A rank or a bound leads to one superblock,
/// whose blocks (at most 256 rows) are read once and kept, and to one block, whose items (at most 256 rows) are kept
/// until 256 other blocks were read; at the seam of two blocks ([`View::cheap_cut`]) no items are read. Blocks and
/// superblocks are checked against their sums when they are read: damage is [`IndexError::Index`], no wrong answer.
pub struct IndexView {
    items: ReadOnlyTable<(u64, Bytes32), u64>,
    blocks: ReadOnlyTable<(u64, Bytes32), &'static [u8; 40]>,
    total: Sum,
    last_seq: u64,
    superblocks: Vec<Before<Superblock>>,
    /// The blocks of each superblock, once read.
    opened: Vec<OnceLock<Vec<Before<Block>>>>,
    /// The items of the blocks that were read last, by the rank of their first.
    recent: Mutex<VecDeque<(u64, Arc<[Item]>)>>,
}

/// A row and the sum of all items before it.
#[derive(Debug, Clone, Copy)]
struct Before<R> {
    before: Sum,
    row: R,
}

/// One block, its items, and where it is.
struct Place {
    before: Sum,
    items: Arc<[Item]>,
}

impl Store {
    /// A still view of the items and their sums. See [`IndexView`] for what it costs to hold one.
    pub fn view(&self) -> Result<IndexView, IndexError> {
        Self::view_in(&self.read()?)
    }

    /// The view of this transaction.
    pub(crate) fn view_in(transaction: &ReadTransaction) -> Result<IndexView, IndexError> {
        let mut before = Sum::default();
        let mut superblocks = Vec::new();
        for row in transaction.open_table(SUPERBLOCKS)?.iter()? {
            let (key, value) = row?;
            let row = Superblock::from_row(key.value(), value.value());
            superblocks.push(Before { before, row });
            before.merge(&row.sum);
        }
        let total = Total::load(&transaction.open_table(TOTALS)?)?.sum;
        if total != before {
            return Err(Total::damaged());
        }
        Ok(IndexView {
            items: transaction.open_table(ITEMS)?,
            blocks: transaction.open_table(BLOCKS)?,
            total,
            last_seq: Counted::load(&transaction.open_table(COUNTERS)?)?.seq,
            opened: superblocks.iter().map(|_| OnceLock::new()).collect(),
            superblocks,
            recent: Mutex::default(),
        })
    }
}

impl View for IndexView {
    fn len(&self) -> u64 {
        self.total.count()
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        let (superblock, block) = self.block_at(rank)?;
        let Before { before, row } = self.blocks_of(superblock)?[block];
        if rank == before.count() {
            return Ok(row.first);
        }
        if rank + 1 == before.count() + row.sum.count()
            && let Some(item) = self.item_before(self.first_after(superblock, block)?)?
        {
            return Ok(item);
        }
        let place = self.place(superblock, block)?;
        Ok(place.items[(rank - before.count()) as usize])
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        let superblock = self.superblocks.partition_point(|at| at.row.first <= *bound);
        let Some(superblock) = superblock.checked_sub(1) else {
            return Ok(0);
        };
        let blocks = self.blocks_of(superblock)?;
        let block = blocks.partition_point(|at| at.row.first <= *bound) - 1;
        let Before { before, row } = blocks[block];
        if *bound == row.first {
            return Ok(before.count());
        }
        // A bound that was made at the seam behind this block: one lookup spares its items.
        let last = self.item_before(self.first_after(superblock, block)?)?;
        if last.is_some_and(|last| last < *bound) {
            return Ok(before.count() + row.sum.count());
        }
        let place = self.place(superblock, block)?;
        Ok(place.before.count() + place.items.partition_point(|item| item < bound) as u64)
    }

    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        if rank == self.len() {
            return Ok(rank);
        }
        let (superblock, block) = self.block_at(rank)?;
        let Before { before, row } = self.blocks_of(superblock)?[block];
        let (start, end) = (before.count(), before.count() + row.sum.count());
        Ok(if rank - start <= end - rank { start } else { end })
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        // In this order, because the next range mostly starts where this one ends.
        let start = self.prefix(range.start)?;
        let end = self.prefix(range.end)?;
        Ok(end
            .without(&start)
            .expect("a prefix has no fewer items than a shorter one"))
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        let mut rank = range.start;
        while rank < range.end {
            let place = self.at_rank(rank)?;
            let skipped = (rank - place.before.count()) as usize;
            let wanted = (range.end - rank) as usize;
            let here = &place.items[skipped..];
            let here = &here[..here.len().min(wanted)];
            here.iter().copied().for_each(&mut *take);
            rank += here.len() as u64;
        }
        Ok(())
    }
}

impl IndexView {
    /// The last sequence number given out before this moment; every item's is at most that.
    pub fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// The last item with a sequence number up to `seq`, looked for among the last `most` items. Cost: the items behind it.
    pub(crate) fn last_up_to(&self, seq: u64, most: usize) -> Result<Option<Item>, IndexError> {
        for row in self.items.iter()?.rev().take(most) {
            let (key, number) = row?;
            if number.value() <= seq {
                return Ok(Some(Item::at(key.value())));
            }
        }
        Ok(None)
    }

    /// Whether this is an item with that sequence number.
    pub(crate) fn holds(&self, item: &Item, seq: u64) -> Result<bool, IndexError> {
        Ok(self
            .items
            .get(item.key())?
            .is_some_and(|number| number.value() == seq))
    }

    /// The sum of the items below `rank`.
    fn prefix(&self, rank: u64) -> Result<Sum, IndexError> {
        if rank == self.total.count() {
            return Ok(self.total);
        }
        let (superblock, block) = self.block_at(rank)?;
        let mut sum = self.blocks_of(superblock)?[block].before;
        if rank > sum.count() {
            let inside = (rank - sum.count()) as usize;
            sum.merge(&Sum::of(&self.place(superblock, block)?.items[..inside]));
        }
        Ok(sum)
    }

    fn at_rank(&self, rank: u64) -> Result<Place, IndexError> {
        let (superblock, block) = self.block_at(rank)?;
        self.place(superblock, block)
    }

    /// The numbers of the superblock that holds the item at `rank`, and of the block within it.
    fn block_at(&self, rank: u64) -> Result<(usize, usize), IndexError> {
        assert!(
            rank < self.total.count(),
            "rank {rank} of {} items",
            self.total.count()
        );
        let superblock = self.superblocks.partition_point(|at| at.before.count() <= rank) - 1;
        let blocks = self.blocks_of(superblock)?;
        let block = blocks.partition_point(|at| at.before.count() <= rank) - 1;
        Ok((superblock, block))
    }

    fn blocks_of(&self, superblock: usize) -> Result<&[Before<Block>], IndexError> {
        if let Some(blocks) = self.opened[superblock].get() {
            return Ok(blocks);
        }
        let Before { mut before, row } = self.superblocks[superblock];
        let blocks = load_blocks(&self.blocks, &row)?.into_iter().map(|row| {
            let at = Before { before, row };
            before.merge(&row.sum);
            at
        });
        let blocks = blocks.collect();
        Ok(self.opened[superblock].get_or_init(|| blocks))
    }

    /// Where a block ends: the first item behind it.
    fn first_after(&self, superblock: usize, block: usize) -> Result<Option<Item>, IndexError> {
        let next = self.blocks_of(superblock)?.get(block + 1).map(|at| at.row.first);
        Ok(next.or_else(|| self.superblocks.get(superblock + 1).map(|at| at.row.first)))
    }

    /// The last item below `end`, or of all.
    fn item_before(&self, end: Option<Item>) -> Result<Option<Item>, IndexError> {
        let row = match &end {
            Some(end) => self.items.range(..end.key())?.next_back().transpose()?,
            None => self.items.last()?,
        };
        Ok(row.map(|(key, _)| Item::at(key.value())))
    }

    /// The items of a block, read or kept from before.
    fn place(&self, superblock: usize, block: usize) -> Result<Place, IndexError> {
        let blocks = self.blocks_of(superblock)?;
        let Before { before, row } = blocks[block];
        let rank = before.count();
        // Nothing in here can be left half done by a panic.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, items)) = recent.iter().rev().find(|(first, _)| *first == rank) {
            let items = Arc::clone(items);
            return Ok(Place { before, items });
        }
        let end = self.first_after(superblock, block)?;
        let items: Arc<[Item]> = items_between(&self.items, row.first, end)?.into();
        if Sum::of(&items) != row.sum {
            return Err(row.damaged());
        }
        if recent.len() == BLOCKS_KEPT {
            recent.pop_front();
        }
        recent.push_back((rank, Arc::clone(&items)));
        Ok(Place { before, items })
    }
}

impl fmt::Debug for IndexView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexView")
            .field("items", &self.total.count())
            .field("last_seq", &self.last_seq)
            .finish_non_exhaustive()
    }
}
