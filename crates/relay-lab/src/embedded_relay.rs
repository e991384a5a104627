//! A real relay inside this process: `nostr-relay-builder` behind sockets that we accept ourselves.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use nostr::event::{Event, Kind};
use nostr::key::PublicKey;
use nostr_relay_builder::builder::{RateLimit, RelayBuilder};
use nostr_relay_builder::prelude as relay_nostr;
use relay_nostr::{JsonUtil as _, LocalRelay, NostrDatabase};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::LabError;
use crate::database;
use crate::server_thread::{ServerThread, Stop, listen};

/// Sockets served at once; more are closed at the door. Below the 1,024 files that a process may open by default.
const CONNECTIONS_MAX: usize = 500;

/// Open subscriptions per connection: far above the six of our engine, so that only a leak meets it.
const SUBSCRIPTIONS_MAX: usize = 10_000;

/// How long a client may take for its websocket handshake, so that half-open sockets do not pile up.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// Pause after a failed accept (mostly: no file handles left), so that the loop does not spin on it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where a relay listens and what it remembers.
#[derive(Debug, Clone)]
pub struct EmbeddedRelayConfig {
    /// The address to listen on; loopback by default.
    pub addr: IpAddr,
    /// The port to listen on; 0 takes any free one.
    pub port: u16,
    /// The directory that keeps events between runs (LMDB); without one they live in memory. LMDB stays open until
    /// the process ends, so a directory is not to be removed and made again under a relay's feet.
    pub data: Option<PathBuf>,
}

impl Default for EmbeddedRelayConfig {
    fn default() -> Self {
        Self {
            addr: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            data: None,
        }
    }
}

/// A running relay: NIP-01, NIP-09, NIP-42, NIP-45 and NIP-77, on a thread of its own.
///
/// No limit gets in the way of a test: events per minute, subscriptions, filter limits and stored events are raised
/// far beyond what one machine sends. A filter without `limit` still gets the newest 500. Dropping the relay stops it
/// without waiting; [`EmbeddedRelay::shutdown`] returns when its port is free.
pub struct EmbeddedRelay {
    addr: SocketAddr,
    database: Arc<dyn NostrDatabase>,
    thread: ServerThread,
}

impl EmbeddedRelay {
    /// Starts a relay; it accepts connections when this returns. Blocks for as long as opening the database takes.
    pub fn start(config: EmbeddedRelayConfig) -> Result<Self, LabError> {
        let (listener, addr) = listen(SocketAddr::new(config.addr, config.port))?;
        let database = database::open(config.data.as_deref())?;
        let limits = RateLimit {
            max_reqs: SUBSCRIPTIONS_MAX,
            notes_per_minute: u32::MAX,
        };
        let builder = RelayBuilder::default()
            .database(Arc::clone(&database))
            .rate_limit(limits);
        let thread = ServerThread::spawn("embedded-relay", move |stop| serve(listener, builder, stop))?;
        Ok(Self {
            addr,
            database,
            thread,
        })
    }

    /// Where clients connect, for example `ws://127.0.0.1:7000`.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// The port it listens on; never 0.
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// What the relay holds of these kinds by these authors, newest first; an empty slice means any.
    pub async fn events(&self, kinds: &[Kind], authors: &[PublicKey]) -> Result<Vec<Event>, LabError> {
        let found = self
            .database
            .query(filter(kinds, authors)?)
            .await
            .map_err(failed)?;
        found
            .iter()
            .map(|event| Event::from_json(event.as_json()).map_err(failed))
            .collect()
    }

    /// How many events [`EmbeddedRelay::events`] would return.
    pub async fn count_events(&self, kinds: &[Kind], authors: &[PublicKey]) -> Result<usize, LabError> {
        self.database.count(filter(kinds, authors)?).await.map_err(failed)
    }

    /// Puts events into the database past the front door: unchecked, and not announced to live subscriptions.
    pub async fn put(&self, events: &[Event]) -> Result<(), LabError> {
        for event in events {
            let event = relay_nostr::Event::from_json(event.as_json()).map_err(failed)?;
            self.database.save_event(&event).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Closes every connection and returns when the port is free and the database is let go.
    pub async fn shutdown(self) {
        drop(self.database);
        self.thread.stop().await;
    }
}

impl fmt::Debug for EmbeddedRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedRelay")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}

/// The relay has a `nostr` of its own (0.44), so kinds and keys cross over as numbers and bytes.
fn filter(kinds: &[Kind], authors: &[PublicKey]) -> Result<relay_nostr::Filter, LabError> {
    let mut filter = relay_nostr::Filter::new();
    if !kinds.is_empty() {
        filter = filter.kinds(kinds.iter().map(|kind| relay_nostr::Kind::from(kind.as_u16())));
    }
    if !authors.is_empty() {
        let authors = authors
            .iter()
            .map(|author| relay_nostr::PublicKey::from_hex(&author.to_hex()));
        filter = filter.authors(authors.collect::<Result<Vec<_>, _>>().map_err(failed)?);
    }
    Ok(filter)
}

fn failed(error: impl fmt::Display) -> LabError {
    LabError::Database {
        reason: error.to_string(),
    }
}

async fn serve(listener: TcpListener, builder: RelayBuilder, mut stop: Stop) {
    let relay = LocalRelay::new(builder);
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the relay's socket cannot be watched"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(converse(relay.clone(), stream, peer));
                }
                Ok((_, peer)) => tracing::warn!(%peer, "too many connections; one was closed at the door"),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    // The relay's own shutdown misses a session that is just handling a frame, so the tasks are ended from here.
    connections.shutdown().await;
}

/// One client, from the handshake to the end. `take_connection` wants a stream that is a websocket already.
async fn converse(relay: LocalRelay, stream: TcpStream, peer: SocketAddr) {
    // Without this a small request and its answer wait 45 ms for each other's acknowledgements.
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%peer, %error, "the client left at once");
    }
    let handshake = tokio::time::timeout(HANDSHAKE_DEADLINE, tokio_tungstenite::accept_async(stream));
    match handshake.await {
        // The handshake never reads past the request, so no frame is lost with the wrapper.
        Ok(Ok(socket)) => {
            if let Err(error) = relay.take_connection(socket.into_inner(), peer).await {
                tracing::debug!(%peer, %error, "the relay ended a connection");
            }
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "no websocket handshake"),
        Err(_) => tracing::debug!(%peer, "the websocket handshake took too long"),
    }
}
