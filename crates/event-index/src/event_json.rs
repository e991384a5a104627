//! An event as JSON: as it is kept, and as its id is the hash of it (NIP-01).
//!
//! Both are what `serde_json` writes, to the byte. It looks at one character after the other for what has to be escaped, which
//! for a payload in base64 is nothing: here a text is looked through once, as fast as it is copied, and goes to `serde_json`
//! only when there is something.

use nostr::event::{Event, EventId};
use sha2::{Digest as _, Sha256};

/// All but tags and content of an event takes less.
const FRAME_BYTES: usize = 512;

/// What `envelopes` keeps of an event.
pub(crate) fn encode_event(event: &Event) -> Vec<u8> {
    let mut json = Vec::with_capacity(event.content.len() + FRAME_BYTES);
    json.extend_from_slice(b"{\"id\":");
    push_hex(&mut json, event.id.as_bytes());
    json.extend_from_slice(b",\"pubkey\":");
    push_hex(&mut json, event.pubkey.as_bytes());
    json.extend_from_slice(b",\"created_at\":");
    push_number(&mut json, event.created_at.as_secs());
    json.extend_from_slice(b",\"kind\":");
    push_number(&mut json, event.kind.as_u16().into());
    json.extend_from_slice(b",\"tags\":");
    push_tags(&mut json, event);
    json.extend_from_slice(b",\"content\":");
    push_text(&mut json, &event.content);
    json.extend_from_slice(b",\"sig\":");
    push_hex(&mut json, &event.sig.to_bytes());
    json.push(b'}');
    json
}

/// The id that the event must have: the hash of everything in it but the signature (NIP-01). About 1 us for each KiB.
pub fn computed_id(event: &Event) -> EventId {
    let mut json = Vec::with_capacity(event.content.len() + FRAME_BYTES);
    json.extend_from_slice(b"[0,");
    push_hex(&mut json, event.pubkey.as_bytes());
    json.push(b',');
    push_number(&mut json, event.created_at.as_secs());
    json.push(b',');
    push_number(&mut json, event.kind.as_u16().into());
    json.push(b',');
    push_tags(&mut json, event);
    json.push(b',');
    push_text(&mut json, &event.content);
    json.push(b']');
    EventId::from_byte_array(Sha256::digest(&json).into())
}

fn push_tags(json: &mut Vec<u8>, event: &Event) {
    if event.tags.is_empty() {
        json.extend_from_slice(b"[]");
    } else {
        serde_json::to_writer(json, &event.tags).expect("tags are texts, which always serialize");
    }
}

fn push_text(json: &mut Vec<u8>, text: &str) {
    #[expect(
        clippy::needless_bitwise_bool,
        reason = "without an early end many characters are looked at at once"
    )]
    let escaped = text.bytes().fold(false, |escaped, byte| {
        escaped | (byte < b' ') | (byte == b'"') | (byte == b'\\')
    });
    if escaped {
        serde_json::to_writer(json, text).expect("a text always serializes");
    } else {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    }
}

fn push_number(json: &mut Vec<u8>, number: u64) {
    serde_json::to_writer(json, &number).expect("a number always serializes");
}

fn push_hex(json: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    json.push(b'"');
    json.extend(
        bytes
            .iter()
            .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
    );
    json.push(b'"');
}

#[cfg(test)]
mod tests {
    use nostr::event::{Kind, Signature, Tag, Tags};
    use nostr::key::PublicKey;
    use nostr::types::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn event() -> impl Strategy<Value = Event> {
        let text = || prop_oneof![".*", "[A-Za-z0-9+/=]{0,300}", "[\\x00-\\x7f]{0,40}"];
        let tags = prop::collection::vec(prop::collection::vec(text(), 1..4), 0..4);
        let parts = (
            any::<[u8; 32]>(),
            any::<[u8; 32]>(),
            any::<[u8; 32]>(),
            any::<u64>(),
        );
        (parts, any::<u16>(), tags, text()).prop_map(|((id, author, half, time), kind, tags, content)| {
            let tags = tags.into_iter().map(|tag| Tag::parse(tag).unwrap());
            let mut signature = [7; 64];
            signature[..32].copy_from_slice(&half);
            Event::new(
                EventId::from_byte_array(id),
                PublicKey::from_byte_array(author),
                Timestamp::from_secs(time),
                Kind::from_u16(kind),
                Tags::from_list(tags.collect()),
                content,
                Signature::from_byte_array(signature),
            )
        })
    }

    proptest! {
        #[test]
        fn an_event_is_written_as_serde_json_writes_it(event in event()) {
            prop_assert_eq!(encode_event(&event), serde_json::to_vec(&event).unwrap());
        }

        #[test]
        fn an_id_is_the_one_that_the_protocol_library_computes(event in event()) {
            let theirs = EventId::compute(&event.pubkey, &event.created_at, &event.kind, &event.tags, &event.content);
            prop_assert_eq!(computed_id(&event), theirs);
        }
    }
}
