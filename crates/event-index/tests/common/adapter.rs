//! The `negentropy` crate reading one of our views.

#![allow(dead_code, reason = "not every test binary compares with the crate")]

use event_index::{Item, View};
use negentropy::{Bound, Error, Id, NegentropyStorageBase};
use nostr::event::EventId;

/// A view as the crate's storage. The crate adds up the ids of a range itself.
pub(crate) struct CrateStorage<'v>(pub(crate) &'v dyn View);

fn theirs(item: Item) -> negentropy::Item {
    negentropy::Item {
        timestamp: item.created_at,
        id: Id::from_byte_array(item.id.to_bytes()),
    }
}

impl NegentropyStorageBase for CrateStorage<'_> {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.0.len() as usize)
    }

    fn get_item(&self, i: usize) -> Result<Option<negentropy::Item>, Error> {
        let there = (i as u64) < self.0.len();
        Ok(there.then(|| theirs(self.0.item(i as u64).unwrap())))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        cb: &mut dyn FnMut(negentropy::Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        let mut items = Vec::new();
        self.0
            .each(begin as u64..end as u64, &mut |item| items.push(item))
            .unwrap();
        for (item, i) in items.into_iter().zip(begin..) {
            if !cb(theirs(item), i)? {
                break;
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, value: &Bound) -> usize {
        let bound = Item {
            created_at: value.item.timestamp,
            id: EventId::from_byte_array(*value.item.id),
        };
        (self.0.lower_bound(&bound).unwrap() as usize).clamp(first, last)
    }
}
