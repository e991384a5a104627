//! What may be stored: the checks every event passes before anything counts it as seen.

use std::collections::{BTreeMap, BTreeSet};

use nostr::prelude::{Event, Kind, PublicKey};
use secp256k1::schnorr::Signature;
use secp256k1::{Secp256k1, VerifyOnly, XOnlyPublicKey};

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

/// Checks kind, author, id and signature, the cheap ones first. For many events make one [`Verifier`].
pub fn verify(event: &Event, authors: &BTreeSet<PublicKey>) -> Result<(), Rejection> {
    Verifier::new(authors).verify(event)
}

/// What checking takes, prepared once for a batch: a curve point is a square root, a tenth of a signature check.
#[derive(Debug)]
pub struct Verifier {
    curve: Secp256k1<VerifyOnly>,
    /// An author that is no point of the curve (BIP-340) has signed nothing.
    authors: BTreeMap<PublicKey, Option<XOnlyPublicKey>>,
}

impl Verifier {
    /// Takes events of these authors for good.
    pub fn new(authors: &BTreeSet<PublicKey>) -> Self {
        let points = authors.iter().map(|author| (*author, author.xonly().ok()));
        Self {
            curve: Secp256k1::verification_only(),
            authors: points.collect(),
        }
    }

    /// See [`verify()`]. About 45 us, nearly all of it the signature. Shared by threads.
    pub fn verify(&self, event: &Event) -> Result<(), Rejection> {
        if event.kind != ENVELOPE && event.kind != DELETION {
            return Err(Rejection::WrongKind);
        }
        let point = self.authors.get(&event.pubkey).ok_or(Rejection::ForeignAuthor)?;
        if !event.verify_id() {
            return Err(Rejection::BadId);
        }
        let signature = Signature::from_byte_array(event.sig.to_bytes());
        point
            .as_ref()
            .and_then(|point| {
                self.curve
                    .verify_schnorr(&signature, event.id.as_bytes(), point)
                    .ok()
            })
            .ok_or(Rejection::BadSignature)
    }
}

#[cfg(test)]
mod tests {
    use nostr::prelude::{EventBuilder, FinalizeEvent as _, Keys};

    use super::*;

    #[test]
    fn an_author_that_is_no_point_of_the_curve_has_signed_nothing() {
        let keys = Keys::generate();
        let good = EventBuilder::new(ENVELOPE, "x").finalize(&keys).unwrap();
        let nobody = PublicKey::from_byte_array([0xff; 32]);
        let id = nostr::prelude::EventId::compute(
            &nobody,
            &good.created_at,
            &good.kind,
            &good.tags,
            &good.content,
        );
        let json = good
            .as_json()
            .replace(&good.pubkey.to_hex(), &nobody.to_hex())
            .replace(&good.id.to_hex(), &id.to_hex());
        let forged: Event = Event::from_json(json).unwrap();
        let authors = BTreeSet::from([keys.public_key(), nobody]);
        assert_eq!(verify(&good, &authors), Ok(()));
        assert_eq!(verify(&forged, &authors), Err(Rejection::BadSignature));
    }
}
