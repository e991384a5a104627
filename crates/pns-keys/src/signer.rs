//! What the rest of the program knows of a person's account key: that something can sign and encrypt with it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;

use crate::DeviceSecret;

/// An answer of a [`Signer`] that may take a person, a phone and a relay to arrive.
pub type SignerFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, SignerError>> + Send + 'a>>;

/// Something that holds an account's secret key: in this process, in a browser, or on a phone.
///
/// A signer is bound to one public key for its whole life, so an account switch makes a new signer. Only keyrings
/// go through it (under 1 KB each); envelopes are sealed and opened with the history key on this device. Every
/// implementation puts its own deadline on every answer; a caller may drop the future at any time.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The account this signer signs for.
    fn public_key(&self) -> PublicKey;

    /// Signs `unsigned` as it stands. Refused with [`SignerError::WrongAccount`] when it names another author.
    fn sign(&self, unsigned: UnsignedEvent) -> SignerFuture<'_, Event>;

    /// NIP-44 v2 payload of `plaintext` from the account to itself.
    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String>;

    /// The text inside a NIP-44 payload from the account to itself.
    ///
    /// [`SignerError::Undecryptable`] only when the payload cannot be opened with this key; a refusal or a silence
    /// is one of the other variants, because those payloads are worth asking for again.
    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String>;

    /// The account's secret key, where this signer has it in memory. Older web apps derived history keys from it
    /// directly, so a raw-key login reads those too. `None` for signers that never show their key.
    fn own_secret(&self) -> Option<DeviceSecret> {
        None
    }
}

/// Why a signer did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// A person or a rule of the signer said no. The same request may be allowed later.
    #[error("the signer refused to {what}: {reason}; allow it in the signer, then try again")]
    Denied {
        /// The request, as a verb: `sign an event`.
        what: &'static str,
        /// What the signer said.
        reason: String,
    },
    /// Nothing came back in time.
    #[error(
        "{signer} did not answer in {} s; approve the request there and run `chat-sync sync`",
        waited.as_secs()
    )]
    NoAnswer {
        /// Who, as one short line that begins a sentence: `the signer at wss://relay.example (npub1abcde…vwxyz)`.
        signer: String,
        /// How long it was given.
        waited: Duration,
    },
    /// The way to the signer is broken.
    #[error(
        "{signer} cannot be reached: {reason}; check the connection and that the signer is running, then run \
         `chat-sync sync`"
    )]
    Unreachable {
        /// Who, as in [`SignerError::NoAnswer`].
        signer: String,
        /// What broke.
        reason: String,
    },
    /// The payload is not encrypted from this account to itself.
    #[error("the signer cannot decrypt this payload: it was not encrypted from the account to itself")]
    Undecryptable,
    /// The signer lacks a method this needs.
    #[error("the signer does not offer {method}; log in with another signer")]
    Unsupported {
        /// The method's name in NIP-46 or NIP-07.
        method: &'static str,
    },
    /// The signer holds another account's key.
    #[error(
        "the signer holds the key of {found}, not of {wanted}; switch the account in the signer or log in again"
    )]
    WrongAccount {
        /// The account that was asked for.
        wanted: PublicKey,
        /// The account the signer answered for.
        found: PublicKey,
    },
    /// The answer is not what was asked for.
    #[error(
        "the signer gave an answer that cannot be used: {reason}; update the signer or log in with another"
    )]
    BadAnswer {
        /// What is wrong with it.
        reason: String,
    },
}

/// What to do about a [`SignerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignerNextStep {
    /// Ask again after a pause, by itself.
    RetryLater,
    /// Ask again when a person says so.
    AskPerson,
    /// Asking this signer again gives the same answer.
    GiveUp,
}

impl SignerError {
    /// The next step, decided once for every caller.
    pub fn next_step(&self) -> SignerNextStep {
        match self {
            Self::NoAnswer { .. } | Self::Unreachable { .. } => SignerNextStep::RetryLater,
            Self::Denied { .. } | Self::WrongAccount { .. } => SignerNextStep::AskPerson,
            Self::Undecryptable | Self::Unsupported { .. } | Self::BadAnswer { .. } => SignerNextStep::GiveUp,
        }
    }
}
