//! Relays that come, go, forget and limit.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Engine, Handle, MessageState, NewMessage};
use relay_lab::{MemoryNetwork, MemoryRelay};

use crate::bench::{Device, assert_level, everything, simulate, simulated, write};

const ONE: &str = "ws://127.0.0.1:7";
const TWO: &str = "ws://127.0.0.1:8";

async fn start(device: &Device, seed: u64, relays: &[(&str, &MemoryRelay)]) -> Handle {
    let network = MemoryNetwork::default();
    for (url, relay) in relays {
        network.put(url.parse().unwrap(), (*relay).clone());
    }
    Engine::start_on_current(&device.config(), simulated(seed, Arc::new(network)))
        .await
        .unwrap()
}

#[test]
fn f35_a_relay_that_forgot_everything_is_filled_again() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[ONE]);
        let engine = start(&device, 1, &[(ONE, &relay)]).await;
        write(&engine, "groceries", 50).await;
        assert!(engine.sync().await.unwrap().complete);
        relay.wipe();
        let report = engine.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!((report.relays[0].have, report.relays[0].sent), (50, 50));
        assert!(relay.len() >= 50);
    });
}

#[test]
fn a_relay_that_comes_back_gets_what_was_written_meanwhile_by_itself() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop_disk, phone_disk) = (Device::new(&[ONE]), Device::new(&[ONE]));
        let laptop = start(&laptop_disk, 2, &[(ONE, &relay)]).await;
        let phone = start(&phone_disk, 3, &[(ONE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert!(phone.sync().await.unwrap().complete);

        relay.down();
        write(&laptop, "laptop", 10).await;
        write(&phone, "phone", 10).await;
        actix::clock::sleep(Duration::from_secs(600)).await;
        relay.up();
        // The backoff of a relay on this machine ends within seconds.
        actix::clock::sleep(Duration::from_secs(60)).await;
        assert_level(&laptop, &phone, 20).await;
        assert_eq!(laptop.status().counts.waiting, 0);
    });
}

#[test]
fn a_message_is_safe_once_two_relays_agree_on_it() {
    simulate(async {
        let (one, two) = (MemoryRelay::default(), MemoryRelay::default());
        let device = Device::new(&[ONE, TWO]);
        let engine = start(&device, 4, &[(ONE, &one), (TWO, &two)]).await;
        let sent = engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        let report = engine.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        actix::clock::sleep(Duration::from_secs(10)).await;
        assert_eq!(engine.status().safe, 1);
        let id = engine.current_name(sent.id).await.unwrap().unwrap();
        assert_eq!(engine.states(vec![id]).await.unwrap(), [MessageState::Verified]);
        assert_eq!(
            (one.len(), two.len()),
            (2, 2),
            "the message and its keyring, on both"
        );
    });
}

#[test]
fn one_relay_that_is_away_does_not_keep_the_other_from_working() {
    simulate(async {
        let (one, two) = (MemoryRelay::default(), MemoryRelay::default());
        let (laptop_disk, phone_disk) = (Device::new(&[ONE, TWO]), Device::new(&[ONE, TWO]));
        let network = [(ONE, &one), (TWO, &two)];
        let laptop = start(&laptop_disk, 5, &network).await;
        assert!(
            laptop.sync().await.unwrap().complete,
            "the keyring is made while both are there"
        );
        two.down();
        write(&laptop, "laptop", 10).await;
        let report = laptop.sync().await.unwrap();
        assert!(!report.complete && !report.offline());
        assert!(
            report.relays[0].complete && report.relays[1].offline,
            "{report:?}"
        );

        let phone = start(&phone_disk, 6, &network).await;
        phone.sync().await.unwrap();
        assert_eq!(everything(&phone).await.len(), 10);
        two.up();
        actix::clock::sleep(Duration::from_secs(60)).await;
        assert_eq!(two.len(), 11, "it gets what it missed by itself");
    });
}

#[test]
fn a_sync_that_a_person_asks_for_does_not_wait_for_the_next_try() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[ONE]);
        relay.down();
        let engine = start(&device, 7, &[(ONE, &relay)]).await;
        write(&engine, "groceries", 3).await;
        assert!(engine.sync().await.unwrap().offline());
        relay.up();
        let report = engine.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
    });
}
