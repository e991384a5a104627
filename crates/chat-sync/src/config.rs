//! What an engine is made of.

use std::fmt;
use std::sync::Arc;

use event_index::Store;
use pns_keys::Signer;
use relay_link::{Dial, RelayUrl, WebSocketDialer};

/// One account's engine.
#[derive(Clone)]
pub struct Config {
    /// Holds the account's key. The account is the signer's.
    pub signer: Arc<dyn Signer>,
    /// The account's store; see [`DataDir`](crate::DataDir). One engine at a time.
    pub store: Arc<Store>,
    /// The relays to keep level with. None: everything works on this device, and nothing leaves it.
    pub relays: Vec<RelayUrl>,
    /// Whether relays are dialled. When not, they are listed, and drafts stay drafts.
    pub online: bool,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("account", &self.signer.public_key().to_hex())
            .field("relays", &self.relays)
            .field("online", &self.online)
            .finish_non_exhaustive()
    }
}

/// Everything an engine is given instead of reaching for the machine.
#[derive(Clone)]
pub struct Env {
    /// Clock, randomness, workers.
    pub runtime: supervision::Env,
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
}

impl Env {
    /// The machine's clock, randomness and network.
    pub fn production() -> Self {
        let runtime = supervision::Env::production();
        let dial = Arc::new(WebSocketDialer);
        Self { runtime, dial }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("runtime", &self.runtime)
            .finish_non_exhaustive()
    }
}
