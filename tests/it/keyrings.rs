//! Keyrings that are late, twice there, broken or gone: one write key everywhere, and nothing lost.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_sync::{AccountState, Handle, RelayUrl};
use nostr::prelude::PublicKey;
use pns_keys::Profile;
use relay_lab::MemoryRelay;
use supervision::{Entropy, SeededEntropy};

use crate::bench::{Device, NOW, assert_level, over_seeds, simulate, write};
use crate::keyring_lab::{
    A_WHILE, ONE, Slow, THREE, TWO, authors, keyrings, made_elsewhere, network, no_keyring, opened, start,
    start_as, texts, until, written_elsewhere,
};
use crate::signers::{Handheld, Mood, raw};

/// Syncs every device in turn, twice: what one sends in the first round, the others have after the second.
async fn level(devices: &[&Handle]) {
    for _ in 0..2 {
        for device in devices {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
        }
    }
}

fn write_key(device: &Handle) -> Option<PublicKey> {
    device.status().account.write_key
}

#[test]
fn f42_the_keyring_of_a_slow_relay_is_found_and_no_second_one_is_made() {
    over_seeds(|seed| {
        simulate(async move {
            let chance = SeededEntropy::new(seed);
            let seconds =
                |from: f64, to: f64| Duration::from_secs_f64(from + (to - from) * chance.draw_fraction());
            // Eight seconds for half of the seeds, the rest around it; for some the connection is slow as well.
            let answer = if seed % 2 == 0 {
                seconds(8.0, 8.0)
            } else {
                seconds(1.0, 13.0)
            };
            let dial = if seed % 4 == 3 {
                seconds(0.0, 9.0)
            } else {
                Duration::ZERO
            };
            let relays = [(); 3].map(|()| MemoryRelay::default());
            let (event, keyring) = made_elsewhere(9, NOW - 5000).await;
            relays[2].put(event.clone());
            relays[2].put(written_elsewhere(&keyring, "past", "an old word", NOW - 4000));

            // Two or three relays: with two, the only other one answers at once.
            let urls = if seed % 5 == 0 {
                &[ONE, THREE][..]
            } else {
                &[ONE, TWO, THREE]
            };
            let device = Device::new(urls);
            let slow = Slow {
                network: network(&[(ONE, &relays[0]), (TWO, &relays[1]), (THREE, &relays[2])]),
                relay: THREE.parse::<RelayUrl>().unwrap(),
                dial,
                answer,
            };
            let signer = Handheld::new(seed, Mood::Approves);
            let engine = start(device.config_as(signer.clone()), seed, 0, slow).await;
            let written = write(&engine, "groceries", 3).await;
            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            tokio::time::sleep(A_WHILE).await;

            let all: Vec<&MemoryRelay> = relays.iter().collect();
            assert_eq!(keyrings(&all), BTreeSet::from([event.id]), "no second one");
            assert_eq!(
                signer.asked().encrypt + signer.asked().sign,
                0,
                "none was even begun"
            );
            assert_eq!(write_key(&engine), Some(keyring.key(Profile::Routstr).public()));
            assert_eq!(texts(&engine, "past").await, ["an old word"]);
            assert_eq!(texts(&engine, "groceries").await, written);
            for relay in relays.iter().filter(|relay| !relay.is_empty()) {
                assert_eq!(
                    keyrings(&[relay]).len(),
                    1,
                    "whoever holds messages holds their keyring"
                );
                assert_eq!(relay.len(), 5);
            }
        });
    });
}

#[test]
fn f43_two_devices_that_create_in_the_same_second_agree_on_one_write_key_once_they_meet() {
    over_seeds(|seed| {
        simulate(async move {
            let relays = [(); 2].map(|()| MemoryRelay::default());
            let both = [(ONE, &relays[0]), (TWO, &relays[1])];
            let devices = [(); 2].map(|()| Device::new(&[ONE, TWO]));
            // Each reaches one of the two relays.
            let networks = [network(&both[..1]), network(&both[1..])];
            let signers = [seed, seed + 100].map(|seed| Handheld::new(seed, Mood::Approves));
            let mut engines = Vec::new();
            for n in 0..2 {
                let config = devices[n].config_as(signers[n].clone());
                engines.push(start(config, seed + 1000 * n as u64, 0, networks[n].clone()).await);
            }
            let [laptop, phone] = &engines[..] else {
                unreachable!("two engines")
            };
            write(laptop, "laptop", 6).await;
            write(phone, "phone", 9).await;
            for engine in &engines {
                until(engine, "its own keyring, and its messages out", |status| {
                    status.account.state == AccountState::Ready && status.counts.drafts == 0
                })
                .await;
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
            let made: Vec<_> = relays.iter().map(|relay| keyrings(&[relay])).collect();
            assert_eq!((made[0].len(), made[1].len()), (1, 1));
            assert!(made[0] != made[1], "two births");
            let times: BTreeSet<_> = relays
                .iter()
                .flat_map(MemoryRelay::events)
                .filter(|event| event.kind.as_u16() == 1081)
                .map(|event| event.created_at)
                .collect();
            assert_eq!(times.len(), 1, "in the same second");

            for network in &networks {
                for (url, relay) in both {
                    network.put(url.parse().unwrap(), relay.clone());
                }
            }
            // By themselves: nobody presses sync.
            for engine in &engines {
                until(engine, "both keyrings and all messages", |status| {
                    status.account.read_keys == 4
                        && status.counts.messages == 15
                        && status.counts.waiting == 0
                })
                .await;
            }
            write(laptop, "together", 1).await;
            write(phone, "together too", 1).await;
            level(&[laptop, phone]).await;
            assert_level(laptop, phone, 17).await;

            let union = keyrings(&[&relays[0], &relays[1]]);
            let lowest = union.first().unwrap();
            let key = opened(lowest, &relays[0]).await.key(Profile::Routstr).public();
            for n in 0..2 {
                assert_eq!(write_key(&engines[n]), Some(key), "equally old, so the lowest id");
                assert_eq!(keyrings(&[&relays[n]]), union, "both are on every relay");
                assert_eq!((union.len(), relays[n].len()), (2, 19), "and nothing more");
                let asked = signers[n].asked();
                assert_eq!((asked.encrypt, asked.sign, asked.decrypt), (1, 1, 1));
            }
            let newest = relays[0].events().into_iter().filter(|event| event.pubkey == key);
            let halves = if made[0].contains(lowest) { 6 } else { 9 };
            assert_eq!(
                newest.count(),
                halves + 2,
                "what was written since, under the one key"
            );
            assert_eq!(
                authors(&relays[0]).len(),
                2,
                "what was written before stays as it is"
            );
        });
    });
}

#[test]
fn f44_envelopes_that_are_there_before_their_keyring_are_read_when_it_comes() {
    over_seeds(|seed| {
        simulate(async move {
            let chance = SeededEntropy::new(seed);
            let relays = [(); 2].map(|()| MemoryRelay::default());
            let both = [(ONE, &relays[0]), (TWO, &relays[1])];
            let laptop = Device::new(&[ONE, TWO]);
            let laptop = start_as(&laptop, raw(seed), seed, &both).await;
            let written = write(&laptop, "groceries", 12).await;
            assert!(laptop.sync().await.unwrap().complete);
            laptop.shutdown().await;

            // One relay lost the keyring, and the other one is away.
            let keyring = relays[0]
                .events()
                .into_iter()
                .find(|event| event.kind.as_u16() == 1081)
                .unwrap();
            relays[0].remove(&keyring.id);
            relays[1].down();
            let phone = Device::new(&[ONE, TWO]);
            let signer = Handheld::new(seed, Mood::Approves);
            let phone = start_as(&phone, signer.clone(), seed + 1000, &both).await;
            let own = write(&phone, "phone", 4).await;
            // Less than the ten minutes after which one relay's word would have been enough.
            let pause = 30.0 + 540.0 * chance.draw_fraction();
            tokio::time::sleep(Duration::from_secs_f64(pause)).await;
            assert_eq!(phone.status().counts.drafts, 4);
            assert!(
                phone.conversation("groceries").await.is_err(),
                "nothing to read it with"
            );

            if seed % 2 == 0 {
                relays[0].put(keyring.clone());
            } else {
                // A person who knows that it is back does not wait for the next try.
                relays[1].up();
                phone.sync().await.unwrap();
            }
            until(&phone, "the past, and its own messages out", |status| {
                status.counts.messages == 16 && status.counts.drafts == 0
            })
            .await;
            assert_eq!(texts(&phone, "groceries").await, written);
            assert_eq!(texts(&phone, "phone").await, own);
            relays[1].up();
            level(&[&phone]).await;
            assert_eq!(keyrings(&[&relays[0], &relays[1]]), BTreeSet::from([keyring.id]));
            assert_eq!((relays[0].len(), relays[1].len()), (17, 17));
            assert_eq!(signer.asked().encrypt, 0, "none was made");
        });
    });
}

#[test]
fn f44_a_corrupt_keyring_of_three_stops_nobody_and_is_asked_about_once() {
    over_seeds(|seed| {
        simulate(async move {
            let relay = MemoryRelay::default();
            // The broken ones are older than the good ones: they must not be taken for the one to write with.
            let age = |n: u64| NOW - 5000 + (seed * 7919 + n * 104_729) % 1000;
            let foreign = no_keyring(Ok(r#"{"shared":"storage of another project"}"#), age(1) - 2000).await;
            let broken = match seed % 3 {
                0 => "",
                1 => "garbage of no particular shape",
                // As long as a payload, and encrypted to somebody else.
                _ => &"Ag".repeat(120),
            };
            let broken = no_keyring(Err(broken), age(2) - 2000).await;
            let (one, first) = made_elsewhere(8, age(3)).await;
            let (two, second) = made_elsewhere(9, age(4)).await;
            for event in [&foreign, &broken, &one, &two] {
                relay.put(event.clone());
            }
            relay.put(written_elsewhere(&first, "first", "under one key", NOW - 3000));
            relay.put(written_elsewhere(
                &second,
                "second",
                "under the other",
                NOW - 2000,
            ));

            let device = Device::new(&[ONE]);
            let signer = Handheld::new(seed, Mood::Approves);
            let engine = start_as(&device, signer.clone(), seed, &[(ONE, &relay)]).await;
            let written = write(&engine, "groceries", 3).await;
            assert!(engine.sync().await.unwrap().complete);
            assert_eq!(texts(&engine, "first").await, ["under one key"]);
            assert_eq!(texts(&engine, "second").await, ["under the other"]);
            assert_eq!(texts(&engine, "groceries").await, written);

            let oldest = if (one.created_at, one.id) < (two.created_at, two.id) {
                &first
            } else {
                &second
            };
            assert_eq!(write_key(&engine), Some(oldest.key(Profile::Routstr).public()));
            assert_eq!(
                keyrings(&[&relay]).len(),
                4,
                "all of them stay, and none is added"
            );

            // A relay that comes back serves them all again, and the signer hears nothing of it.
            let asked = signer.asked();
            assert_eq!((asked.encrypt, asked.sign), (0, 0));
            assert!((3..=4).contains(&asked.decrypt), "once each: {asked:?}");
            relay.down();
            tokio::time::sleep(Duration::from_secs(60)).await;
            relay.up();
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(signer.asked(), asked);
        });
    });
}
