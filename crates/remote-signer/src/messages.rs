//! What the actor is asked, and what it tells.

use std::fmt;

use actix::Message;
use nostr::key::PublicKey;
use pns_keys::SignerError;
use tokio::sync::oneshot;

use crate::request::{Answer, Request};

/// Fact: a person has to open this page in a browser and allow the request there; the signer waits for five minutes.
/// Told once per request.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct AuthUrl {
    /// The signer's own key, so that a person sees who asks.
    pub remote: PublicKey,
    /// An `http` or `https` address of at most 2,048 bytes, chosen by the signer.
    pub url: String,
}

/// Command: ask the signer. Answered through `reply`, whose drop cancels it.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Ask {
    pub(crate) wanted: Option<PublicKey>,
    pub(crate) request: Request,
    pub(crate) reply: oneshot::Sender<Result<Answer, SignerError>>,
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ask").field(&self.request).finish()
    }
}
