//! Making and checking signed events.

use std::sync::LazyLock;

use nostr::event::{Event, EventId, Kind, Tag, Tags};
use nostr::key::Keys;
use nostr::types::Timestamp;
use secp256k1::{Secp256k1, SignOnly};

/// Multiplication tables for signing. `nostr` has its own, and keeps it private.
static SECP256K1: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

/// Signs an event with the auxiliary randomness `aux` (BIP-340). About 40 us.
pub(crate) fn sign(
    keys: &Keys,
    kind: Kind,
    tags: Vec<Tag>,
    content: String,
    created_at: u64,
    aux: &[u8; 32],
) -> Event {
    let tags = Tags::from_list(tags);
    let created_at = Timestamp::from_secs(created_at);
    let id = EventId::compute(&keys.public_key(), &created_at, &kind, &tags, &content);
    let signature = keys.sign_schnorr_with_aux_rand(&SECP256K1, id.as_bytes(), aux);
    Event::new(id, keys.public_key(), created_at, kind, tags, content, signature)
}
