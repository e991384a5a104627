//! Starting over with relays: nothing that was learned about them counts.

use event_index::{IndexError, Store};

use crate::profiles;

/// Takes back every agreement with `relays`, and what they were found to do, so that the next comparisons prove all of it
/// again. To be called while no engine runs on `store`; one that runs is told [`StartOver`](crate::StartOver).
pub fn forget(store: &Store, relays: &[String]) -> Result<(), IndexError> {
    for relay in relays {
        store.forget_agreement(relay)?;
        profiles::forget(store, relay)?;
    }
    Ok(())
}
