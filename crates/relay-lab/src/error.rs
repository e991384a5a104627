//! What can go wrong when a bench is set up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a relay, a proxy or a signer of the test bench could not start or answer.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// Another program listens there.
    #[error("port {port} is in use; choose another with --port")]
    PortInUse {
        /// The port that was asked for.
        port: u16,
    },
    /// The operating system refused the socket for another reason.
    #[error("cannot listen on {addr}; choose another address or port")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
    /// The relay's data directory could not be opened.
    #[error("cannot open the relay's data in {path}: {reason}; check that it is a writable directory", path = path.display())]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The relay's database failed while it was read or written directly.
    #[error("the relay's database failed: {reason}; start the relay with another data directory")]
    Database {
        /// What the database said.
        reason: String,
    },
    /// The proxy was pointed at something it cannot reach.
    #[error(
        "cannot stand in front of `{url}`: the proxy speaks plain websockets, so give it a ws:// address"
    )]
    Upstream {
        /// The address that was given.
        url: String,
    },
    /// A signer was pointed at something that is no relay.
    #[error("the signer cannot listen at `{url}`; give it a ws:// or wss:// address")]
    SignerRelay {
        /// The address that was given.
        url: String,
    },
    /// A signer was shown something it cannot answer. The text is left out: it may hold a secret.
    #[error(
        "the signer cannot answer this address; show it nostrconnect://<public key> with relay= and secret="
    )]
    ConnectUri,
    /// No relay of a scanned address took the signer's answer within 10 s.
    #[error(
        "no relay took the signer's answer to the scan; check that the relays of the address run, then scan again"
    )]
    Scan,
    /// No thread or event loop could be created.
    #[error("cannot start a server thread; close other programs and try again")]
    Thread(#[source] io::Error),
}
