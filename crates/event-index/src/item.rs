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
    /// The item that `event` is.
    pub fn of(event: &Event) -> Self {
        Self {
            created_at: event.created_at.as_secs(),
            id: event.id,
        }
    }
}
