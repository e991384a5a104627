//! Items, events and time for tests.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use event_index::{Item, Snapshot};
use nostr::event::{Event, EventId, Kind, Tags};
use nostr::filter::Filter;
use nostr::key::PublicKey;
use nostr::prelude::Signature;
use nostr::types::Timestamp;
use reconciler::SubIds;
use relay_link::SubId;
use supervision::SeededEntropy;

/// A moment to count from; cores never read a clock.
pub(crate) fn noon() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An id that sorts anywhere.
pub(crate) fn id(number: u64) -> EventId {
    event(0, &number.to_string()).id
}

pub(crate) fn ids(items: &[Item]) -> BTreeSet<EventId> {
    items.iter().map(|item| item.id).collect()
}

pub(crate) fn snapshot(items: &[Item]) -> Arc<Snapshot> {
    Arc::new(Snapshot::of(items.to_vec(), items.len() as u64))
}

/// `count` items, `per_second` to a second.
pub(crate) fn history(count: u64, per_second: u64) -> Vec<Item> {
    (0..count)
        .map(|n| Item {
            created_at: 1_700_000_000 + n / per_second,
            id: id(n),
        })
        .collect()
}

pub(crate) fn author() -> PublicKey {
    PublicKey::from_byte_array([7; 32])
}

pub(crate) fn filter() -> Filter {
    Filter::new()
        .kinds([Kind::from(1080), Kind::from(5)])
        .author(author())
}

/// An event of [`author`] with a right id. Its signature is no good, which the cores leave to others.
pub(crate) fn event(created_at: u64, content: &str) -> Event {
    let (created_at, kind) = (Timestamp::from(created_at), Kind::from(1080));
    let id = EventId::compute(&author(), &created_at, &kind, &Tags::new(), content);
    Event::new(
        id,
        author(),
        created_at,
        kind,
        [],
        content,
        Signature::from_byte_array([0; 64]),
    )
}

/// `count` events, `per_second` to a second, oldest first.
pub(crate) fn events(count: u64, per_second: u64) -> Vec<Event> {
    (0..count)
        .map(|n| event(1_700_000_000 + n / per_second, &n.to_string()))
        .collect()
}

pub(crate) fn subs() -> SubIds {
    SubIds::from_stem(SubId::fresh("compare", &SeededEntropy::new(1)))
}

/// `count` items with cheap ids, one a second.
pub(crate) fn many(count: u64) -> Vec<Item> {
    let item = |n: u64| {
        let mut id = [1; 32];
        id[..8].copy_from_slice(&n.to_be_bytes());
        Item {
            created_at: 1_700_000_000 + n,
            id: EventId::from_byte_array(id),
        }
    };
    (0..count).map(item).collect()
}
