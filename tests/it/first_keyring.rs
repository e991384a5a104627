//! The first keyring of an account, once and for ever: killed on the way, overtaken, deleted, or never needed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chat_sync::{AccountState, RelayUrl};
use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::{SinkExt, StreamExt, stream};
use nostr::prelude::{Event, Kind};
use pns_keys::{Profile, Signer};
use relay_lab::{MemoryNetwork, MemoryRelay};
use relay_link::{Connection, Dial, DialError};
use serde_json::Value;
use supervision::{Entropy, SeededEntropy};

use crate::bench::{Device, NOW, assert_level, over_seeds, simulate, write};
use crate::keyring_lab::{
    A_WHILE, ONE, Slow, TWO, keyrings, made_elsewhere, network, start, start_as, texts, until,
    written_elsewhere,
};
use crate::signers::{Asked, Handheld, Mood, PATIENCE_OF_SIGNERS, local, raw};

/// A device whose last frames are counted: after the signature so many still leave, and then its world ends. The relay
/// hears nothing more and the device neither, as when the process is killed there.
struct LastFrames {
    network: MemoryNetwork,
    signer: Arc<Handheld>,
    left: Arc<AtomicU64>,
}

impl LastFrames {
    fn new(relay: &MemoryRelay, signer: &Arc<Handheld>, frames: u64) -> Self {
        Self {
            network: network(&[(ONE, relay)]),
            signer: signer.clone(),
            left: Arc::new(AtomicU64::new(frames)),
        }
    }
}

impl Dial for LastFrames {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let dialled = self.network.dial(url);
        let (signer, left) = (self.signer.clone(), self.left.clone());
        let over = {
            let (signer, left) = (signer.clone(), left.clone());
            move || signer.asked().sign > 0 && left.load(Ordering::SeqCst) == 0
        };
        async move {
            let Connection {
                outgoing,
                incoming,
                date,
            } = dialled.await?;
            let leaves = move |frame| {
                let left = match signer.asked().sign {
                    0 => Ok(0),
                    _ => left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)),
                };
                stream::iter(left.is_ok().then_some(Ok(frame)))
            };
            let incoming = incoming.filter(move |_| ready(!over()));
            Ok(Connection {
                outgoing: Box::pin(outgoing.with_flat_map(leaves)),
                incoming: Box::pin(incoming),
                date,
            })
        }
        .boxed()
    }
}

#[test]
fn a_device_killed_between_signing_and_publishing_ends_with_one_keyring() {
    over_seeds(|seed| {
        let (step, disk_dies) = (seed / 4, seed % 4 == 3);
        let frames = if disk_dies { u64::MAX } else { step };
        let device = Device::new(&[ONE]);
        let (relay, signer) = (MemoryRelay::default(), Handheld::new(seed, Mood::EncryptsOnly));
        let (config, line, hand) = (device.config_as(signer.clone()), relay.clone(), signer.clone());
        let disk = device.disk();
        simulate(async move {
            let world = LastFrames::new(&line, &hand, frames);
            let engine = start(config, seed, 0, world).await;
            write(&engine, "groceries", 4).await;
            hand.until_asked(|asked| asked.sign == 1).await;
            if disk_dies {
                // The disk loses its power in one of the commits that follow the signature.
                disk.cut_power_at_sync(disk.syncs() + 1 + step);
            }
            hand.set(Mood::Approves);
            tokio::time::sleep(Duration::from_secs(20)).await;
            // The system goes with everything on it: nobody says goodbye.
        });
        let device = if seed % 4 < 2 {
            device
        } else {
            device.after_power_cut()
        };
        let before = keyrings(&[&relay]);
        let saved = device.store().keyrings().unwrap();
        assert!(
            before.iter().all(|id| saved.iter().any(|row| row.id == *id)),
            "on disk before it is sent"
        );
        drop(saved);

        simulate(async move {
            let config = device.config_as(signer.clone());
            let engine = start(config, seed + 1000, 3600, network(&[(ONE, &relay)])).await;
            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            tokio::time::sleep(A_WHILE).await;
            let after = keyrings(&[&relay]);
            assert_eq!(after.len(), 1, "killed after step {step}");
            assert!(before.is_subset(&after), "what was out stays");
            assert_eq!(texts(&engine, "groceries").await.len(), 4);
            let sealed = relay
                .events()
                .into_iter()
                .filter(|event| event.kind == Kind::Custom(1080));
            assert_eq!(sealed.count(), 4);
            // A keyring that was on disk is the one; only where none was, the signer is asked for another.
            assert!(signer.asked().sign <= 2 && (before.is_empty() || signer.asked().sign == 1));
        });
    });
}

#[test]
fn a_keyring_that_arrives_while_the_signer_asks_for_a_first_one_wins() {
    over_seeds(|seed| {
        simulate(async move {
            let chance = SeededEntropy::new(seed);
            let relay = MemoryRelay::default();
            let signer = Handheld::new(seed, Mood::LooksElsewhere(PATIENCE_OF_SIGNERS));
            let device = Device::new(&[ONE]);
            let engine = start_as(&device, signer.clone(), seed, &[(ONE, &relay)]).await;
            let written = write(&engine, "groceries", 4).await;
            signer.until_asked(|asked| asked.encrypt == 1).await;
            if seed % 2 == 0 {
                // The first of the two requests was approved already.
                signer.set(Mood::EncryptsOnly);
                signer.until_asked(|asked| asked.sign == 1).await;
            }
            tokio::time::sleep(Duration::from_secs_f64(40.0 * chance.draw_fraction())).await;
            // Older or newer than ours would have been.
            let (event, keyring) = made_elsewhere(9, NOW - 600 + 10 * (seed * 37 % 70)).await;
            relay.put(event.clone());
            relay.put(written_elsewhere(&keyring, "past", "an old word", NOW - 10));
            signer.until_asked(|asked| asked.decrypt == 1).await;
            let asked = signer.asked();
            tokio::time::sleep(Duration::from_secs_f64(20.0 * chance.draw_fraction())).await;
            signer.set(Mood::Approves);

            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(
                keyrings(&[&relay]),
                BTreeSet::from([event.id]),
                "the late approval made none"
            );
            assert_eq!(signer.asked(), asked);
            assert_eq!(
                engine.status().account.write_key,
                Some(keyring.key(Profile::Routstr).public())
            );
            assert_eq!(texts(&engine, "past").await, ["an old word"]);
            assert_eq!(texts(&engine, "groceries").await, written);
        });
    });
}

#[test]
fn a_keyring_deleted_from_every_relay_is_published_again_and_no_history_is_lost() {
    let device = Device::new(&[ONE, TWO]);
    let relays = [(); 2].map(|()| MemoryRelay::default());
    let signer = Handheld::new(1, Mood::Approves);
    let both = || [(ONE, &relays[0]), (TWO, &relays[1])];
    simulate(async {
        let engine = start_as(&device, signer.clone(), 1, &both()).await;
        write(&engine, "groceries", 6).await;
        assert!(engine.sync().await.unwrap().complete);
    });
    let made = keyrings(&[&relays[0], &relays[1]]);
    assert_eq!(made.len(), 1);
    for relay in &relays {
        assert!(made.iter().all(|id| relay.remove(id)));
    }
    simulate(async {
        // At the next start; a signer that is away is not needed for it.
        signer.set(Mood::Denies);
        let engine = start(device.config_as(signer.clone()), 2, 3600, network(&both())).await;
        assert!(engine.sync().await.unwrap().complete);
        for relay in &relays {
            assert_eq!(keyrings(&[relay]), made, "the same one, on each");
            relay.down();
            assert!(made.iter().all(|id| relay.remove(id)));
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        relays.iter().for_each(MemoryRelay::up);
        // And whenever a relay comes back.
        tokio::time::sleep(A_WHILE).await;
        for relay in &relays {
            assert_eq!(keyrings(&[relay]), made);
        }
        let once = Asked {
            encrypt: 1,
            sign: 1,
            decrypt: 0,
        };
        assert_eq!(signer.asked(), once, "from the disk, without a prompt");

        let other = Device::new(&[ONE, TWO]);
        let other = start_as(&other, raw(3), 3, &both()).await;
        assert!(other.sync().await.unwrap().complete);
        assert_level(&engine, &other, 6).await;
    });
}

/// Messages of web apps that had no keyrings: the account's secret, and the envelopes sealed under each old profile.
fn without_keyring() -> (String, Vec<Event>) {
    let golden: Value = serde_json::from_str(include_str!("../vectors/pns-events.json")).unwrap();
    let secret = golden["owner_secret_hex"].as_str().unwrap().to_owned();
    let old = [
        "early-profile",
        "early-profile-answer",
        "draft-profile",
        "first-profile",
    ];
    let cases = golden["valid"].as_array().unwrap().iter();
    let events = cases
        .filter(|case| old.contains(&case["name"].as_str().unwrap()))
        .map(|case| serde_json::from_value(case["event"].clone()).unwrap())
        .collect();
    (secret, events)
}

#[test]
fn a_raw_key_reads_what_was_written_before_there_were_keyrings_and_goes_on_with_one() {
    simulate(async {
        let (secret, events) = without_keyring();
        assert_eq!(events.len(), 4);
        let relay = MemoryRelay::default();
        for event in events {
            relay.put(event);
        }
        let (laptop, phone) = (Device::new(&[ONE]), Device::new(&[ONE]));
        let signer = |seed| -> Arc<dyn Signer> { Arc::new(local(&secret, seed)) };
        let laptop = start_as(&laptop, signer(1), 1, &[(ONE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(
            texts(&laptop, "1764000000000").await,
            ["Written by the first synced release.", "Still readable."]
        );
        assert_eq!(
            texts(&laptop, "1765000000000").await,
            ["A chat message under the draft's keys."]
        );
        assert_eq!(
            texts(&laptop, "1763000000000").await,
            ["Full HKDF in both steps."]
        );
        write(&laptop, "groceries", 3).await;
        assert!(laptop.sync().await.unwrap().complete);

        let made: Vec<Event> = relay
            .events()
            .into_iter()
            .filter(|event| event.kind == Kind::Custom(1081))
            .collect();
        assert_eq!(made.len(), 1, "what is new needs a keyring");
        let phone = start_as(&phone, signer(2), 2, &[(ONE, &relay)]).await;
        assert!(phone.sync().await.unwrap().complete);
        assert_level(&laptop, &phone, 7).await;
    });
}

#[test]
fn relays_that_a_run_leaves_out_are_asked_before_a_first_keyring_is_made() {
    over_seeds(|seed| {
        simulate(async move {
            let (saved, other) = (MemoryRelay::default(), MemoryRelay::default());
            let (event, keyring) = made_elsewhere(9, NOW - 5000).await;
            saved.put(event.clone());
            saved.put(written_elsewhere(&keyring, "past", "an old word", NOW - 4000));
            let mut config = Device::new(&[TWO]).config();
            config.asked_for_keys = vec![ONE.parse().unwrap(), TWO.parse().unwrap()];
            let both = network(&[(ONE, &saved), (TWO, &other)]);
            let slow = Slow {
                network: both,
                relay: ONE.parse().unwrap(),
                dial: Duration::from_secs(seed % 9),
                answer: Duration::from_secs(seed % 5),
            };
            let engine = start(config, seed, 0, slow).await;
            let written = write(&engine, "groceries", 2).await;
            assert!(engine.sync().await.unwrap().complete);
            tokio::time::sleep(A_WHILE).await;

            assert_eq!(
                keyrings(&[&saved, &other]),
                BTreeSet::from([event.id]),
                "no second one"
            );
            assert_eq!(
                keyrings(&[&other]).len(),
                1,
                "where messages are their keyring is"
            );
            assert_eq!(
                (other.len(), saved.len()),
                (3, 2),
                "nothing else went to the saved one"
            );
            assert_eq!(texts(&engine, "groceries").await, written);
            assert_eq!(engine.status().relays.len(), 1);
        });
    });
}

#[test]
fn relays_that_a_run_leaves_out_and_nobody_reaches_hold_a_first_keyring_up_for_seconds_only() {
    simulate(async {
        let other = MemoryRelay::default();
        let mut config = Device::new(&[TWO]).config();
        config.asked_for_keys = vec![ONE.parse().unwrap()];
        let engine = start(config, 1, 0, network(&[(TWO, &other)])).await;
        write(&engine, "groceries", 2).await;
        assert!(engine.sync().await.unwrap().complete);
        assert_eq!((keyrings(&[&other]).len(), other.len()), (1, 3));
    });
}

#[test]
fn a_relay_that_comes_back_while_its_next_try_is_far_off_is_dialled_before_another_ones_word_counts_alone() {
    over_seeds(|seed| {
        simulate(async move {
            let relays = [(); 2].map(|()| MemoryRelay::default());
            let (event, keyring) = made_elsewhere(9, NOW - 5000).await;
            relays[1].put(event.clone());
            relays[1].down();
            let both = network(&[(ONE, &relays[0]), (TWO, &relays[1])]);
            let engine = start(Device::new(&[ONE, TWO]).config(), seed, 0, both).await;
            let written = write(&engine, "groceries", 2).await;
            tokio::time::sleep(Duration::from_secs(540 + 3 * seed)).await;
            assert_eq!(
                keyrings(&[&relays[0], &relays[1]]).len(),
                1,
                "nothing is certain so far"
            );
            relays[1].up();
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(keyrings(&[&relays[0], &relays[1]]), BTreeSet::from([event.id]));
            let key = keyring.key(Profile::Routstr).public();
            assert_eq!(engine.status().account.write_key, Some(key));
            assert_eq!(texts(&engine, "groceries").await, written);
        });
    });
}
