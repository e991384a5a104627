//! What may be stored: the checks every event passes before anything counts it as seen.

use std::collections::BTreeSet;

use nostr::prelude::{Event, Kind, PublicKey};

/// The kind of an envelope (NIP-PNS draft).
pub const ENVELOPE: Kind = Kind::Custom(1080);
/// The kind of a deletion (NIP-09).
pub const DELETION: Kind = Kind::EventDeletion;

/// Why an event is not ours to store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Neither an envelope nor a deletion.
    #[error("the event is of a kind that was not asked for")]
    WrongKind,
    /// Signed by a key that this history is not read with.
    #[error("the event's author is none of this account's history keys")]
    ForeignAuthor,
    /// The id is not the hash of the event (NIP-01).
    #[error("the event's id does not match its content")]
    BadId,
    /// The signature is not the author's (BIP-340).
    #[error("the event's signature is not its author's")]
    BadSignature,
}

/// Checks kind, author, id and signature, the cheap ones first. One signature costs about 50 us.
pub fn verify(event: &Event, authors: &BTreeSet<PublicKey>) -> Result<(), Rejection> {
    if event.kind != ENVELOPE && event.kind != DELETION {
        return Err(Rejection::WrongKind);
    }
    if !authors.contains(&event.pubkey) {
        return Err(Rejection::ForeignAuthor);
    }
    if !event.verify_id() {
        return Err(Rejection::BadId);
    }
    if !event.verify_signature() {
        return Err(Rejection::BadSignature);
    }
    Ok(())
}
