//! The parts that can die and come back.

use std::fmt;

/// Names one supervised part of the engine, in logs, restarts and failure reports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The one writer of the store.
    Index,
    /// The keeper of keys.
    Keeper,
    /// Comparisons with relays.
    Reconciler,
    /// Events on their way out.
    Uploader,
    /// Events on their way in, and conversations.
    Realtime,
    /// What people see.
    Status,
    /// The connection to the relay of this URL.
    Link(String),
    /// The conversation with a remote signer.
    Signer,
    /// The connection to a relay that the signer listens at.
    SignerLink(String),
    /// What the account says of its relays.
    RelayList,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index => f.write_str("event-index"),
            Self::Keeper => f.write_str("keeper"),
            Self::Reconciler => f.write_str("reconciler"),
            Self::Uploader => f.write_str("uploader"),
            Self::Realtime => f.write_str("realtime"),
            Self::Status => f.write_str("status"),
            Self::RelayList => f.write_str("relay list"),
            Self::Link(relay) => write!(f, "link to {relay}"),
            Self::Signer => f.write_str("signer"),
            Self::SignerLink(relay) => write!(f, "link to {relay} for the signer"),
        }
    }
}
