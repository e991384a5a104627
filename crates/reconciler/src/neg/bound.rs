//! Where a range ends.

use event_index::Item;
use nostr::event::EventId;

/// The end of a range, which the range excludes: a time, and as many bytes of an id as tell its neighbours apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    /// The id has zeros behind the prefix, so that the bound compares as an item does.
    pub(super) item: Item,
    /// Bytes of the id that are written, at most 32.
    pub(super) prefix: usize,
}

impl Bound {
    /// Below everything: where the first range begins.
    pub(super) const START: Self = Self::time(0);
    /// Above everything.
    pub(super) const INFINITY: Self = Self::time(u64::MAX);

    /// Before the first item of a second.
    pub(super) const fn time(created_at: u64) -> Self {
        Self::prefixed(created_at, [0; 32], 0)
    }

    /// An id whose bytes from `prefix` on are zeros.
    pub(super) const fn prefixed(created_at: u64, id: [u8; 32], prefix: usize) -> Self {
        let id = EventId::from_byte_array(id);
        Self {
            item: Item { created_at, id },
            prefix,
        }
    }

    /// Right before an item, with its whole id.
    pub(super) fn before(item: Item) -> Self {
        Self { item, prefix: 32 }
    }

    /// Right after an item, so that whatever sorts behind it, in its second too, lies beyond.
    pub(super) fn behind(item: Item) -> Self {
        let mut id = item.id.to_bytes();
        for byte in id.iter_mut().rev() {
            let carried;
            (*byte, carried) = byte.overflowing_add(1);
            if !carried {
                let id = EventId::from_byte_array(id);
                let created_at = item.created_at;
                return Self::shortest(Item { created_at, id });
            }
        }
        Self::time(item.created_at.saturating_add(1))
    }

    /// The same place in fewer bytes: zeros at the end of the id need not be written.
    pub(super) fn shortest(item: Item) -> Self {
        let zeros = item.id.as_bytes().iter().rev().take_while(|byte| **byte == 0);
        Self {
            item,
            prefix: 32 - zeros.count(),
        }
    }

    /// The shortest bound above `left` and not above `right`, its successor.
    pub(super) fn between(left: &Item, right: &Item) -> Self {
        if left.created_at != right.created_at {
            return Self::time(right.created_at);
        }
        let (left, id) = (left.id.as_bytes(), right.id.as_bytes());
        let shared = left.iter().zip(id).take_while(|(a, b)| a == b).count();
        // Equal items share all 32 bytes; a view has none.
        let prefix = (shared + 1).min(32);
        let mut cut = [0; 32];
        cut[..prefix].copy_from_slice(&id[..prefix]);
        Self::prefixed(right.created_at, cut, prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(created_at: u64, id: [u8; 32]) -> Item {
        Item {
            created_at,
            id: EventId::from_byte_array(id),
        }
    }

    #[test]
    fn a_bound_is_as_short_as_its_neighbours_allow() {
        let (low, high) = (item(7, [1; 32]), item(8, [1; 32]));
        assert_eq!(Bound::between(&low, &high), Bound::time(8));
        let mut id = [1; 32];
        id[2] = 9;
        let cut = Bound::between(&low, &item(7, id));
        assert_eq!(cut.prefix, 3);
        assert_eq!(cut.item.id.as_bytes()[..4], [1, 1, 9, 0]);
        id = [1; 32];
        id[31] = 2;
        assert_eq!(Bound::between(&low, &item(7, id)), Bound::before(item(7, id)));
    }

    #[test]
    fn nothing_lies_between_an_item_and_the_bound_behind_it() {
        let mut id = [7; 32];
        id[31] = 8;
        assert_eq!(Bound::behind(item(3, [7; 32])), Bound::before(item(3, id)));
        (id[30], id[31]) = (0x10, 0xff);
        let behind = Bound::behind(item(3, id));
        (id[30], id[31]) = (0x11, 0);
        assert_eq!((behind.item, behind.prefix), (item(3, id), 31));
        assert_eq!(Bound::behind(item(3, [0xff; 32])), Bound::time(4));
    }

    #[test]
    fn zeros_at_the_end_are_not_written() {
        let mut id = [0; 32];
        assert_eq!(Bound::shortest(item(7, id)), Bound::time(7));
        id[4] = 1;
        assert_eq!(Bound::shortest(item(7, id)).prefix, 5);
        assert_eq!(Bound::shortest(item(7, [1; 32])).prefix, 32);
    }
}
