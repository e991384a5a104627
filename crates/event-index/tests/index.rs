//! The fingerprint index at its real sizes, one promise a test.

mod common;

use std::path::Path;

use event_index::{IndexError, IndexView, MemoryDisk, Storage, Store, View};
use negentropy::{Negentropy, NegentropyStorageBase};
use proptest::prelude::*;
use redb::{Database, ReadableTable, TableDefinition};

use common::adapter::CrateStorage;
use common::{arrivals, deletion, event, key, message, open};

type Key = (u64, &'static [u8; 32]);
const ITEMS: TableDefinition<Key, u64> = TableDefinition::new("items-1");
const COUNTERS: TableDefinition<&str, u64> = TableDefinition::new("counters-1");
const BLOCKS: TableDefinition<Key, &[u8; 80]> = TableDefinition::new("blocks-3");
const BLOCK_ITEMS: TableDefinition<Key, &[u8]> = TableDefinition::new("block-items-1");
const SUPERBLOCKS: TableDefinition<Key, &[u8; 44]> = TableDefinition::new("superblocks-2");
const TOTALS: TableDefinition<&str, &[u8; 56]> = TableDefinition::new("totals-3");

fn open_file(path: &Path) -> Store {
    Store::open(Storage::File(path.to_owned()), &key()).unwrap()
}

/// A closed store with 2,000 events, and its directory.
fn closed_store() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open_file(&path);
    store.ingest(arrivals((0..2_000).map(message))).unwrap();
    (directory, path)
}

/// Changes the file as no store would.
fn behind_its_back(path: &Path, work: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    work(&transaction);
    transaction.commit().unwrap();
}

fn agrees_with_its_items(store: &Store) {
    store.verify_index().unwrap();
    let (view, snapshot) = (store.view().unwrap(), store.snapshot().unwrap());
    assert_eq!(view.len(), snapshot.len() as u64);
    for range in [0..view.len(), 0..view.len() / 3, view.len() / 2..view.len() - 1] {
        assert_eq!(view.sum(range.clone()).unwrap(), snapshot.sum(range).unwrap());
    }
}

#[test]
fn a_store_written_before_the_index_was_known_gets_one_when_it_is_opened() {
    let (_directory, path) = closed_store();
    behind_its_back(&path, |transaction| {
        assert!(transaction.delete_table(BLOCKS).unwrap());
        assert!(transaction.delete_table(BLOCK_ITEMS).unwrap());
        assert!(transaction.delete_table(SUPERBLOCKS).unwrap());
        assert!(transaction.delete_table(TOTALS).unwrap());
    });
    agrees_with_its_items(&open_file(&path));
}

/// As a program wrote them whose blocks had 64 items; what they held does not matter any more.
#[test]
fn the_index_of_an_older_program_makes_room_for_the_new_one() {
    const OLD: [&str; 5] = ["blocks-1", "blocks-2", "superblocks-1", "totals-1", "totals-2"];
    let (_directory, path) = closed_store();
    behind_its_back(&path, |transaction| {
        for name in OLD {
            let mut table = transaction
                .open_table(TableDefinition::<&str, &[u8; 48]>::new(name))
                .unwrap();
            table.insert("items", &[7; 48]).unwrap();
        }
        assert!(transaction.delete_table(BLOCK_ITEMS).unwrap());
        assert!(transaction.delete_table(TOTALS).unwrap());
    });
    let store = open_file(&path);
    agrees_with_its_items(&store);
    let sizes = store.sizes().unwrap();
    let names: Vec<&str> = sizes.tables.iter().map(|table| table.name.as_str()).collect();
    assert!(names.contains(&"block-items-1"), "{names:?}");
    assert!(OLD.iter().all(|old| !names.contains(old)), "{names:?}");
}

#[test]
fn an_index_that_an_older_program_left_behind_is_computed_anew() {
    for also_added in [false, true] {
        let (_directory, path) = closed_store();
        let (first, new) = (message(0), message(5_000));
        behind_its_back(&path, |transaction| {
            let mut items = transaction.open_table(ITEMS).unwrap();
            let key = (first.created_at.as_secs(), first.id.as_bytes());
            assert!(items.remove(key).unwrap().is_some());
            if also_added {
                let mut counters = transaction.open_table(COUNTERS).unwrap();
                counters.insert("seq", 2_001).unwrap();
                let key = (new.created_at.as_secs(), new.id.as_bytes());
                items.insert(key, 2_001).unwrap();
            }
        });
        let store = open_file(&path);
        agrees_with_its_items(&store);
        assert_eq!(store.view().unwrap().len(), 1_999 + u64::from(also_added));
    }
}

#[test]
fn damage_is_named_never_answered_and_rebuilt() {
    type Damage = fn(&redb::WriteTransaction);
    let damages: [(&str, Damage); 4] = [
        ("block-items-1 1700000", |transaction| {
            let mut packed = transaction.open_table(BLOCK_ITEMS).unwrap();
            // 700 items are seven full blocks and a part of this one.
            let first = message(672);
            let key = (first.created_at.as_secs(), first.id.as_bytes());
            let mut value = packed.get(key).unwrap().unwrap().value().to_vec();
            value[20] ^= 1;
            packed.insert(key, value.as_slice()).unwrap();
        }),
        ("blocks-3 1700000", |transaction| {
            let mut blocks = transaction.open_table(BLOCKS).unwrap();
            let (key, mut value) = {
                let (key, value) = blocks.iter().unwrap().nth(3).unwrap().unwrap();
                let (created_at, id) = key.value();
                ((created_at, *id), *value.value())
            };
            value[20] ^= 1;
            blocks.insert((key.0, &key.1), &value).unwrap();
        }),
        ("superblocks-2 1700000", |transaction| {
            let mut superblocks = transaction.open_table(SUPERBLOCKS).unwrap();
            let (key, mut value) = {
                let (key, value) = superblocks.first().unwrap().unwrap();
                let (created_at, id) = key.value();
                ((created_at, *id), *value.value())
            };
            value[20] ^= 1;
            superblocks.insert((key.0, &key.1), &value).unwrap();
        }),
        ("superblocks-2 1700000", |transaction| {
            let mut superblocks = transaction.open_table(SUPERBLOCKS).unwrap();
            let (key, mut value) = {
                let (key, value) = superblocks.first().unwrap().unwrap();
                let (created_at, id) = key.value();
                ((created_at, *id), *value.value())
            };
            // More blocks, and more items, than there is memory for.
            value[..12].fill(0xff);
            superblocks.insert((key.0, &key.1), &value).unwrap();
        }),
    ];
    for (name, damage) in damages {
        let (_directory, path) = closed_store();
        behind_its_back(&path, damage);
        let store = open_file(&path);
        for error in [store.verify_index().unwrap_err(), store.verify().unwrap_err()] {
            assert!(
                matches!(&error, IndexError::Index { what } if what.starts_with(name)),
                "{error}"
            );
        }
        let answer = store.view().and_then(|view| view.sum(700..view.len()));
        assert!(
            matches!(answer, Err(IndexError::Index { .. })),
            "{name}: {answer:?}"
        );
        store.rebuild_index().unwrap();
        agrees_with_its_items(&store);
    }
}

#[test]
fn a_damaged_total_is_computed_anew_by_the_next_opening() {
    for byte in 0..56 {
        let (_directory, path) = closed_store();
        behind_its_back(&path, |transaction| {
            let mut totals = transaction.open_table(TOTALS).unwrap();
            let mut value = *totals.get("items").unwrap().unwrap().value();
            value[byte] ^= 1;
            totals.insert("items", &value).unwrap();
            drop(totals);
            if byte % 2 == 0 {
                // As in a file of an earlier program, to which tables are added first.
                let sources = TableDefinition::<([u8; 16], [u8; 16]), &[u8]>::new("sources-2");
                transaction.delete_table(sources).unwrap();
            }
        });
        let store = open_file(&path);
        store.verify_index().unwrap();
        if byte % 8 == 0 {
            agrees_with_its_items(&store);
        }
    }
}

#[test]
fn a_view_stays_still_while_commits_go_on() {
    fn is_shared<T: Send + Sync>(_: &T) {}
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..1_000).map(message))).unwrap();
    let view: IndexView = store.view().unwrap();
    is_shared(&view);
    let snapshot = store.snapshot().unwrap();
    store.ingest(arrivals((1_000..3_000).map(message))).unwrap();
    let targets: Vec<_> = (0..900).map(|number| message(number).id).collect();
    store.ingest(arrivals([deletion(0, 9, &targets)])).unwrap();

    let mut items = Vec::new();
    view.each(0..view.len(), &mut |item| items.push(item)).unwrap();
    assert_eq!(items, snapshot.items());
    assert_eq!(view.sum(1..999).unwrap(), snapshot.sum(1..999).unwrap());
    assert_eq!(view.last_seq(), snapshot.last_seq());
    assert_eq!(store.view().unwrap().len(), 2_101);
    agrees_with_its_items(&store);
}

#[test]
fn one_second_may_hold_more_than_a_block() {
    let store = open(&MemoryDisk::new());
    let same = |number: u64| event(1080, 0, 1_700_000_000, vec![], &number.to_string());
    store.ingest(arrivals((0..300).map(message))).unwrap();
    for batch in 0..4 {
        store
            .ingest(arrivals((batch * 200..batch * 200 + 200).map(same)))
            .unwrap();
        agrees_with_its_items(&store);
    }
}

#[test]
fn single_appends_in_any_direction_keep_it_right() {
    for newest_first in [false, true] {
        let store = open(&MemoryDisk::new());
        for n in 0..600 {
            let number = if newest_first { 600 - n } else { n };
            store.ingest(arrivals([message(number)])).unwrap();
        }
        agrees_with_its_items(&store);
    }
}

#[test]
fn the_crate_reconciles_two_views() {
    let (ours, theirs) = (open(&MemoryDisk::new()), open(&MemoryDisk::new()));
    ours.ingest(arrivals((0..2_000).map(message))).unwrap();
    theirs.ingest(arrivals((7..2_003).map(message))).unwrap();
    let (ours, theirs) = (ours.view().unwrap(), theirs.view().unwrap());
    let (ours, theirs) = (CrateStorage(&ours), CrateStorage(&theirs));
    let mut client = Negentropy::borrowed(&ours, 0).unwrap();
    let mut relay = Negentropy::borrowed(&theirs, 0).unwrap();
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut frame = Some(client.initiate().unwrap());
    while let Some(question) = frame {
        let answer = relay.reconcile(&question).unwrap();
        frame = client.reconcile_with_ids(&answer, &mut have, &mut need).unwrap();
    }
    let ids = |numbers: std::ops::Range<u64>| {
        let mut ids: Vec<_> = numbers.map(|number| message(number).id.to_bytes()).collect();
        ids.sort_unstable();
        ids
    };
    let sorted = |found: Vec<negentropy::Id>| {
        let mut found: Vec<_> = found.into_iter().map(|id| *id).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(sorted(have), ids(0..7));
    assert_eq!(sorted(need), ids(2_000..2_003));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_range_has_the_fingerprint_the_crate_computes(
        batches in prop::collection::vec((0..2_000_u64, 1..400_u64), 1..6),
        deleted in prop::collection::vec(0..2_400_u64, 0..40),
        cuts in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 24),
    ) {
        let store = open(&MemoryDisk::new());
        for (from, count) in batches {
            store.ingest(arrivals((from..from + count).map(message))).unwrap();
        }
        let targets: Vec<_> = deleted.into_iter().map(|number| message(number).id).collect();
        store.ingest(arrivals([deletion(0, 1_700_000_500, &targets)])).unwrap();
        store.verify_index().unwrap();
        let view = store.view().unwrap();
        let length = view.len() as usize;
        for (one, two) in cuts {
            let (one, two) = (one.index(length + 1), two.index(length + 1));
            let (start, end) = (one.min(two), one.max(two));
            let theirs = CrateStorage(&view).fingerprint(start, end).unwrap().to_bytes();
            prop_assert_eq!(view.sum(start as u64..end as u64).unwrap().fingerprint(), theirs);
        }
    }
}
