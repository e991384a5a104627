//! The unit of reconciliation.

use nostr::event::{Event, EventId};

/// `(created_at, id)`: what NIP-77 compares. Items sort by `created_at`, then by the id's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Item {
    /// Outer time, whole seconds since the Unix epoch; below `u64::MAX`, which NIP-77 reserves for infinity.
    pub created_at: u64,
    /// The event's id.
    pub id: EventId,
}

impl Item {
    /// Below or equal to every other.
    pub(crate) const LOWEST: Self = Self {
        created_at: 0,
        id: EventId::from_byte_array([0; 32]),
    };

    /// The item with this key in a table.
    pub(crate) fn at((created_at, id): (u64, &[u8; 32])) -> Self {
        let id = EventId::from_byte_array(*id);
        Self { created_at, id }
    }

    /// Its key in a table.
    pub(crate) fn key(&self) -> (u64, &[u8; 32]) {
        (self.created_at, self.id.as_bytes())
    }

    /// The item that `event` is.
    pub fn of(event: &Event) -> Self {
        Self {
            created_at: event.created_at.as_secs(),
            id: event.id,
        }
    }
}
