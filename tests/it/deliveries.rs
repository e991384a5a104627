//! Relays that answer late, wrongly or not at all when they are given events: nothing is lost, nothing sent twice as
//! something else, and nothing is called safe that is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Engine, Handle, MessageState, NewMessage, RelayReceipt, RelayStatus};
use event_index::Standing;
use nostr::prelude::EventId;
use relay_lab::{MemoryRelay, Taking, TakingNetwork, TakingRelay};
use supervision::SimulatedClock;

use crate::bench::{Device, NOW, simulate, simulated, write};

pub(crate) const ONE: &str = "wss://one.example";
pub(crate) const TWO: &str = "wss://two.example";
pub(crate) const THREE: &str = "wss://three.example";
const ENVELOPE: u16 = 1080;

pub(crate) fn relay() -> TakingRelay {
    TakingRelay::new(MemoryRelay::default(), Taking::Well)
}

pub(crate) async fn start(device: &Device, seed: u64, relays: &[(&str, &TakingRelay)]) -> Handle {
    start_later(device, seed, 0, relays).await
}

/// An engine as it starts `later` seconds after [`NOW`]. One that ran before it has to be of another simulation, which
/// has ended: only that closes its store.
pub(crate) async fn start_later(
    device: &Device,
    seed: u64,
    later: u64,
    relays: &[(&str, &TakingRelay)],
) -> Handle {
    let network = TakingNetwork::default();
    for (url, relay) in relays {
        network.put(url.parse().unwrap(), (*relay).clone());
    }
    let mut env = simulated(seed, Arc::new(network));
    env.runtime.clock = Arc::new(SimulatedClock::starting_at(NOW + later));
    Engine::start_on_current(&device.config(), env).await.unwrap()
}

/// The same relay with a new door, for the next simulation: the old one's clock ran in the last.
pub(crate) fn reopened(relay: &TakingRelay, taking: Taking) -> TakingRelay {
    TakingRelay::new(relay.relay().clone(), taking)
}

/// An engine whose keyring is on every relay, so that a fault that is set now meets messages only.
pub(crate) async fn started(device: &Device, seed: u64, relays: &[(&str, &TakingRelay)]) -> Handle {
    let engine = start(device, seed, relays).await;
    assert!(engine.sync().await.unwrap().complete);
    engine
}

pub(crate) async fn wait(seconds: u64) {
    actix::clock::sleep(Duration::from_secs(seconds)).await;
}

/// The envelopes a relay holds.
pub(crate) fn held(relay: &TakingRelay) -> BTreeSet<EventId> {
    let events = relay.relay().events().into_iter();
    events
        .filter(|event| event.kind.as_u16() == ENVELOPE)
        .map(|event| event.id)
        .collect()
}

/// The envelopes a relay was offered, each time.
pub(crate) fn offered(relay: &TakingRelay) -> Vec<EventId> {
    let offers = relay.offers().into_iter();
    offers
        .filter(|offer| offer.kind == ENVELOPE)
        .map(|offer| offer.id)
        .collect()
}

pub(crate) fn line(engine: &Handle, url: &str) -> RelayStatus {
    let status = engine.status();
    let mut lines = status.relays.into_iter();
    lines.find(|line| line.url.as_str() == url).unwrap()
}

fn distinct(ids: &[EventId]) -> usize {
    ids.iter().collect::<BTreeSet<_>>().len()
}

#[test]
fn f25_an_event_whose_ok_is_lost_is_sent_again_and_stored_once() {
    simulate(async {
        let (relay, device) = (relay(), Device::new(&[ONE]));
        let engine = started(&device, 1, &[(ONE, &relay)]).await;
        relay.set(Taking::SwallowsOks { every: 5 });
        write(&engine, "groceries", 20).await;
        wait(180).await;
        let offered = offered(&relay);
        assert_eq!(
            (distinct(&offered), held(&relay).len()),
            (20, 20),
            "the same bytes"
        );
        let again = offered.len() - 20;
        assert!(
            (4..=8).contains(&again),
            "every fifth OK was lost: {again} were sent again"
        );
        assert_eq!(engine.status().counts.waiting, 0);
    });
}

#[test]
fn f25_a_socket_that_closes_right_after_an_event_costs_a_repetition_only() {
    simulate(async {
        let (relay, device) = (relay(), Device::new(&[ONE]));
        let engine = started(&device, 2, &[(ONE, &relay)]).await;
        relay.set(Taking::ClosesAfterEvent { times: 1 });
        write(&engine, "groceries", 20).await;
        wait(300).await;
        let offered = offered(&relay);
        assert_eq!((distinct(&offered), held(&relay).len()), (20, 20));
        assert!(offered.len() > 20, "what had no answer was sent again");
        let once: BTreeSet<EventId> = offered.into_iter().collect();
        assert_eq!(once, held(&relay), "and as what it was before");
        assert_eq!(
            (engine.status().counts.waiting, engine.status().counts.parked),
            (0, 0)
        );
    });
}

#[test]
fn f26_an_ok_after_the_deadline_settles_its_event() {
    simulate(async {
        let (relay, device) = (relay(), Device::new(&[ONE]));
        let engine = started(&device, 3, &[(ONE, &relay)]).await;
        relay.set(Taking::LateOks(Duration::from_secs(11)));
        engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        wait(60).await;
        assert_eq!(held(&relay).len(), 1, "no second event");
        assert_eq!(engine.status().counts.waiting, 0);
        let offers = offered(&relay);
        wait(3_600).await;
        assert_eq!(offered(&relay), offers, "it is settled");
        assert_eq!(distinct(&offers), 1, "every try had the same bytes");
    });
}

#[test]
fn what_a_relay_shows_when_it_is_asked_is_verified_before_any_comparison() {
    simulate(async {
        let (one, two) = (relay(), relay());
        let device = Device::new(&[ONE, TWO]);
        let engine = started(&device, 10, &[(ONE, &one), (TWO, &two)]).await;
        let sent = engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        wait(5).await;
        let known = engine.receipts(vec![sent.id]).await.unwrap().remove(0);
        assert_eq!((known.state, known.safe), (MessageState::Accepted, false));
        wait(20).await;
        let known = engine.receipts(vec![sent.id]).await.unwrap().remove(0);
        assert_eq!((known.state, known.safe), (MessageState::Verified, true));
        assert_eq!(known.deliveries.len(), 2);
        for RelayReceipt { url, receipt } in known.deliveries {
            assert_eq!(
                (receipt.standing, receipt.attempts),
                (Standing::Verified, 0),
                "{url}"
            );
            assert!(
                receipt.at.is_some_and(|at| (NOW + 20..=NOW + 60).contains(&at)),
                "{receipt:?}"
            );
        }
        assert!(!engine.status().complete, "no comparison has shown it");
        wait(60).await;
        assert_eq!((engine.status().safe, engine.status().complete), (1, true));
    });
}

#[test]
fn f27_a_relay_that_accepts_and_forgets_is_found_out_by_asking() {
    simulate(async {
        let (good, other, forgetful) = (relay(), relay(), relay());
        let device = Device::new(&[ONE, TWO, THREE]);
        let engine = started(&device, 4, &[(ONE, &good), (TWO, &other), (THREE, &forgetful)]).await;
        forgetful.set(Taking::Forgets);
        write(&engine, "groceries", 3).await;
        // Nobody asked for a comparison: the relay was asked for what it said yes to.
        wait(180).await;
        let trouble = line(&engine, THREE).trouble.expect("it is named");
        assert!(trouble.contains("accepts messages and forgets them"), "{trouble}");
        assert_eq!(line(&engine, THREE).parked, 3);
        assert_eq!(
            (line(&engine, ONE).trouble, line(&engine, TWO).trouble),
            (None, None)
        );
        assert_eq!(
            (held(&good).len(), held(&other).len()),
            (3, 3),
            "other relays hold them"
        );
        assert_eq!(distinct(&offered(&forgetful)), 3);
        assert!(offered(&forgetful).len() <= 6, "each was sent at most twice");
        // A day later it is tried again, and is well.
        forgetful.set(Taking::Well);
        wait(25 * 3_600).await;
        assert_eq!(held(&forgetful).len(), 3);
        assert_eq!(line(&engine, THREE).trouble, None);
    });
}

#[test]
fn f27_what_samples_do_not_find_comparisons_do() {
    simulate(async {
        let (good, forgetful) = (relay(), relay());
        let device = Device::new(&[ONE, TWO]);
        let engine = started(&device, 5, &[(ONE, &good), (TWO, &forgetful)]).await;
        forgetful.set(Taking::Forgets);
        write(&engine, "groceries", 60).await;
        wait(120).await;
        for _ in 0..3 {
            engine.sync().await.unwrap();
            wait(120).await;
        }
        assert_eq!(line(&engine, TWO).parked, 60);
        assert_eq!((engine.status().safe, engine.status().complete), (0, false));
        assert!(engine.status().warning.is_some(), "one relay is too few");
    });
}

#[test]
fn f28_a_notice_in_place_of_an_ok_slows_down_and_skips_nothing() {
    simulate(async {
        let (relay, device) = (relay(), Device::new(&[ONE]));
        let engine = started(&device, 6, &[(ONE, &relay)]).await;
        relay.set(Taking::NoticesOverRate { per_minute: 6 });
        write(&engine, "groceries", 40).await;
        wait(1_200).await;
        assert_eq!(held(&relay).len(), 40);
        assert_eq!(
            (engine.status().counts.waiting, engine.status().counts.parked),
            (0, 0)
        );
        let refused = relay.offers().iter().filter(|offer| !offer.taken).count();
        assert!((1..=8).contains(&refused), "{refused} refusals");
    });
}

#[test]
fn f28_a_notice_about_size_is_put_down_to_the_event_it_is_about() {
    simulate(async {
        let (strict, other) = (relay(), relay());
        let device = Device::new(&[ONE, TWO]);
        let engine = started(&device, 7, &[(ONE, &strict), (TWO, &other)]).await;
        strict.set(Taking::NoticesOverSize { bytes: 30_000 });
        write_around_a_long_one(&engine).await;
        wait(300).await;
        assert_eq!((held(&strict).len(), held(&other).len()), (10, 11));
        assert_eq!(line(&engine, ONE).parked, 1);
        let trouble = line(&engine, ONE).trouble.unwrap();
        assert!(trouble.contains("message too large"), "{trouble}");
    });
}

/// Five short messages, one of 39,000 bytes, five short ones.
async fn write_around_a_long_one(engine: &Handle) {
    write(engine, "groceries", 5).await;
    engine
        .send(NewMessage::user("groceries", "m".repeat(39_000)))
        .await
        .unwrap();
    write(engine, "groceries", 5).await;
}

#[test]
fn f29_an_event_that_closes_the_socket_is_put_aside_there_and_delivered_elsewhere() {
    let (strict, other) = (relay(), relay());
    let device = Device::new(&[ONE, TWO]);
    let closes = Taking::ClosesOverSize { bytes: 30_000 };
    simulate(async {
        let engine = started(&device, 8, &[(ONE, &strict), (TWO, &other)]).await;
        strict.set(closes.clone());
        let dials = strict.dials().len();
        write_around_a_long_one(&engine).await;
        wait(600).await;
        assert_eq!((held(&strict).len(), held(&other).len()), (10, 11));
        assert_eq!(strict.dials().len() - dials, 2, "no loop of connections");
        assert_eq!((line(&engine, ONE).parked, line(&engine, TWO).parked), (1, 0));
        engine.shutdown().await;
    });
    let (strict, other) = (reopened(&strict, closes), reopened(&other, Taking::Well));
    simulate(async {
        // The next one as large is not even tried.
        let engine = start_later(&device, 9, 700, &[(ONE, &strict), (TWO, &other)]).await;
        engine
            .send(NewMessage::user("groceries", "n".repeat(39_000)))
            .await
            .unwrap();
        wait(600).await;
        assert_eq!(held(&other).len(), 12);
        assert_eq!((strict.dials().len(), strict.offers().len()), (1, 0));
        let trouble = line(&engine, ONE).trouble.unwrap();
        assert!(trouble.contains("2 messages"), "{trouble}");
    });
}
