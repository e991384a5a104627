//! What a comparison reads: a sorted set that stays still and is fingerprinted by rank.

use std::ops::Range;

use crate::fingerprint::Sum;
use crate::{IndexError, Item, Snapshot};

/// A set of items in the order NIP-77 compares them. Ranks count from 0. It does not change while it exists.
pub trait View {
    /// How many items there are.
    fn len(&self) -> u64;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at `rank`, which is below [`View::len`].
    fn item(&self, rank: u64) -> Result<Item, IndexError>;

    /// The items before and behind a cut at `rank`, which is neither 0 nor [`View::len`].
    fn beside(&self, rank: u64) -> Result<(Item, Item), IndexError> {
        Ok((self.item(rank - 1)?, self.item(rank)?))
    }

    /// The rank of the first item that is not below `bound`; [`View::len`] when there is none. A bound with an id prefix
    /// is the item whose id has zeros behind it; infinity has time `u64::MAX`.
    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError>;

    /// Count and sum of the items with these ranks, which lie within `0..len()`.
    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError>;

    /// [`View::lower_bound`] of `bound`, or `start` when that lies behind it, and [`View::sum`] from `start` up to there.
    fn sum_up_to(&self, start: u64, bound: &Item) -> Result<(u64, Sum), IndexError> {
        let end = self.lower_bound(bound)?.max(start);
        Ok((end, self.sum(start..end)?))
    }

    /// [`View::sum`] from `start` up to a cut at `rank`, and [`View::beside`] of that cut: all that is written of a part of a
    /// range, with one look-up.
    fn sum_to_cut(&self, start: u64, rank: u64) -> Result<(Sum, (Item, Item)), IndexError> {
        let beside = self.beside(rank)?;
        Ok((self.sum(start..rank)?, beside))
    }

    /// A rank near `rank`, which is at most [`View::len`], where a range begins or ends at little cost: its sum, its item
    /// and the one before are found without reading a block's items. For whoever is free to choose where to cut.
    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        Ok(rank)
    }

    /// The last item that the other side held as well when both last agreed, which may be gone since; `None` when that is
    /// not known. For whoever chooses what to compare first: a wrong one costs bytes, never ids.
    fn covered(&self) -> Option<Item> {
        None
    }

    /// Hands the items with these ranks to `take`, in order.
    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError>;
}

impl View for Snapshot {
    fn len(&self) -> u64 {
        self.items().len() as u64
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        Ok(self.items()[rank as usize])
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        Ok(Snapshot::lower_bound(self, bound) as u64)
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        let mut sum = Sum::default();
        for item in &self.items()[range.start as usize..range.end as usize] {
            sum.add(item.id.as_bytes());
        }
        Ok(sum)
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        self.items()[range.start as usize..range.end as usize]
            .iter()
            .copied()
            .for_each(take);
        Ok(())
    }
}
