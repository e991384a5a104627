//! What keeps the pages that one opening of the file reads from being reused by the other.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use redb::ReadTransaction;

/// Holds a read transaction of the writing database as long as something of the reading one is in use. Both see the same
/// commit, so the pages of that commit stay as they are for both.
#[derive(Default)]
pub(crate) struct Pin(Mutex<Option<ReadTransaction>>);

impl Pin {
    pub(crate) fn hold(&self, transaction: ReadTransaction) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(transaction);
    }

    pub(crate) fn release(&self) {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Outside of the lock: ending a transaction is redb's business.
        drop(held);
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pin").finish_non_exhaustive()
    }
}
