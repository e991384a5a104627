//! One row of `messages-1`: a message as it was opened, with the id and the outer time of its envelope.

use chat_model::{Message, MessageId};
use nostr::event::Event;
use zeroize::Zeroizing;

use crate::IndexError;
use crate::sealing::{Keys, Nonce};

const TABLE: &str = "messages-1";

/// A message of the read model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: MessageId,
    /// 0 for a draft.
    pub(crate) outer_time: u64,
    pub(crate) message: Message,
}

/// What [`seal`] seals.
pub(crate) fn plain(event: &Event, message: &Message) -> Zeroizing<Vec<u8>> {
    let message = Zeroizing::new(message.to_draft());
    let time = event.created_at.as_secs().to_le_bytes();
    Zeroizing::new([event.id.as_bytes(), &time[..], &message].concat())
}

pub(crate) fn seal(keys: &Keys, nonce: Nonce, seq: u64, plain: &[u8]) -> Vec<u8> {
    keys.seal_with(nonce, TABLE, &seq.to_be_bytes(), plain)
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
