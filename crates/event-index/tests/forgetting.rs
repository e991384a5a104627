//! What is forgotten on this device, what it costs, and that nothing of it is lost.

mod common;

use std::collections::BTreeSet;

use chat_model::{Content, Message, MessageId, Parent, Role, Selection};
use event_index::{
    Agreement, Basis, Burial, DeliveryState, Marks, MemoryDisk, MessageRef, Storage, Store, View,
};
use nostr::event::{Event, EventId};

use common::{arrivals, deletion, event, key, open, opened};

const RELAY: &str = "wss://a.example";
const OTHER: &str = "wss://b.example";
const NOW: u64 = 1_789_000_000;
const DAY: u64 = 24 * 3600;

fn relays() -> [String; 1] {
    [RELAY.to_owned()]
}

/// The n-th envelope, sealed so many days before now.
fn envelope(n: u64, days: u64) -> Event {
    event(1080, 0, NOW - days * DAY + n, vec![], &format!("ciphertext {n}"))
}

fn name(event: &Event) -> MessageId {
    MessageId::Event(event.id.to_bytes())
}

fn said(chat: &str, n: u64, parent: Parent) -> Message {
    let role = if n.is_multiple_of(2) { "user" } else { "assistant" };
    let mut message = Message::new(
        chat,
        Role::from(role),
        Content::new(format!("words {n}")),
        1_000 + n,
    );
    message.parent = parent;
    message.source = Some(format!("source {n}"));
    message
}

fn agreement(store: &Store) -> Agreement {
    Agreement {
        at: NOW,
        count: store.counts().unwrap().items,
        fingerprint: [1; 16],
        last_seq: store.marks().unwrap().seq,
        basis: Basis::Fingerprint,
        authors: 7,
    }
}

/// A conversation of `count` messages, each a reply to the one before, sealed a day apart; the last one today. A relay has
/// agreed on all of it.
fn talk(store: &Store, count: u64) -> Vec<Event> {
    let events: Vec<Event> = (0..count).map(|n| envelope(n, count - 1 - n)).collect();
    arrive(store, &events, "talk", &[]);
    store.record_agreement(RELAY, agreement(store)).unwrap();
    events
}

/// These come from a relay, each a reply to the one before.
fn arrive(store: &Store, events: &[Event], chat: &str, unread: &[EventId]) {
    let mut parent = Parent::Top;
    let mut came = Vec::new();
    for (n, event) in (0..).zip(events) {
        let arrival = opened(store, event.clone(), said(chat, n, parent));
        came.push(arrival.unread(unread.contains(&event.id)));
        parent = Parent::Message(name(event));
    }
    store.ingest_opened(came, 7).unwrap();
}

/// What the conversation shows from the top: its title, and its words.
fn shown(store: &Store, chat: &str) -> Option<(String, Vec<String>)> {
    let open = store
        .open_conversation(store.conversation_tag(chat), Marks::END)
        .unwrap();
    let title = open.summary()?.title;
    let tree = open.library().conversation(chat)?;
    let branch = tree.branch(&Selection::new());
    let words = branch.iter().map(|shown| shown.message.content.raw().to_owned());
    Some((title, words.collect()))
}

/// Forgets what is older than so many days. Returns how many messages that were.
fn forget(store: &Store, days: u64, relays: &[String]) -> usize {
    let old = store.forgettable(NOW - days * DAY, relays, None, 1_000).unwrap();
    assert_eq!(old.next, None);
    store.forget(&old.ids, NOW - days * DAY, relays).unwrap().len()
}

fn is_whole(store: &Store) {
    let counts = store.counts().unwrap();
    assert_eq!(store.verify().unwrap(), counts.items - counts.forgotten);
    let mut damage = Vec::new();
    store
        .examine(&mut |_| std::ops::ControlFlow::Continue(true), &mut |found| {
            damage.push(found);
        })
        .unwrap();
    assert_eq!(damage, []);
}

#[test]
fn old_envelopes_and_words_leave_the_disk_and_comparisons_see_no_difference() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = Store::open(Storage::File(path.clone()), &key()).unwrap();
    let events = talk(&store, 40);
    let before = store.at_relay(RELAY).unwrap().view;
    let (sum, length) = (before.sum(0..before.len()).unwrap(), before.len());
    drop(before);
    let bytes = store.counts().unwrap().event_bytes;
    assert_eq!(forget(&store, 10, &relays()), 29);

    let counts = store.counts().unwrap();
    assert_eq!((counts.items, counts.messages, counts.forgotten), (40, 11, 29));
    assert!(counts.event_bytes * 3 < bytes);
    let now = store.at_relay(RELAY).unwrap();
    assert_eq!((now.view.len(), now.view.sum(0..length).unwrap()), (length, sum));
    assert!(now.agreement.is_some(), "what was agreed on still holds");
    assert_eq!(store.proven(&relays()).unwrap(), 11);
    assert_eq!(store.safe(&relays(), &[]).unwrap(), 11);
    for (n, event) in events.iter().enumerate() {
        assert_eq!(store.event(&event.id).unwrap().is_some(), n >= 29);
        assert!(store.contains(&event.id).unwrap(), "it is not to be fetched");
    }
    is_whole(&store);
    let again = store.ingest(arrivals(events.clone())).unwrap();
    assert_eq!(
        (again.stored.len(), again.known.len()),
        (0, 40),
        "a copy from elsewhere changes nothing"
    );
    drop(now);
    drop(store);
    let store = Store::open(Storage::File(path), &key()).unwrap();
    assert_eq!(store.counts().unwrap(), counts);
}

#[test]
fn what_is_left_of_a_conversation_is_shown_from_its_first_message_under_its_old_title() {
    let store = open(&MemoryDisk::new());
    talk(&store, 20);
    assert_eq!(shown(&store, "talk").unwrap().1.len(), 20);
    for (days, left) in [(15, 16), (5, 6), (2, 3)] {
        assert!(forget(&store, days, &relays()) > 0);
        let (title, words) = shown(&store, "talk").unwrap();
        assert_eq!((title.as_str(), words.len()), ("words 0", left));
        assert_eq!(words.last().unwrap(), "words 19");
    }
    assert_eq!(store.forgotten_of("talk").unwrap().len(), 17);
    store.rebuild(&BTreeSet::new()).unwrap();
    assert_eq!(
        store.forgotten_of("talk").unwrap().len(),
        17,
        "what stays of them stays"
    );
    is_whole(&store);
}

#[test]
fn a_reply_hangs_off_what_is_left_above_it_and_off_another_copy_of_what_is_not() {
    let store = open(&MemoryDisk::new());
    let old: Vec<Event> = (0..3).map(|n| envelope(n, 50)).collect();
    arrive(&store, &old, "talk", &[]);
    store.record_agreement(RELAY, agreement(&store)).unwrap();
    // Nobody has the first one, which stays here. Its reply, and the reply to that, are forgotten.
    store.enqueue(RELAY, &[old[0].id]).unwrap();
    let fresh = envelope(9, 0);
    let reply = said("talk", 3, Parent::Message(name(&old[2])));
    let came = opened(&store, fresh.clone(), reply);
    store.ingest_opened(vec![came], 7).unwrap();
    assert_eq!(forget(&store, 10, &relays()), 2);
    let (_, words) = shown(&store, "talk").unwrap();
    assert_eq!(words, ["words 0", "words 3"]);

    // Another device made a copy of the second one later: the reply to the old copy hangs off it.
    let copy = envelope(11, 0);
    let message = said("talk", 2, Parent::Message(name(&old[1])));
    let came = opened(&store, copy, message);
    store.ingest_opened(vec![came], 7).unwrap();
    let (_, words) = shown(&store, "talk").unwrap();
    assert_eq!(words, ["words 0", "words 2", "words 3"]);
}

#[test]
fn nothing_is_forgotten_that_is_young_waits_is_refused_or_is_not_known_to_be_safe() {
    let store = open(&MemoryDisk::new());
    let events = talk(&store, 12);
    let both = [RELAY.to_owned(), OTHER.to_owned()];
    assert_eq!(
        forget(&store, 5, &both),
        0,
        "two relays are in use, and one has it"
    );
    assert_eq!(forget(&store, 5, &[]), 0, "no relay, no safety");
    for (n, state) in [
        (0, DeliveryState::Waiting),
        (1, DeliveryState::Sent),
        (2, DeliveryState::Accepted),
        (3, DeliveryState::Parked),
        (4, DeliveryState::Verified),
    ] {
        store.enqueue(OTHER, &[events[n].id]).unwrap();
        let mut rows = store.deliveries(OTHER, 0, 99).unwrap();
        rows.retain(|row| row.id == events[n].id);
        rows[0].state = state;
        store.set_deliveries(rows).unwrap();
    }
    let kind_5 = deletion(0, NOW - 90 * DAY, &[EventId::from_byte_array([9; 32])]);
    store.ingest(arrivals([kind_5.clone()])).unwrap();
    store.record_agreement(RELAY, agreement(&store)).unwrap();
    // Those that came after the agreement are not known to be anywhere.
    let late = envelope(40, 60);
    store.ingest(arrivals([late.clone()])).unwrap();
    // The read-back one counts as verified here and there.
    assert_eq!(forget(&store, 5, &relays()), 2, "the fifth and the sixth");
    for kept in [0, 1, 2, 3, 6, 11] {
        assert!(store.event(&events[kept].id).unwrap().is_some(), "{kept}");
    }
    assert!(store.event(&kind_5.id).unwrap().is_some() && store.event(&late.id).unwrap().is_some());
    is_whole(&store);
}

#[test]
fn what_is_recalled_comes_again_where_it_was_and_is_no_news() {
    let store = open(&MemoryDisk::new());
    let events = talk(&store, 20);
    let whole = shown(&store, "talk");
    forget(&store, 5, &relays());
    let back = store.forgotten_from(NOW - 10 * DAY, None, 99).unwrap();
    assert_eq!(store.recall(&back.ids).unwrap(), 5);
    let counts = store.counts().unwrap();
    assert_eq!((counts.items, counts.forgotten), (15, 9));
    assert_eq!(
        store.agreements().unwrap().len(),
        0,
        "what they agreed on is not here"
    );
    let rest = store.forgotten_from(0, None, 99).unwrap();
    assert_eq!(store.recall(&rest.ids).unwrap(), 9);
    assert_eq!(store.forgotten_of("talk").unwrap(), []);
    is_whole(&store);
    // A relay was level before all of it is back.
    store.record_agreement(RELAY, agreement(&store)).unwrap();
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    arrive(&store, &events, "talk", &ids);
    assert_eq!(shown(&store, "talk"), whole);
    let open = store
        .open_conversation(store.conversation_tag("talk"), Marks::END)
        .unwrap();
    assert_eq!(open.summary().unwrap().unread, 0);
    is_whole(&store);
}

#[test]
fn a_relay_that_lacks_what_is_forgotten_has_it_come_again_from_one_that_has_it() {
    let store = open(&MemoryDisk::new());
    let events = talk(&store, 10);
    let ids: Vec<EventId> = events[..3].iter().map(|event| event.id).collect();
    forget(&store, 4, &relays());
    let missing = |relay: &str| store.queue_missing(relay, &ids, NOW, 0, 0).unwrap();
    let beyond = |relays: &[&str]| {
        let relays: Vec<String> = relays.iter().map(|relay| (*relay).to_owned()).collect();
        store.forgotten_beyond(&relays).unwrap()
    };
    assert_eq!(
        (beyond(&[RELAY, OTHER]), beyond(&[OTHER]), beyond(&[])),
        (0, 5, 5)
    );
    let alone = missing(RELAY);
    assert_eq!(
        (alone.recalled, alone.out_of_reach, alone.queued),
        (0, 3, 0),
        "nobody else has it"
    );
    assert_eq!(store.counts().unwrap().forgotten, 5);
    let other = missing(OTHER);
    assert_eq!((other.recalled, other.out_of_reach, other.queued), (3, 0, 0));
    assert_eq!(
        (store.counts().unwrap().forgotten, store.counts().unwrap().items),
        (2, 7)
    );
    // It came from the one, and goes to the other.
    arrive(&store, &events[..3], "talk", &[]);
    assert_eq!(missing(OTHER).queued, 3);
    store.record_agreement(RELAY, agreement(&store)).unwrap();
    assert_eq!(forget(&store, 4, &relays()), 0, "they wait to be sent");
    is_whole(&store);
}

#[test]
fn what_is_forgotten_can_be_deleted_here_and_by_another_device() {
    let store = open(&MemoryDisk::new());
    let events = talk(&store, 10);
    forget(&store, 4, &relays());
    let forgotten = store.forgotten_of("talk").unwrap();
    assert_eq!(forgotten.len(), 5);
    let burial = Burial {
        name: MessageRef::Event(forgotten[1].id),
        record: forgotten[1].tombstone.to_record(),
    };
    let buried = store.bury(vec![burial]).unwrap();
    assert_eq!(buried.events, [events[1].id]);
    let unsigned = store.unsigned(None, 9).unwrap();
    assert_eq!(
        (unsigned[0].author, unsigned[0].created_at),
        (events[1].pubkey, events[1].created_at.as_secs())
    );
    // A stranger's deletion is void, the author's is not.
    store
        .ingest(arrivals([
            deletion(1, NOW, &[events[2].id]),
            deletion(0, NOW, &[events[3].id]),
        ]))
        .unwrap();
    assert!(store.contains(&events[2].id).unwrap() && !store.contains(&events[3].id).unwrap());
    let remembered = store.tombstone_of(&name(&events[3])).unwrap().unwrap();
    assert_eq!(remembered.parent, Parent::Message(name(&events[2])));
    assert_eq!(store.counts().unwrap().forgotten, 3);
    let again = store.ingest(arrivals(events.clone())).unwrap();
    assert_eq!(again.tombstoned, [events[1].id, events[3].id]);
    is_whole(&store);
    let (_, words) = shown(&store, "talk").unwrap();
    assert_eq!(words.len(), 5);
}

#[test]
fn damage_to_what_stays_is_named_and_mended() {
    use redb::{Database, ReadableTable, TableDefinition};
    const FORGOTTEN: TableDefinition<u64, &[u8]> = TableDefinition::new("forgotten-1");
    const OF: TableDefinition<(&[u8; 16], u64), ()> = TableDefinition::new("forgotten-of-1");
    const IDS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("ids-1");

    let damage: [fn(&redb::WriteTransaction, &Event); 4] = [
        |transaction, _| {
            let mut rows = transaction.open_table(FORGOTTEN).unwrap();
            rows.insert(2, &[1, 2, 3][..]).unwrap();
        },
        |transaction, _| {
            let mut rows = transaction.open_table(FORGOTTEN).unwrap();
            let mut bytes = rows.get(2).unwrap().unwrap().value().to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            rows.insert(2, bytes.as_slice()).unwrap();
        },
        |transaction, _| {
            let mut rows = transaction.open_table(OF).unwrap();
            rows.retain(|(_, seq), ()| seq != 2).unwrap();
        },
        |transaction, event| {
            let mut ids = transaction.open_table(IDS).unwrap();
            ids.remove(event.id.as_bytes()).unwrap();
        },
    ];
    for damage in damage {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let file = || Storage::File(path.clone());
        let store = Store::open(file(), &key()).unwrap();
        let events = talk(&store, 10);
        forget(&store, 4, &relays());
        drop(store);
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        damage(&transaction, &events[1]);
        transaction.commit().unwrap();
        drop(database);

        let store = Store::open(file(), &key()).unwrap();
        store.verify().unwrap_err();
        let mut found = Vec::new();
        store
            .examine(&mut |_| std::ops::ControlFlow::Continue(true), &mut |damage| {
                found.push(damage);
            })
            .unwrap();
        assert!(!found.is_empty());
        store.rebuild(&BTreeSet::new()).unwrap();
        is_whole(&store);
        assert!(
            store.counts().unwrap().forgotten >= 4,
            "the others stay forgotten"
        );
    }
}
