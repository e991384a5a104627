//! An author's key, ready to check many signatures with.
//!
//! BIP-340 says under "Batch Verification" how many signatures are checked at the cost of a few: each is an equation
//! between points of the curve, and the sum of all equations, each times a weight of its own, holds when all of them
//! hold. When one does not, the sum holds for one choice of weights in 2^128, so nobody must be able to choose the
//! signatures after the weights: these come from a hash of everything that is checked.

use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::ops::{LinearCombination as _, Reduce as _};
use k256::{FieldBytes, ProjectivePoint, Scalar};
use nostr::prelude::{Event, PublicKey};
use secp256k1::schnorr::Signature;
use secp256k1::{Secp256k1, VerifyOnly, XOnlyPublicKey};
use sha2::{Digest as _, Sha256};
use supervision::Workers;

use crate::point::Point;
use crate::weighted_sum::weighted_sum;

/// Sets these weights apart from every other use of the hash.
const WEIGHTS_TAG: &[u8] = b"routstr-chat-sync/signature-weights";

/// Signatures that one core takes at a time: less than half a millisecond, so that no core waits long for the last one.
pub(crate) const TOGETHER: usize = 64;

/// What a compressed point with an even y begins with (SEC 1, 2.3.3).
const EVEN: u8 = 2;

/// A public key, read once: a curve point is a square root, a tenth of a signature check.
#[derive(Debug, Clone)]
pub(crate) struct Author {
    /// As it is hashed.
    bytes: [u8; 32],
    /// For one signature.
    single: XOnlyPublicKey,
    /// For many.
    point: ProjectivePoint,
}

impl Author {
    /// `None` when the key is no point of the curve: then nothing is signed by it.
    pub(crate) fn new(key: &PublicKey) -> Option<Self> {
        let bytes = key.to_bytes();
        Some(Self {
            bytes,
            single: key.xonly().ok()?,
            point: point(&bytes)?.to_affine()?.into(),
        })
    }

    /// Whether the event's id is signed by this author. About 45 us.
    pub(crate) fn signed(&self, event: &Event, curve: &Secp256k1<VerifyOnly>) -> bool {
        let signature = Signature::from_byte_array(event.sig.to_bytes());
        curve
            .verify_schnorr(&signature, event.id.as_bytes(), &self.single)
            .is_ok()
    }

    /// Whether every event's id is signed by this author. About 100 us, and 10 us an event, spread over all cores.
    pub(crate) fn signed_all(&self, events: &[&Event], workers: Workers) -> bool {
        let mut hash = Sha256::new_with_prefix(WEIGHTS_TAG).chain_update(self.bytes);
        for event in events {
            hash.update(event.id.as_bytes());
            hash.update(event.sig.to_bytes());
        }
        let seed = hash.finalize();
        let tag = Sha256::digest(b"BIP0340/challenge");
        let challenges = Sha256::new().chain_update(tag).chain_update(tag);

        // For each event `s * G = R + e * P`; what is summed is `weight` times that.
        let numbered: Vec<(u64, &Event)> = (0..).zip(events.iter().copied()).collect();
        let parts = workers.map(numbered.chunks(TOGETHER).collect(), |part| {
            let (mut of_generator, mut of_author) = (Scalar::ZERO, Scalar::ZERO);
            let mut nonces = Vec::with_capacity(part.len());
            for (number, event) in part {
                let signature = event.sig.to_bytes();
                let (nonce, s) = halves(&signature);
                let (point, s) = (point(nonce)?, scalar(s)?);
                let weight = weight(&seed, *number);
                let challenge = challenges
                    .clone()
                    .chain_update(nonce)
                    .chain_update(self.bytes)
                    .chain_update(event.id.as_bytes())
                    .finalize();
                let challenge = Scalar::reduce(&FieldBytes::from(<[u8; 32]>::from(challenge)));
                of_generator += Scalar::from(weight) * s;
                of_author += Scalar::from(weight) * challenge;
                nonces.push((weight, point));
            }
            Some((of_generator, of_author, nonces))
        });
        let (mut of_generator, mut of_author) = (Scalar::ZERO, Scalar::ZERO);
        let mut nonces = Vec::with_capacity(events.len());
        for part in parts {
            let Some((generator, author, part)) = part else {
                return false;
            };
            of_generator += generator;
            of_author += author;
            nonces.extend(part);
        }
        let expected = ProjectivePoint::lincomb_vartime(&[
            (ProjectivePoint::GENERATOR, of_generator),
            (self.point, -of_author),
        ]);
        weighted_sum(&nonces, workers) == expected
    }
}

fn halves(signature: &[u8; 64]) -> (&[u8; 32], &[u8; 32]) {
    let (halves, _) = signature.as_chunks::<32>();
    (&halves[0], &halves[1])
}

/// The point with this x and an even y, where there is one (`lift_x` of BIP-340).
fn point(x: &[u8; 32]) -> Option<Point> {
    let mut compressed = [EVEN; 33];
    compressed[1..].copy_from_slice(x);
    // libsecp256k1 takes its square root in half the time that k256 takes.
    let both = secp256k1::PublicKey::from_slice(&compressed)
        .ok()?
        .serialize_uncompressed();
    let (_, both) = both.split_first()?;
    let (x, y) = both.split_first_chunk::<32>()?;
    Point::new(*x, y.try_into().ok()?)
}

/// The number, where it is below the order of the curve.
fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_repr(FieldBytes::from(*bytes)).into()
}

fn weight(seed: &[u8], number: u64) -> u128 {
    let hash = Sha256::new()
        .chain_update(seed)
        .chain_update(number.to_le_bytes());
    let hash: [u8; 32] = hash.finalize().into();
    u128::from_le_bytes(std::array::from_fn(|n| hash[n]))
}
