//! Events that should not be there, or come late: F22 and F24 of the relay field guide.

use nostr::prelude::{Event, EventId, Kind, Signature};
use relay_lab::{Fault, Quirk};

use crate::bench::{Device, NOW, simulate};
use crate::fault_lab::{BAD, GOOD, Lab, assert_unaffected, report, sealed, seconds, shown, spread};
use crate::keyring_lab::{made_elsewhere, written_elsewhere};

const DAY: u64 = 24 * 3600;

#[test]
fn f22_an_event_dated_thirty_days_back_arrives_within_a_day() {
    for fault in [Fault::None, Fault::RefusesNeg] {
        simulate(async move {
            let mut lab = Lab::holding(22, spread(40)).await;
            lab.bad.set_fault(fault);
            let phone = lab.fresh(&[BAD]).await;
            assert!(phone.sync().await.unwrap().complete);
            let late = written_elsewhere(&lab.keyring, "late", "found in a drawer", NOW - 30 * DAY);
            lab.bad.put(late.clone());
            seconds(1).await;
            assert_eq!(shown(&phone).await, 40, "no live subscription shows it");
            seconds(DAY - 1).await;
            assert_eq!(shown(&phone).await, 41, "{fault}");

            lab.history.push(late);
            let laptop = lab.fresh(&[BAD, GOOD]).await;
            lab.heals(&phone, &laptop).await;
            assert_unaffected(&laptop);
        });
    }
}

#[test]
fn f22_an_event_dated_thirty_days_back_arrives_at_the_next_start() {
    for fault in [Fault::None, Fault::RefusesNeg] {
        let lab = Lab::beforehand(220, spread(40));
        lab.bad.set_fault(fault);
        let device = Device::new(&[BAD]);
        simulate(async {
            let phone = lab.start(&device, &[BAD]).await;
            assert!(phone.sync().await.unwrap().complete);
        });
        simulate(async {
            let late = written_elsewhere(&lab.keyring, "late", "found in a drawer", NOW - 30 * DAY);
            lab.bad.put(late);
            let phone = lab.start_later(&device, &[BAD], 3600).await;
            seconds(5).await;
            assert_eq!(shown(&phone).await, 41, "{fault}");
        });
    }
}

/// The event with something in it replaced: an id that is not its hash, a signature of nobody, another kind.
fn altered(event: &Event, id: Option<EventId>, kind: Option<Kind>, sig: Option<Signature>) -> Event {
    Event::new(
        id.unwrap_or(event.id),
        event.pubkey,
        event.created_at,
        kind.unwrap_or(event.kind),
        event.tags.clone(),
        event.content.clone(),
        sig.unwrap_or(event.sig),
    )
}

fn with_wrong_id(event: &Event) -> Event {
    let mut id = event.id.to_bytes();
    id[31] ^= 1;
    altered(event, Some(EventId::from_byte_array(id)), None, None)
}

fn with_forged_signature(event: &Event) -> Event {
    altered(event, None, None, Some(Signature::from_byte_array([7; 64])))
}

fn off_filter(event: &Event) -> Event {
    altered(event, None, Some(Kind::TextNote), None)
}

#[test]
fn f24_forged_and_foreign_events_are_not_stored_and_their_relay_is_dropped_after_fifty() {
    for fault in [Fault::None, Fault::RefusesNeg] {
        let lab = Lab::beforehand(24, spread(40));
        lab.bad.set_fault(fault);
        let (_, stranger) = futures_executor::block_on(made_elsewhere(5, NOW - DAY));
        let made =
            |n: u64, keyring| written_elsewhere(keyring, &format!("forged {n}"), "lies", NOW - 3_000 - n);
        let forged: Vec<Event> = (0..60)
            .map(|n| with_forged_signature(&made(n, &lab.keyring)))
            .collect();
        let mut mixed: Vec<Event> = (60..70).map(|n| with_wrong_id(&made(n, &lab.keyring))).collect();
        mixed.extend((70..80).map(|n| made(n, &stranger)));
        mixed.extend((80..90).map(|n| off_filter(&made(n, &lab.keyring))));
        for event in &forged {
            lab.bad.put(event.clone());
        }
        lab.bad.add_quirk(Quirk::MixesIn(mixed.clone()));

        let device = Device::new(&[BAD, GOOD]);
        simulate(async {
            let laptop = lab.start(&device, &[BAD, GOOD]).await;
            seconds(30).await;
            assert_eq!(shown(&laptop).await, 40);
            assert_eq!(lab.bad.connections(), 0, "{fault}: dropped");
            assert_unaffected(&laptop);
            // A second look at the same forgeries takes none of them either.
            laptop.sync().await.unwrap();
            seconds(30).await;
            assert!(!report(&laptop.status(), BAD).complete);
            assert_unaffected(&laptop);
            assert_eq!(shown(&laptop).await, 40);
            assert_eq!(sealed(&lab.good).len(), 40, "and none is passed on");
        });
        let store = device.store();
        for event in forged.iter().chain(&mixed) {
            assert!(!store.contains(&event.id).unwrap(), "{}", event.as_json());
        }
        drop(store);

        for event in &forged {
            lab.bad.remove(&event.id);
        }
        lab.bad.heal();
        simulate(async {
            let laptop = lab.start(&device, &[BAD, GOOD]).await;
            let phone = lab.fresh(&[BAD]).await;
            lab.heals(&phone, &laptop).await;
        });
    }
}

#[test]
fn f24_forty_nine_forgeries_do_not_cost_a_relay_its_connection() {
    simulate(async {
        let lab = Lab::holding(240, spread(40)).await;
        for n in 0..49 {
            let event = written_elsewhere(&lab.keyring, &format!("forged {n}"), "lies", NOW - 3_000 - n);
            lab.bad.put(with_forged_signature(&event));
        }
        lab.bad.set_fault(Fault::RefusesNeg);
        let phone = lab.fresh(&[BAD]).await;
        seconds(5).await;
        assert_eq!(lab.bad.connections(), 1);
        assert_eq!(shown(&phone).await, 40);
    });
}
