//! A damaged store names what is damaged, and is made whole from what is not.

mod common;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use event_index::{Agreement, Basis, Damage, Storage, Store};
use nostr::event::EventId;
use redb::{Database, ReadableTable, TableDefinition};

use common::{arrivals, deletion, event, key, message};

type Key = (u64, &'static [u8; 32]);
const ITEMS: TableDefinition<Key, u64> = TableDefinition::new("items-1");
const IDS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("ids-1");
const ENVELOPES: TableDefinition<u64, &[u8]> = TableDefinition::new("envelopes-1");
const OTHERS: TableDefinition<u64, u16> = TableDefinition::new("others-1");
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters-1");
const BLOCKS: TableDefinition<Key, &[u8; 80]> = TableDefinition::new("blocks-3");

const EVENTS: u64 = 600;

fn open(path: &Path) -> Store {
    Store::open(Storage::File(path.to_owned()), &key()).unwrap()
}

/// A closed store with [`EVENTS`] messages that a relay agreed on, and its directory.
fn closed_store() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open(&path);
    store.ingest(arrivals((0..EVENTS).map(message))).unwrap();
    let view = store.snapshot().unwrap();
    let agreement = Agreement {
        at: 1,
        count: view.len() as u64,
        fingerprint: [0; 16],
        last_seq: EVENTS,
        basis: Basis::Fingerprint,
        authors: 1,
    };
    store.record_agreement("wss://relay", agreement).unwrap();
    (directory, path)
}

/// Changes the file as no store would.
fn behind_its_back(path: &Path, work: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    work(&transaction);
    transaction.commit().unwrap();
}

/// How many events are whole, and what is not.
fn examine(store: &Store) -> (u64, Vec<Damage>) {
    let mut damage = Vec::new();
    let events = store
        .examine(&mut |_| ControlFlow::Continue(true), &mut |found| {
            damage.push(found);
        })
        .unwrap();
    (events, damage)
}

#[track_caller]
fn is_whole(store: &Store) {
    assert_eq!(examine(store).1, []);
}

fn flip_a_byte_of(path: &Path, seq: u64) {
    behind_its_back(path, |transaction| {
        let mut envelopes = transaction.open_table(ENVELOPES).unwrap();
        let mut bytes = envelopes.get(seq).unwrap().unwrap().value().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        envelopes.insert(seq, bytes.as_slice()).unwrap();
    });
}

#[test]
fn a_whole_store_is_called_whole() {
    let (_directory, path) = closed_store();
    assert_eq!(examine(&open(&path)), (EVENTS, Vec::new()));
}

#[test]
fn every_damaged_envelope_is_named_and_the_others_are_counted() {
    let (_directory, path) = closed_store();
    flip_a_byte_of(&path, 3);
    flip_a_byte_of(&path, 400);
    let (events, damage) = examine(&open(&path));
    let named: Vec<u64> = damage.iter().filter_map(|damage| damage.envelope).collect();
    assert!(named.ends_with(&[3, 400]) && named.len() == 2, "{damage:?}");
    assert_eq!(events, EVENTS - 2);
}

#[test]
fn an_event_that_is_not_genuine_is_named() {
    let (_directory, path) = closed_store();
    let forged = message(5).id;
    let mut damage = Vec::new();
    open(&path)
        .examine(
            &mut |event| ControlFlow::Continue(event.id != forged),
            &mut |found| damage.push(found),
        )
        .unwrap();
    let [found] = &damage[..] else {
        panic!("{damage:?}");
    };
    assert!(found.what.contains(&forged.to_hex()), "{found:?}");
    assert_eq!(found.envelope, Some(6));
}

#[test]
fn damaged_envelopes_can_be_set_aside_and_the_rest_is_whole_again() {
    let (_directory, path) = closed_store();
    let lost: EventId = message(2).id;
    flip_a_byte_of(&path, 3);
    let store = open(&path);
    let raw = store.raw_envelope(3).unwrap().unwrap();
    assert!(!raw.bytes.is_empty());

    let refused = store.rebuild(&BTreeSet::new());
    assert!(refused.is_err(), "what was not set aside is not dropped");
    assert!(store.raw_envelope(3).unwrap().is_some());

    let rebuilt = store.rebuild(&BTreeSet::from([3])).unwrap();
    assert_eq!(
        (rebuilt.events, rebuilt.dropped, rebuilt.mended),
        (EVENTS - 1, 1, 0)
    );
    is_whole(&store);
    assert_eq!(store.verify().unwrap(), EVENTS - 1);
    assert!(!store.contains(&lost).unwrap());
    assert!(
        store.agreements().unwrap().is_empty(),
        "a relay's agreement covered the dropped event, which is to be fetched again"
    );
    let again = store.ingest(arrivals([message(2)])).unwrap();
    assert_eq!(again.stored, [lost]);
    assert_eq!(store.verify().unwrap(), EVENTS);
}

#[test]
fn lists_and_sums_follow_from_the_envelopes() {
    let (_directory, path) = closed_store();
    let store = open(&path);
    let target = event(1080, 0, 9_000, Vec::new(), "about to go");
    store.ingest(arrivals([target.clone()])).unwrap();
    store
        .ingest(arrivals([deletion(0, 9_001, &[target.id])]))
        .unwrap();
    let before = (store.counts().unwrap(), store.snapshot().unwrap().len());
    drop(store);
    behind_its_back(&path, |transaction| {
        let (gone, moved) = (message(10), message(20));
        let mut items = transaction.open_table(ITEMS).unwrap();
        items
            .remove((gone.created_at.as_secs(), gone.id.as_bytes()))
            .unwrap();
        items.insert((77, &[9; 32]), 1_000_000).unwrap();
        let mut ids = transaction.open_table(IDS).unwrap();
        ids.insert(moved.id.as_bytes(), 4).unwrap();
        transaction.open_table(OTHERS).unwrap().insert(8, 5).unwrap();
        transaction
            .open_table(BLOCKS)
            .unwrap()
            .retain(|_, _| false)
            .unwrap();
    });
    let store = open(&path);
    let (_, damage) = examine(&store);
    assert!(damage.len() >= 4, "{damage:?}");
    assert!(damage.iter().all(|damage| damage.envelope.is_none()));

    let rebuilt = store.rebuild(&BTreeSet::new()).unwrap();
    assert_eq!(rebuilt.dropped, 0);
    assert_eq!(rebuilt.mended, 4);
    is_whole(&store);
    assert_eq!(before, (store.counts().unwrap(), store.snapshot().unwrap().len()));
}

#[test]
fn a_compact_store_is_smaller_and_the_same() {
    let (_directory, path) = closed_store();
    let mut store = open(&path);
    let ids: Vec<EventId> = (0..EVENTS - 10).map(|number| message(number).id).collect();
    for ids in ids.chunks(100) {
        store.ingest(arrivals([deletion(0, 90_000, ids)])).unwrap();
    }
    let (counts, sum) = (store.counts().unwrap(), store.view().unwrap().last_seq());
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(store.compact().unwrap());
    assert!(std::fs::metadata(&path).unwrap().len() < before);
    assert_eq!(
        (counts, sum),
        (store.counts().unwrap(), store.view().unwrap().last_seq())
    );
    drop(store);
    is_whole(&open(&path));
}

#[test]
fn sizes_name_every_table_with_its_rows() {
    let (_directory, path) = closed_store();
    let sizes = open(&path).sizes().unwrap();
    let rows = |name: &str| sizes.tables.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("items-1"), rows("envelopes-1")), (EVENTS, EVENTS));
    assert!(sizes.used <= std::fs::metadata(&path).unwrap().len());
    let stored: u64 = sizes.tables.iter().map(|table| table.stored).sum();
    assert!(stored > 0 && stored < sizes.used);
}

#[test]
fn a_store_that_did_not_count_bytes_counts_them_when_it_is_opened() {
    let (_directory, path) = closed_store();
    let counted = open(&path).counts().unwrap();
    assert!(counted.event_bytes > EVENTS * 200 && counted.full_download_bytes() > counted.event_bytes);
    behind_its_back(&path, |transaction| {
        transaction.open_table(COUNTERS).unwrap().remove("bytes").unwrap();
    });
    assert_eq!(open(&path).counts().unwrap(), counted);
}
