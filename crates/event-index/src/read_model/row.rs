//! One row of `messages-1`: a message as it was opened, with the id and the outer time of its envelope.

use chat_model::{Message, MessageId};
use nostr::event::Event;
use supervision::Entropy;

use crate::IndexError;
use crate::sealing::Keys;

const TABLE: &str = "messages-1";

/// A message of the read model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: MessageId,
    /// 0 for a draft.
    pub(crate) outer_time: u64,
    pub(crate) message: Message,
}

pub(crate) fn seal(
    keys: &Keys,
    entropy: &dyn Entropy,
    seq: u64,
    event: &Event,
    message: &Message,
) -> Vec<u8> {
    let mut plain = zeroize::Zeroizing::new(Vec::with_capacity(512));
    plain.extend_from_slice(event.id.as_bytes());
    plain.extend_from_slice(&event.created_at.as_secs().to_le_bytes());
    plain.extend_from_slice(&message.to_draft());
    keys.seal(entropy, TABLE, &seq.to_be_bytes(), &plain)
}

pub(crate) fn open(keys: &Keys, seq: u64, sealed: &[u8]) -> Result<Row, IndexError> {
    let damaged = || IndexError::corrupt(format!("{TABLE} {seq}"));
    let plain = keys.open(TABLE, &seq.to_be_bytes(), sealed)?;
    let (id, rest) = plain.split_first_chunk::<32>().ok_or_else(damaged)?;
    let (outer_time, message) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
    Ok(Row {
        id: MessageId::Event(*id),
        outer_time: u64::from_le_bytes(*outer_time),
        message: Message::from_draft(message).map_err(|_| damaged())?,
    })
}

/// The message in a row.
pub(crate) fn kept_message(keys: &Keys, seq: u64, sealed: &[u8]) -> Result<Message, IndexError> {
    Ok(open(keys, seq, sealed)?.message)
}
