//! Starting over with relays: nothing that was learned about them counts.

use event_index::{IndexError, Store};

use crate::actor::NEG_MEMORY;

/// Takes back every agreement with `relays`, and which relays compare sets, so that the next comparisons prove all of it
/// again. To be called while no engine runs on `store`.
pub fn forget(store: &Store, relays: &[String]) -> Result<(), IndexError> {
    for relay in relays {
        store.forget_agreement(relay)?;
    }
    store.put_meta(NEG_MEMORY, &[])
}
