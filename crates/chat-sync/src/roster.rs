//! The relays that an engine uses, which can change while it runs.

use std::sync::{Arc, PoisonError, RwLock};

use relay_link::{RelayLink, RelayUrl};

/// The links in use, in the order in which they were given. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Roster(Arc<RwLock<Vec<RelayLink>>>);

impl Roster {
    pub(crate) fn new(links: Vec<RelayLink>) -> Self {
        Self(Arc::new(RwLock::new(links)))
    }

    pub(crate) fn replace(&self, links: Vec<RelayLink>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = links;
    }

    pub(crate) fn links(&self) -> Vec<RelayLink> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn urls(&self) -> Vec<RelayUrl> {
        self.links().iter().map(|link| link.url().clone()).collect()
    }

    /// As the store names them.
    pub(crate) fn names(&self) -> Vec<String> {
        self.links().iter().map(|link| link.url().to_string()).collect()
    }
}
