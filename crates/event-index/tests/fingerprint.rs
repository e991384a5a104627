//! A snapshot's fingerprints are those of the protocol's reference implementation.

mod common;

use event_index::{Item, Snapshot};
use negentropy::{Id, Negentropy, NegentropyStorageBase, NegentropyStorageVector};
use nostr::event::EventId;
use proptest::prelude::*;
use supervision::{Entropy, SeededEntropy};

use common::{arrivals, message, open};

fn reference(items: &[Item]) -> NegentropyStorageVector {
    let mut storage = NegentropyStorageVector::new();
    for item in items {
        storage
            .insert(item.created_at, Id::from_byte_array(item.id.to_bytes()))
            .unwrap();
    }
    storage.seal().unwrap();
    storage
}

/// Few seconds, so that ids decide the order; some ids of high bytes, so that sums carry over.
fn items() -> impl Strategy<Value = Vec<Item>> {
    (any::<u64>(), 0..120_u64).prop_map(|(seed, count)| {
        let entropy = SeededEntropy::new(seed);
        let item = |number: u64| {
            let mut id = entropy.draw_32();
            id[..24].fill_with(|| {
                if number.is_multiple_of(3) {
                    0xff
                } else {
                    entropy.draw_16()[0]
                }
            });
            Item {
                created_at: u64::from(id[31] % 5),
                id: EventId::from_byte_array(id),
            }
        };
        (0..count).map(item).collect()
    })
}

proptest! {
    #[test]
    fn every_range_has_the_fingerprint_of_the_reference(items in items(), cut in any::<(prop::sample::Index, prop::sample::Index)>()) {
        let snapshot = Snapshot::of(items, 0);
        let reference = reference(snapshot.items());
        let (one, two) = (cut.0.index(snapshot.len() + 1), cut.1.index(snapshot.len() + 1));
        let range = one.min(two)..one.max(two);
        let theirs = reference.fingerprint(range.start, range.end).unwrap().to_bytes();
        prop_assert_eq!(snapshot.fingerprint(range), theirs);
    }

    #[test]
    fn a_bound_splits_the_items_below_it_from_the_rest(items in items(), bound in items()) {
        let snapshot = Snapshot::of(items, 0);
        for bound in bound {
            let index = snapshot.lower_bound(&bound);
            prop_assert!(snapshot.items()[..index].iter().all(|item| *item < bound));
            prop_assert!(snapshot.items()[index..].iter().all(|item| *item >= bound));
        }
    }
}

#[test]
fn a_responder_with_the_same_items_answers_our_fingerprint_with_nothing_to_do() {
    let disk = event_index::MemoryDisk::new();
    let store = open(&disk);
    store.ingest(arrivals((0..500).map(message))).unwrap();
    let snapshot = store.snapshot().unwrap();
    let storage = reference(snapshot.items());
    let mut responder = Negentropy::borrowed(&storage, 0).unwrap();

    // Version, one range up to infinity (time 0, no prefix), mode fingerprint.
    let opening = |fingerprint: [u8; 16]| [&[0x61, 0, 0, 1], &fingerprint[..]].concat();
    assert_eq!(
        responder
            .reconcile(&opening(snapshot.fingerprint(0..500)))
            .unwrap(),
        [0x61]
    );
    assert_ne!(
        responder
            .reconcile(&opening(snapshot.fingerprint(0..499)))
            .unwrap(),
        [0x61]
    );
}
