//! What stands where a signer would, when there is none to ask.

use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;

use crate::{Signer, SignerError, SignerFuture};

/// Refuses everything with [`SignerError::Absent`]. What the history keys of the device open and seal needs no signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSigner {
    account: PublicKey,
    why: &'static str,
}

impl NoSigner {
    /// A device that was given history keys of `account` and no login.
    pub fn history_keys_only(account: PublicKey) -> Self {
        let why = "this device has history keys and no login, so other keys of the account stay closed; run \
                   `chat-sync login` to open them";
        Self { account, why }
    }

    /// The signer of `account` is behind relays, and none is dialled.
    pub fn not_dialled(account: PublicKey) -> Self {
        let why = "the history key was not opened yet, and only the signer can; run `chat-sync sync`";
        Self { account, why }
    }

    fn absent<T: Send + 'static>(&self) -> SignerFuture<'static, T> {
        Box::pin(std::future::ready(Err(SignerError::Absent { why: self.why })))
    }
}

impl Signer for NoSigner {
    fn public_key(&self) -> PublicKey {
        self.account
    }

    fn sign(&self, _: UnsignedEvent) -> SignerFuture<'_, Event> {
        self.absent()
    }

    fn nip44_encrypt_to_self<'a>(&'a self, _: &'a str) -> SignerFuture<'a, String> {
        self.absent()
    }

    fn nip44_decrypt_from_self<'a>(&'a self, _: &'a str) -> SignerFuture<'a, String> {
        self.absent()
    }
}
