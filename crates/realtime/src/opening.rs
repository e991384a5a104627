//! From envelopes to messages: opened by the keeper, read by the model. What can't be opened or read stays stored and
//! is tried again when a key appears.

use std::collections::BTreeSet;

use chat_model::Message;
use nostr::prelude::{Event, PublicKey};
use pns_keys::keeper::{OpenBatch, Opened};
use supervision::{Outlet, Workers};

use crate::verify::ENVELOPE;

/// An envelope and the message inside, where it could be read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) event: Event,
    pub(crate) message: Option<Message>,
}

/// The keeper is not running; it will be, and says so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the keeper of keys is not running")]
pub(crate) struct KeeperGone;

/// Opens what is an envelope among `events` and makes a `T` of each on all cores; the order is kept. `authors` are the
/// pubkeys a rumor may carry.
pub(crate) async fn open<T: Send + 'static>(
    keeper: &Outlet<OpenBatch>,
    workers: Workers,
    events: Vec<Event>,
    authors: &BTreeSet<PublicKey>,
    make: impl Fn(Read) -> T + Send + Sync + 'static,
) -> Result<Vec<T>, KeeperGone> {
    let authors: Vec<String> = authors.iter().map(PublicKey::to_hex).collect();
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let opened = keeper.send(OpenBatch(events)).await.map_err(|_| KeeperGone)?;
    let read = move || workers.map(opened, |opened| make(read(opened, &authors)));
    Ok(workers.run(read).await)
}

fn read(Opened { event, rumor }: Opened, authors: &[String]) -> Read {
    let message = match rumor {
        Ok(rumor) => match Message::from_rumor(&rumor, authors) {
            Ok(message) => Some(message),
            Err(error) => {
                tracing::debug!(event = %event.id, reason = error.reason(), "not a message");
                None
            }
        },
        Err(error) => {
            if event.kind == ENVELOPE {
                tracing::debug!(event = %event.id, %error, "stays closed for now");
            }
            None
        }
    };
    Read { event, message }
}
