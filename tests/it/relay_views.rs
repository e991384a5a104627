//! What a relay is expected to hold, learned from what it serves: comparisons stay one round trip.

use std::sync::Arc;

use chat_sync::{Engine, Handle};
use event_index::{Delivery, DeliveryState};
use nostr::prelude::{EventId, Signature};
use pns_keys::sign_deletion;
use relay_lab::MemoryRelay;

use crate::bench::{Device, NOW, simulate, simulated, write};
use crate::deletions::{author_of, envelopes};

const URL: &str = "ws://127.0.0.1:7";

async fn start(device: &Device, seed: u64, relay: &MemoryRelay) -> Handle {
    let env = simulated(seed, Arc::new(relay.clone()));
    Engine::start_on_current(&device.config(), env).await.unwrap()
}

/// Everything was compared in one round trip, and nothing differed.
async fn is_a_no_op(device: &Handle) -> bool {
    let report = device.sync().await.unwrap();
    let line = &report.relays[0];
    assert_eq!((line.rounds, line.have, line.need), (1, 0, 0), "{report:?}");
    assert!(line.bytes_in < 1_024 && line.bytes_out < 1_024, "{report:?}");
    report.complete
}

#[test]
fn a_forged_signature_is_compared_for_what_it_is_until_the_real_one_comes() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop_disk, phone_disk) = (Device::new(&[URL]), Device::new(&[URL]));
        let laptop = start(&laptop_disk, 1, &relay).await;
        write(&laptop, "groceries", 5).await;
        assert!(laptop.sync().await.unwrap().complete);

        let honest = envelopes(&relay)[2].clone();
        relay.remove(&honest.id);
        let mut forged = honest.clone();
        forged.sig = Signature::from_byte_array([9; 64]);
        relay.put(forged);
        let phone = start(&phone_disk, 2, &relay).await;
        let report = phone.sync().await.unwrap();
        assert!(!report.complete, "{report:?}");
        assert_eq!(phone.status().counts.messages, 4);
        assert!(!is_a_no_op(&phone).await, "something there was never taken");

        relay.remove(&honest.id);
        relay.put(honest);
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(phone.status().counts.messages, 5);
        assert!(is_a_no_op(&phone).await);
    });
}

/// The phone hears of the deletion first, and meets the message later, on a relay that was set up anew from an old copy.
#[test]
fn a_message_deleted_unseen_is_never_shown_and_costs_no_round_trips() {
    let relay = MemoryRelay::default();
    let (laptop_disk, phone_disk) = (Device::new(&[URL]), Device::new(&[URL]));
    let (mut old_copy, mut deleted) = (Vec::new(), None);
    simulate(async {
        let laptop = start(&laptop_disk, 3, &relay).await;
        write(&laptop, "groceries", 3).await;
        assert!(laptop.sync().await.unwrap().complete);
        old_copy = relay.events();
        let target = envelopes(&relay)[1].clone();
        let deletion = sign_deletion(&*author_of(&target, &relay).await, &[target.id], NOW, [7; 32]).unwrap();
        deleted = Some((target.id, deletion.id));
        assert!(relay.put(deletion));
        let phone = start(&phone_disk, 4, &relay).await;
        assert!(phone.sync().await.unwrap().complete);
        assert_eq!(phone.status().counts.messages, 2);
    });
    relay.wipe();
    for event in old_copy {
        assert!(relay.put(event));
    }
    simulate(async {
        let phone = start(&phone_disk, 5, &relay).await;
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!(phone.status().counts.messages, 2, "what is deleted stays gone");
        assert!(is_a_no_op(&phone).await);
    });
    let (target, deletion) = deleted.unwrap();
    let held: Vec<EventId> = relay.events().iter().map(|event| event.id).collect();
    assert!(held.contains(&deletion), "U-14: the deletion was sent again");
    assert!(!held.contains(&target));
    phone_disk.store().verify().unwrap();
}

#[test]
fn messages_a_relay_refused_cost_nothing_in_later_comparisons_and_are_not_safe_there() {
    let relay = MemoryRelay::default();
    let disk = Device::new(&[URL]);
    simulate(async {
        let laptop = start(&disk, 6, &relay).await;
        write(&laptop, "groceries", 30).await;
        assert!(laptop.sync().await.unwrap().complete);
    });
    let refused: Vec<EventId> = envelopes(&relay)[..10].iter().map(|event| event.id).collect();
    let store = disk.store();
    let (url, _) = store.agreements().unwrap().pop_first().unwrap();
    store.enqueue(&url, &refused).unwrap();
    let park = |row: Delivery| Delivery {
        state: DeliveryState::Parked,
        next_try: u64::MAX,
        reason: Some("blocked: not here".to_owned()),
        ..row
    };
    let rows = store.deliveries(&url, 0, usize::MAX).unwrap();
    store
        .set_deliveries(rows.into_iter().map(park).collect())
        .unwrap();
    drop(store);
    for id in &refused {
        assert!(relay.remove(id));
    }
    simulate(async {
        let laptop = start(&disk, 7, &relay).await;
        // Bytes of the first one count what a new connection asks for besides.
        let report = laptop.sync().await.unwrap();
        assert_eq!(
            (report.relays[0].rounds, report.relays[0].have),
            (1, 0),
            "{report:?}"
        );
        assert!(!is_a_no_op(&laptop).await, "ten are not there");
        let status = laptop.status();
        assert_eq!((status.safe, status.counts.parked), (20, 10));
        assert!(!status.complete);
        assert_eq!(envelopes(&relay).len(), 20);
    });
}
