//! What a reader can rely on, one promise a test.

mod common;

use event_index::{
    ABSENT_MAX, Agreement, Arrival, Basis, Burial, Delivery, DeliveryState, DraftOutcome, IndexError, Item,
    KeyringPlace, KeyringRow, MemoryDisk, MessageRef, NewDraft, Parked, QueuedMissing, SealedDraft, Standing,
    Store,
};
use nostr::event::{Event, EventId};

use common::{arrivals, author, deletion, draft, event, local, message, open};

const RELAY: &str = "wss://one.example";
const OTHER: &str = "wss://two.example";

fn agreement(last_seq: u64) -> Agreement {
    Agreement {
        at: 1_700_000_000,
        count: 1,
        fingerprint: [3; 16],
        last_seq,
        basis: Basis::Fingerprint,
        authors: 1,
    }
}

fn waiting(relay: &str, seq: u64, id: EventId) -> Delivery {
    Delivery {
        relay: relay.to_owned(),
        seq,
        id,
        state: DeliveryState::Waiting,
        at: 0,
        attempts: 0,
        next_try: 0,
        reason: None,
        absent: 0,
    }
}

#[test]
fn a_snapshot_stays_still_while_commits_go_on() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..10).map(message))).unwrap();
    let before = store.snapshot().unwrap();
    store.ingest(arrivals((10..20).map(message))).unwrap();
    store
        .ingest(arrivals([deletion(0, 9, &[message(3).id])]))
        .unwrap();
    let mut expected: Vec<Item> = (0..10).map(|number| Item::of(&message(number))).collect();
    expected.sort_unstable();
    assert_eq!(before.items(), expected);
    assert_eq!(before.last_seq(), 10);
    assert_eq!(store.snapshot().unwrap().len(), 20);
    assert_eq!(store.snapshot().unwrap().last_seq(), 21);
}

#[test]
fn deletions_and_their_targets_may_come_in_any_order() {
    let target = message(1);
    let foreign = deletion(1, 2, &[target.id]);
    let own = deletion(0, 3, &[target.id, own_target().id]);
    let of_a_deletion = deletion(0, 4, &[own.id]);
    let all = [
        target.clone(),
        own_target(),
        foreign.clone(),
        own.clone(),
        of_a_deletion.clone(),
    ];
    for start in 0..all.len() {
        for batch in 1..=all.len() {
            let store = open(&MemoryDisk::new());
            let turned: Vec<_> = all.iter().cycle().skip(start).take(all.len()).cloned().collect();
            for events in turned.chunks(batch) {
                store.ingest(arrivals(events.to_vec())).unwrap();
            }
            let mut expected = [&foreign, &own, &of_a_deletion].map(Item::of);
            expected.sort_unstable();
            assert_eq!(
                store.snapshot().unwrap().items(),
                expected,
                "start {start}, batches of {batch}"
            );
            assert!(store.is_tombstoned(&target.id).unwrap());
            assert!(!store.is_tombstoned(&own.id).unwrap());
            let again = store.ingest(arrivals([target.clone()])).unwrap();
            assert_eq!(again.tombstoned, [target.id]);
            assert_eq!(store.verify().unwrap(), 3);
        }
    }
}

fn own_target() -> nostr::event::Event {
    event(1080, 0, 1_600_000_000, vec![], "own target")
}

#[test]
fn somebody_elses_deletion_deletes_nothing() {
    let store = open(&MemoryDisk::new());
    let (early, late) = (message(1), message(2));
    store
        .ingest(arrivals([early.clone(), deletion(1, 5, &[early.id, late.id])]))
        .unwrap();
    assert_eq!(store.ingest(arrivals([late.clone()])).unwrap().stored, [late.id]);
    assert!(store.contains(&early.id).unwrap() && store.contains(&late.id).unwrap());
    assert_eq!(
        store.counts().unwrap().tombstones,
        0,
        "a void claim does not stay"
    );
}

#[test]
fn a_deleted_message_leaves_the_queue_and_cannot_come_back_into_it() {
    let store = open(&MemoryDisk::new());
    let id = message(1).id;
    store.ingest(arrivals([message(1)])).unwrap();
    assert_eq!(
        store.enqueue(RELAY, &[id]).unwrap() + store.enqueue(OTHER, &[id]).unwrap(),
        2
    );
    let row = store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    assert_eq!(
        store.counts().unwrap().waiting,
        1,
        "one event, however many relays"
    );
    store.ingest(arrivals([deletion(0, 2, &[id])])).unwrap();
    store
        .set_deliveries(vec![Delivery {
            state: DeliveryState::Accepted,
            ..row
        }])
        .unwrap();
    assert_eq!(store.enqueue(RELAY, &[id]).unwrap(), 0);
    assert_eq!(store.deliveries(RELAY, 0, 9).unwrap(), []);
    assert_eq!(store.deliveries(OTHER, 0, 9).unwrap(), []);
    assert_eq!(store.counts().unwrap().waiting, 0);
}

#[test]
fn a_source_is_imported_once_even_after_it_was_sealed_or_deleted() {
    let store = open(&MemoryDisk::new());
    let again = |number| NewDraft {
        local: local(99),
        ..draft(&store, number)
    };
    let added = store
        .add_drafts(vec![draft(&store, 1), draft(&store, 2), again(1)])
        .unwrap();
    let known = DraftOutcome::Known(MessageRef::Local(local(1)));
    assert_eq!(added, [DraftOutcome::Added, DraftOutcome::Added, known]);

    let sealed = vec![SealedDraft {
        local: local(1),
        event: message(1),
        message: None,
    }];
    assert_eq!(
        store.commit_sealed(sealed.clone(), &[RELAY.to_owned()]).unwrap(),
        [message(1).id]
    );
    let known = DraftOutcome::Known(MessageRef::Event(message(1).id));
    assert_eq!(store.add_drafts(vec![again(1)]).unwrap(), [known]);
    assert_eq!(store.add_drafts(vec![draft(&store, 1)]).unwrap(), [known]);

    store
        .ingest(arrivals([deletion(0, 2, &[message(1).id])]))
        .unwrap();
    assert_eq!(store.add_drafts(vec![again(1)]).unwrap(), [known]);
    assert_eq!(
        store.commit_sealed(sealed, &[]).unwrap(),
        [],
        "a draft is sealed once"
    );
    assert_eq!(
        store.resolve(&local(1)).unwrap(),
        Some(message(1).id),
        "replies still name it"
    );
    assert_eq!(store.local_of(&message(1).id).unwrap(), Some(local(1)));

    assert_eq!(store.remove_drafts(&[local(2), local(3)]).unwrap(), 1);
    assert_eq!(
        store.add_drafts(vec![again(2)]).unwrap(),
        [DraftOutcome::Known(MessageRef::Local(local(2)))]
    );
    let sealed = vec![SealedDraft {
        local: local(2),
        event: message(2),
        message: None,
    }];
    assert_eq!(
        store.commit_sealed(sealed, &[]).unwrap(),
        [],
        "a removed draft is never sent"
    );
    assert_eq!(store.counts().unwrap().messages, 0);
}

#[test]
fn of_events_with_one_source_the_lowest_is_the_message() {
    let store = open(&MemoryDisk::new());
    let source = store.source_id("c", "s");
    let arrive = |number| Arrival {
        event: message(number),
        source: Some(source),
    };
    let known = |number| DraftOutcome::Known(MessageRef::Event(message(number).id));
    let import = || {
        store
            .add_drafts(vec![NewDraft {
                source,
                ..draft(&store, 1)
            }])
            .unwrap()
    };
    for (arriving, canonical) in [(6, 6), (9, 6), (3, 3)] {
        store.ingest(vec![arrive(arriving)]).unwrap();
        assert_eq!(import(), [known(canonical)]);
    }
    store.ingest(arrivals([message(0)])).unwrap();
    store
        .record_sources(vec![(source, message(0).id), (source, message(50).id)])
        .unwrap();
    assert_eq!(import(), [known(0)]);
}

#[test]
fn accepted_is_not_verified_until_an_agreement_covers_it() {
    let store = open(&MemoryDisk::new());
    let relays = [RELAY.to_owned(), OTHER.to_owned()];
    store
        .add_drafts((1..=3).map(|number| draft(&store, number)).collect())
        .unwrap();
    let sealed = (1..=3)
        .map(|number| SealedDraft {
            local: local(number),
            event: message(number.into()),
            message: None,
        })
        .collect();
    store.commit_sealed(sealed, &relays).unwrap();
    let accept = |relay: &str| {
        let mut rows = store.deliveries(relay, 0, 9).unwrap();
        for row in &mut rows {
            row.state = DeliveryState::Accepted;
        }
        store.set_deliveries(rows).unwrap();
    };
    assert_eq!(store.counts().unwrap().waiting, 3);
    accept(RELAY);
    store.record_agreement(RELAY, agreement(2)).unwrap();
    assert_eq!(
        store.deliveries(RELAY, 0, 9).unwrap().len(),
        1,
        "the third is not covered"
    );
    assert_eq!(store.safe(&relays, &[]).unwrap(), 0);
    assert_eq!(store.safe(&relays[..1], &[]).unwrap(), 2);
    accept(OTHER);
    assert_eq!(store.counts().unwrap().waiting, 0);
    store.record_agreement(OTHER, agreement(3)).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 2);
    store.record_agreement(RELAY, agreement(3)).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 3);
    assert_eq!(store.safe(&[], &[]).unwrap(), 0);
    // The relay lost one after all.
    assert_eq!(store.enqueue(OTHER, &[message(2).id]).unwrap(), 1);
    assert_eq!(store.safe(&relays, &[]).unwrap(), 2);
    store.forget_agreement(RELAY).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 0);
    assert_eq!(
        store.agreements().unwrap().into_keys().collect::<Vec<_>>(),
        [OTHER]
    );
}

#[test]
fn a_forgotten_relay_leaves_nothing_waiting() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..3).map(message))).unwrap();
    store.enqueue(RELAY, &[message(0).id, message(1).id]).unwrap();
    store.enqueue(OTHER, &[message(1).id]).unwrap();
    store.put_relay_profile(RELAY, "{}").unwrap();
    store.record_agreement(RELAY, agreement(0)).unwrap();
    assert_eq!(store.forget_relay(RELAY).unwrap(), 2);
    assert_eq!(store.counts().unwrap().waiting, 1);
    assert_eq!(store.relay_profile(RELAY).unwrap(), None);
    assert!(store.agreements().unwrap().is_empty());
    assert_eq!(store.deliveries(OTHER, 0, 9).unwrap().len(), 1);
}

#[test]
fn what_is_still_on_its_way_about_a_relay_that_was_let_go_is_not_written() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..3).map(message))).unwrap();
    store.enqueue(RELAY, &[message(0).id]).unwrap();
    let late = store.deliveries(RELAY, 0, 9).unwrap();
    assert_eq!(store.retire_relay(RELAY).unwrap(), 1);
    let write = |store: &Store| {
        store.set_deliveries(late.clone()).unwrap();
        store.enqueue(RELAY, &[message(1).id]).unwrap();
        store.queue_missing(RELAY, &[message(2).id], 0, 0, 0).unwrap();
        store.put_relay_profile(RELAY, "{}").unwrap();
        let place = KeyringPlace {
            relay: RELAY.to_owned(),
            id: message(0).id,
            held: true,
            at: 700,
        };
        store.place_keyrings(&[place]).unwrap();
        store.record_agreement(RELAY, agreement(0)).unwrap();
    };
    write(&store);
    let kept = |store: &Store| {
        let copies = store
            .keyring_copies(&[message(0).id], &[RELAY.to_owned()])
            .unwrap();
        let rows = store.deliveries(RELAY, 0, 9).unwrap().len();
        let agreements = store.agreements().unwrap().len();
        (rows, store.relay_profile(RELAY).unwrap(), agreements, copies)
    };
    assert_eq!(kept(&store), (0, None, 0, Some(0)));
    assert_eq!(store.counts().unwrap().waiting, 0);
    store.use_relay(RELAY);
    write(&store);
    assert_eq!(
        kept(&store),
        (3, Some("{}".to_owned()), 1, Some(1)),
        "it is used again"
    );
}

#[test]
fn a_relay_that_is_no_longer_used_keeps_nothing_waiting() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..3).map(message))).unwrap();
    store.enqueue(RELAY, &[message(0).id, message(1).id]).unwrap();
    store.enqueue(OTHER, &[message(1).id]).unwrap();
    assert_eq!(
        store.keep_relays(&[RELAY.to_owned(), OTHER.to_owned()]).unwrap(),
        0
    );
    assert_eq!(store.keep_relays(&[OTHER.to_owned()]).unwrap(), 2);
    assert_eq!(store.counts().unwrap().waiting, 1);
    assert_eq!(store.deliveries(OTHER, 0, 9).unwrap().len(), 1);
}

#[test]
fn what_a_relay_refused_is_not_called_proven_there_once_its_queue_is_dropped() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..3).map(message))).unwrap();
    store.enqueue(RELAY, &[message(0).id]).unwrap();
    let refused = Delivery {
        state: DeliveryState::Parked,
        ..store.deliveries(RELAY, 0, 9).unwrap().remove(0)
    };
    store.set_deliveries(vec![refused]).unwrap();
    store.record_agreement(RELAY, agreement(3)).unwrap();
    assert_eq!(store.proven(&[RELAY.to_owned()]).unwrap(), 2);
    store.keep_relays(&[OTHER.to_owned()]).unwrap();
    assert_eq!(store.proven(&[RELAY.to_owned()]).unwrap(), 0);
}

#[test]
fn what_is_known_of_a_keyring_only_grows() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let row = |created_at, secret: Option<&[u8]>, read_back| {
        let event = event(1081, 0, created_at, vec![], "keyring");
        KeyringRow {
            id: event.id,
            event,
            secret: secret.map(|secret| secret.to_vec().into()),
            read_back,
        }
    };
    store.put_keyring(row(9, None, true)).unwrap();
    store.put_keyring(row(5, Some(b"key"), false)).unwrap();
    store.put_keyring(row(5, None, true)).unwrap();
    drop(store);
    let store = open(&disk);
    assert_eq!(
        store.keyrings().unwrap(),
        [row(5, Some(b"key"), true), row(9, None, true)]
    );
    assert!(
        !format!("{:?}", store.keyrings().unwrap()).contains("107"),
        "the secret's bytes are not printed"
    );
}

#[test]
fn reopening_keeps_everything_else_too() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    assert!(store.relays().unwrap().is_empty() && store.meta("relays").unwrap().is_none());
    store.set_relays(&[OTHER.to_owned(), RELAY.to_owned()]).unwrap();
    store.put_relay_profile(RELAY, r#"{"cap":500}"#).unwrap();
    store.put_meta("relays", b"value").unwrap();
    store.record_agreement(RELAY, agreement(4)).unwrap();
    store.ingest(arrivals([message(1)])).unwrap();
    let row = Delivery {
        state: DeliveryState::Parked,
        at: 0,
        attempts: 3,
        next_try: 77,
        reason: Some("é".repeat(1_000)),
        ..waiting(RELAY, 1, message(1).id)
    };
    store.set_deliveries(vec![row.clone()]).unwrap();
    drop(store);
    let store = open(&disk);
    assert_eq!(store.relays().unwrap(), [OTHER, RELAY]);
    assert_eq!(
        store.relay_profile(RELAY).unwrap().as_deref(),
        Some(r#"{"cap":500}"#)
    );
    assert_eq!(store.meta("relays").unwrap().as_deref(), Some(&b"value"[..]));
    assert_eq!(store.agreements().unwrap()[RELAY], agreement(4));
    let kept = Delivery {
        reason: Some("é".repeat(250)),
        ..row
    };
    assert_eq!(store.deliveries(RELAY, 0, 9).unwrap(), [kept]);
    assert_eq!(store.counts().unwrap().parked, 1);
}

#[test]
fn what_nip_77_calls_infinity_is_not_a_time() {
    let store = open(&MemoryDisk::new());
    let impossible = event(1080, 0, u64::MAX, vec![], "");
    assert_eq!(
        store.ingest(arrivals([impossible.clone()])).unwrap().refused,
        [impossible.id]
    );
    assert_eq!(store.counts().unwrap().items, 0);
}

#[test]
fn a_batch_that_brings_nothing_new_does_not_wait_for_the_disk() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    store.ingest(arrivals((0..10).map(message))).unwrap();
    let syncs = disk.syncs();
    assert_eq!(
        store.ingest(arrivals((0..10).map(message))).unwrap().known.len(),
        10
    );
    assert_eq!(store.enqueue(RELAY, &[message(99).id]).unwrap(), 0);
    assert_eq!(disk.syncs(), syncs);
}

#[test]
fn a_draft_beyond_the_bound_is_refused_with_its_batch() {
    let store = open(&MemoryDisk::new());
    let large = NewDraft {
        body: vec![0; event_index::DRAFT_BYTES_MAX + 1],
        ..draft(&store, 2)
    };
    let error = store.add_drafts(vec![draft(&store, 1), large]).unwrap_err();
    assert!(matches!(error, IndexError::TooLarge { .. }));
    assert_eq!(store.counts().unwrap().drafts, 0);
}

#[test]
fn every_held_event_is_found_under_its_author_in_order() {
    let store = open(&MemoryDisk::new());
    let by = |number: u8, n: u64| {
        event(
            1080,
            number,
            1_700_000_000 + (n * 7) % 40,
            vec![],
            &format!("{number} {n}"),
        )
    };
    let all: Vec<Event> = (0..60).map(|n| by((n % 3) as u8, n)).collect();
    store.ingest(arrivals(all.iter().cloned())).unwrap();
    // Author 2 is not asked about, author 9 wrote nothing.
    let found = store.items_by_author([0, 1, 9].map(author)).unwrap();
    assert_eq!(found.len(), 3);
    for (of, items) in &found {
        let mut expected: Vec<Item> = all
            .iter()
            .filter(|event| event.pubkey == *of)
            .map(Item::of)
            .collect();
        expected.sort_unstable();
        assert_eq!(*items, expected);
    }
    assert!(found[&author(9)].is_empty() && found[&author(0)].len() == 20);
}

const UNIX: u64 = 1_789_000_000;

#[test]
fn what_a_relay_said_yes_to_twice_and_does_not_hold_is_parked_with_the_reason() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals([message(0)])).unwrap();
    let id = message(0).id;
    let row = || store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    let missing = || store.queue_missing(RELAY, &[id], UNIX, 500, 0).unwrap();
    let accept = || {
        let accepted = Delivery {
            state: DeliveryState::Accepted,
            reason: None,
            ..row()
        };
        store.set_deliveries(vec![accepted]).unwrap();
    };
    assert_eq!(missing().queued, 1, "it was never sent");
    assert_eq!(
        missing(),
        QueuedMissing {
            next_lost: UNIX,
            ..QueuedMissing::default()
        },
        "it waits already"
    );

    accept();
    assert_eq!(
        (missing().queued, row().absent, row().state),
        (1, 1, DeliveryState::Waiting)
    );
    accept();
    assert_eq!(
        row().absent,
        1,
        "a yes does not make it forgotten that it was absent"
    );
    assert_eq!(missing().forgotten, 1);
    assert_eq!((row().absent, row().state), (ABSENT_MAX, DeliveryState::Parked));
    assert_eq!(row().next_try, UNIX + 24 * 3600);
    assert!(row().reason.unwrap().contains("forgets"));
    assert_eq!(store.counts().unwrap().parked, 1);
}

#[test]
fn what_a_relay_lost_falls_due_one_after_the_other_and_what_it_never_had_at_once() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..10).map(message))).unwrap();
    store.record_agreement(RELAY, agreement(8)).unwrap();
    let ids: Vec<EventId> = (0..10).map(|number| message(number).id).collect();
    let done = store.queue_missing(RELAY, &ids[..4], UNIX, 500, 0).unwrap();
    assert_eq!((done.queued, done.next_lost), (4, UNIX + 2));
    store
        .queue_missing(RELAY, &ids, UNIX, 500, done.next_lost)
        .unwrap();
    let due: Vec<u64> = store
        .deliveries(RELAY, 0, 99)
        .unwrap()
        .iter()
        .map(|row| row.next_try.saturating_sub(UNIX))
        .collect();
    assert_eq!(
        due,
        [0, 0, 1, 1, 2, 2, 3, 3, 0, 0],
        "the last two were never there"
    );
}

#[test]
fn what_is_safe_is_counted_once_while_a_long_queue_leaves_and_again_when_it_may_be_another_number() {
    let store = open(&MemoryDisk::new());
    let relays = [RELAY.to_owned()];
    store.ingest(arrivals((0..10).map(message))).unwrap();
    store.record_agreement(RELAY, agreement(10)).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 10);

    // A hundred more are written, and leave one by one.
    store
        .add_drafts((0..100).map(|number| draft(&store, number)).collect())
        .unwrap();
    let sealed = (0..100).map(|number| SealedDraft {
        local: local(number),
        event: message(100 + u64::from(number)),
        message: None,
    });
    store.commit_sealed(sealed.collect(), &relays).unwrap();
    let rows = store.deliveries(RELAY, 0, 100).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 10);
    let before = store.rows_scanned();
    for mut row in rows {
        row.state = DeliveryState::Accepted;
        store.set_deliveries(vec![row]).unwrap();
        assert_eq!(store.safe(&relays, &[]).unwrap(), 10);
    }
    assert_eq!(store.rows_scanned(), before, "nothing was counted again");

    store.record_agreement(RELAY, agreement(110)).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 110, "an agreement came");
    store.queue_missing(RELAY, &[message(3).id], 0, 0, 0).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 109, "the relay lost one");
    store
        .ingest(arrivals([deletion(0, 9, &[message(5).id])]))
        .unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 108, "one was deleted");
    store.forget_relay(RELAY).unwrap();
    assert_eq!(store.safe(&relays, &[]).unwrap(), 0);
}

#[test]
fn what_a_relay_showed_is_verified_until_it_turns_out_to_be_missing() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..2).map(message))).unwrap();
    let (ids, relays) = ([message(0).id, message(1).id], [RELAY.to_owned()]);
    store.enqueue(RELAY, &ids).unwrap();
    let mut row = store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    row.turn(DeliveryState::Verified, 700);
    row.attempts = 1;
    store.set_deliveries(vec![row]).unwrap();
    let receipts = store.receipts(&ids, &relays).unwrap();
    assert_eq!(
        (
            receipts[0][0].standing,
            receipts[0][0].at,
            receipts[0][0].attempts
        ),
        (Standing::Verified, Some(700), 1)
    );
    assert_eq!(
        (receipts[1][0].standing, receipts[1][0].at),
        (Standing::Waiting, None)
    );
    assert_eq!(
        (store.safe(&relays, &[]).unwrap(), store.reached(&relays).unwrap()),
        (1, 1)
    );
    assert_eq!(
        store.proven(&relays).unwrap(),
        0,
        "no comparison has shown anything"
    );
    assert_eq!(store.undelivered(RELAY).unwrap(), 1);
    // What was there and is not any more was lost: it goes again, and nobody is blamed.
    let queued = store.queue_missing(RELAY, &ids[..1], 800, 500, 0).unwrap();
    assert_eq!((queued.queued, queued.forgotten, queued.next_lost), (1, 0, 800));
    let row = store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    assert_eq!((row.state, row.at, row.absent), (DeliveryState::Waiting, 800, 0));
    assert_eq!(store.safe(&relays, &[]).unwrap(), 0);
}

#[test]
fn taking_back_what_is_known_of_a_relay_includes_what_it_showed() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals([message(0)])).unwrap();
    store.enqueue(RELAY, &[message(0).id]).unwrap();
    let mut row = store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    row.turn(DeliveryState::Verified, 700);
    store.set_deliveries(vec![row]).unwrap();
    store.forget_agreement(RELAY).unwrap();
    let row = store.deliveries(RELAY, 0, 9).unwrap().remove(0);
    assert_eq!((row.state, row.at), (DeliveryState::Accepted, 0));
}

#[test]
fn a_message_is_safe_only_where_its_keyring_is_too() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    store.ingest(arrivals([message(0)])).unwrap();
    let relays = [RELAY.to_owned(), OTHER.to_owned()];
    for relay in &relays {
        store.record_agreement(relay, agreement(1)).unwrap();
    }
    let (first, second) = (message(8).id, message(9).id);
    let place = |relay: &str, id, held| KeyringPlace {
        relay: relay.to_owned(),
        id,
        held,
        at: 700,
    };
    assert_eq!(
        store.safe(&relays, &[]).unwrap(),
        1,
        "no keyring, nothing to keep"
    );
    assert_eq!(store.keyring_copies(&[], &relays).unwrap(), None);
    store.place_keyrings(&[place(RELAY, first, true)]).unwrap();
    assert_eq!(store.safe(&relays, &[first]).unwrap(), 0);
    assert_eq!(store.safe(&relays[..1], &[first]).unwrap(), 1, "all there are");
    store.place_keyrings(&[place(OTHER, first, true)]).unwrap();
    drop(store);
    let store = open(&disk);
    assert_eq!(store.safe(&relays, &[first]).unwrap(), 1);
    assert_eq!(store.counts().unwrap().keyring_copies, 2);
    assert_eq!(
        store.safe(&relays, &[first, second]).unwrap(),
        0,
        "every keyring counts"
    );
    store.place_keyrings(&[place(OTHER, first, false)]).unwrap();
    assert_eq!(store.keyring_copies(&[first], &relays).unwrap(), Some(1));
    assert_eq!(store.safe(&relays, &[first]).unwrap(), 0);
    store.place_keyrings(&[place(OTHER, first, true)]).unwrap();
    store.forget_relay(RELAY).unwrap();
    assert_eq!(store.keyring_copies(&[first], &relays).unwrap(), Some(1));
    store.keep_relays(&[]).unwrap();
    assert_eq!(store.counts().unwrap().keyring_copies, 0);
}

#[test]
fn what_is_parked_is_told_by_reason() {
    let store = open(&MemoryDisk::new());
    store.ingest(arrivals((0..4).map(message))).unwrap();
    let ids: Vec<EventId> = (0..4).map(|n| message(n).id).collect();
    assert_eq!(store.parked(RELAY).unwrap(), []);
    store.enqueue(RELAY, &ids).unwrap();
    store.enqueue(OTHER, &ids).unwrap();
    let mut rows = store.deliveries(RELAY, 0, 9).unwrap();
    for (row, (reason, next_try)) in rows.iter_mut().zip([("b", 900), ("a", u64::MAX), ("b", 800)]) {
        row.turn(DeliveryState::Parked, 700);
        (row.reason, row.next_try) = (Some(reason.to_owned()), next_try);
    }
    store.set_deliveries(rows).unwrap();
    let parked = |reason: &str, count, next_try| Parked {
        reason: Some(reason.to_owned()),
        count,
        next_try,
    };
    assert_eq!(
        store.parked(RELAY).unwrap(),
        [parked("a", 1, None), parked("b", 2, Some(800))]
    );
    assert_eq!(store.parked(OTHER).unwrap(), []);
}

fn buried(store: &Store, events: &[Event]) -> Vec<EventId> {
    let burial = |event: &Event| Burial {
        name: MessageRef::Event(event.id),
        record: format!("about {}", event.content).into_bytes(),
    };
    store.bury(events.iter().map(burial).collect()).unwrap().events
}

#[test]
fn what_is_buried_is_gone_at_once_and_waits_for_its_kind_5_across_a_restart() {
    let disk = MemoryDisk::new();
    let store = open(&disk);
    let relay = "wss://a.example".to_owned();
    let gone = [message(1), message(2)];
    store.ingest(arrivals((0..4).map(message))).unwrap();
    store.enqueue(&relay, &[gone[0].id]).unwrap();
    assert_eq!(buried(&store, &gone), gone.each_ref().map(|event| event.id));
    drop(store);

    let store = open(&disk);
    let counts = store.counts().unwrap();
    assert_eq!(
        (
            counts.messages,
            counts.tombstones,
            counts.unsigned,
            counts.waiting
        ),
        (2, 2, 2, 2)
    );
    assert!(
        store.deliveries(&relay, 0, 9).unwrap().is_empty(),
        "nothing of it leaves"
    );
    assert_eq!(
        store.ingest(arrivals(gone.clone())).unwrap().tombstoned.len(),
        2,
        "it stays gone"
    );
    let unsigned = store.unsigned(None, 9).unwrap();
    assert_eq!(unsigned.len(), 2);
    assert!(unsigned.iter().all(|one| one.author == author(0)));
    assert_eq!(store.unsigned(Some(unsigned[0].id), 9).unwrap(), unsigned[1..]);
    let records = store.tombstones(None, 9).unwrap();
    assert_eq!(records.len(), 2);
    assert!(records.contains(&(gone[0].id, Some(b"about message 1".to_vec()))));

    let deletion = deletion(0, 1_800_000_000, &gone.map(|event| event.id));
    assert_eq!(
        store
            .commit_deletions(std::slice::from_ref(&deletion), std::slice::from_ref(&relay))
            .unwrap(),
        1
    );
    assert!(store.unsigned(None, 9).unwrap().is_empty());
    assert_eq!(store.deletions_after(4).unwrap(), [deletion.id]);
    assert_eq!(store.deliveries(&relay, 0, 9).unwrap()[0].id, deletion.id);
    assert_eq!(store.counts().unwrap().waiting, 1);
}

#[test]
fn a_kind_5_of_another_device_spares_this_one_its_own() {
    let store = open(&MemoryDisk::new());
    let gone = [message(1), message(2)];
    store.ingest(arrivals(gone.clone())).unwrap();
    buried(&store, &gone);
    store
        .ingest(arrivals([
            deletion(1, 9, &[gone[0].id]),
            deletion(0, 9, &[gone[1].id]),
        ]))
        .unwrap();
    let left: Vec<EventId> = store
        .unsigned(None, 9)
        .unwrap()
        .iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(left, [gone[0].id], "a stranger's kind 5 deletes nothing");
}

#[test]
fn a_draft_that_is_deleted_is_never_sealed_and_one_that_was_sealed_is_deleted_as_an_event() {
    let store = open(&MemoryDisk::new());
    store
        .add_drafts(vec![draft(&store, 1), draft(&store, 2)])
        .unwrap();
    let sealed = |number: u8| SealedDraft {
        local: local(number),
        event: message(100 + u64::from(number)),
        message: None,
    };
    store.commit_sealed(vec![sealed(2)], &[]).unwrap();
    let burial = |number| Burial {
        name: MessageRef::Local(local(number)),
        record: vec![number],
    };
    let buried = store.bury(vec![burial(1), burial(2), burial(3)]).unwrap();
    assert_eq!(
        (buried.events, buried.drafts),
        (vec![message(102).id], vec![local(1)])
    );
    assert!(store.commit_sealed(vec![sealed(1)], &[]).unwrap().is_empty());
    assert_eq!(store.draft_tombstones().unwrap(), [(local(1), vec![1])]);
    assert_eq!(store.draft_tombstone(&local(1)).unwrap(), Some(vec![1]));
    assert_eq!(store.counts().unwrap().messages, 0);
}

#[test]
fn bodies_that_are_dropped_leave_no_trace_that_keeps_them_away() {
    let store = open(&MemoryDisk::new());
    let relay = "wss://a.example";
    store.ingest(arrivals((0..4).map(message))).unwrap();
    let agreement = Agreement {
        at: 1,
        count: 4,
        fingerprint: [0; 16],
        last_seq: 4,
        basis: Basis::Fingerprint,
        authors: 1,
    };
    store.record_agreement(relay, agreement).unwrap();
    assert_eq!(store.drop_bodies(&[message(9).id]).unwrap(), 0);
    assert_eq!(store.agreements().unwrap().len(), 1, "nothing changed");
    assert_eq!(store.drop_bodies(&[message(1).id, message(2).id]).unwrap(), 2);
    assert!(store.agreements().unwrap().is_empty(), "it covered them");
    assert_eq!(
        store.sort_needed(relay, vec![message(1).id]).unwrap().live,
        [message(1).id]
    );
    assert_eq!(
        store.ingest(arrivals([message(1)])).unwrap().stored,
        [message(1).id]
    );
}
