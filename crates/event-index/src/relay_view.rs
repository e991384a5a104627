//! What one relay is expected to hold: the items, without those it lacks, with those it serves that are not taken.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use nostr::event::EventId;

use crate::fingerprint::Sum;
use crate::{IndexError, Item, View};

/// Places whose ranks were found and are kept: the bounds of a frame, which its ranges share. 64 bytes each.
const CUTS_KEPT: usize = 4_096;

/// A base without the items *absent* at a relay and with *extra* ones that it serves (DESIGN 4, "A relay's view").
///
/// Both are small beside the base and kept as one sorted list of edits with the sums before each. A sum is then that of
/// the base, less and plus two differences of prefixes. A rank is looked up by halving the list of edits; each edit
/// that is touched costs one [`View::lower_bound`] of the base, once. The whole costs nothing but the base's total, and
/// ranks that a lower bound answered are remembered.
pub struct RelayView<V> {
    base: V,
    edits: Vec<Edit>,
    /// Of all edits.
    end: Before,
    covered: Option<Item>,
    /// By rank: how a place is put together. Any of equal rank will do, since nothing visible lies between them.
    cuts: Mutex<BTreeMap<u64, Cut>>,
}

#[derive(Debug)]
struct Edit {
    item: Item,
    kind: Kind,
    /// Of the edits in front of this one.
    before: Before,
    /// The base's rank of the item, once looked up.
    rank: OnceLock<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Absent,
    Extra,
}

#[derive(Debug, Clone, Copy, Default)]
struct Before {
    absent: Sum,
    extra: Sum,
}

/// A place between two items: so many of the base's and so many edits lie before it.
#[derive(Debug, Clone, Copy)]
struct Cut {
    base: u64,
    edits: usize,
}

impl<V: View> RelayView<V> {
    /// The view of a relay that lacks `absent`, which are items of `base`, and serves `extra`, which are not. `covered`
    /// is what [`View::covered`] is to say.
    pub fn new(base: V, absent: &[Item], extra: &[Item], covered: Option<Item>) -> Self {
        let absent = absent.iter().map(|item| (*item, Kind::Absent));
        let mut marked: Vec<(Item, Kind)> = absent
            .chain(extra.iter().map(|item| (*item, Kind::Extra)))
            .collect();
        marked.sort_unstable_by_key(|(item, _)| *item);
        marked.dedup_by_key(|(item, _)| *item);
        let mut before = Before::default();
        let edits = marked
            .into_iter()
            .map(|(item, kind)| {
                let edit = Edit {
                    item,
                    kind,
                    before,
                    rank: OnceLock::new(),
                };
                match kind {
                    Kind::Absent => before.absent.add(item.id.as_bytes()),
                    Kind::Extra => before.extra.add(item.id.as_bytes()),
                }
                edit
            })
            .collect();
        Self {
            base,
            edits,
            end: before,
            covered,
            cuts: Mutex::default(),
        }
    }

    /// What is held here.
    pub fn base(&self) -> &V {
        &self.base
    }

    /// How many of them are not expected at the relay.
    pub fn absent(&self) -> u64 {
        self.end.absent.count()
    }

    /// What the relay serves and is not held here, in order.
    pub fn extra(&self) -> impl Iterator<Item = EventId> {
        let extra = self.edits.iter().filter(|edit| edit.kind == Kind::Extra);
        extra.map(|edit| edit.item.id)
    }

    fn before(&self, edits: usize) -> Before {
        self.edits.get(edits).map_or(self.end, |edit| edit.before)
    }

    /// The rank of the edit's place in the base.
    fn base_rank(&self, edit: &Edit) -> Result<u64, IndexError> {
        if let Some(rank) = edit.rank.get() {
            return Ok(*rank);
        }
        let rank = self.base.lower_bound(&edit.item)?;
        Ok(*edit.rank.get_or_init(|| rank))
    }

    /// How many visible items lie before a place.
    fn rank_of(&self, cut: Cut) -> u64 {
        let before = self.before(cut.edits);
        // Every absent item before the place is one of the base before it.
        cut.base.saturating_sub(before.absent.count()) + before.extra.count()
    }

    /// A place with this many visible items before it; behind it comes the item of that rank, if there is one.
    fn cut_at(&self, rank: u64) -> Result<Cut, IndexError> {
        if rank == self.len() {
            return Ok(Cut {
                base: self.base.len(),
                edits: self.edits.len(),
            });
        }
        if let Some(cut) = self.cuts().get(&rank) {
            return Ok(*cut);
        }
        // The first edit that lies behind more visible items than that, or right at it and visible itself: everything
        // before it is before the item of this rank, or is that item.
        let (mut low, mut high) = (0, self.edits.len());
        while low < high {
            let middle = low.midpoint(high);
            let edit = &self.edits[middle];
            let at = self.rank_of(Cut {
                base: self.base_rank(edit)?,
                edits: middle,
            });
            if at < rank || (at == rank && edit.kind == Kind::Absent) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let before = self.before(low);
        let base = (rank + before.absent.count()).checked_sub(before.extra.count());
        let cut = Cut {
            base: self.within(base)?,
            edits: low,
        };
        self.keep(rank, cut);
        Ok(cut)
    }

    /// A rank of the base, or one behind its last item: it is neither when an absent item is none of the base.
    fn within(&self, base: Option<u64>) -> Result<u64, IndexError> {
        base.filter(|base| *base <= self.base.len()).ok_or_else(damaged)
    }

    fn cuts(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Cut>> {
        // Nothing in here can be left half done by a panic.
        self.cuts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, rank: u64, cut: Cut) {
        let mut cuts = self.cuts();
        if cuts.len() >= CUTS_KEPT {
            cuts.clear();
        }
        cuts.insert(rank, cut);
    }
}

impl<V: View> View for RelayView<V> {
    fn len(&self) -> u64 {
        self.base.len().saturating_sub(self.end.absent.count()) + self.end.extra.count()
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        let mut found = None;
        self.each(rank..rank + 1, &mut |item| found = Some(item))?;
        Ok(found.expect("a rank below the length is that of an item"))
    }

    fn beside(&self, rank: u64) -> Result<(Item, Item), IndexError> {
        if self.edits.is_empty() {
            return self.base.beside(rank);
        }
        Ok((self.item(rank - 1)?, self.item(rank)?))
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        let edits = self.edits.partition_point(|edit| edit.item < *bound);
        let base = self.base.lower_bound(bound)?;
        let cut = Cut { base, edits };
        let rank = self.rank_of(cut);
        self.keep(rank, cut);
        Ok(rank)
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        let prefix = |rank| match rank {
            0 => Ok(Cut { base: 0, edits: 0 }),
            rank => self.cut_at(rank),
        };
        let (from, to) = (prefix(range.start)?, prefix(range.end)?);
        if range.is_empty() {
            return Ok(Sum::default());
        }
        if to.base < from.base || to.edits < from.edits {
            return Err(damaged());
        }
        let (first, last) = (self.before(from.edits), self.before(to.edits));
        let within = |last: Sum, first: &Sum| {
            last.without(first)
                .expect("a prefix has no fewer edits than a shorter one")
        };
        let mut sum = self.base.sum(from.base..to.base)?;
        sum = sum
            .without(&within(last.absent, &first.absent))
            .ok_or_else(damaged)?;
        sum.merge(&within(last.extra, &first.extra));
        Ok(sum)
    }

    fn sum_up_to(&self, start: u64, bound: &Item) -> Result<(u64, Sum), IndexError> {
        if self.edits.is_empty() {
            return self.base.sum_up_to(start, bound);
        }
        let end = self.lower_bound(bound)?.max(start);
        Ok((end, self.sum(start..end)?))
    }

    fn sum_to_cut(&self, start: u64, rank: u64) -> Result<(Sum, (Item, Item)), IndexError> {
        if self.edits.is_empty() {
            return self.base.sum_to_cut(start, rank);
        }
        let beside = self.beside(rank)?;
        Ok((self.sum(start..rank)?, beside))
    }

    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        if self.edits.is_empty() {
            return self.base.cheap_cut(rank);
        }
        let cut = self.cut_at(rank)?;
        let base = self.base.cheap_cut(cut.base)?;
        if base == self.base.len() {
            return Ok(self.len());
        }
        self.lower_bound(&self.base.item(base)?)
    }

    fn covered(&self) -> Option<Item> {
        self.covered
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        let Range { start, end } = range;
        if start >= end {
            return Ok(());
        }
        let Cut { mut base, edits } = self.cut_at(start)?;
        let mut left = end - start;
        for edit in &self.edits[edits..] {
            let reach = self.base_rank(edit)?.max(base);
            let here = left.min(reach - base);
            self.base.each(base..base + here, take)?;
            left -= here;
            if left == 0 {
                return Ok(());
            }
            base = reach;
            match edit.kind {
                Kind::Absent => base = self.within(base.checked_add(1))?,
                Kind::Extra => {
                    take(edit.item);
                    left -= 1;
                    if left == 0 {
                        return Ok(());
                    }
                }
            }
        }
        self.base.each(base..self.within(base.checked_add(left))?, take)
    }
}

/// Rows on disk are read without a checksum, so that one may name what is not there.
fn damaged() -> IndexError {
    IndexError::Index {
        what: "absent-1 of one relay".to_owned(),
    }
}

impl<V> fmt::Debug for RelayView<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayView")
            .field("absent", &self.end.absent.count())
            .field("extra", &self.end.extra.count())
            .finish_non_exhaustive()
    }
}
