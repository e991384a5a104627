//! What can go wrong when a bench is set up.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why a relay or a proxy of the test bench could not start or answer.
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
    /// No thread or event loop could be created.
    #[error("cannot start a server thread; close other programs and try again")]
    Thread(#[source] io::Error),
}
