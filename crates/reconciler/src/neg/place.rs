//! A range of a message, on this side.

use std::ops;

use event_index::View;

use super::asked::Edge;
use super::bound::Bound;
use super::error::NegError;
use super::message::{Ranges, Says};

/// From one bound up to another, which it excludes, and what lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) begin: Bound,
    pub(super) end: Bound,
    pub(super) ranks: ops::Range<u64>,
}

impl Place {
    /// How many items there are.
    pub(super) fn count(&self) -> u64 {
        self.ranks.end - self.ranks.start
    }

    /// What lies in both, which must overlap.
    pub(super) fn within(&self, other: &Self) -> Self {
        let later = |a: &Self, b: &Self| {
            if a.begin.item < b.begin.item {
                b.begin
            } else {
                a.begin
            }
        };
        let sooner = |a: &Self, b: &Self| if b.end.item < a.end.item { b.end } else { a.end };
        let start = self.ranks.start.max(other.ranks.start);
        Self {
            begin: later(self, other),
            end: sooner(self, other),
            ranks: start..self.ranks.end.min(other.ranks.end).max(start),
        }
    }
}

/// Fingerprints of one message that are compared before the rest is judged by them.
const SAMPLE: usize = 64;

/// The places a message speaks of, one after the other, with what it says of them.
pub(super) struct Places<'v, 'm, V: View + ?Sized> {
    view: &'v V,
    /// Bounds whose ranks are known, in order: an answer repeats those of the question, and the view is spared.
    known: &'v [Edge],
    /// How many of them lie before what was read.
    passed: usize,
    ranges: Ranges<'m>,
    /// The one that was read last: the next one begins at its end.
    place: Place,
    /// Fingerprints that were compared, and those of them that differed.
    compared: usize,
    unequal: usize,
    /// How many of the known bounds were considered for [`Places::skim`].
    skimmed: usize,
}

impl<'v, 'm, V: View + ?Sized> Places<'v, 'm, V> {
    pub(super) fn new(view: &'v V, ranges: Ranges<'m>, known: &'v [Edge]) -> Self {
        Self {
            view,
            known,
            passed: 0,
            ranges,
            place: Place {
                begin: Bound::START,
                end: Bound::START,
                ranks: 0..0,
            },
            compared: 0,
            unequal: 0,
            skimmed: 0,
        }
    }

    /// The place that was asked for and begins here, if the message cuts it into fingerprints of `items_min` items or more on
    /// average, and of those that were compared so far three in four differed: what it says of the parts is left unread then.
    /// To compare them, a block has to be read for each; to take all of them for different costs a few questions more.
    pub(super) fn skim(&mut self, items_min: u64) -> Result<Option<Place>, NegError> {
        if self.compared < SAMPLE || 4 * self.unequal < 3 * self.compared {
            return Ok(None);
        }
        let begin = self.place.end.item;
        // Each is looked at once, whatever a message repeats.
        let next = self.passed.max(self.skimmed);
        let mut behind = self.known[next..].windows(2);
        let begins = |pair: &[Edge]| pair[1].closes && pair[0].item >= begin;
        let Some(before) = behind.position(begins) else {
            return Ok(None);
        };
        let (first, last) = (&self.known[next + before], &self.known[next + before + 1]);
        if first.item != begin {
            return Ok(None);
        }
        let count = last.rank - first.rank;
        self.skimmed = next + before + 1;
        let (mut ahead, mut parts) = (self.ranges.clone(), 0);
        loop {
            match ahead.next()? {
                Some(range) if matches!(range.says, Says::Fingerprint(_)) => {
                    parts += 1;
                    if count < parts * items_min {
                        return Ok(None);
                    }
                    if range.end.item == last.item {
                        break;
                    }
                    if range.end.item > last.item {
                        return Ok(None);
                    }
                }
                _ => return Ok(None),
            }
        }
        if parts < 2 {
            return Ok(None);
        }
        self.ranges = ahead;
        self.place = first.up_to(last);
        Ok(Some(self.place.clone()))
    }

    /// What is said of the next one, which is [`Places::place`] then, or `None` at the end of the message. It is
    /// [`Says::Skip`] where fingerprints are equal.
    pub(super) fn next(&mut self) -> Result<Option<Says<'m>>, NegError> {
        let Some(range) = self.ranges.next()? else {
            return Ok(None);
        };
        let rank = self.place.ranks.end;
        let known = self.known_rank(&range.end).map(|known| known.max(rank));
        let (upper, says) = match range.says {
            Says::Fingerprint(theirs) => {
                let (upper, sum) = match known {
                    Some(upper) => (upper, self.view.sum(rank..upper)?),
                    None => self.view.sum_up_to(rank, &range.end.item)?,
                };
                let equal = *theirs == sum.fingerprint();
                self.compared += 1;
                self.unequal += usize::from(!equal);
                (upper, if equal { Says::Skip } else { range.says })
            }
            says => match known {
                Some(upper) => (upper, says),
                None => (self.view.lower_bound(&range.end.item)?.max(rank), says),
            },
        };
        self.place.begin = self.place.end;
        self.place.end = range.end;
        self.place.ranks = rank..upper;
        Ok(Some(says))
    }

    /// Reads what is left and looks nothing up: a message that breaks the protocol there is an error as well.
    pub(super) fn finish(&mut self) -> Result<(), NegError> {
        while self.ranges.next()?.is_some() {}
        Ok(())
    }

    /// What was read last.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The rank of a bound that was asked for. Bounds of a message ascend.
    fn known_rank(&mut self, bound: &Bound) -> Option<u64> {
        let behind = &self.known[self.passed..];
        self.passed += behind.iter().take_while(|known| known.item < bound.item).count();
        let known = self.known.get(self.passed)?;
        (known.item == bound.item).then_some(known.rank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(from: u64, to: u64) -> Place {
        Place {
            begin: Bound::time(from),
            end: Bound::time(to),
            ranks: from * 10..to * 10,
        }
    }

    #[test]
    fn what_lies_in_both_is_bounded_by_the_inner_ends() {
        for (one, other, both) in [
            (place(1, 5), place(3, 9), place(3, 5)),
            (place(1, 9), place(3, 5), place(3, 5)),
            (place(3, 5), place(3, 5), place(3, 5)),
        ] {
            assert_eq!(one.within(&other), both);
            assert_eq!(other.within(&one), both);
        }
    }
}
