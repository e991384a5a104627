//! What one relay is expected to hold: views against a plain set, and the rows they are made of.

mod common;

use std::collections::BTreeSet;

use event_index::{
    Agreement, Basis, DeliveryState, EXTRA_MAX, Extra, ExtraReason, Item, MemoryDisk, RelayView, Snapshot,
    Standing, Store, Sum, View,
};
use nostr::event::{Event, EventId};
use proptest::prelude::*;
use redb::{Database, ReadableTable, TableDefinition};

use common::{arrivals, deletion, event, key, message, open};

const RELAY: &str = "wss://relay.example";
const OTHER: &str = "wss://other.example";

fn item(number: u64) -> Item {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Item {
        created_at: 1_000 + number / 3,
        id: EventId::from_byte_array(id),
    }
}

fn sum_of<'a>(items: impl IntoIterator<Item = &'a Item>) -> Sum {
    let mut sum = Sum::default();
    items.into_iter().for_each(|item| sum.add(item.id.as_bytes()));
    sum
}

/// Everything a view says, against the sorted set; in an order of questions that a random generator chose.
fn says_what_the_set_holds(view: &impl View, set: &BTreeSet<Item>, questions: &[(u8, u64, u64)]) {
    let items: Vec<Item> = set.iter().copied().collect();
    let count = items.len() as u64;
    assert_eq!(view.len(), count);
    assert_eq!(view.sum(0..count).unwrap(), sum_of(&items));
    for (kind, a, b) in questions {
        let (a, b) = (a % (count + 1), b % (count + 1));
        let (from, to) = (a.min(b), a.max(b));
        let part = &items[from as usize..to as usize];
        match kind % 5 {
            0 => assert_eq!(
                view.sum(from..to).unwrap(),
                sum_of(part),
                "sum of {from}..{to} of {count}"
            ),
            1 => {
                let mut found = Vec::new();
                view.each(from..to, &mut |item| found.push(item)).unwrap();
                assert_eq!(found, part);
            }
            2 if from < count => {
                let item = items[from as usize];
                assert_eq!(view.item(from).unwrap(), item);
                if let Some(before) = from.checked_sub(1) {
                    let beside = (items[before as usize], item);
                    assert_eq!(view.beside(from).unwrap(), beside);
                    let start = b.min(before);
                    let sum = sum_of(&items[start as usize..from as usize]);
                    assert_eq!(view.sum_to_cut(start, from).unwrap(), (sum, beside));
                }
            }
            3 => {
                let cut = view.cheap_cut(from).unwrap();
                assert!(cut <= count);
            }
            _ => {
                // An item, one that is hidden or was never there, and a whole second.
                let mut bound = item(b * 7 + u64::from(*kind));
                for bound in [bound, items.get(from as usize).copied().unwrap_or(bound), {
                    bound.id = EventId::from_byte_array([0; 32]);
                    bound
                }] {
                    let rank = set.range(..bound).count() as u64;
                    let end = rank.max(from);
                    let part = &items[from as usize..end as usize];
                    assert_eq!(view.sum_up_to(from, &bound).unwrap(), (end, sum_of(part)));
                    assert_eq!(view.lower_bound(&bound).unwrap(), rank);
                    assert_eq!(view.sum(0..rank).unwrap(), sum_of(&items[..rank as usize]));
                    assert_eq!(view.sum(rank..count).unwrap(), sum_of(&items[rank as usize..]));
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_relays_view_is_the_items_without_the_absent_with_the_extra(
        kinds in proptest::collection::vec(0_u8..8, 0..200),
        questions in proptest::collection::vec((any::<u8>(), any::<u64>(), any::<u64>()), 1..60),
    ) {
        let (mut base, mut absent, mut extra) = (Vec::new(), Vec::new(), Vec::new());
        for (number, kind) in (0..).zip(kinds) {
            match kind {
                0 => extra.push(item(number)),
                1 => { base.push(item(number)); absent.push(item(number)); }
                2 => {}
                _ => base.push(item(number)),
            }
        }
        let expected: BTreeSet<Item> = base.iter().chain(&extra).filter(|item| !absent.contains(item)).copied().collect();
        let view = RelayView::new(Snapshot::of(base, 0), &absent, &extra, None);
        prop_assert_eq!(view.absent(), absent.len() as u64);
        says_what_the_set_holds(&view, &expected, &questions);
    }
}

fn ids(events: &[Event]) -> Vec<EventId> {
    events.iter().map(|event| event.id).collect()
}

fn park(store: &Store, relay: &str, ids: &[EventId]) {
    store.enqueue(relay, ids).unwrap();
    let mut rows = store.deliveries(relay, 0, usize::MAX).unwrap();
    rows.retain(|row| ids.contains(&row.id));
    for row in &mut rows {
        row.state = DeliveryState::Parked;
        row.reason = Some("blocked: no".to_owned());
    }
    store.set_deliveries(rows).unwrap();
}

fn tombstoned(item: Item) -> Extra {
    let reason = ExtraReason::Tombstoned;
    Extra { item, reason }
}

fn agreement(last_seq: u64) -> Agreement {
    Agreement {
        at: 1_800_000_000,
        count: 0,
        fingerprint: [0; 16],
        last_seq,
        basis: Basis::Fingerprint,
        authors: 1,
    }
}

/// 3,000 messages; 500 are refused, 400 are deleted here and half of those still served there.
#[test]
fn over_the_index_it_says_the_same_and_survives_reopening() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let messages: Vec<Event> = (0..3_000).map(message).collect();
    store.ingest(arrivals(messages.clone())).unwrap();
    let refused = &messages[1_000..1_500];
    park(&store, RELAY, &ids(refused));
    let deletions = deletion(0, 1_700_009_000, &ids(&messages[2_000..2_400]));
    store.ingest(arrivals([deletions.clone()])).unwrap();
    let kept: Vec<Extra> = messages[2_000..2_200]
        .iter()
        .map(|event| tombstoned(Item::of(event)))
        .collect();
    assert_eq!(store.place(RELAY, &kept, &[]).unwrap().extra, 200);
    assert_eq!(
        store.place(RELAY, &kept, &[]).unwrap().extra,
        0,
        "again changes nothing"
    );
    drop(store);

    let store = open(&disk);
    let expected: BTreeSet<Item> = messages
        .iter()
        .enumerate()
        .filter(|(n, _)| !(1_000..1_500).contains(n) && !(2_200..2_400).contains(n))
        .map(|(_, event)| Item::of(event))
        .chain([Item::of(&deletions)])
        .collect();
    let at = store.at_relay(RELAY).unwrap();
    let mut questions = Vec::new();
    for n in 0..400_u64 {
        questions.push((n as u8, n * 7_919, n * 104_729));
    }
    says_what_the_set_holds(&at.view, &expected, &questions);
    assert_eq!((at.absent.len(), at.view.absent(), at.forged), (500, 500, 0));
    assert_eq!(at.view.extra().count(), 200);
    // Another relay's view is the items.
    let other = store.at_relay(OTHER).unwrap();
    let items: BTreeSet<Item> = store.snapshot().unwrap().items().iter().copied().collect();
    says_what_the_set_holds(&other.view, &items, &questions);
    assert_eq!(store.verify().unwrap(), 2_601);
}

#[test]
fn what_waits_or_was_accepted_is_expected_at_the_relay() {
    let store = open(&MemoryDisk::new());
    let messages: Vec<Event> = (0..3).map(message).collect();
    store.ingest(arrivals(messages.clone())).unwrap();
    store.enqueue(RELAY, &ids(&messages[..2])).unwrap();
    let mut row = store.deliveries(RELAY, 0, 1).unwrap().remove(0);
    row.state = DeliveryState::Accepted;
    store.set_deliveries(vec![row]).unwrap();
    assert_eq!(store.at_relay(RELAY).unwrap().view.len(), 3);
    park(&store, RELAY, &ids(&messages[2..]));
    let at = store.at_relay(RELAY).unwrap();
    assert_eq!((at.view.len(), at.absent), (2, vec![3]));
}

#[test]
fn an_absent_item_is_verified_neither_before_nor_after_it_is_found_until_it_was_compared() {
    let store = open(&MemoryDisk::new());
    let messages: Vec<Event> = (0..3).map(message).collect();
    store.ingest(arrivals(messages.clone())).unwrap();
    park(&store, RELAY, &ids(&messages[..1]));
    let relays = [RELAY.to_owned()];
    let standing = |store: &Store| store.standings(&ids(&messages[..1]), &relays).unwrap()[0][0];
    let absent = store.at_relay(RELAY).unwrap().absent;
    store
        .record_agreement_without(RELAY, agreement(3), &absent)
        .unwrap();
    assert_eq!(
        (store.proven(&relays).unwrap(), standing(&store)),
        (2, Standing::Parked)
    );

    // It turns out to be there: accepted, and the agreement of a comparison that did not expect it leaves it at that.
    let sorted = store.sort_needed(RELAY, ids(&messages[..1])).unwrap();
    assert_eq!((sorted.refused.len(), sorted.live.len()), (1, 0));
    assert_eq!(store.place(RELAY, &[], &sorted.refused).unwrap().found, 1);
    store
        .record_agreement_without(RELAY, agreement(3), &absent)
        .unwrap();
    assert_eq!(
        (store.proven(&relays).unwrap(), standing(&store)),
        (2, Standing::Accepted)
    );

    let at = store.at_relay(RELAY).unwrap();
    assert!(at.absent.is_empty() && at.view.len() == 3);
    store
        .record_agreement_without(RELAY, agreement(3), &at.absent)
        .unwrap();
    assert_eq!(
        (store.proven(&relays).unwrap(), standing(&store)),
        (3, Standing::Verified)
    );
}

type AbsentKey = (&'static [u8; 16], u64);
const ABSENT: TableDefinition<AbsentKey, &[u8; 40]> = TableDefinition::new("absent-1");

/// A closed store of 1,000 messages, of which the relay refused the 50 from 400 on, and its directory.
fn closed_store() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let store = open_file(&path);
    let messages: Vec<Event> = (0..1_000).map(message).collect();
    store.ingest(arrivals(messages.clone())).unwrap();
    park(&store, RELAY, &ids(&messages[400..450]));
    (directory, path)
}

fn open_file(path: &std::path::Path) -> Store {
    Store::open(event_index::Storage::File(path.to_owned()), &key()).unwrap()
}

/// Changes the file as no store would.
fn behind_its_back(path: &std::path::Path, work: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let transaction = database.begin_write().unwrap();
    work(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn refusals_recorded_before_their_items_were_kept_are_expected_after_the_next_opening() {
    let (_directory, path) = closed_store();
    behind_its_back(&path, |transaction| {
        assert!(transaction.delete_table(ABSENT).unwrap());
    });
    let store = open_file(&path);
    let at = store.at_relay(RELAY).unwrap();
    assert_eq!((at.absent.len(), at.view.len()), (50, 950));
    assert_eq!(at.view.item(400).unwrap(), Item::of(&message(450)));
    assert_eq!(store.verify().unwrap(), 1_000);
}

#[test]
fn a_refused_event_that_is_deleted_or_waits_again_is_expected_as_any_other() {
    let (_directory, path) = closed_store();
    let store = open_file(&path);
    let targets: Vec<EventId> = (400..410).map(|n| message(n).id).collect();
    store
        .ingest(arrivals([deletion(0, 1_700_009_000, &targets)]))
        .unwrap();
    assert_eq!(store.at_relay(RELAY).unwrap().view.absent(), 40);
    let mut rows = store.deliveries(RELAY, 0, 15).unwrap();
    for row in &mut rows {
        row.state = DeliveryState::Waiting;
    }
    store.set_deliveries(rows).unwrap();
    assert_eq!(store.at_relay(RELAY).unwrap().view.absent(), 25);
    store.forget_relay(RELAY).unwrap();
    assert_eq!(store.at_relay(RELAY).unwrap().view.len(), 991);
    assert_eq!(store.verify().unwrap(), 991);
}

/// Reads verify no checksums, so a row may name what was never held: an error or other bytes, never a panic.
#[test]
fn a_damaged_refusal_is_found_by_verify_and_computed_anew() {
    let (_directory, path) = closed_store();
    behind_its_back(&path, |transaction| {
        let mut absent = transaction.open_table(ABSENT).unwrap();
        let rows: Vec<([u8; 16], u64)> = absent
            .iter()
            .unwrap()
            .map(|row| (*row.as_ref().unwrap().0.value().0, row.unwrap().0.value().1))
            .collect();
        for (number, (tag, seq)) in (0_u64..).zip(rows) {
            let mut item = [0xff; 40];
            item[..8].copy_from_slice(&(1_700_000_900 + number * 3).to_le_bytes());
            absent.insert((&tag, seq), &item).unwrap();
        }
    });
    let store = open_file(&path);
    let at = store.at_relay(RELAY).unwrap();
    let there = |n: &u64| !(400..450).contains(n);
    let real: Vec<Item> = (0..1_000).filter(there).map(|n| Item::of(&message(n))).collect();
    assert_ne!(
        at.view.sum(0..at.view.len()).ok(),
        Some(sum_of(&real)),
        "it was believed"
    );
    for n in 0..at.view.len() {
        // Whatever they say.
        let _ = (at.view.item(n), at.view.sum(n / 2..n), at.view.cheap_cut(n));
        let _ = at.view.beside(n.max(1));
        let _ = at.view.each(n..at.view.len(), &mut |_| {});
        let _ = at.view.lower_bound(&Item::of(&message(n)));
    }
    let error = store.verify().unwrap_err().to_string();
    assert!(error.contains("absent-1"), "{error}");
    store.rebuild_index().unwrap();
    assert_eq!(store.verify().unwrap(), 1_000);
    assert_eq!(
        store.at_relay(RELAY).unwrap().view.item(400).unwrap(),
        Item::of(&message(450))
    );
}

#[test]
fn needed_ids_are_sorted_by_what_is_known_of_them() {
    let store = open(&MemoryDisk::new());
    let [deleted, never_seen, held, new]: [Event; 4] = [0, 1, 2, 3].map(message);
    store.ingest(arrivals([deleted.clone(), held.clone()])).unwrap();
    store
        .ingest(arrivals([deletion(
            0,
            1_700_009_000,
            &[deleted.id, never_seen.id],
        )]))
        .unwrap();
    let all = ids(&[deleted.clone(), never_seen.clone(), held.clone(), new.clone()]);
    let sorted = store.sort_needed(RELAY, all).unwrap();
    assert_eq!(sorted.deleted, [tombstoned(Item::of(&deleted))]);
    assert_eq!(sorted.untimed, [never_seen.id]);
    assert_eq!(sorted.live, [held.id, new.id]);
    assert!(sorted.refused.is_empty());

    // Once it was fetched, its time is known for every relay.
    store
        .place(RELAY, &[tombstoned(Item::of(&never_seen))], &[])
        .unwrap();
    let again = store.sort_needed(OTHER, vec![never_seen.id]).unwrap();
    assert_eq!(again.deleted, [tombstoned(Item::of(&never_seen))]);
}

#[test]
fn what_is_held_is_nobodys_extra() {
    let store = open(&MemoryDisk::new());
    let forged = message(0);
    let extra = Extra {
        item: Item::of(&forged),
        reason: ExtraReason::Forged,
    };
    for relay in [RELAY, OTHER] {
        store.place(relay, &[extra], &[]).unwrap();
        assert_eq!(store.at_relay(relay).unwrap().forged, 1);
    }
    // Another relay has it with its real signature.
    store.ingest(arrivals([forged.clone()])).unwrap();
    assert!(store.extra(RELAY).unwrap().is_empty() && store.extra(OTHER).unwrap().is_empty());
    assert_eq!(store.place(RELAY, &[extra], &[]).unwrap().extra, 0);
    assert_eq!(store.at_relay(RELAY).unwrap().view.len(), 1);
}

#[test]
fn rows_go_when_the_relay_dropped_them_or_is_forgotten() {
    let store = open(&MemoryDisk::new());
    let extra: Vec<Extra> = (0..10).map(|n| tombstoned(item(n))).collect();
    for relay in [RELAY, OTHER] {
        store.place(relay, &extra, &[]).unwrap();
    }
    let gone = [extra[3].item.id, extra[7].item.id, item(99).id];
    assert_eq!(store.remove_extra(RELAY, &gone).unwrap(), 2);
    assert_eq!(store.extra(RELAY).unwrap().len(), 8);
    store.forget_agreement(RELAY).unwrap();
    assert!(store.extra(RELAY).unwrap().is_empty());
    assert_eq!(store.extra(OTHER).unwrap().len(), 10);
    store.keep_relays(&[RELAY.to_owned()]).unwrap();
    assert!(store.extra(OTHER).unwrap().is_empty());
}

#[test]
fn rows_are_bounded_and_those_that_are_there_stay() {
    let store = open(&MemoryDisk::new());
    let extra: Vec<Extra> = (0..EXTRA_MAX as u64 + 10).map(|n| tombstoned(item(n))).collect();
    assert_eq!(store.place(RELAY, &extra, &[]).unwrap().extra, EXTRA_MAX);
    assert_eq!(store.extra(RELAY).unwrap().len(), EXTRA_MAX);
    assert_eq!(store.place(OTHER, &extra[..5], &[]).unwrap().extra, 5);
}

#[test]
fn the_last_item_of_an_agreement_is_found_behind_what_came_since() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..500).map(message))).unwrap();
    store.record_agreement(RELAY, agreement(500)).unwrap();
    store.ingest(arrivals((1_000..1_100).map(message))).unwrap();
    // One that came late sorts before it.
    store
        .ingest(arrivals([event(1080, 0, 1_700_000_001, vec![], "late")]))
        .unwrap();
    let covered = |relay| store.at_relay(relay).unwrap().view.covered();
    assert_eq!(covered(RELAY), Some(Item::of(&message(499))));
    assert_eq!(covered(OTHER), None);
}

#[test]
fn damage_is_found_by_verify() {
    type Key = (&'static [u8; 16], u64, &'static [u8; 32]);
    const EXTRA: TableDefinition<Key, u8> = TableDefinition::new("extra-1");
    for (code, held) in [(9, false), (1, true)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store.redb");
        let storage = || event_index::Storage::File(path.clone());
        let store = Store::open(storage(), &key()).unwrap();
        store.ingest(arrivals([message(0)])).unwrap();
        drop(store);
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        let item = Item::of(&message(u64::from(!held)));
        transaction
            .open_table(EXTRA)
            .unwrap()
            .insert((&[5; 16], item.created_at, item.id.as_bytes()), code)
            .unwrap();
        transaction.commit().unwrap();
        drop(database);
        let error = Store::open(storage(), &key()).unwrap().verify().unwrap_err();
        assert!(error.to_string().contains("extra-1"), "{error}");
    }
}

#[test]
fn a_store_from_before_these_tables_gets_them() {
    type Key = (&'static [u8; 16], u64, &'static [u8; 32]);
    const EXTRA: TableDefinition<Key, u8> = TableDefinition::new("extra-1");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let storage = || event_index::Storage::File(path.clone());
    drop(Store::open(storage(), &key()).unwrap());
    let database = Database::open(&path).unwrap();
    let transaction = database.begin_write().unwrap();
    assert!(transaction.delete_table(EXTRA).unwrap());
    transaction.commit().unwrap();
    drop(database);
    let store = Store::open(storage(), &key()).unwrap();
    assert!(store.at_relay(RELAY).unwrap().view.is_empty());
    assert_eq!(store.verify().unwrap(), 0);
}

/// A store that was opened again reads with one opening of the file and writes with another; neither may take pages from the
/// other.
#[test]
fn a_view_from_before_the_first_change_stays_as_it_is_through_all_later_ones() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    store.ingest(arrivals((0..3_000).map(message))).unwrap();
    let expected: BTreeSet<Item> = store.snapshot().unwrap().items().iter().copied().collect();
    drop(store);

    let store = open(&disk);
    let view = store.view().unwrap();
    let early = store.view().unwrap();
    for round in 0..20 {
        let gone: Vec<EventId> = (150 * round..150 * (round + 1)).map(|n| message(n).id).collect();
        assert_eq!(store.drop_bodies(&gone).unwrap(), gone.len());
        let new = (0..50).map(|n| message(10_000 + 50 * round + n));
        store.ingest(arrivals(new)).unwrap();
    }
    let questions: Vec<(u8, u64, u64)> = (0..400).map(|n| (n as u8, 7 * n, 2_999 - 5 * n)).collect();
    says_what_the_set_holds(&view, &expected, &questions);
    assert_eq!(store.view().unwrap().len(), 1_000);
    drop(view);
    says_what_the_set_holds(&early, &expected, &questions);
    drop(early);
    store.verify_index().unwrap();
    drop(store);
    open(&disk).verify_index().unwrap();
}
