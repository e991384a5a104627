//! Why the store could not do what it was asked.

use std::path::Path;

use redb::{
    CommitError, CompactionError, DatabaseError, SetDurabilityError, StorageError, TableError,
    TransactionError,
};

/// Why a call did nothing. Nothing of a failed call is on disk, and a failed read is never an empty answer.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// Another process, or another part of this one, has the store open.
    #[error("the store {place} is in use; wait until the other program ends, or stop it")]
    InUse {
        /// The file, or `(memory)`.
        place: String,
    },
    /// The key is not the one this store was made with. The file was not changed.
    #[error(
        "the store {place} was made with another store key; put that key back, or begin anew with `chat-sync logout --force`"
    )]
    WrongKey {
        /// The file, or `(memory)`.
        place: String,
    },
    /// The file was written by a newer program.
    #[error("the store has format {found}, this program knows {known}; use the newer program")]
    NewerFormat {
        /// What the file says.
        found: u32,
        /// The highest this program reads.
        known: u32,
    },
    /// A stored record is damaged.
    #[error(
        "{what} is damaged; everything a relay holds comes back with `chat-sync logout --force`, `login` and `sync`"
    )]
    Corrupt {
        /// The record: its table and its id or key.
        what: String,
        /// Its sequence number when it is an envelope, so that a reader can go on behind it.
        seq: Option<u64>,
    },
    /// The fingerprint index does not agree with the items. The items themselves may be whole.
    #[error("the fingerprint index is damaged at {what}; compute it again with `chat-sync store rebuild`")]
    Index {
        /// The row: its table and its key.
        what: String,
    },
    /// A sealed value does not open under the store's key: damaged, or moved from another place.
    #[error(
        "the sealed value {what} does not open under this store's key; it is damaged; restore a backup, or fetch what relays hold with `chat-sync logout --force`, `login` and `sync`"
    )]
    Sealed {
        /// The table and the key of the value.
        what: String,
    },
    /// The caller handed in more than a record may hold.
    #[error("{what} has {bytes} bytes, at most {bytes_max} are kept; make it smaller")]
    TooLarge {
        /// What was handed in.
        what: String,
        /// Its size.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// The disk failed: full, gone, or not allowed.
    #[error("the store {place} could not be read or written ({source}); check space and permissions")]
    Io {
        /// The file, when known.
        place: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An earlier disk error stopped the store.
    #[error("the store stopped after a disk error; free space or repair the disk, then start again")]
    Stopped,
    /// Any other complaint of the database.
    #[error("the database refused: {0}; start again, and report this if it stays")]
    Database(#[source] Box<redb::Error>),
    /// The writing actor did not take or did not answer the command; whether it was carried out is unknown.
    #[error("the store's writer is not running or is overloaded; the command may be sent again")]
    Unavailable,
}

impl IndexError {
    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt {
            what: what.into(),
            seq: None,
        }
    }

    pub(crate) fn io(place: &Path, source: std::io::Error) -> Self {
        Self::Io {
            place: place.display().to_string(),
            source,
        }
    }

    pub(crate) fn at(self, name: &str) -> Self {
        match self {
            Self::Io { source, .. } => Self::Io {
                place: name.to_owned(),
                source,
            },
            Self::InUse { .. } => Self::InUse {
                place: name.to_owned(),
            },
            other => other,
        }
    }
}

impl From<redb::Error> for IndexError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse { place: String::new() },
            redb::Error::Io(source) => Self::Io {
                place: String::new(),
                source,
            },
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Self::Stopped,
            redb::Error::Corrupted(what) => Self::corrupt(format!("the store's file ({what})")),
            other => Self::Database(Box::new(other)),
        }
    }
}

macro_rules! from_database {
    ($($error:ty),*) => {
        $(impl From<$error> for IndexError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        })*
    };
}

from_database!(
    CommitError,
    CompactionError,
    DatabaseError,
    SetDurabilityError,
    StorageError,
    TableError,
    TransactionError
);
