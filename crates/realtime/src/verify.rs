//! What may be stored: the checks every event passes before anything counts it as seen.

use std::collections::{BTreeMap, BTreeSet};

use event_index::computed_id;
use nostr::prelude::{Event, Kind, PublicKey};
use secp256k1::{Secp256k1, VerifyOnly};
use supervision::Workers;

use crate::author::{Author, TOGETHER};

/// Fewer signatures cost less one by one.
const TOGETHER_MIN: usize = 16;

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

/// An event, and where it stands among those that are checked.
type Placed<'e> = (usize, &'e Event);

/// What checking takes, prepared once for a batch.
#[derive(Debug)]
pub struct Verifier {
    curve: Secp256k1<VerifyOnly>,
    /// An author that is no point of the curve (BIP-340) has signed nothing.
    authors: BTreeMap<PublicKey, Option<Author>>,
}

impl Verifier {
    /// Takes events of these authors for good.
    pub fn new(authors: &BTreeSet<PublicKey>) -> Self {
        let known = authors.iter().map(|author| (*author, Author::new(author)));
        Self {
            curve: Secp256k1::verification_only(),
            authors: known.collect(),
        }
    }

    /// See [`verify()`]. About 45 us, nearly all of it the signature. Shared by threads.
    pub fn verify(&self, event: &Event) -> Result<(), Rejection> {
        let author = self.check_form(event)?;
        if author.signed(event, &self.curve) {
            Ok(())
        } else {
            Err(Rejection::BadSignature)
        }
    }

    /// The verdict of [`Verifier::verify`] on each event, in their order. Signatures of one author are checked together,
    /// as BIP-340 describes, which takes about 12 us an event for hundreds of them, spread over all cores; a bad one is found
    /// by halving, and costs about as much as twenty good ones.
    pub fn verify_all(&self, events: &[&Event], workers: Workers) -> Vec<Result<(), Rejection>> {
        let mut verdicts = Vec::with_capacity(events.len());
        let mut signed: BTreeMap<&PublicKey, (&Author, Vec<Placed<'_>>)> = BTreeMap::new();
        let forms = workers.map(events.chunks(TOGETHER).collect(), |part| {
            let forms = part.iter().map(|event| self.check_form(event));
            forms.collect::<Vec<_>>()
        });
        for (author, (place, &event)) in forms.into_iter().flatten().zip(events.iter().enumerate()) {
            verdicts.push(author.map(drop));
            if let Ok(author) = author {
                let (_, all) = signed.entry(&event.pubkey).or_insert((author, Vec::new()));
                all.push((place, event));
            }
        }
        for (author, all) in signed.values() {
            self.check_signatures(author, all, workers, &mut verdicts);
        }
        verdicts
    }

    /// Everything but the signature.
    fn check_form(&self, event: &Event) -> Result<&Author, Rejection> {
        if event.kind != ENVELOPE && event.kind != DELETION {
            return Err(Rejection::WrongKind);
        }
        let author = self.authors.get(&event.pubkey).ok_or(Rejection::ForeignAuthor)?;
        if computed_id(event) != event.id {
            return Err(Rejection::BadId);
        }
        author.as_ref().ok_or(Rejection::BadSignature)
    }

    fn check_signatures(
        &self,
        author: &Author,
        signed: &[Placed<'_>],
        workers: Workers,
        verdicts: &mut [Result<(), Rejection>],
    ) {
        if signed.len() < TOGETHER_MIN {
            for (place, event) in signed {
                if !author.signed(event, &self.curve) {
                    verdicts[*place] = Err(Rejection::BadSignature);
                }
            }
            return;
        }
        let events: Vec<&Event> = signed.iter().map(|(_, event)| *event).collect();
        if !author.signed_all(&events, workers) {
            let (left, right) = signed.split_at(signed.len() / 2);
            self.check_signatures(author, left, workers, verdicts);
            self.check_signatures(author, right, workers, verdicts);
        }
    }
}

#[cfg(test)]
mod tests {
    use nostr::prelude::{EventBuilder, EventId, FinalizeEvent as _, Keys, Signature, Tags, Timestamp};
    use proptest::prelude::*;

    use super::*;

    /// BIP-340's test vectors for messages of 32 bytes: public key, message, signature, whether it is valid.
    const BIP_340: &str = include_str!("bip-340.txt");

    fn event(author: [u8; 32], id: [u8; 32], signature: [u8; 64]) -> Event {
        Event::new(
            EventId::from_byte_array(id),
            PublicKey::from_byte_array(author),
            Timestamp::from_secs(1),
            ENVELOPE,
            Tags::new(),
            "",
            Signature::from_byte_array(signature),
        )
    }

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let digit = |n: usize| u8::from_str_radix(&hex[2 * n..2 * n + 2], 16).unwrap();
        std::array::from_fn(digit)
    }

    #[test]
    fn many_signatures_are_judged_as_bip_340_judges_each() {
        let mut seen = [0, 0];
        for line in BIP_340.lines() {
            let parts: Vec<&str> = line.split(' ').collect();
            let one = event(bytes(parts[0]), bytes(parts[1]), bytes(parts[2]));
            let valid = parts[3] == "valid";
            seen[usize::from(valid)] += 1;
            // Where the key is no point there is no author.
            let judged = Author::new(&one.pubkey).map(|author| {
                let alone = author.signed(&one, &Secp256k1::verification_only());
                assert_eq!(alone, author.signed_all(&[&one], Workers::inline()), "{line}");
                assert_eq!(alone, author.signed_all(&[&one; 20], Workers::inline()), "{line}");
                alone
            });
            assert_eq!(judged.unwrap_or(false), valid, "{line}");
        }
        assert_eq!(seen, [10, 5]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn each_gets_the_verdict_it_gets_alone(
            broken in prop::collection::btree_map(0..70_usize, (0..64_usize, 1..=255_u8), 0..4),
            swapped in prop::option::of((0..70_usize, 0..70_usize)),
        ) {
            let keys = [Keys::generate(), Keys::generate(), Keys::generate()];
            let authors = keys.iter().take(2).map(Keys::public_key).collect();
            let mut events: Vec<Event> = (0..70)
                .map(|n| {
                    let who = &keys[[0, 0, 0, 1, 0, 0, 2][n % 7]];
                    EventBuilder::new(ENVELOPE, n.to_string()).finalize(who).unwrap()
                })
                .collect();
            for (place, (byte, flip)) in broken {
                let mut signature = events[place].sig.to_bytes();
                signature[byte] ^= flip;
                events[place].sig = Signature::from_byte_array(signature);
            }
            // Errors that cancel each other out in a sum without weights.
            if let Some((one, other)) = swapped {
                let (left, right) = (events[one].sig, events[other].sig);
                events[one].sig = right;
                events[other].sig = left;
            }
            events[5].id = events[6].id;
            let verifier = Verifier::new(&authors);
            let alone: Vec<_> = events.iter().map(|event| verifier.verify(event)).collect();
            let events: Vec<&Event> = events.iter().collect();
            prop_assert_eq!(&verifier.verify_all(&events, Workers::inline()), &alone);
            prop_assert_eq!(verifier.verify_all(&events, Workers::threads()), alone);
        }
    }

    #[test]
    fn errors_that_cancel_out_without_weights_are_found() {
        let keys = Keys::generate();
        let author = Author::new(&keys.public_key()).unwrap();
        let mut events: Vec<Event> = (0..20)
            .map(|n: u8| {
                EventBuilder::new(ENVELOPE, n.to_string())
                    .finalize(&keys)
                    .unwrap()
            })
            .collect();
        assert!(author.signed_all(&events.iter().collect::<Vec<_>>(), Workers::inline()));
        // The last byte of one goes up by one, of another down: the sum of both stays.
        let roomy = events
            .iter_mut()
            .filter(|event| (1..255).contains(&event.sig.to_bytes()[63]));
        for (event, up) in roomy.zip([true, false]) {
            let mut signature = event.sig.to_bytes();
            signature[63] = if up { signature[63] + 1 } else { signature[63] - 1 };
            event.sig = Signature::from_byte_array(signature);
        }
        assert!(!author.signed_all(&events.iter().collect::<Vec<_>>(), Workers::inline()));
    }

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
