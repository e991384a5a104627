//! Relays that want to know who asks (NIP-42): they learn what they must, once, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use chat_sync::{Handle, RelayStatus};
use event_index::Basis;
use nostr::prelude::PublicKey;
use pns_keys::{KeySet, Signer};
use relay_lab::{Asks, Judges, MemoryRelay, Quirk, Refuses, WantsAuth};

use crate::bench::{Device, SECRET, simulate, write};
use crate::fault_lab::{BAD, GOOD, Lab, assert_unaffected, report, sealed, seconds, shown, spread};
use crate::keyring_lab::start_as;
use crate::signers::{Handheld, Mood, local};

fn account() -> PublicKey {
    local(SECRET, 0).public_key()
}

/// The keys that keep the history of this lab.
fn history_keys(lab: &Lab) -> BTreeSet<PublicKey> {
    let mut keys = KeySet::new(account());
    keys.add(lab.keyring.clone());
    keys.add_own_secret(&local(SECRET, 0).own_secret().unwrap());
    keys.read()
}

/// How often each key was proven to a relay, or tried to be.
fn proofs(relay: &MemoryRelay) -> BTreeMap<PublicKey, usize> {
    let mut proofs = BTreeMap::new();
    for key in relay.identities() {
        *proofs.entry(key).or_default() += 1;
    }
    proofs
}

fn line(device: &Handle, url: &str) -> RelayStatus {
    let status = device.status();
    let mut lines = status.relays.into_iter();
    lines.find(|line| line.url.as_str() == url).unwrap()
}

fn wants(rules: WantsAuth) -> Quirk {
    Quirk::WantsAuth(rules)
}

#[test]
fn f33_history_syncs_through_a_relay_that_wants_to_know_who_asks() {
    for asks in [Asks::AtConnect, Asks::BeforeRefusal, Asks::AfterRefusal] {
        for refuses in [Refuses::ByName, Refuses::ByNotice] {
            simulate(async move {
                let lab = Lab::holding(33, spread(120)).await;
                lab.bad.add_quirk(wants(WantsAuth {
                    asks,
                    refuses,
                    ..WantsAuth::default()
                }));
                let phone = lab.fresh(&[BAD]).await;
                let report = phone.sync().await.unwrap();
                assert!(report.complete, "{asks:?} {refuses:?}: {report:?}");
                assert_eq!(report.relays[0].basis, Some(Basis::Fingerprint));
                assert_eq!(shown(&phone).await, 120);
                write(&phone, "from the phone", 3).await;
                let report = phone.sync().await.unwrap();
                assert!(report.complete, "{asks:?} {refuses:?}: {report:?}");
                assert_eq!(sealed(&lab.bad).len(), 123);
                assert_eq!(line(&phone, BAD).trouble, None);

                let proofs = proofs(&lab.bad);
                let mut allowed = history_keys(&lab);
                allowed.insert(account());
                assert!(proofs.keys().all(|key| allowed.contains(key)), "{proofs:?}");
                assert!(proofs.contains_key(&account()), "the keyring is the account's");
                if asks != Asks::AfterRefusal {
                    assert!(proofs.values().all(|times| *times == 1), "{proofs:?}");
                }
            });
        }
    }
}

#[test]
fn f33_history_tells_a_relay_nothing_about_the_account() {
    simulate(async {
        let lab = Lab::holding(34, spread(40)).await;
        lab.bad.add_quirk(wants(WantsAuth {
            kinds: &[1080, 5],
            ..WantsAuth::default()
        }));
        let phone = lab.fresh(&[BAD]).await;
        write(&phone, "groceries", 2).await;
        assert!(phone.sync().await.unwrap().complete);
        let proofs = proofs(&lab.bad);
        assert!(
            !proofs.is_empty() && !proofs.contains_key(&account()),
            "{proofs:?}"
        );
        assert_eq!(sealed(&lab.bad).len(), 42);
    });
}

#[test]
fn f33_a_keyring_is_asked_for_as_the_account_and_as_nobody_else() {
    simulate(async {
        let lab = Lab::holding(35, spread(40)).await;
        lab.bad.add_quirk(wants(WantsAuth {
            kinds: &[1081],
            ..WantsAuth::default()
        }));
        let phone = lab.fresh(&[BAD]).await;
        assert!(phone.sync().await.unwrap().complete);
        assert_eq!(proofs(&lab.bad), BTreeMap::from([(account(), 1)]));
    });
}

#[test]
fn f33_a_challenge_that_expired_is_answered_anew() {
    simulate(async {
        let lab = Lab::holding(36, spread(40)).await;
        lab.bad.add_quirk(wants(WantsAuth {
            judges: Judges::Late,
            ..WantsAuth::default()
        }));
        let phone = lab.fresh(&[BAD]).await;
        let report = phone.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        assert_eq!((shown(&phone).await, line(&phone, BAD).trouble), (40, None));
    });
}

#[test]
fn f33_a_refused_login_is_said_and_stops_nobody_else() {
    simulate(async {
        let lab = Lab::holding(37, spread(60)).await;
        lab.bad.add_quirk(wants(WantsAuth {
            judges: Judges::Refuses("restricted: you are not on the list"),
            ..WantsAuth::default()
        }));
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        laptop.sync().await.unwrap();
        assert_eq!(shown(&laptop).await, 60);
        assert_unaffected(&laptop);
        write(&laptop, "groceries", 2).await;
        seconds(120).await;
        assert_eq!((sealed(&lab.bad).len(), sealed(&lab.good).len()), (60, 62));

        let bad = line(&laptop, BAD);
        assert_eq!(bad.parked, 2, "they are not tried again and again");
        let trouble = bad.trouble.unwrap();
        assert!(
            trouble.contains("you are not on the list")
                && trouble.contains("did not accept this device's login"),
            "{trouble}"
        );
        let error = report(&laptop.status(), BAD).error.unwrap();
        assert!(error.contains("authentication"), "{error}");
        assert!(!laptop.status().complete);
        seconds(3_600).await;
        let proofs = proofs(&lab.bad);
        assert!(
            proofs.values().all(|times| *times == 1),
            "once on a connection: {proofs:?}"
        );

        // Somebody put this person on the list.
        lab.bad.heal();
        seconds(25 * 3_600).await;
        assert_eq!(sealed(&lab.bad).len(), 62);
        assert_eq!(line(&laptop, BAD).parked, 0);
        assert!(laptop.sync().await.unwrap().complete);
    });
}

#[test]
fn f33_a_relay_that_is_never_satisfied_gets_one_proof_and_one_more_try() {
    for judges in [Judges::ForNothing, Judges::Silently] {
        simulate(async move {
            let lab = Lab::holding(38, spread(20)).await;
            lab.bad.add_quirk(wants(WantsAuth {
                judges,
                ..WantsAuth::default()
            }));
            let laptop = lab.fresh(&[BAD, GOOD]).await;
            laptop.sync().await.unwrap();
            assert_unaffected(&laptop);
            let error = report(&laptop.status(), BAD).error.unwrap();
            assert!(error.contains("authentication"), "{error}");
            seconds(3_600).await;
            let proofs = proofs(&lab.bad);
            assert!(proofs.values().all(|times| *times == 1), "{judges:?}: {proofs:?}");
            if judges == Judges::Silently {
                let trouble = line(&laptop, BAD).trouble.unwrap();
                assert!(trouble.contains("did not answer"), "{trouble}");
            }
        });
    }
}

#[test]
fn f33_a_relay_that_refuses_and_never_asks_holds_nothing_up() {
    simulate(async {
        let lab = Lab::holding(39, spread(20)).await;
        lab.bad.add_quirk(wants(WantsAuth {
            asks: Asks::Never,
            ..WantsAuth::default()
        }));
        let laptop = lab.fresh(&[BAD, GOOD]).await;
        laptop.sync().await.unwrap();
        assert_unaffected(&laptop);
        assert!(lab.bad.identities().is_empty());
        assert!(report(&laptop.status(), BAD).error.is_some());
    });
}

#[test]
fn f33_a_signer_that_says_no_is_asked_once_and_the_history_needs_none() {
    simulate(async {
        let lab = Lab::holding(40, spread(30)).await;
        let person = Handheld::new(1, Mood::Approves);
        let both = [(BAD, &lab.bad), (GOOD, &lab.good)];
        let engine = start_as(&Device::new(&[BAD, GOOD]), person.clone(), 1, &both).await;
        engine.sync().await.unwrap();
        assert_eq!((shown(&engine).await, person.asked().sign), (30, 0));

        // From now on one of them wants to know who asks, and the person says no.
        lab.bad.add_quirk(wants(WantsAuth::default()));
        person.set(Mood::Denies);
        lab.bad.down();
        seconds(5).await;
        lab.bad.up();
        seconds(400).await;
        engine.sync().await.unwrap();
        for url in [BAD, GOOD] {
            let report = report(&engine.status(), url);
            assert!(report.complete, "history keys are here: {report:?}");
        }
        let trouble = line(&engine, BAD).trouble.unwrap();
        assert!(trouble.contains("the signer refused"), "{trouble}");
        // Connections come and go.
        for _ in 0..3 {
            lab.bad.down();
            seconds(5).await;
            lab.bad.up();
            seconds(400).await;
        }
        assert_eq!(person.asked().sign, 1, "one prompt");
        assert!(!proofs(&lab.bad).contains_key(&account()));
        write(&engine, "groceries", 1).await;
        seconds(120).await;
        assert_eq!(sealed(&lab.bad).len(), 31, "what is written still gets there");
    });
}
