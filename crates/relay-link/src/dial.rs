//! How a connection comes to be: a trait, so that tests dial memory and production dials websockets.

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{Sink, Stream};

use crate::{FRAME_BYTES_MAX, InfoError, RelayInfo, RelayUrl};

/// Opens connections to relays.
pub trait Dial: Send + Sync + 'static {
    /// Opens one connection. The future ends within 15 s; the link gives up on it after that.
    fn dial(&self, relay: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>>;

    /// Fetches what the relay says about itself (NIP-11), over a connection of its own. The future ends within 10 s.
    /// Relays that are not reached through HTTP have nothing to say, which is what is answered unless overridden.
    fn info(&self, relay: &RelayUrl) -> BoxFuture<'static, Result<RelayInfo, InfoError>> {
        let _ = relay;
        Box::pin(std::future::ready(Err(InfoError::NotOffered)))
    }

    /// The addresses that connections leave this machine from: others after the network changed, none without one. Asks
    /// nobody and does not block. Nothing is known of it unless overridden, which is the same as no network.
    fn local_addresses(&self) -> Vec<IpAddr> {
        Vec::new()
    }
}

/// Where a connection's outgoing half goes.
pub type OutgoingHalf = Pin<Box<dyn Sink<Outgoing, Error = ConnectionError> + Send>>;
/// Where a connection's incoming half comes from.
pub type IncomingHalf = Pin<Box<dyn Stream<Item = Result<Incoming, ConnectionError>> + Send>>;

/// An open connection. Dropping both halves closes it.
pub struct Connection {
    /// Takes frames; closing it says goodbye to the relay.
    pub outgoing: OutgoingHalf,
    /// Gives frames; ends when the relay said goodbye.
    pub incoming: IncomingHalf,
    /// What the relay's clock showed when it opened, Unix seconds, if it said so.
    pub date: Option<u64>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// What goes to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A frame.
    Text(String),
    /// "Are you there?"
    Ping,
}

/// What comes from a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// A frame of at most 4 MiB.
    Text(String),
    /// A sign of life: the answer to a ping, or the relay's own ping.
    Pong,
}

/// Why a connection did not come to be. The text is what a person is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// The name has no address: a typing mistake, or no network.
    #[error("no address found for {host}; check the name and the network")]
    NoAddress {
        /// The name.
        host: String,
    },
    /// Nobody listens there.
    #[error("connection refused; the relay is down or the port is wrong")]
    Refused,
    /// No answer in time.
    #[error("no answer within {} s", .after.as_secs())]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The encrypted channel could not be set up. A certificate is never bypassed.
    #[error("no secure connection: {reason}")]
    Tls {
        /// What the TLS library said.
        reason: String,
    },
    /// Something answered, but not as a relay does: a captive portal, a web server, a relay that is too busy.
    #[error("{}", http_in_words(*.status))]
    Http {
        /// The HTTP status.
        status: u16,
        /// When it may be tried again, if the answer said so.
        retry_after: Option<Duration>,
    },
    /// Something answered that does not speak the websocket protocol.
    #[error("not a Nostr relay: {reason}")]
    NotWebSocket {
        /// What was wrong.
        reason: String,
    },
    /// The network failed in another way.
    #[error("network error: {reason}")]
    Network {
        /// What the operating system said.
        reason: String,
    },
}

fn http_in_words(status: u16) -> String {
    match status {
        429 => "the relay takes no more connections from here for now (HTTP 429)".into(),
        503 => "the relay is too busy (HTTP 503)".into(),
        401 | 403 => format!("the relay does not let this device in (HTTP {status})"),
        500..=599 => format!("the relay failed (HTTP {status})"),
        _ => format!("not a Nostr relay: HTTP {status}"),
    }
}

/// Why an open connection ended. The text is what a person is shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The other side closed or vanished.
    #[error("the relay closed the connection")]
    Closed,
    /// A message over the bound.
    #[error("the relay sent a message over {} MiB", FRAME_BYTES_MAX / 1024 / 1024)]
    TooLong,
    /// The bytes were not websocket frames.
    #[error("the relay broke the websocket protocol: {reason}")]
    Protocol {
        /// What was wrong.
        reason: String,
    },
    /// The network failed.
    #[error("the connection broke: {reason}")]
    Network {
        /// What the operating system said.
        reason: String,
    },
}
