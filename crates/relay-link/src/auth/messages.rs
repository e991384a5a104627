//! What a link says and asks about authentication.

use std::fmt;

use actix::Message;
use nostr::event::{Event, Kind, Tag, UnsignedEvent};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use supervision::Outlet;

use crate::{OkClass, RelayUrl};

/// Who a link may be, and who signs for it.
#[derive(Clone)]
pub struct Identity {
    /// A key that is proven for few things only.
    pub reserved: Option<Reserved>,
    /// Signs. One that is empty refuses everything.
    pub signs: Outlet<SignAuth>,
    /// Who is told how the relay takes us.
    pub told: Outlet<AuthChanged>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("reserved", &self.reserved)
            .finish_non_exhaustive()
    }
}

/// A key that is proven to a relay only for requests and events of a few kinds: a person's account, which a relay
/// that keeps the history is not to hear of because of the history.
#[derive(Debug, Clone, Copy)]
pub struct Reserved {
    /// The key.
    pub key: PublicKey,
    /// A request must be about these kinds and no others.
    pub kinds: &'static [Kind],
}

/// Command: sign a relay's challenge with a key that the relay wants proven. Whoever handles it holds keys; what it does
/// not want to sign it declines. The answer may take as long as a person needs.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "Result<Event, AuthDeclined>")]
pub struct SignAuth {
    /// The relay.
    pub relay: RelayUrl,
    /// What it said.
    pub challenge: String,
    /// Whose proof it wants.
    pub key: PublicKey,
}

impl SignAuth {
    /// The kind of an AUTH.
    pub const KIND: Kind = Kind::Authentication;

    /// The tags of the event to sign: `relay` and `challenge`.
    pub fn tags(&self) -> [Tag; 2] {
        [
            Tag::custom("relay", [self.relay.as_str()]),
            Tag::custom("challenge", [self.challenge.as_str()]),
        ]
    }

    /// What is to be signed at `created_at`, Unix seconds. Relays refuse one that is a minute old (U-13).
    pub fn unsigned(&self, created_at: u64) -> UnsignedEvent {
        let at = Timestamp::from_secs(created_at);
        UnsignedEvent::new(self.key, at, Self::KIND, self.tags(), "")
    }
}

/// No proof was made, and why, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AuthDeclined(pub String);

/// Fact: how a relay takes us, after it wanted to know who asks.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct AuthChanged {
    /// The relay.
    pub relay: RelayUrl,
    /// Why it does not, in words for a person; `None` when it does, or when the connection is new.
    pub refused: Option<String>,
}

/// A relay's no to an AUTH, in words.
pub(super) fn refusal_words(reason: &str) -> String {
    let reason = reason.trim();
    let said = if reason.is_empty() {
        "it gave no reason"
    } else {
        reason
    };
    let clock = matches!(OkClass::classify(false, reason), OkClass::Clock(_));
    let hint = if clock { "; check this device's clock" } else { "" };
    format!("the relay did not accept this device's login: {said}{hint}")
}
