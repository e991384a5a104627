//! Reading an event from loose JSON, field by field, so that a bad one says what is wrong with it.

use nostr::event::{Event, EventId, Kind, Signature, Tag};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use serde_json::Value;

use crate::OpenError;

/// No frame from a relay is longer than 4 MiB (DESIGN 5), so no event is.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Reads one event from JSON text. Checks the form of its fields, not its id or its signature.
///
/// An id or a signature of the wrong form is [`OpenError::BadId`] or [`OpenError::BadSignature`]: it cannot be the
/// right one. Fields that NIP-01 does not know are ignored.
pub fn read_event(json: &[u8]) -> Result<Event, OpenError> {
    if json.len() > EVENT_BYTES_MAX {
        return Err(OpenError::Malformed { field: "JSON" });
    }
    let value: Value = serde_json::from_slice(json).map_err(|_| OpenError::Malformed { field: "JSON" })?;
    read_event_value(&value)
}

/// [`read_event`] for JSON that is already parsed.
pub fn read_event_value(value: &Value) -> Result<Event, OpenError> {
    let malformed = |field| OpenError::Malformed { field };
    let text = |field| value.get(field).and_then(Value::as_str);
    let number = |field| value.get(field).and_then(Value::as_u64);

    let author = text("pubkey")
        .and_then(|hex| PublicKey::from_hex(hex).ok())
        .ok_or(malformed("pubkey"))?;
    let created_at = number("created_at").ok_or(malformed("created_at"))?;
    let kind = number("kind")
        .and_then(|kind| u16::try_from(kind).ok())
        .ok_or(malformed("kind"))?;
    let tags = value
        .get("tags")
        .and_then(Value::as_array)
        .ok_or(malformed("tags"))?;
    let tags: Option<Vec<Tag>> = tags.iter().map(read_tag).collect();
    let content = text("content").ok_or(malformed("content"))?;
    let id = text("id")
        .and_then(|hex| EventId::from_hex(hex).ok())
        .ok_or(OpenError::BadId)?;
    let signature = text("sig")
        .and_then(|hex| Signature::from_hex(hex).ok())
        .ok_or(OpenError::BadSignature)?;
    Ok(Event::new(
        id,
        author,
        Timestamp::from_secs(created_at),
        Kind::from_u16(kind),
        tags.ok_or(malformed("tags"))?,
        content,
        signature,
    ))
}

fn read_tag(tag: &Value) -> Option<Tag> {
    let texts: Option<Vec<&str>> = tag.as_array()?.iter().map(Value::as_str).collect();
    Tag::parse(texts?).ok()
}
