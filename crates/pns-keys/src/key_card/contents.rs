//! What a card encrypts, in bytes. Numbers are big endian; a *text* is its length in bytes (4) and its UTF-8.
//!
//! ```text
//! account's public key (32)
//! number of relays (4), each a text
//! number of keyrings (4), each:
//!   created_at (8), signature (64), device secret (32), salt (text),
//!   content: 0 and a text, or 1 and a text's place for the bytes it is the base64 form of,
//!   tags as JSON (text), empty when there are none
//! ```
//!
//! Kind and author of a keyring event follow from the card, and its id from the rest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::event::{Event, EventId, Signature, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use zeroize::Zeroizing;

use super::{CardKeyring, KeyCard, KeyCardError};
use crate::{DeviceSecret, KEYRING, Keyring, check_keyring};

/// What a card holds besides the variable parts of its keyrings, for sizing it at once.
const KEYRING_BYTES: usize = 8 + 64 + 32 + 4 + 1 + 4 + 4;

/// The contents of `card`.
pub(super) fn write(card: &KeyCard) -> Zeroizing<Vec<u8>> {
    // NIP-44 payloads are base64; three quarters of the text make a code with fewer dots. Others stay as they are.
    let contents = |event: &Event| match STANDARD.decode(&event.content) {
        Ok(bytes) if STANDARD.encode(&bytes) == event.content => (1, bytes),
        _ => (0, event.content.clone().into_bytes()),
    };
    let tags = |event: &Event| {
        if event.tags.is_empty() {
            return String::new();
        }
        serde_json::to_string(&event.tags).expect("tags are lists of strings, which always serialize")
    };
    let keyrings: Vec<_> = card
        .keyrings
        .iter()
        .map(|keyring| (keyring, contents(&keyring.event), tags(&keyring.event)))
        .collect();
    let relays: usize = card.relays.iter().map(|relay| 4 + relay.len()).sum();
    let variable: usize = keyrings
        .iter()
        .map(|(keyring, (_, content), tags)| keyring.inside.salt().len() + content.len() + tags.len())
        .sum();

    // Growing would leave copies of secrets behind.
    let capacity = 32 + 4 + relays + 4 + KEYRING_BYTES * keyrings.len() + variable;
    let mut out = Zeroizing::new(Vec::with_capacity(capacity));
    out.extend(card.account.as_bytes());
    put_count(&mut out, card.relays.len());
    for relay in &card.relays {
        put(&mut out, relay.as_bytes());
    }
    put_count(&mut out, keyrings.len());
    for (CardKeyring { event, inside }, (form, content), tags) in keyrings {
        out.extend(event.created_at.as_secs().to_be_bytes());
        out.extend(event.sig.as_bytes());
        out.extend(inside.device().as_bytes());
        put(&mut out, inside.salt().as_bytes());
        out.push(form);
        put(&mut out, &content);
        put(&mut out, tags.as_bytes());
    }
    debug_assert_eq!(out.len(), capacity);
    out
}

/// Reads what [`write`] wrote, and checks that the account signed every keyring.
pub(super) fn read(bytes: &[u8]) -> Result<KeyCard, KeyCardError> {
    let unreadable = KeyCardError::Unreadable;
    let mut rest = Reader(bytes);
    let account = rest
        .array()
        .map(PublicKey::from_byte_array)
        .ok_or(unreadable("names no account"))?;
    let relays = rest
        .list(|rest| Some(rest.text()?.to_owned()))
        .ok_or(unreadable("its list of relays is damaged"))?;
    let keyrings = rest
        .list(|rest| read_keyring(account, rest))
        .ok_or(unreadable("a keyring in it is damaged"))?;
    if !rest.0.is_empty() {
        return Err(unreadable("there is more in it than a card holds"));
    }
    Ok(KeyCard {
        account,
        relays,
        keyrings,
    })
}

fn read_keyring(account: PublicKey, rest: &mut Reader<'_>) -> Option<CardKeyring> {
    let created_at = Timestamp::from_secs(u64::from_be_bytes(rest.array()?));
    let signature = Signature::from_byte_array(rest.array()?);
    let device = DeviceSecret::from_bytes(&Zeroizing::new(rest.array()?)).ok()?;
    let salt = Zeroizing::new(rest.text()?.to_owned());
    let content = match rest.array()? {
        [0] => rest.text()?.to_owned(),
        [1] => STANDARD.encode(rest.bytes()?),
        _ => return None,
    };
    let tags = match rest.text()? {
        "" => Tags::default(),
        json => serde_json::from_str(json).ok()?,
    };
    let id = EventId::compute(&account, &created_at, &KEYRING, &tags, &content);
    let event = Event::new(id, account, created_at, KEYRING, tags, content, signature);
    check_keyring(&account, &event).ok()?;
    let inside = Keyring::assemble(&event, device, salt).ok()?;
    Some(CardKeyring { event, inside })
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    // What is that large is refused by its size.
    out.extend(u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend(bytes);
}

/// Bytes still to be read. Every read gives `None` past their end.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(length as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = u32::from_be_bytes(self.array()?);
        // Grown as it is read: a count alone asks for no memory.
        (0..count).map(|_| read(self)).collect()
    }
}
