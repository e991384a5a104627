//! What an engine is made of.

use std::fmt;
use std::sync::Arc;

use event_index::Store;
use pns_keys::{Profile, Signer};
use relay_link::{Dial, RelayUrl, WebSocketDialer};
use remote_signer::{Bunker, BunkerUri, ClientKey};
use supervision::Switches;

/// One account's engine.
#[derive(Clone)]
pub struct Config {
    /// Holds the account's key. The account is the signer's.
    pub signer: Arc<dyn Signer>,
    /// Where `signer` is, when it is one that is asked through relays: the engine keeps it connected.
    pub remote: Option<RemoteLogin>,
    /// What new envelopes are sealed under; [`Profile::Routstr`] unless a person chose otherwise.
    pub profile: Profile,
    /// The account's store; see [`DataDir`](crate::DataDir). One engine at a time.
    pub store: Arc<Store>,
    /// The relays to keep level with, at first; see [`Handle::set_relays`](crate::Handle::set_relays). None: everything
    /// works on this device, and nothing leaves it.
    pub relays: Vec<RelayUrl>,
    /// Relays that are not kept level with, and are asked whether the account has a history key before a first one is
    /// made. They are dialled only when the engine starts without a key.
    pub asked_for_keys: Vec<RelayUrl>,
    /// What it may do when it starts; [`Handle::set_switches`](crate::Handle::set_switches) turns them while it runs.
    pub switches: Switches,
    /// Whether the account's relay list (NIP-65) is read from its relays and kept, as far as the switches let it. What a
    /// newer one adds is used at once, and what only the one before it added is let go.
    pub reads_relay_list: bool,
    /// Whether this engine ever dials: `false` for one that only looks at what is here, whatever its switches say. Relays
    /// are listed then, and drafts stay drafts.
    pub online: bool,
}

/// A remote signer (NIP-46) that let this device in.
#[derive(Debug, Clone)]
pub struct RemoteLogin {
    /// Reaches it; [`Config::signer`] is one of its [`Bunker::signer_for`].
    pub bunker: Bunker,
    /// Where it listens.
    pub uri: BunkerUri,
    /// What it knows this device by.
    pub client: ClientKey,
}

impl Config {
    /// An engine that dials its relays, with a signer that is here.
    pub fn new(signer: Arc<dyn Signer>, store: Arc<Store>, relays: Vec<RelayUrl>) -> Self {
        Self {
            signer,
            remote: None,
            profile: Profile::Routstr,
            store,
            relays,
            asked_for_keys: Vec::new(),
            switches: Switches::ON,
            reads_relay_list: false,
            online: true,
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("account", &self.signer.public_key().to_hex())
            .field("relays", &self.relays)
            .field("switches", &self.switches)
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
