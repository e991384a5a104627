//! Stretches of outer time, and where to cut them.

use std::ops::Range;

use event_index::{IndexError, Item, View};
use nostr::event::EventId;
use nostr::filter::Filter;
use nostr::types::Timestamp;

/// No event is older: where the relay's events lie is guessed between here and now (1 January 2020).
const EARLIEST: u64 = 1_577_836_800;

/// Seconds from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) since: u64,
    /// Without one it has no upper end: events may be dated in the future (N-7).
    pub(crate) until: Option<u64>,
}

impl Span {
    /// All there is.
    pub(crate) const ALL: Self = Self {
        since: 0,
        until: None,
    };

    /// One second.
    pub(crate) fn second(second: u64) -> Self {
        Self {
            since: second,
            until: Some(second),
        }
    }

    /// The second, when it is only one: it cannot be cut.
    pub(crate) fn only_second(&self) -> Option<u64> {
        self.until.filter(|until| *until == self.since)
    }

    /// This one and those below it down to `lowest`, where nothing lies between.
    pub(crate) fn down_to(self, lowest: Self) -> Self {
        Self {
            since: lowest.since,
            ..self
        }
    }

    /// The filter for this stretch. Without an end it has no `until`, and from the beginning it has no `since`.
    pub(crate) fn on(&self, filter: &Filter) -> Filter {
        let mut filter = filter.clone().remove_since().remove_until();
        if self.since > 0 {
            filter = filter.since(Timestamp::from(self.since));
        }
        match self.until {
            Some(until) => filter.until(Timestamp::from(until)),
            None => filter,
        }
    }

    /// The ranks of our items in it.
    pub(crate) fn ranks(&self, view: &(impl View + ?Sized)) -> Result<Range<u64>, IndexError> {
        let start = first_of(view, self.since)?;
        let end = match self.until.and_then(|until| until.checked_add(1)) {
            Some(behind) => first_of(view, behind)?,
            None => view.len(),
        };
        Ok(start..end.max(start))
    }

    /// Cuts it into stretches, the newest first, which together are the same. With an `aim` none of them holds more of
    /// our items, unless they lie in one second; when it holds no more than that, or there is no aim, it is halved: by
    /// our items when they may be like the relay's, else by time, as far as `now` (Unix seconds) tells where events
    /// lie. One second is returned as it is. Cost: two look-ups in the view for each cut.
    pub(crate) fn cut(
        &self,
        view: &(impl View + ?Sized),
        aim: Option<u64>,
        now: u64,
    ) -> Result<Vec<Self>, IndexError> {
        if self.only_second().is_some() {
            return Ok(vec![*self]);
        }
        let mut cuts = match aim {
            Some(aim) => self.cuts(view, aim.max(1))?,
            None => Vec::new(),
        };
        if cuts.is_empty() {
            cuts.push(self.halving_cut(view, aim, now)?);
        }
        let mut spans = Vec::with_capacity(cuts.len() + 1);
        let mut until = self.until;
        for cut in cuts.into_iter().rev() {
            spans.push(Self { since: cut, until });
            until = Some(cut - 1);
        }
        spans.push(Self {
            since: self.since,
            until,
        });
        Ok(spans)
    }

    /// The first seconds of the stretches above the lowest, ascending, each above `since`.
    fn cuts(&self, view: &(impl View + ?Sized), aim: u64) -> Result<Vec<u64>, IndexError> {
        let Range { mut start, end } = self.ranks(view)?;
        let (mut since, mut cuts) = (self.since, Vec::new());
        while end - start > aim {
            let crowded = view.item(start + aim)?.created_at;
            // A second that holds more than the aim gets a stretch of its own.
            let cut = crowded.max(since + 1);
            if self.until.is_some_and(|until| cut > until) {
                break;
            }
            cuts.push(cut);
            (since, start) = (cut, first_of(view, cut)?.min(end));
        }
        Ok(cuts)
    }

    fn halving_cut(
        &self,
        view: &(impl View + ?Sized),
        aim: Option<u64>,
        now: u64,
    ) -> Result<u64, IndexError> {
        let ranks = self.ranks(view)?;
        let count = ranks.end - ranks.start;
        if count > 1 && aim.is_none_or(|aim| count.saturating_mul(2) > aim) {
            let middle = view.item(ranks.start + count / 2)?.created_at;
            if middle > view.item(ranks.start)?.created_at {
                return Ok(middle);
            }
        }
        let lowest = if self.until.is_none_or(|until| until > EARLIEST) {
            self.since.max(EARLIEST)
        } else {
            self.since
        };
        let highest = self.until.unwrap_or(now).max(lowest.saturating_add(1));
        Ok(lowest + (highest - lowest).div_ceil(2))
    }
}

/// The rank of the first item in or after a second.
fn first_of(view: &(impl View + ?Sized), second: u64) -> Result<u64, IndexError> {
    view.lower_bound(&Item {
        created_at: second,
        id: EventId::from_byte_array([0; 32]),
    })
}

#[cfg(test)]
mod tests {
    use event_index::Snapshot;
    use proptest::prelude::*;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn items(seconds: &[u64]) -> Snapshot {
        let item = |(n, second): (usize, &u64)| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n as u64).to_be_bytes());
            Item {
                created_at: *second,
                id: EventId::from_byte_array(id),
            }
        };
        Snapshot::of(seconds.iter().enumerate().map(item).collect(), 0)
    }

    #[test]
    fn the_top_keeps_its_open_end_and_a_crowded_second_is_alone() {
        let seconds: Vec<u64> = (100..110).chain([120; 50]).chain(130..140).collect();
        let spans = Span::ALL.cut(&items(&seconds), Some(8), NOW).unwrap();
        assert_eq!(spans[0].until, None);
        assert!(spans.contains(&Span::second(120)), "{spans:?}");
        assert_eq!(
            Span::second(120).cut(&items(&seconds), Some(8), NOW).unwrap(),
            [Span::second(120)]
        );
    }

    #[test]
    fn without_items_the_time_since_2020_is_halved() {
        let spans = Span::ALL.cut(&items(&[]), Some(100), NOW).unwrap();
        let middle = EARLIEST + (NOW - EARLIEST).div_ceil(2);
        assert_eq!(
            spans,
            [
                Span {
                    since: middle,
                    until: None
                },
                Span {
                    since: 0,
                    until: Some(middle - 1)
                }
            ]
        );
    }

    proptest! {
        #[test]
        fn stretches_lie_side_by_side_and_are_no_fuller_than_the_aim(
            seconds in proptest::collection::vec(0u64..60, 0..80),
            since in 0u64..70,
            length in proptest::option::of(0u64..70),
            aim in proptest::option::of(1u64..20),
        ) {
            let view = items(&seconds);
            let span = Span { since, until: length.map(|length| since + length) };
            let spans = span.cut(&view, aim, NOW).unwrap();
            prop_assert_eq!(spans.len() > 1, span.only_second().is_none());
            prop_assert_eq!(spans[0].until, span.until);
            prop_assert_eq!(spans.last().unwrap().since, span.since);
            let held = |span: &Span| { let ranks = span.ranks(&view).unwrap(); ranks.end - ranks.start };
            for pair in spans.windows(2) {
                prop_assert_eq!(pair[1].until, Some(pair[0].since - 1));
                prop_assert!(pair[1].since < pair[0].since);
            }
            prop_assert_eq!(spans.iter().map(held).sum::<u64>(), held(&span));
            for part in &spans {
                let full = aim.is_some_and(|aim| held(part) > aim);
                let one_second = {
                    let ranks = part.ranks(&view).unwrap();
                    ranks.is_empty() || view.items()[ranks.start as usize].created_at
                        == view.items()[ranks.end as usize - 1].created_at
                };
                prop_assert!(!full || one_second, "{part:?}");
            }
        }

        #[test]
        fn halving_comes_down_to_one_second_soon(seconds in proptest::collection::vec(0u64..2_000_000_000, 0..20)) {
            let view = items(&seconds);
            // Down to the year 1970 it is two halvings of a billion, after those of our own items.
            for (down, most) in [(false, 40), (true, 70)] {
                let mut span = Span { since: 0, until: Some(NOW) };
                let mut steps = 0;
                while span.only_second().is_none() {
                    let spans = span.cut(&view, None, NOW).unwrap();
                    span = spans[usize::from(down).min(spans.len() - 1)];
                    steps += 1;
                    prop_assert!(steps <= most, "{span:?}");
                }
            }
        }
    }
}
