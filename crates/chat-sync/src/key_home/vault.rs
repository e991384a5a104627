//! Places outside the data directory that keep a secret under a name.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// Keeps secret texts under names: the OS keyring, or nothing at all.
///
/// Calls block, for as long as a person needs to unlock it, and always come back. No implementation puts a secret into
/// an error or into `Debug`.
pub trait Vault: fmt::Debug + Send + Sync {
    /// Keeps `secret` under `name`, in place of what was there.
    fn put(&self, name: &str, secret: &str) -> Result<(), VaultError>;

    /// What is kept under `name`. `None` only when the vault was asked and holds nothing there.
    fn get(&self, name: &str) -> Result<Option<Zeroizing<String>>, VaultError>;

    /// Removes what is kept under `name`; nothing there is removed already.
    fn erase(&self, name: &str) -> Result<(), VaultError>;
}

/// Why a vault did not do what it was asked. Completes the sentence "the OS keyring cannot be used: …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// There is none on this machine, or in this session.
    #[error("there is none in this session ({reason})")]
    Absent {
        /// What was tried, and what the system said.
        reason: String,
    },
    /// It is there and is locked; a person may have closed its prompt.
    #[error("it is locked, or its prompt was dismissed ({reason})")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// Nothing came back in time.
    #[error("it did not answer within {waited:?}")]
    NoAnswer {
        /// How long it was given.
        waited: Duration,
    },
    /// An earlier call is still unanswered; there is never more than one in the air.
    #[error("it has not answered an earlier question yet")]
    Busy,
    /// Anything else.
    #[error("it failed ({reason})")]
    Failed {
        /// What went wrong.
        reason: String,
    },
}

/// The vault of somebody who wants none: absent whenever it is asked.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl NoVault {
    fn absent() -> VaultError {
        VaultError::Absent {
            reason: "this run was told not to use it".to_owned(),
        }
    }
}

impl Vault for NoVault {
    fn put(&self, _: &str, _: &str) -> Result<(), VaultError> {
        Err(Self::absent())
    }

    fn get(&self, _: &str) -> Result<Option<Zeroizing<String>>, VaultError> {
        Err(Self::absent())
    }

    fn erase(&self, _: &str) -> Result<(), VaultError> {
        Err(Self::absent())
    }
}
