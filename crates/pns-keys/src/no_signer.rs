//! A device that was given history keys and no login.

use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;

use crate::{Signer, SignerError, SignerFuture};

/// Stands where a signer would: refuses everything with [`SignerError::Absent`]. What the history keys of the device
/// open and seal needs no signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSigner {
    account: PublicKey,
}

impl NoSigner {
    /// For the history of `account`.
    pub fn new(account: PublicKey) -> Self {
        Self { account }
    }
}

fn absent<T: Send + 'static>(what: &'static str) -> SignerFuture<'static, T> {
    Box::pin(std::future::ready(Err(SignerError::Absent { what })))
}

impl Signer for NoSigner {
    fn public_key(&self) -> PublicKey {
        self.account
    }

    fn sign(&self, _: UnsignedEvent) -> SignerFuture<'_, Event> {
        absent("sign for the account")
    }

    fn nip44_encrypt_to_self<'a>(&'a self, _: &'a str) -> SignerFuture<'a, String> {
        absent("make a history key")
    }

    fn nip44_decrypt_from_self<'a>(&'a self, _: &'a str) -> SignerFuture<'a, String> {
        absent("open the other history keys")
    }
}
