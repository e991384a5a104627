//! Relays that are added and removed while the engine runs.

use std::sync::Arc;

use chat_sync::{Engine, Handle, RelayUrl};
use event_index::Basis;
use relay_lab::{MemoryNetwork, MemoryRelay};
use supervision::{Role, Tripwire};

use crate::bench::{Device, assert_level, everything, over_seeds, simulate, simulated, write};
use crate::fault_lab::{BAD as ONE, GOOD as TWO, sealed, seconds};
use crate::keyring_lab::network;

const THREE: &str = "ws://127.0.0.1:9";

fn urls(texts: &[&str]) -> Vec<RelayUrl> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn start(device: &Device, seed: u64, network: &MemoryNetwork) -> Handle {
    start_with(device, seed, network, Tripwire::none()).await
}

async fn start_with(device: &Device, seed: u64, network: &MemoryNetwork, tripwire: Tripwire) -> Handle {
    let mut env = simulated(seed, Arc::new(network.clone()));
    env.runtime.tripwire = tripwire;
    Engine::start_on_current(&device.config(), env).await.unwrap()
}

/// The relays that the status shows.
fn shown(engine: &Handle) -> Vec<RelayUrl> {
    let status = engine.status();
    status.relays.iter().map(|relay| relay.url.clone()).collect()
}

#[test]
fn a_relay_that_is_added_is_filled_and_kept_level_from_then_on() {
    simulate(async {
        let (one, two) = (MemoryRelay::default(), MemoryRelay::default());
        let network = network(&[(ONE, &one), (TWO, &two)]);
        let (laptop_disk, phone_disk) = (Device::new(&[ONE]), Device::new(&[TWO]));
        let laptop = start(&laptop_disk, 1, &network).await;
        write(&laptop, "groceries", 30).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert!(two.is_empty());

        laptop.set_relays(urls(&[ONE, TWO, TWO])).await.unwrap();
        assert_eq!(shown(&laptop), urls(&[ONE, TWO]), "shown at once, and once");
        assert!(!laptop.status().complete, "nothing is known of it");
        seconds(5).await;
        assert_eq!(sealed(&two), sealed(&one), "what was there before as well");
        seconds(60).await;
        assert!(
            laptop.status().complete,
            "proven by itself; {:?}",
            laptop.status()
        );

        write(&laptop, "recipes", 5).await;
        // Another device knows the new relay only.
        let phone = start(&phone_disk, 2, &network).await;
        phone.sync().await.unwrap();
        write(&phone, "phone", 5).await;
        // What came from one relay is missed by the other when things are quiet and both are compared with.
        seconds(60).await;
        assert_level(&laptop, &phone, 40).await;
        assert_eq!(
            sealed(&one).len(),
            40,
            "passed on to the relay the other one does not know"
        );
        let report = laptop.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        let bases: Vec<_> = report.relays.iter().map(|relay| relay.basis).collect();
        assert_eq!(bases, [Some(Basis::Fingerprint); 2]);
    });
}

#[test]
fn a_relay_that_is_removed_is_let_go_by_everybody_and_nothing_waits_for_it() {
    simulate(async {
        let (one, two) = (MemoryRelay::default(), MemoryRelay::default());
        let device = Device::new(&[ONE, TWO]);
        let engine = start(&device, 3, &network(&[(ONE, &one), (TWO, &two)])).await;
        write(&engine, "groceries", 10).await;
        assert!(engine.sync().await.unwrap().complete);
        two.down();
        write(&engine, "meanwhile", 5).await;
        seconds(5).await;
        assert!(engine.status().counts.waiting > 0 && !engine.status().complete);

        engine.set_relays(urls(&[ONE])).await.unwrap();
        assert_eq!(shown(&engine), urls(&[ONE]));
        seconds(90).await;
        let status = engine.status();
        assert_eq!((status.counts.waiting, shown(&engine)), (0, urls(&[ONE])));
        assert!(status.complete && status.warning.is_none(), "{status:?}");
        assert_eq!(status.safe, 15, "one of one");
        let dials = two.dials();
        two.up();
        write(&engine, "later", 5).await;
        seconds(3_600).await;
        assert_eq!((two.dials(), two.connections()), (dials, 0), "left alone");
        assert_eq!(sealed(&two).len(), 10);
        let report = engine.sync().await.unwrap();
        assert!(report.complete && report.relays.len() == 1, "{report:?}");

        engine.set_relays(urls(&[TWO, ONE])).await.unwrap();
        seconds(90).await;
        assert_eq!(sealed(&two).len(), 20, "it comes back as one that was never used");
        assert!(engine.status().complete, "{:?}", engine.status());
    });
}

#[test]
fn a_relay_is_let_go_in_the_middle_of_everything() {
    over_seeds(|seed| {
        simulate(async move {
            let relays = [(); 3].map(|()| MemoryRelay::default());
            let network = network(&[(ONE, &relays[0]), (TWO, &relays[1]), (THREE, &relays[2])]);
            let (laptop_disk, phone_disk) = (Device::new(&[ONE, TWO]), Device::new(&[ONE, THREE]));
            let laptop = start(&laptop_disk, seed, &network).await;
            let phone = start(&phone_disk, 100 + seed, &network).await;
            laptop.sync().await.unwrap();
            let sets: [&[&str]; 6] = [
                &[ONE],
                &[ONE, TWO, THREE],
                &[THREE],
                &[ONE, THREE],
                &[TWO],
                &[ONE, TWO],
            ];
            for (round, set) in sets.iter().cycle().take(12).enumerate() {
                write(&laptop, &format!("laptop {round}"), 3).await;
                write(&phone, &format!("phone {round}"), 2).await;
                if (seed + round as u64).is_multiple_of(3) {
                    tokio::time::sleep(std::time::Duration::from_millis(7 * seed)).await;
                }
                laptop.set_relays(urls(set)).await.unwrap();
                let mut expected = urls(set);
                expected.sort();
                assert_eq!(shown(&laptop), expected);
            }
            for device in [&laptop, &phone, &laptop] {
                device.sync().await.unwrap();
            }
            assert_level(&laptop, &phone, 12 * 5).await;
            seconds(120).await;
            for device in [&laptop, &phone] {
                let status = device.status();
                assert!(status.complete && status.counts.waiting == 0, "{status:?}");
                assert_eq!(status.relays.len(), 2);
            }
            for url in [ONE, TWO] {
                let at = usize::from(url == TWO);
                assert_eq!(sealed(&relays[at]).len(), 60, "{url}");
            }
        });
    });
}

#[test]
fn a_part_that_dies_after_a_change_comes_back_with_the_relays_of_now() {
    let two: RelayUrl = TWO.parse().unwrap();
    let roles = [
        Role::Status,
        Role::Uploader,
        Role::Keeper,
        Role::Realtime,
        Role::Reconciler,
        Role::Index,
        Role::Link(two.to_string()),
    ];
    for role in roles {
        let mut deaths = 0;
        for n in [1, 2, 3, 8, 20] {
            let role = role.clone();
            let (two, deaths) = (two.clone(), &mut deaths);
            simulate(async move {
                let (one, other) = (MemoryRelay::default(), MemoryRelay::default());
                let network = network(&[(ONE, &one), (TWO, &other)]);
                let device = Device::new(&[ONE]);
                let tripwire = Tripwire::armed([]);
                let engine = start_with(&device, 5, &network, tripwire.clone()).await;
                write(&engine, "groceries", 10).await;
                engine.sync().await.unwrap();
                tripwire.arm(role.clone(), n);
                engine.set_relays(vec![two.clone()]).await.unwrap();
                for round in 0..10 {
                    // While a part is being started again a message may have to be written again.
                    while engine
                        .send(chat_sync::NewMessage::user("more", format!("text {round}")))
                        .await
                        .is_err()
                    {
                        seconds(1).await;
                    }
                }
                seconds(120).await;
                *deaths += usize::from(tripwire.untouched().is_empty());
                assert_eq!(shown(&engine), [two], "{role} at {n}");
                assert_eq!(
                    sealed(&other).len(),
                    everything(&engine).await.len(),
                    "{role} at {n}"
                );
                let status = engine.status();
                assert!(
                    status.complete && status.counts.waiting == 0,
                    "{role} at {n}: {status:?}"
                );
                assert_eq!(one.connections(), 0, "{role} at {n}");
            });
        }
        assert!(deaths >= 3, "{role} died {deaths} times");
    }
}

#[test]
fn a_relay_in_another_spelling_is_the_same_relay() {
    simulate(async {
        let relay = MemoryRelay::default();
        let one = "wss://one.example";
        let network = network(&[(one, &relay)]);
        let device = Device::new(&[one, "WSS://One.Example:443/", "wss://ONE.example"]);
        let engine = start(&device, 7, &network).await;
        write(&engine, "groceries", 3).await;
        let report = engine.sync().await.unwrap();
        assert!(report.complete && report.relays.len() == 1, "{report:?}");
        engine
            .set_relays(urls(&["wss://one.example:443", "WSS://one.example/"]))
            .await
            .unwrap();
        seconds(60).await;
        assert_eq!((relay.dials(), shown(&engine)), (1, urls(&[one])));
        assert_eq!(engine.status().safe, 3, "one of one, not two of three");
    });
}

#[test]
fn an_engine_that_dials_nobody_shows_other_relays_and_stays_as_it_is() {
    simulate(async {
        let one = MemoryRelay::default();
        let device = Device::new(&[ONE]);
        let mut config = device.config();
        config.online = false;
        let env = simulated(6, Arc::new(network(&[(ONE, &one), (TWO, &one)])));
        let engine = Engine::start_on_current(&config, env).await.unwrap();
        write(&engine, "groceries", 2).await;
        engine.set_relays(urls(&[TWO])).await.unwrap();
        seconds(60).await;
        assert_eq!((shown(&engine), one.dials()), (urls(&[TWO]), 0));
        assert_eq!(engine.status().counts.drafts, 2);
    });
}
