//! Everything a store holds, opened without an engine: for checking the engine's own answers.

use chat_model::{Message, MessageId};
use event_index::{IndexError, MESSAGE_KIND, Store};
use nostr::event::Event;
use pns_keys::{KeySet, Signer, open_keyring};

/// Rows read at once.
const BATCH: usize = 1000;

/// The keys in these keyring events, opened with the signer.
pub(crate) async fn keys_in(signer: &dyn Signer, keyrings: &[Event]) -> KeySet {
    let mut keys = KeySet::new(signer.public_key());
    for event in keyrings {
        if let Ok(keyring) = open_keyring(signer, event).await {
            keys.add(keyring);
        }
    }
    keys
}

/// The envelopes of the store.
pub(crate) fn envelopes(store: &Store) -> Result<Vec<Event>, IndexError> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let batch = store.events_after(after, BATCH)?;
        let Some((last, _)) = batch.last() else {
            return Ok(found);
        };
        after = *last;
        found.extend(
            batch
                .into_iter()
                .map(|(_, event)| event)
                .filter(|event| event.kind.as_u16() == MESSAGE_KIND),
        );
    }
}

/// The messages in these envelopes; those that do not open are left out.
pub(crate) fn open(keys: &KeySet, envelopes: &[Event]) -> Vec<(MessageId, Message)> {
    let authors: Vec<String> = keys
        .rumor_authors()
        .iter()
        .map(nostr::key::PublicKey::to_hex)
        .collect();
    let message = |event: &Event| Message::from_rumor(&keys.open(event).ok()?, &authors).ok();
    envelopes
        .iter()
        .filter_map(|event| Some((MessageId::Event(event.id.to_bytes()), message(event)?)))
        .collect()
}
