//! From envelopes to messages: opened by the keeper, read by the model. What can't be opened or read stays stored and
//! is tried again when a key appears.

use std::collections::BTreeSet;

use chat_model::Message;
use event_index::SourceId;
use nostr::prelude::{Event, PublicKey};
use pns_keys::keeper::{OpenBatch, Opened};
use supervision::Outlet;

use crate::verify::ENVELOPE;

/// An envelope and the message inside, where it could be read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) event: Event,
    pub(crate) message: Option<Message>,
}

impl Read {
    /// The source that makes two copies one message, hashed by the store.
    pub(crate) fn source(&self, hash: impl Fn(&str, &str) -> SourceId) -> Option<SourceId> {
        let message = self.message.as_ref()?;
        message
            .source
            .as_deref()
            .map(|source| hash(&message.conversation, source))
    }
}

/// The keeper is not running; it will be, and says so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the keeper of keys is not running")]
pub(crate) struct KeeperGone;

/// Opens what is an envelope among `events`; the order is kept. `authors` are the pubkeys a rumor may carry.
pub(crate) async fn open(
    keeper: &Outlet<OpenBatch>,
    events: Vec<Event>,
    authors: &BTreeSet<PublicKey>,
) -> Result<Vec<Read>, KeeperGone> {
    let authors: Vec<String> = authors.iter().map(PublicKey::to_hex).collect();
    let (envelopes, others): (Vec<_>, Vec<_>) = events
        .into_iter()
        .enumerate()
        .partition(|(_, event)| event.kind == ENVELOPE);
    let (places, envelopes): (Vec<usize>, Vec<Event>) = envelopes.into_iter().unzip();
    let opened = if envelopes.is_empty() {
        Vec::new()
    } else {
        keeper.send(OpenBatch(envelopes)).await.map_err(|_| KeeperGone)?
    };
    let mut read: Vec<(usize, Read)> = others
        .into_iter()
        .map(|(place, event)| (place, Read { event, message: None }))
        .collect();
    for (place, Opened { event, rumor }) in places.into_iter().zip(opened) {
        let message = match rumor {
            Ok(rumor) => match Message::from_rumor(&rumor, &authors) {
                Ok(message) => Some(message),
                Err(error) => {
                    tracing::debug!(event = %event.id, reason = error.reason(), "not a message");
                    None
                }
            },
            Err(error) => {
                tracing::debug!(event = %event.id, %error, "stays closed for now");
                None
            }
        };
        read.push((place, Read { event, message }));
    }
    read.sort_by_key(|(place, _)| *place);
    Ok(read.into_iter().map(|(_, read)| read).collect())
}
