//! A stretch of a view that is compared by itself.

use std::ops::Range;
use std::sync::Arc;

use crate::fingerprint::Sum;
use crate::{IndexError, Item, View};

/// The items of a view with neighbouring ranks, as a set of their own. Cost: none beyond the view's.
#[derive(Debug)]
pub struct Window<V: ?Sized> {
    view: Arc<V>,
    ranks: Range<u64>,
}

impl<V: View + ?Sized> Window<V> {
    /// The items of `view` with these ranks. What lies outside the view is left out.
    pub fn of(view: Arc<V>, ranks: Range<u64>) -> Self {
        let end = ranks.end.min(view.len());
        let ranks = ranks.start.min(end)..end;
        Self { view, ranks }
    }

    fn outer(&self, range: Range<u64>) -> Range<u64> {
        self.ranks.start + range.start..self.ranks.start + range.end
    }
}

impl<V: View + ?Sized> View for Window<V> {
    fn len(&self) -> u64 {
        self.ranks.end - self.ranks.start
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        self.view.item(self.ranks.start + rank)
    }

    fn beside(&self, rank: u64) -> Result<(Item, Item), IndexError> {
        self.view.beside(self.ranks.start + rank)
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        let rank = self.view.lower_bound(bound)?;
        Ok(rank.clamp(self.ranks.start, self.ranks.end) - self.ranks.start)
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        self.view.sum(self.outer(range))
    }

    fn sum_to_cut(&self, start: u64, rank: u64) -> Result<(Sum, (Item, Item)), IndexError> {
        let Range { start, end } = self.outer(start..rank);
        self.view.sum_to_cut(start, end)
    }

    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        // The ends of the window are where its own ranges begin and end anyway.
        let cut = self.view.cheap_cut(self.ranks.start + rank)?;
        Ok(cut.clamp(self.ranks.start, self.ranks.end) - self.ranks.start)
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        self.view.each(self.outer(range), take)
    }
}

#[cfg(test)]
mod tests {
    use nostr::event::EventId;
    use proptest::prelude::*;

    use super::*;
    use crate::Snapshot;

    fn item((created_at, byte): (u64, u8)) -> Item {
        Item {
            created_at,
            id: EventId::from_byte_array([byte; 32]),
        }
    }

    proptest! {
        #[test]
        fn a_window_is_the_view_of_its_items(
            items in proptest::collection::vec((0u64..20, any::<u8>()).prop_map(item), 0..60),
            start in 0u64..70,
            length in 0u64..70,
            bound in (0u64..22, any::<u8>()).prop_map(item),
            cut in any::<proptest::sample::Index>(),
            (from, to) in (any::<proptest::sample::Index>(), any::<proptest::sample::Index>()),
        ) {
            let whole = Snapshot::of(items, 1);
            let end = (start + length).min(whole.len() as u64);
            let inside = whole.items()[start.min(end) as usize..end as usize].to_vec();
            let alone = Snapshot::of(inside.clone(), 1);
            let window = Window::of(Arc::new(whole), start..start + length);
            prop_assert_eq!(window.len(), inside.len() as u64);
            prop_assert_eq!(window.lower_bound(&bound).unwrap(), View::lower_bound(&alone, &bound).unwrap());
            for (rank, item) in inside.iter().enumerate() {
                prop_assert_eq!(window.item(rank as u64).unwrap(), *item);
            }
            for (rank, pair) in (1..).zip(inside.windows(2)) {
                prop_assert_eq!(window.beside(rank).unwrap(), (pair[0], pair[1]));
                let start = from.index(rank as usize + 1) as u64;
                let cut = (alone.sum(start..rank).unwrap(), (pair[0], pair[1]));
                prop_assert_eq!(window.sum_to_cut(start, rank).unwrap(), cut);
            }
            let (a, b) = (from.index(inside.len() + 1) as u64, to.index(inside.len() + 1) as u64);
            let range = a.min(b)..a.max(b);
            prop_assert_eq!(window.sum(range.clone()).unwrap(), alone.sum(range.clone()).unwrap());
            let mut seen = Vec::new();
            window.each(range.clone(), &mut |item| seen.push(item)).unwrap();
            prop_assert_eq!(&seen[..], &inside[range.start as usize..range.end as usize]);
            prop_assert!(window.cheap_cut(cut.index(inside.len() + 1) as u64).unwrap() <= window.len());
        }
    }
}
