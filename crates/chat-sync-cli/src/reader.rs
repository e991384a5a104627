//! Everything a store holds, opened without an engine: for questions that need sources, and for checking the
//! engine's own answers.

use chat_model::{Message, MessageId};
use chat_sync::Account;
use event_index::{IndexError, MESSAGE_KIND, Store};
use nostr::event::Event;
use pns_keys::{KeySet, Keyring, Signer, open_keyring};

/// Rows read at once.
const BATCH: usize = 1000;

/// The keys that open what is in the store, as it keeps them.
pub(crate) fn stored_keys(account: &Account) -> Result<KeySet, IndexError> {
    let mut keys = KeySet::new(account.public_key);
    for row in account.store.keyrings()? {
        // One without a secret, or with another shape, was never opened here and sealed nothing.
        let opened = row
            .secret
            .and_then(|secret| Keyring::from_plaintext(&row.event, &secret).ok());
        opened.map(|keyring| keys.add(keyring));
    }
    if let Some(secret) = account.signer.own_secret() {
        keys.add_own_secret(&secret);
    }
    Ok(keys)
}

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

/// The messages that have no event yet.
pub(crate) fn drafts(store: &Store) -> Result<Vec<Message>, IndexError> {
    let (mut found, mut after) = (Vec::new(), 0);
    loop {
        let page = store.drafts(after, BATCH)?;
        let Some(last) = page.last else {
            return Ok(found);
        };
        after = last;
        let batch = page.drafts;
        found.extend(
            batch
                .iter()
                .filter_map(|draft| Message::from_draft(&draft.body).ok()),
        );
    }
}
