//! The set that is compared, author by author, for relays that take one author per filter (P-20).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use event_index::{IndexError, Item, Snapshot, View};
use nostr::event::EventId;
use nostr::key::PublicKey;

use crate::engine::SharedView;

/// A view in parts.
#[derive(Clone)]
pub struct AuthorViews {
    pub(super) views: Vec<(PublicKey, SharedView)>,
    /// Items of the view that are by none of the authors as far as is known here: they are no difference, but cannot
    /// be compared.
    pub(super) unplaced: BTreeSet<EventId>,
}

impl AuthorViews {
    /// Parts `view` by who wrote what, as [`event_index::Store::items_by_author`] tells it; what is not in the view is
    /// left out. Cost: a walk through the view, and 40 bytes an item.
    pub fn of(
        view: &(impl View + ?Sized),
        by_author: &BTreeMap<PublicKey, Vec<Item>>,
    ) -> Result<Self, IndexError> {
        let mut parts: Vec<_> = by_author
            .iter()
            .map(|(author, items)| (*author, items.iter().peekable(), Vec::new()))
            .collect();
        let mut unplaced = BTreeSet::new();
        view.each(0..view.len(), &mut |item| {
            let mut placed = false;
            for (_, items, part) in &mut parts {
                while items.next_if(|known| **known < item).is_some() {}
                if items.next_if_eq(&&item).is_some() {
                    part.push(item);
                    placed = true;
                }
            }
            if !placed {
                unplaced.insert(item.id);
            }
        })?;
        let views = parts
            .into_iter()
            .map(|(author, _, items)| (author, Arc::new(Snapshot::of(items, 0)) as SharedView))
            .collect();
        Ok(Self { views, unplaced })
    }
}

impl std::fmt::Debug for AuthorViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorViews")
            .field("authors", &self.views.len())
            .field("unplaced", &self.unplaced.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn item((created_at, byte): (u64, u8)) -> Item {
        Item {
            created_at,
            id: EventId::from_byte_array([byte; 32]),
        }
    }

    proptest! {
        #[test]
        fn every_item_of_the_view_is_in_one_part_or_named_as_unplaced(
            rows in proptest::collection::btree_map((0u64..9, any::<u8>()), (0u8..4, any::<bool>()), 0..80),
        ) {
            // Author 3 is nobody we ask for; some held items are not in the view, as they are absent at the relay.
            let author = |n: u8| PublicKey::from_byte_array([n + 1; 32]);
            let mut by_author: BTreeMap<_, Vec<Item>> = (0..3).map(|n| (author(n), Vec::new())).collect();
            for (key, (by, _)) in &rows {
                if let Some(items) = by_author.get_mut(&author(*by)) { items.push(item(*key)) }
            }
            let viewed = rows.iter().filter(|(_, (_, viewed))| *viewed);
            let view = Snapshot::of(viewed.clone().map(|(key, _)| item(*key)).collect(), 0);
            let parts = AuthorViews::of(&view, &by_author).unwrap();
            for (n, (of, part)) in parts.views.iter().enumerate() {
                prop_assert_eq!(*of, author(u8::try_from(n).unwrap()));
                let mut got = Vec::new();
                part.each(0..part.len(), &mut |item| got.push(item)).unwrap();
                let expected: Vec<Item> = viewed.clone()
                    .filter(|(_, (by, _))| author(*by) == *of).map(|(key, _)| item(*key)).collect();
                prop_assert_eq!(got, expected);
            }
            let unplaced: BTreeSet<EventId> = viewed.filter(|(_, (by, _))| *by == 3).map(|(key, _)| item(*key).id).collect();
            prop_assert_eq!(parts.unplaced, unplaced);
        }
    }
}
