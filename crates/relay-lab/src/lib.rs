//! The test bench: relays and a remote signer that run inside this process, and misbehave by name.
//!
//! - [`EmbeddedRelay`] is a real relay on a real socket (`nostr-relay-builder`), for the demo, for `chat-sync relay`
//!   and for tests of behaviour. Its limits are raised so that none gets in the way.
//! - [`Proxy`] stands in front of any relay: it counts frames and bytes by label, misbehaves as a [`Fault`] says, and
//!   can be cut and healed while clients are connected.
//! - [`MemoryRelay`] is a relay without sockets, threads or clock, behind [`relay_link::Dial`], for tests in simulated
//!   time; [`MemoryNetwork`] puts several of them behind one dialler. It takes the same faults, and each [`Quirk`].
//! - [`LabSigner`] is a remote signer that listens at such relays (or any other) and misbehaves as a [`Behaviour`]
//!   says.
//!
//! What a reader can rely on:
//! - Servers run on threads with event loops of their own, so a test may pause its time. With paused time a deadline
//!   still fires before a socket answers: use [`MemoryRelay`] there.
//! - A server accepts connections when `start` returns, and its port is free when `shutdown` returns.
//! - [`MemoryRelay`] handles a frame while the client sends it; two runs that poll in the same order see the same.
//! - The `nostr` 0.44 types of the relay crate never leave this one: everything here speaks `nostr` 0.45.
//!
//! Not here: a relay of our own for production. Specs: NIP-01, NIP-09, NIP-46, NIP-77.
//!
//! ```
//! use futures_util::{SinkExt, StreamExt};
//! use relay_lab::{Fault, MemoryRelay};
//! use relay_link::{Dial, Incoming, Outgoing};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let relay = MemoryRelay::default();
//! relay.set_fault(Fault::RefusesNeg);
//! let mut connection = relay.dial(&"wss://relay.example".parse().unwrap()).await.unwrap();
//!
//! connection.outgoing.send(Outgoing::Text(r#"["NEG-OPEN","a",{"kinds":[1080]},"61"]"#.into())).await.unwrap();
//! let answer = connection.incoming.next().await.unwrap().unwrap();
//! assert_eq!(answer, Incoming::Text(r#"["NOTICE","ERROR: bad msg: negentropy disabled"]"#.into()));
//! assert_eq!(relay.tally().up_of("NEG-OPEN").frames, 1);
//! # });
//! ```

mod database;
mod embedded_relay;
mod error;
mod fault;
mod hostile_relay;
mod lab_signer;
mod memory_network;
mod memory_relay;
mod proxy;
mod server_thread;
mod taking;
mod tally;

pub use embedded_relay::{EmbeddedRelay, EmbeddedRelayConfig};
pub use error::LabError;
pub use fault::{Fault, UnknownFault, Verdict};
pub use hostile_relay::{HostileRelay, Hostility};
pub use lab_signer::{Behaviour, LabRequest, LabSigner, LabSignerConfig};
pub use memory_network::MemoryNetwork;
pub use memory_relay::{Asks, Judges, MemoryRelay, MemoryRelayConfig, Quirk, Refuses, WantsAuth};
pub use proxy::Proxy;
pub use taking::{Offer, Taking, TakingNetwork, TakingRelay};
pub use tally::{Count, OTHER, Tally, label};
