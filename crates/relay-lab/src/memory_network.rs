//! Several relays in memory behind one dialler.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt, ready};
use relay_link::{Connection, Dial, DialError, RelayUrl};

use crate::MemoryRelay;

/// Which address leads to which relay in memory. Clones are the same network; an unknown address has no host.
#[derive(Debug, Default, Clone)]
pub struct MemoryNetwork(Arc<Mutex<BTreeMap<RelayUrl, MemoryRelay>>>);

impl MemoryNetwork {
    /// Puts `relay` at `url`, in the place of any other.
    pub fn put(&self, url: RelayUrl, relay: MemoryRelay) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(url, relay);
    }
}

impl Dial for MemoryNetwork {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            Some(relay) => relay.dial(url),
            None => ready(Err(DialError::NoAddress {
                host: url.to_string(),
            }))
            .boxed(),
        }
    }
}
