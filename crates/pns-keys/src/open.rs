//! Getting a rumor out of an envelope.

use nostr::event::{Event, EventId, Kind};
use nostr::key::PublicKey;

use crate::{ENVELOPE, PayloadError, PnsKey, payload};

/// Why an event does not open. Every variant is final for this event and this key: what the event says will not
/// change, so the caller keeps it aside and goes on with the rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The text is not JSON of an event.
    #[error("this is not an event: its {field} is missing or malformed")]
    Malformed {
        /// The field that is wrong, or `JSON` when the text does not parse at all.
        field: &'static str,
    },
    /// Not the kind that was expected.
    #[error("an event of kind {kind} is none of ours here; ask relays for the kinds you read")]
    WrongKind {
        /// Its kind.
        kind: u16,
    },
    /// Signed, rightly or not, in the name of another key.
    #[error("the author {author} is none of this account's history keys")]
    WrongAuthor {
        /// Its author.
        author: PublicKey,
    },
    /// The id is not the hash of the event: a field was changed.
    #[error("the id does not match the event; whoever sent it changed it")]
    BadId,
    /// The signature is not the author's.
    #[error("the signature is not its author's; the event is forged or damaged")]
    BadSignature,
    /// The author is ours and the content does not decrypt.
    #[error(transparent)]
    Payload(#[from] PayloadError),
}

impl OpenError {
    /// A short stable word for logs, counters and the golden data.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::WrongKind { .. } => "wrong_kind",
            Self::WrongAuthor { .. } => "wrong_author",
            Self::BadId => "bad_id",
            Self::BadSignature => "bad_signature",
            Self::Payload(PayloadError::Encoding) => "payload_encoding",
            Self::Payload(PayloadError::Version) => "payload_version",
            Self::Payload(PayloadError::Length { .. }) => "payload_length",
            Self::Payload(PayloadError::Mac) => "payload_mac",
            Self::Payload(PayloadError::Padding) => "payload_padding",
        }
    }
}

/// Checks author, id, kind and signature, then decrypts: the rumor's bytes, exactly as they were sealed.
///
/// The bytes are whatever the author sealed: not always JSON, not always UTF-8, and lone surrogate escapes occur.
/// Reading them is `chat-model`'s part. About 50 us for the signature and 3 us per KB.
pub fn open(key: &PnsKey, event: &Event) -> Result<Vec<u8>, OpenError> {
    verify(event, &key.public(), ENVELOPE)?;
    Ok(payload::decrypt(key.conversation(), &event.content)?)
}

/// [`open`] for an event whose id and signature were already checked, as everything in the store was. About 3 us
/// per KB.
pub fn open_verified(key: &PnsKey, event: &Event) -> Result<Vec<u8>, OpenError> {
    check_author_and_kind(event, &key.public(), ENVELOPE)?;
    Ok(payload::decrypt(key.conversation(), &event.content)?)
}

/// The ids that `event` takes back, when it is a deletion by `author`: its `e` tags, in order, without repeats.
///
/// NIP-09 lets an author remove only their own events, so the caller applies the ids to envelopes of this author
/// only. A `k` tag is not looked at, as in the web app. An id not seen yet counts too: it must stay gone.
pub fn open_deletion(author: &PublicKey, event: &Event) -> Result<Vec<EventId>, OpenError> {
    verify(event, author, Kind::EventDeletion)?;
    Ok(deletion_targets(event))
}

/// The ids in the `e` tags of a kind-5 event, in order, without repeats; nothing for other kinds.
///
/// Checks no signature: for events that were verified before. Tags that hold no event id are skipped.
pub fn deletion_targets(event: &Event) -> Vec<EventId> {
    if event.kind != Kind::EventDeletion {
        return Vec::new();
    }
    let mut seen = std::collections::BTreeSet::new();
    event
        .tags
        .iter()
        .filter(|tag| tag.kind() == "e")
        .filter_map(|tag| EventId::from_hex(tag.content()?).ok())
        .filter(|id| seen.insert(*id))
        .collect()
}

/// Checks that `author` really signed `event`, and that it is of `kind`. Cheap checks come first.
pub fn verify(event: &Event, author: &PublicKey, kind: Kind) -> Result<(), OpenError> {
    if event.pubkey != *author {
        return Err(OpenError::WrongAuthor { author: event.pubkey });
    }
    // Before the kind: a kind that a relay changed shows as a broken id.
    if !event.verify_id() {
        return Err(OpenError::BadId);
    }
    check_author_and_kind(event, author, kind)?;
    if !event.verify_signature() {
        return Err(OpenError::BadSignature);
    }
    Ok(())
}

fn check_author_and_kind(event: &Event, author: &PublicKey, kind: Kind) -> Result<(), OpenError> {
    if event.pubkey != *author {
        return Err(OpenError::WrongAuthor { author: event.pubkey });
    }
    if event.kind != kind {
        return Err(OpenError::WrongKind {
            kind: event.kind.as_u16(),
        });
    }
    Ok(())
}
