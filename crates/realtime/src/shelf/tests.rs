//! Who watches everything hears of each message once, whoever is quicker.

use std::sync::Arc;

use chat_model::{Content, Message, Role};
use event_index::{Arrival, MemoryDisk, OpenedArrival, OpenedEnvelope, StoreKey};
use nostr::prelude::{Event, EventId, Kind, PublicKey, Signature, Tags, Timestamp};

use super::*;

/// The store checks no signature: its caller did.
fn envelope(n: u64) -> Event {
    let author = PublicKey::from_byte_array([2; 32]);
    let (at, kind, content) = (Timestamp::from_secs(100 + n), Kind::Custom(1080), n.to_string());
    let id = EventId::compute(&author, &at, &kind, &Tags::new(), &content);
    let signature = Signature::from_byte_array([0; 64]);
    Event::new(id, author, at, kind, Tags::new(), content, signature)
}

fn said(n: u64) -> Message {
    Message::new("one", Role::User, Content::new(format!("words {n}")), 100 + n)
}

/// A store with two messages of which nobody was told, and a watcher.
struct Scene {
    store: Arc<Store>,
    shelf: Shelf,
    updates: broadcast::Receiver<ChatUpdate>,
}

impl Scene {
    fn new() -> Self {
        let store = Store::open(MemoryDisk::new().storage(), &StoreKey::from_bytes([7; 32])).unwrap();
        let store = Arc::new(store);
        let (sender, updates) = broadcast::channel(100);
        let marks = store.marks().unwrap();
        let shelf = Shelf::new(Arc::clone(&store), Watchers::new(), sender, marks);
        Self {
            store,
            shelf,
            updates,
        }
    }

    /// An envelope comes; it is opened at once when `open`.
    fn arrives(&self, n: u64, open: bool) {
        let arrival = Arrival {
            event: envelope(n),
            source: None,
        };
        let message = open.then(|| Arc::new(said(n)));
        let came = vec![OpenedArrival::new(&self.store, arrival, message)];
        self.store.ingest_opened(came, 7).unwrap();
    }

    /// The key appears that opens it.
    fn is_opened(&self, n: u64) -> MessageId {
        let event = envelope(n);
        let id = MessageId::Event(event.id.to_bytes());
        let closed = self.store.closed(0, 10).unwrap().events;
        let (seq, _) = closed.into_iter().find(|(_, closed)| *closed == event).unwrap();
        let opened = OpenedEnvelope {
            seq,
            event,
            message: Some(said(n)),
        };
        self.store.build(&[opened], None, None).unwrap();
        id
    }

    /// What the watcher heard of, in order.
    fn heard(&mut self) -> Vec<String> {
        let mut heard = Vec::new();
        while let Ok(update) = self.updates.try_recv() {
            if let ChatUpdate::Landed(messages) = update {
                heard.extend(messages.into_iter().map(|message| message.content));
            }
        }
        heard
    }
}

#[test]
fn what_was_opened_before_anybody_looked_is_told_once() {
    let mut scene = Scene::new();
    scene.arrives(1, false);
    let opened = scene.is_opened(1);
    scene.shelf.tell_opened(&[opened]).unwrap();
    scene.shelf.look(false).unwrap();
    assert_eq!(scene.heard(), ["words 1"]);
}

#[test]
fn what_was_opened_after_somebody_looked_is_told_once() {
    let mut scene = Scene::new();
    scene.arrives(1, false);
    scene.shelf.look(false).unwrap();
    assert!(scene.heard().is_empty());
    let opened = scene.is_opened(1);
    scene.shelf.look(false).unwrap();
    scene.shelf.tell_opened(&[opened]).unwrap();
    scene.shelf.look(false).unwrap();
    assert_eq!(scene.heard(), ["words 1"]);
}

#[test]
fn what_was_opened_late_in_a_conversation_that_went_on_is_told_once() {
    let mut scene = Scene::new();
    scene.arrives(1, false);
    scene.arrives(2, true);
    scene.shelf.look(false).unwrap();
    assert_eq!(scene.heard(), ["words 2"]);
    let opened = scene.is_opened(1);
    scene.arrives(3, true);
    scene.shelf.tell_opened(&[opened]).unwrap();
    scene.shelf.look(false).unwrap();
    let mut heard = scene.heard();
    heard.sort();
    assert_eq!(heard, ["words 1", "words 3"]);
}
