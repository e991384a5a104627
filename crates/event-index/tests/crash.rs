//! Wherever the power goes off, what was answered is there, and a step is there whole or not at all.

mod common;

use event_index::{
    Agreement, Basis, Burial, DeliveryState, IndexError, KeyringRow, MemoryDisk, MessageRef, SealedDraft,
    Store, StoreKey, View,
};

use common::{arrivals, deletion, draft, event, key, local, message, open};

const RELAYS: [&str; 2] = ["wss://a.example", "wss://b.example"];

type Step = fn(&Store) -> Result<(), IndexError>;

/// One of everything that writes, so that every table changes and the file grows.
const STEPS: [Step; 13] = [
    |store| store.ingest(arrivals((0..40).map(message))).map(drop),
    |store| {
        store
            .add_drafts((0..6).map(|number| draft(store, number)).collect())
            .map(drop)
    },
    |store| {
        let sealed = (0..4).map(|number| SealedDraft {
            local: local(number),
            event: message(100 + u64::from(number)),
            message: None,
        });
        store
            .commit_sealed(sealed.collect(), &RELAYS.map(str::to_owned))
            .map(drop)
    },
    |store| {
        let mut rows = store.deliveries(RELAYS[0], 0, 3)?;
        for row in &mut rows {
            row.state = DeliveryState::Accepted;
        }
        store.set_deliveries(rows)
    },
    |store| {
        store
            .ingest(arrivals([deletion(
                0,
                9,
                &[message(1).id, message(101).id, message(999).id],
            )]))
            .map(drop)
    },
    |store| {
        let names = (2..30).map(|number| MessageRef::Event(message(number).id));
        let burial = |name| Burial {
            name,
            record: b"record".to_vec(),
        };
        let names = names.chain([MessageRef::Local(local(5)), MessageRef::Local(local(2))]);
        store.bury(names.map(burial).collect()).map(drop)
    },
    |store| {
        let ids: Vec<_> = store.unsigned(None, 99)?.iter().map(|one| one.id).collect();
        store
            .commit_deletions(&[deletion(0, 1_800_000_000, &ids)], &RELAYS.map(str::to_owned))
            .map(drop)
    },
    |store| {
        let event = event(1081, 0, 5, vec![], "keyring");
        let secret = Some(b"secret".to_vec().into());
        store.put_keyring(KeyringRow {
            id: event.id,
            event,
            secret,
            read_back: true,
        })
    },
    |store| store.ingest(arrivals((200..1_200).map(message))).map(drop),
    |store| {
        let basis = Basis::Fingerprint;
        store.record_agreement(
            RELAYS[0],
            Agreement {
                at: 1,
                count: 1,
                fingerprint: [1; 16],
                last_seq: 44,
                basis,
                authors: 1,
            },
        )
    },
    |store| {
        let relays = [RELAYS[0].to_owned()];
        let old = store.forgettable(1_700_000_037, &relays, None, 99)?;
        let gone = store.forget(&old.ids, 1_700_000_037, &relays)?;
        assert!(gone.len() > 5, "{gone:?}");
        Ok(())
    },
    |store| {
        let gone = store.forgotten_from(1_700_000_034, None, 99)?;
        let recalled = store.recall(&gone.ids)?;
        assert!(recalled > 0);
        Ok(())
    },
    |store| {
        store
            .enqueue(
                RELAYS[1],
                &(0..40).map(|number| message(number).id).collect::<Vec<_>>(),
            )
            .map(drop)
    },
];

/// Everything a store can tell, as text.
fn state(store: &Store) -> String {
    let counts = store.counts().unwrap();
    assert_eq!(store.verify().unwrap(), counts.items - counts.forgotten);
    let (view, snapshot) = (store.view().unwrap(), store.snapshot().unwrap());
    for range in [0..view.len(), 0..view.len() / 3, view.len() / 2..view.len()] {
        assert_eq!(view.sum(range.clone()).unwrap(), snapshot.sum(range).unwrap());
    }
    for number in 0..6 {
        let is_draft = store
            .drafts(0, 99)
            .unwrap()
            .drafts
            .iter()
            .any(|draft| draft.local == local(number));
        let sealed = store.resolve(&local(number)).unwrap().is_some();
        assert!(!(is_draft && sealed), "a draft is a draft or sealed, not both");
    }
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.counts().unwrap(),
        store.snapshot().unwrap(),
        store.drafts(0, 99).unwrap().drafts,
        RELAYS.map(|relay| store.deliveries(relay, 0, 99).unwrap()),
        store.keyrings().unwrap(),
        store.agreements().unwrap(),
        (0..6)
            .map(|number| store.resolve(&local(number)).unwrap())
            .collect::<Vec<_>>(),
    )
}

/// Makes an empty store and runs the steps until one fails; returns how many were answered.
fn run(disk: &MemoryDisk, last_sync: u64) -> usize {
    drop(open(disk));
    disk.cut_power_at_sync(last_sync);
    let Ok(store) = Store::open(disk.storage(), &key()) else {
        return 0;
    };
    STEPS.iter().take_while(|step| step(&store).is_ok()).count()
}

/// The states before the first step and after each, and the syncs that happen meanwhile.
fn history() -> (Vec<String>, std::ops::RangeInclusive<u64>) {
    let disk = MemoryDisk::new();
    drop(open(&disk));
    let first = disk.syncs() + 1;
    let store = open(&disk);
    let mut states = vec![state(&store)];
    for step in STEPS {
        step(&store).unwrap();
        states.push(state(&store));
    }
    assert!(
        states.windows(2).all(|pair| pair[0] != pair[1]),
        "every step shows"
    );
    drop(store);
    (states, first..=disk.syncs())
}

#[test]
fn whichever_sync_is_the_last_the_answered_steps_are_there_and_the_rest_can_be_done_again() {
    let (states, syncs) = history();
    assert!(syncs.clone().count() > 20, "{syncs:?}");
    // What the disk wrote of the changes after the last sync: nothing, everything, or some.
    let survivals: [fn(usize) -> bool; 4] = [
        |_| false,
        |_| true,
        |number| number % 2 == 0,
        |number| number % 3 == 1,
    ];
    for n in syncs {
        let disk = MemoryDisk::new();
        let answered = run(&disk, n);
        for survives in survivals {
            let store = open(&disk.after_power_cut(survives));
            let found = state(&store);
            let steps = (answered..=answered + 1).find(|steps| states.get(*steps) == Some(&found));
            let steps = steps
                .unwrap_or_else(|| panic!("power cut at sync {n}: not the state after {answered} steps"));
            for step in &STEPS[steps..] {
                step(&store).unwrap();
            }
            assert_eq!(state(&store), states[STEPS.len()], "power cut at sync {n}");
        }
    }
}

#[test]
fn a_power_cut_during_the_recovery_from_a_power_cut_loses_nothing() {
    let (states, syncs) = history();
    for n in syncs {
        let disk = MemoryDisk::new();
        let answered = run(&disk, n);
        for m in 1..=3 {
            let disk = disk.after_power_cut(|number| number % 2 == 1);
            disk.cut_power_at_sync(m);
            drop(Store::open(disk.storage(), &key()));
            let store = open(&disk.after_power_cut(|number| number % 2 == 0));
            let found = state(&store);
            assert!(
                states[answered..].iter().take(2).any(|state| *state == found),
                "cuts at {n} and {m}"
            );
        }
    }
}

#[test]
fn the_key_is_still_checked_after_a_power_cut() {
    let disk = MemoryDisk::new();
    assert!(run(&disk, 25) > 0);
    let wrong = Store::open(
        disk.after_power_cut(|_| false).storage(),
        &StoreKey::from_bytes([9; 32]),
    );
    assert!(matches!(wrong, Err(IndexError::WrongKey { .. })));
}
