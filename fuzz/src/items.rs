//! Items without events, made from small numbers.

use std::collections::BTreeSet;
use std::sync::Arc;

use event_index::{Item, Snapshot};
use nostr::event::EventId;

/// Steele, Lea and Flood's splitmix64.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The ids of these items.
pub(crate) fn ids(items: &[Item]) -> BTreeSet<EventId> {
    items.iter().map(|item| item.id).collect()
}

/// A view of these items.
pub(crate) fn view(items: &[Item]) -> Arc<Snapshot> {
    Arc::new(Snapshot::of(items.to_vec(), 0))
}
