//! Events without signatures worth checking: the store leaves those to its caller.

#![allow(dead_code, reason = "every test binary uses another part")]

pub(crate) mod adapter;

use std::sync::Arc;

use chat_model::Message;
use event_index::{Arrival, LocalId, MemoryDisk, NewDraft, OpenedArrival, Store, StoreKey};
use nostr::event::{Event, EventId, Kind, Signature, Tag, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

/// Every disk of these tests is opened with it.
pub(crate) fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

pub(crate) fn open(disk: &MemoryDisk) -> Store {
    Store::open(disk.storage(), &key()).unwrap()
}

/// The author with this number.
pub(crate) fn author(number: u8) -> PublicKey {
    PublicKey::from_byte_array([number + 1; 32])
}

pub(crate) fn event(kind: u16, author_number: u8, created_at: u64, tags: Vec<Tag>, content: &str) -> Event {
    let (author, created_at, kind) = (
        author(author_number),
        Timestamp::from(created_at),
        Kind::from(kind),
    );
    let id = EventId::compute(
        &author,
        &created_at,
        &kind,
        &Tags::from_list(tags.clone()),
        content,
    );
    Event::new(
        id,
        author,
        created_at,
        kind,
        tags,
        content,
        Signature::from_byte_array([1; 64]),
    )
}

/// The message with this number; every third shares its second with the one before.
pub(crate) fn message(number: u64) -> Event {
    event(
        1080,
        0,
        1_700_000_000 + number - number % 3 / 2,
        vec![],
        &format!("message {number}"),
    )
}

pub(crate) fn deletion(author_number: u8, created_at: u64, targets: &[EventId]) -> Event {
    event(
        5,
        author_number,
        created_at,
        targets.iter().map(|id| Tag::event(*id)).collect(),
        "",
    )
}

pub(crate) fn arrivals(events: impl IntoIterator<Item = Event>) -> Vec<Arrival> {
    events
        .into_iter()
        .map(|event| Arrival { event, source: None })
        .collect()
}

/// An event on its way in with the message that was in it.
pub(crate) fn opened(store: &Store, event: Event, message: Message) -> OpenedArrival {
    OpenedArrival::new(store, Arrival { event, source: None }, Some(Arc::new(message)))
}

pub(crate) fn local(number: u8) -> LocalId {
    LocalId::from_bytes([number; 16])
}

pub(crate) fn draft(store: &Store, number: u8) -> NewDraft {
    NewDraft {
        local: local(number),
        source: store.source_id("conversation", &format!("source {number}")),
        body: format!("draft {number}").into_bytes(),
    }
}
