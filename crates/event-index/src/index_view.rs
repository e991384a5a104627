//! The fingerprint index at one moment, read as far as it is touched.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use crate::block_items::BlockItems;
use crate::blocks::Block;
use crate::fingerprint::Sum;
use crate::fingerprint_index::Total;
use crate::open_blocks::OpenBlocks;
use crate::superblocks::Superblock;
use crate::tables::{BLOCK_ITEMS, BLOCKS, Blob, Bytes32, COUNTERS, ITEMS, SUPERBLOCKS, TOTALS};
use crate::writer::Counted;
use crate::{IndexError, Item, Store, View};

/// Neighbouring ranges end in the same block, and the next frame asks for parts of what this one asked for: a frame of 60,000
/// bytes answers for some 150 blocks. 256 blocks are 1 MiB, and memory that is asked for anew costs more than reading does.
const BLOCKS_KEPT: usize = 256;

/// Every item at one moment, and the sums over them. It stays still while commits go on.
///
/// It holds one read transaction as long as it lives: pages it can see are not reused, so the file grows by what is
/// written meanwhile, and that space is used again only after the view is dropped. Keep one for a session, not longer.
///
/// Cost: making one reads the total and the last superblock. Whatever lies before that reads all superblocks, once: one row
/// for up to 24,576 items. A rank or a bound leads to one superblock,
/// whose blocks (at most 256 rows) are read once and kept, and to one block, whose items (one row) are kept
/// until 256 other blocks were read; at the seam of two blocks ([`View::cheap_cut`]) no items are read. Blocks and
/// superblocks are checked against their sums when they are read: damage is [`IndexError::Index`], no wrong answer.
pub struct IndexView {
    items: ReadOnlyTable<(u64, Bytes32), u64>,
    blocks: ReadOnlyTable<(u64, Bytes32), &'static [u8; 80]>,
    block_items: ReadOnlyTable<(u64, Bytes32), Blob>,
    total: Sum,
    last_seq: u64,
    superblocks: ReadOnlyTable<(u64, Bytes32), &'static [u8; 44]>,
    /// The last superblock, where most questions are about; empty when there are no items.
    tail: Superblocks,
    /// All of them, once something before the last one was asked for.
    all: OnceLock<Superblocks>,
    recent: Mutex<Recent>,
    /// The superblock (upper half) and the block in it that a rank or a bound led to last; any value only costs a search.
    hint: AtomicU64,
}

/// Superblocks that follow each other, and what was read of their blocks.
#[derive(Default)]
struct Superblocks {
    rows: Vec<Before<Superblock>>,
    /// The blocks of each, once read.
    opened: Vec<OnceLock<OpenBlocks>>,
}

/// What was read last.
#[derive(Default)]
struct Recent {
    /// Blocks, by the rank of their first item.
    blocks: BTreeMap<u64, Arc<BlockItems>>,
    /// The keys of `blocks`, in the order of reading.
    order: VecDeque<u64>,
    /// The block that was looked into last: an answer has sixteen bounds in one block, one behind the other.
    place: Option<Place>,
    /// The sums of the items before the two ranks that were found last, which their counts are: the range between them is
    /// what is asked for next.
    prefixes: [Sum; 2],
}

impl Recent {
    /// The rank of `bound`, if the block that was looked into last tells. It is looked for right behind `near` first.
    fn lower_bound(&self, bound: &Item, near: u64) -> Option<u64> {
        let place = self.place.as_ref()?;
        (&place.first..=&place.last)
            .contains(&bound)
            .then(|| place.lower_bound(bound, near))
    }

    /// The sum of the items with these ranks, if they are in the block that was looked into last.
    #[inline]
    fn inside(&self, range: &Range<u64>) -> Option<Sum> {
        let place = self.place.as_ref()?;
        let inside = place.inside(range.start)?..place.inside(range.end)?;
        Some(place.items.sum(inside))
    }

    /// The sum of the items below `rank`, as far as no block has to be looked for.
    fn prefix(&self, rank: u64) -> Option<Sum> {
        if let Some(known) = self.prefixes.iter().find(|known| known.count() == rank) {
            return Some(*known);
        }
        let place = self.place.as_ref()?;
        place.inside(rank).map(|inside| place.prefix(inside))
    }

    /// The sum of the items between two prefixes. The later one is remembered, because the next range mostly starts there.
    fn found(&mut self, end: Sum, start: &Sum) -> Sum {
        if self.prefixes[0].count() != end.count() {
            self.prefixes = [end, self.prefixes[0]];
        }
        end.without(start)
            .expect("a prefix has no fewer items than a shorter one")
    }
}

/// A row and the sum of all items before it.
#[derive(Debug, Clone, Copy)]
struct Before<R> {
    before: Sum,
    row: R,
}

/// Where a block is.
#[derive(Clone, Copy)]
struct At<'v> {
    blocks: &'v OpenBlocks,
    block: usize,
}

impl<'v> At<'v> {
    /// The sum of all items before the block.
    fn before(&self) -> &'v Sum {
        self.blocks.before(self.block)
    }
}

impl Superblocks {
    fn new(rows: Vec<Before<Superblock>>) -> Self {
        let opened = rows.iter().map(|_| OnceLock::new()).collect();
        Self { rows, opened }
    }
}

/// One block, its items, and where it is.
struct Place {
    before: Sum,
    first: Item,
    last: Item,
    items: Arc<BlockItems>,
}

impl Place {
    /// How many of its items lie below `rank`, when that is in it or at its end.
    fn inside(&self, rank: u64) -> Option<usize> {
        let inside = usize::try_from(rank.checked_sub(self.before.count())?).ok()?;
        (inside <= self.items.len()).then_some(inside)
    }

    /// The rank of a bound that lies in it, which is looked for right behind `near` first.
    fn lower_bound(&self, bound: &Item, near: u64) -> u64 {
        let near = self.inside(near).unwrap_or(0);
        self.before.count() + self.items.below(bound, near) as u64
    }

    /// The items before and behind a cut inside of it.
    fn beside(&self, inside: usize) -> (Item, Item) {
        (self.items.item(inside - 1), self.items.item(inside))
    }

    /// The sum of its first `inside` items and of all before it.
    fn prefix(&self, inside: usize) -> Sum {
        let mut sum = self.before;
        sum.merge(&self.items.sum(0..inside));
        sum
    }
}

impl Store {
    /// A still view of the items and their sums. See [`IndexView`] for what it costs to hold one.
    pub fn view(&self) -> Result<IndexView, IndexError> {
        Self::view_in(&self.read()?)
    }

    /// The view of this transaction.
    pub(crate) fn view_in(transaction: &ReadTransaction) -> Result<IndexView, IndexError> {
        let superblocks = transaction.open_table(SUPERBLOCKS)?;
        let total = Total::load(&transaction.open_table(TOTALS)?)?.sum;
        let tail = match superblocks.last()? {
            Some((key, value)) => {
                let row = Superblock::from_row(key.value(), value.value());
                let before = total.without(&row.sum).ok_or_else(Total::damaged)?;
                Superblocks::new(vec![Before { before, row }])
            }
            None if total == Sum::default() => Superblocks::default(),
            None => return Err(Total::damaged()),
        };
        Ok(IndexView {
            items: transaction.open_table(ITEMS)?,
            blocks: transaction.open_table(BLOCKS)?,
            block_items: transaction.open_table(BLOCK_ITEMS)?,
            superblocks,
            total,
            last_seq: Counted::load(&transaction.open_table(COUNTERS)?)?.seq,
            tail,
            all: OnceLock::new(),
            recent: Mutex::default(),
            hint: AtomicU64::new(0),
        })
    }
}

impl View for IndexView {
    fn len(&self) -> u64 {
        self.total.count()
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        let at = self.block_at(rank)?;
        let start = at.before().count();
        if rank == start {
            return Ok(*at.blocks.first(at.block));
        }
        if rank + 1 == at.blocks.end(at.block) {
            return Ok(*at.blocks.last(at.block));
        }
        let mut recent = self.recent();
        let place = self.place(&mut recent, at)?;
        Ok(place.items.item((rank - start) as usize))
    }

    fn beside(&self, rank: u64) -> Result<(Item, Item), IndexError> {
        let at = self.block_at(rank)?;
        let inside = (rank - at.before().count()) as usize;
        if inside == 0 {
            return self.at_seam(at);
        }
        let mut recent = self.recent();
        let place = self.place(&mut recent, at)?;
        Ok(place.beside(inside))
    }

    fn sum_to_cut(&self, start: u64, rank: u64) -> Result<(Sum, (Item, Item)), IndexError> {
        let at = self.block_at(rank)?;
        let before = at.before();
        let inside = (rank - before.count()) as usize;
        let mut recent = self.recent();
        if inside > 0 && start >= before.count() {
            let place = self.place(&mut recent, at)?;
            let sum = place.items.sum((start - before.count()) as usize..inside);
            return Ok((sum, place.beside(inside)));
        }
        // In this order, because the range mostly starts in the block that was looked into last.
        let start = self.prefix(&mut recent, start)?;
        if inside > 0 {
            let place = self.place(&mut recent, at)?;
            let (end, beside) = (place.prefix(inside), place.beside(inside));
            return Ok((recent.found(end, &start), beside));
        }
        let sum = recent.found(*before, &start);
        drop(recent);
        Ok((sum, self.at_seam(at)?))
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        self.rank_of(&mut self.recent(), bound, 0)
    }

    fn sum_up_to(&self, start: u64, bound: &Item) -> Result<(u64, Sum), IndexError> {
        let mut recent = self.recent();
        // The bounds of an answer ascend.
        let end = self.rank_of(&mut recent, bound, start)?.max(start);
        Ok((end, self.between(&mut recent, start..end)?))
    }

    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        if rank == self.len() {
            return Ok(rank);
        }
        let at = self.block_at(rank)?;
        let (start, end) = (at.before().count(), at.blocks.end(at.block));
        Ok(if rank - start <= end - rank { start } else { end })
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        self.between(&mut self.recent(), range)
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        let mut rank = range.start;
        while rank < range.end {
            let at = self.block_at(rank)?;
            let skipped = (rank - at.before().count()) as usize;
            let wanted = (range.end - rank) as usize;
            // Not under the lock: whoever takes an item may look up another.
            let items = Arc::clone(&self.place(&mut self.recent(), at)?.items);
            let here = skipped..items.len().min(skipped.saturating_add(wanted));
            rank += here.len() as u64;
            items.range(here).for_each(&mut *take);
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

    /// The rank of the first item that is not below `bound`, which is looked for right behind `near` first.
    fn rank_of(&self, recent: &mut Recent, bound: &Item, near: u64) -> Result<u64, IndexError> {
        if let Some(rank) = recent.lower_bound(bound, near) {
            return Ok(rank);
        }
        let Some(at) = self.block_of(bound)? else {
            return Ok(0);
        };
        if bound == at.blocks.first(at.block) {
            return Ok(at.before().count());
        }
        // A bound at the seam behind this block spares its items.
        if at.blocks.last(at.block) < bound {
            return Ok(at.blocks.end(at.block));
        }
        Ok(self.place(recent, at)?.lower_bound(bound, near))
    }

    /// The sum of the items with these ranks.
    #[inline]
    fn between(&self, recent: &mut Recent, range: Range<u64>) -> Result<Sum, IndexError> {
        if let Some(sum) = recent.inside(&range) {
            return Ok(sum);
        }
        // In this order, because the next range mostly starts where this one ends.
        let start = self.prefix(recent, range.start)?;
        let end = self.prefix(recent, range.end)?;
        Ok(recent.found(end, &start))
    }

    /// The items before and behind the beginning of a block, which is not the first one.
    #[inline]
    fn at_seam(&self, at: At<'_>) -> Result<(Item, Item), IndexError> {
        let left = match at.block.checked_sub(1) {
            Some(block) => *at.blocks.last(block),
            None => self.item(at.before().count() - 1)?,
        };
        Ok((left, *at.blocks.first(at.block)))
    }

    /// The sum of the items below `rank`.
    fn prefix(&self, recent: &mut Recent, rank: u64) -> Result<Sum, IndexError> {
        if rank == 0 {
            return Ok(Sum::default());
        }
        if rank == self.total.count() {
            return Ok(self.total);
        }
        if let Some(known) = recent.prefix(rank) {
            return Ok(known);
        }
        let at = self.block_at(rank)?;
        match (rank - at.before().count()) as usize {
            0 => Ok(*at.before()),
            inside => Ok(self.place(recent, at)?.prefix(inside)),
        }
    }

    /// The block that begins last at or before `bound`, if one does.
    fn block_of(&self, bound: &Item) -> Result<Option<At<'_>>, IndexError> {
        let in_tail = self.tail.rows.iter().any(|at| at.row.first <= *bound);
        let among = self.superblocks_of(in_tail)?;
        let superblock = among.rows.partition_point(|at| at.row.first <= *bound);
        let Some(superblock) = superblock.checked_sub(1) else {
            return Ok(None);
        };
        let blocks = self.blocks_of(among, superblock)?;
        let block = blocks.of_bound(bound);
        Ok(block.map(|block| self.found(superblock, At { blocks, block })))
    }

    /// The block that holds the item at `rank`.
    fn block_at(&self, rank: u64) -> Result<At<'_>, IndexError> {
        let count = self.total.count();
        assert!(rank < count, "rank {rank} of {count} items");
        let in_tail = self.tail.rows.iter().any(|at| at.before.count() <= rank);
        let among = self.superblocks_of(in_tail)?;
        let hint = self.hint.load(Ordering::Relaxed);
        let (hinted, near) = ((hint >> 32) as usize, hint as u32 as usize);
        let holds = |at: &Before<Superblock>| {
            (at.before.count()..at.before.count() + at.row.sum.count()).contains(&rank)
        };
        let superblock = match among.rows.get(hinted).filter(|at| holds(at)) {
            Some(_) => hinted,
            None => among.rows.partition_point(|at| at.before.count() <= rank) - 1,
        };
        let blocks = self.blocks_of(among, superblock)?;
        let block = blocks.at_rank(rank, near).expect("the superblock holds the rank");
        Ok(self.found(superblock, At { blocks, block }))
    }

    /// The superblocks to look among: the last one when that is enough and no others were read.
    fn superblocks_of(&self, in_tail: bool) -> Result<&Superblocks, IndexError> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        if in_tail {
            return Ok(&self.tail);
        }
        let mut before = Sum::default();
        let mut rows = Vec::new();
        for row in self.superblocks.iter()? {
            let (key, value) = row?;
            let row = Superblock::from_row(key.value(), value.value());
            rows.push(Before { before, row });
            before.merge(&row.sum);
        }
        if before != self.total {
            return Err(Total::damaged());
        }
        Ok(self.all.get_or_init(|| Superblocks::new(rows)))
    }

    fn found<'v>(&self, superblock: usize, at: At<'v>) -> At<'v> {
        let hint = (superblock as u64) << 32 | at.block as u64;
        self.hint.store(hint, Ordering::Relaxed);
        at
    }

    fn blocks_of<'v>(&self, among: &'v Superblocks, superblock: usize) -> Result<&'v OpenBlocks, IndexError> {
        if let Some(blocks) = among.opened[superblock].get() {
            return Ok(blocks);
        }
        let Before { before, row } = among.rows[superblock];
        let blocks = OpenBlocks::load(&self.blocks, &row, before)?;
        Ok(among.opened[superblock].get_or_init(|| blocks))
    }

    /// Nothing in there can be left half done by a panic.
    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block with its items, read or kept from before, which becomes the one that was looked into last.
    fn place<'r>(&self, recent: &'r mut Recent, at: At<'_>) -> Result<&'r Place, IndexError> {
        let rank = at.before().count();
        if recent
            .place
            .as_ref()
            .is_none_or(|place| place.before.count() != rank)
        {
            let row = at.blocks.block(at.block);
            let items = match recent.blocks.get(&rank) {
                Some(items) => Arc::clone(items),
                None => self.read(recent, rank, &row)?,
            };
            recent.place = Some(Place {
                before: *at.before(),
                first: row.first,
                last: row.last,
                items,
            });
        }
        Ok(recent.place.as_ref().expect("it was put there"))
    }

    fn read(&self, recent: &mut Recent, rank: u64, row: &Block) -> Result<Arc<BlockItems>, IndexError> {
        let items = Arc::new(BlockItems::load(&self.block_items, row)?);
        if recent.order.len() == BLOCKS_KEPT
            && let Some(oldest) = recent.order.pop_front()
        {
            recent.blocks.remove(&oldest);
        }
        recent.order.push_back(rank);
        recent.blocks.insert(rank, Arc::clone(&items));
        Ok(items)
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
