//! The signer is away, refuses, or is another account's: everything goes on here, and nothing is made twice.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{AccountState, Handle, Status};
use relay_lab::MemoryRelay;
use supervision::{Entropy, SeededEntropy};

use crate::bench::{Device, NOW, over_seeds, simulate, write};
use crate::keyring_lab::{
    A_WHILE, ONE, keyrings, made_elsewhere, network, start, start_as, texts, until, written_elsewhere,
};
use crate::signers::{Asked, Handheld, Mood, PATIENCE_OF_SIGNERS, PATIENCE_WITH_A_PAGE, raw};

/// A relay that is empty, or that holds a keyring and a message of another device.
async fn relay(with_keyring: bool) -> MemoryRelay {
    let relay = MemoryRelay::default();
    if with_keyring {
        let (event, keyring) = made_elsewhere(9, NOW - 5000).await;
        relay.put(event);
        relay.put(written_elsewhere(&keyring, "past", "an old word", NOW - 4000));
    }
    relay
}

/// The account is not ready, and the reason names the signer and says what to do.
fn says(status: &Status, words: &[&str]) -> bool {
    let why = status.account.state.why().unwrap_or_default();
    status.account.state != AccountState::Ready && words.iter().all(|word| why.contains(word))
}

/// Five messages that were written here are shown, and none of them has left.
async fn assert_drafts(device: &Handle, written: &[String], relay: &MemoryRelay, held: usize) {
    assert_eq!(&texts(device, "groceries").await, written);
    let counts = device.status().counts;
    assert_eq!((counts.drafts, counts.parked), (written.len() as u64, 0));
    assert_eq!(relay.len(), held, "nothing has left");
}

/// What was written is on another device in the order in which it was written, and there is one keyring.
async fn assert_arrived(written: &[String], relay: &MemoryRelay, seed: u64) {
    assert_eq!(keyrings(&[relay]).len(), 1, "one keyring");
    let other = Device::new(&[ONE]);
    let other = start_as(&other, raw(seed), seed + 1000, &[(ONE, relay)]).await;
    let report = other.sync().await.unwrap();
    assert!(report.complete, "{report:?}");
    assert_eq!(texts(&other, "groceries").await, written);
    other.shutdown().await;
}

#[test]
fn f41_a_signer_that_gives_no_answer_is_asked_again_and_drafts_go_out_in_order_once_it_approves() {
    over_seeds(|seed| {
        simulate(async move {
            let chance = SeededEntropy::new(seed);
            let with_keyring = seed % 2 == 0;
            let relay = relay(with_keyring).await;
            let held = relay.len();
            let away = Mood::LooksElsewhere(PATIENCE_OF_SIGNERS);
            let signer = Handheld::new(seed, away);
            let device = Device::new(&[ONE]);
            let engine = start_as(&device, signer.clone(), seed, &[(ONE, &relay)]).await;
            let written = write(&engine, "groceries", 5).await;

            let report = engine.sync().await.unwrap();
            assert!(!report.complete && !report.offline(), "{report:?}");
            let why = report.locked.expect("there is no key");
            assert!(
                why.contains("signer") && why.contains("approve"),
                "while it rings: {why}"
            );
            until(&engine, "locked, and what to do", |status| {
                says(status, &["did not answer in 65 s", "approve the request there"])
            })
            .await;
            assert_drafts(&engine, &written, &relay, held).await;

            // It is asked again by itself, and ever more seldom.
            let hours = Duration::from_secs_f64(3600.0 + chance.draw_fraction() * 7200.0);
            tokio::time::sleep(hours).await;
            let Asked {
                encrypt,
                sign,
                decrypt,
            } = signer.asked();
            let asked = if with_keyring { decrypt } else { encrypt };
            assert!((3..=16).contains(&asked), "asked {asked} times in {hours:?}");
            assert_eq!(encrypt + sign + decrypt, asked, "and nothing else");
            assert_drafts(&engine, &written, &relay, held).await;

            signer.set(Mood::Approves);
            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            if with_keyring {
                assert_eq!(texts(&engine, "past").await, ["an old word"]);
                assert_eq!(signer.asked().encrypt, 0);
            }
            assert_arrived(&written, &relay, seed).await;
        });
    });
}

#[test]
fn f41_a_late_approval_is_one_creation_however_often_sync_is_pressed_meanwhile() {
    over_seeds(|seed| {
        simulate(async move {
            let chance = SeededEntropy::new(seed);
            let with_keyring = seed % 4 == 0;
            let relay = relay(with_keyring).await;
            let held = relay.len();
            // Half of the signers want a page opened first, which takes a person longer.
            let patience = if seed % 2 == 0 {
                PATIENCE_WITH_A_PAGE
            } else {
                PATIENCE_OF_SIGNERS
            };
            let signer = Handheld::new(seed, Mood::LooksElsewhere(patience));
            let device = Device::new(&[ONE]);
            let engine = start_as(&device, signer.clone(), seed, &[(ONE, &relay)]).await;
            let written = write(&engine, "groceries", 5).await;
            signer
                .until_asked(|asked| asked.encrypt + asked.decrypt == 1)
                .await;

            let presses: Vec<_> = (0..5)
                .map(|_| {
                    let (engine, pause) = (engine.clone(), chance.draw_fraction() * 30.0);
                    actix::spawn(async move {
                        tokio::time::sleep(Duration::from_secs_f64(pause)).await;
                        engine.sync().await.unwrap()
                    })
                })
                .collect();
            let late = patience.mul_f64(0.5 + 0.49 * chance.draw_fraction());
            tokio::time::sleep(late).await;
            assert!(
                says(&engine.status(), &["signer", "approve"]),
                "{:?}",
                engine.status()
            );
            assert_drafts(&engine, &written, &relay, held).await;
            signer.set(Mood::Approves);
            for press in presses {
                press.await.unwrap();
            }
            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            let once = if with_keyring {
                Asked {
                    decrypt: 1,
                    ..Asked::default()
                }
            } else {
                Asked {
                    encrypt: 1,
                    sign: 1,
                    decrypt: 0,
                }
            };
            assert_eq!(signer.asked(), once, "one prompt each, none twice");
            assert_arrived(&written, &relay, seed).await;
        });
    });
}

/// The signer answers in `mood`, which only a person can change; it is left alone until the program is started again.
fn is_left_alone_until_a_person_acts(mood: Mood, words: &'static [&'static str]) {
    over_seeds(|seed| {
        let with_keyring = seed % 2 == 0;
        let device = Arc::new(Device::new(&[ONE]));
        let signer = Handheld::new(seed, mood);
        let (held_device, held_signer) = (device.clone(), signer.clone());
        let (done, handed) = std::sync::mpsc::channel();
        simulate(async move {
            let (device, signer) = (held_device, held_signer);
            let relay = relay(with_keyring).await;
            let held = relay.len();
            let config = device.config_as(signer.clone());
            let store = config.store.clone();
            let engine = start(config, seed, 0, network(&[(ONE, &relay)])).await;
            let written = write(&engine, "groceries", 5).await;
            until(&engine, "locked, and what to do", |status| says(status, words)).await;
            let asked = signer.asked();

            // Neither time nor a relay that comes back asks the signer again.
            tokio::time::sleep(Duration::from_secs(8 * 3600)).await;
            relay.down();
            tokio::time::sleep(Duration::from_secs(60)).await;
            relay.up();
            tokio::time::sleep(A_WHILE).await;
            assert_eq!(signer.asked(), asked, "nobody was bothered");
            assert!(says(&engine.status(), words), "{:?}", engine.status());
            assert_drafts(&engine, &written, &relay, held).await;
            assert_eq!(keyrings(&[&relay]).len(), usize::from(with_keyring));
            for row in store.keyrings().unwrap() {
                assert!(row.secret.is_none(), "nothing is written off");
            }

            // A person who asks for a sync has the signer asked once more.
            let report = engine.sync().await.unwrap();
            assert!(!report.complete, "{report:?}");
            let total = |asked: &Asked| asked.encrypt + asked.sign + asked.decrypt;
            let pressed = total(&signer.asked()) - total(&asked);
            assert!((1..=2).contains(&pressed), "asked {pressed} times");
            assert!(says(&engine.status(), words), "{:?}", engine.status());
            if seed % 3 == 0 {
                signer.set(Mood::Approves);
                assert!(
                    engine.sync().await.unwrap().complete,
                    "allowed, and everything is out"
                );
            }
            done.send((relay, written)).unwrap();
        });

        let (relay, written) = handed.recv().unwrap();
        signer.set(Mood::Approves);
        simulate(async move {
            let config = device.config_as(signer);
            let engine = start(config, seed, 48 * 3600, network(&[(ONE, &relay)])).await;
            until(&engine, "everything out", |status| {
                status.account.state == AccountState::Ready && status.counts.waiting == 0
            })
            .await;
            assert!(engine.sync().await.unwrap().complete);
            assert_arrived(&written, &relay, seed).await;
        });
    });
}

#[test]
fn f41_a_signer_that_refuses_is_asked_again_by_a_person_only() {
    is_left_alone_until_a_person_acts(Mood::Denies, &["refused", "allow it in the signer"]);
}

#[test]
fn f41_a_signer_of_another_account_creates_nothing_and_writes_nothing_off() {
    is_left_alone_until_a_person_acts(Mood::OtherAccount, &["holds the key of", "switch the account"]);
}
