//! What can go wrong between an offer and a login.

use std::time::Duration;

use super::RELAYS_MAX;

/// Why no signer came of a [`ConnectOffer`](crate::ConnectOffer); each says what to do. None holds the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// Nowhere to meet.
    #[error("the offer names no relay to meet the signer at; name one that the signer can reach")]
    NoRelay,
    /// More than eight.
    #[error("the offer names {relays} relays; leave at most {RELAYS_MAX}")]
    TooManyRelays {
        /// How many.
        relays: usize,
    },
    /// Nobody showed the secret in time.
    #[error(
        "no signer took up the offer in {} s at {relays}; log in again and scan the new code with a signer that \
         reaches one of these relays",
        waited.as_secs()
    )]
    NoSigner {
        /// How long it stood.
        waited: Duration,
        /// Every relay it names, with what was wrong there.
        relays: String,
    },
    /// No relay was there when the time was over.
    #[error(
        "no signer could take up the offer in {} s: none of its relays can be reached: {relays}; check the \
         connection or name other relays, then log in again",
        waited.as_secs()
    )]
    Unreachable {
        /// How long it stood.
        waited: Duration,
        /// Every relay it names, and what is wrong there.
        relays: String,
    },
    /// The actor that waits was never started, or died too often.
    #[error("the part of this program that waits for the signer is not running; log in again")]
    NotRunning,
}
