//! Relays that a running program let go: what is still on its way about one of them is not written any more.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use crate::{IndexError, Store};

/// Which they are. Kept in memory only: a program that starts knows which relays it uses, see [`Store::keep_relays`].
#[derive(Debug, Default)]
pub(crate) struct Retired(RwLock<BTreeSet<String>>);

impl Retired {
    pub(crate) fn has(&self, relay: &str) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(relay)
    }

    /// Those of `relays` that are in use.
    pub(crate) fn without<'a>(&self, relays: &'a [String]) -> Vec<&'a str> {
        let retired = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let used = relays.iter().filter(|relay| !retired.contains(*relay));
        used.map(String::as_str).collect()
    }
}

impl Store {
    /// [`Store::forget_relay`], for a relay that others may still write about: until [`Store::use_relay`] nothing about it
    /// is kept.
    pub fn retire_relay(&self, relay: &str) -> Result<usize, IndexError> {
        // First: a writer that looked before has committed when the rows are dropped, or finds this.
        let mut retired = self.retired.0.write().unwrap_or_else(PoisonError::into_inner);
        retired.insert(relay.to_owned());
        drop(retired);
        self.forget_relay(relay)
    }

    /// Keeps what is written about a relay again.
    pub fn use_relay(&self, relay: &str) {
        let mut retired = self.retired.0.write().unwrap_or_else(PoisonError::into_inner);
        retired.remove(relay);
    }
}
