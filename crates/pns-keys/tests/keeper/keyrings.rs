//! Keyrings that exist: opened once, kept for ever, brought to relays that lack them.

use std::slice::from_ref;

use event_index::MemoryDisk;
use nostr::event::Event;
use pns_keys::keeper::{Announce, ListKeyrings, Unlock};
use pns_keys::{DeviceSecret, PnsKey, Profile};

use crate::PER_KEYRING;
use crate::device::{Device, START, pass, simulate};
use crate::relay::Relay;
use crate::signer::{Mood, TestSigner, junk, keyring};

fn willing() -> TestSigner {
    TestSigner::new(1, Mood::Willing)
}

fn public(device: u8) -> nostr::key::PublicKey {
    let secret = DeviceSecret::from_bytes(&[device; 32]).unwrap();
    PnsKey::derive(Profile::Routstr, &secret, "").unwrap().public()
}

#[test]
fn a_keyring_on_a_relay_is_opened_and_none_is_created() {
    let (disk, existing) = (MemoryDisk::new(), keyring(1, 9, START - 50));
    let relay = Relay::new("a").holding([&existing]);
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        let keys = device.until_ready().await;
        assert_eq!(keys.write.unwrap().public, public(9));
        pass(3600).await;
        assert_eq!(device.now(), keys);
        assert_eq!((relay.published().len(), device.signer.asked()), (0, 1));
    });
}

#[test]
fn a_restart_asks_no_signer_and_needs_no_relay() {
    let (disk, existing) = (MemoryDisk::new(), keyring(1, 9, START - 50));
    let relay = Relay::new("a").holding([&existing, &junk(1, START - 90)]);
    let before = simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        let keys = device.until_ready().await;
        pass(60).await;
        assert_eq!(device.signer.asked(), 2, "once for each event");
        keys
    });
    relay.set_online(false);
    simulate(async {
        let mut device = Device::boot(2, &disk, willing(), from_ref(&relay));
        assert_eq!(device.until_ready().await, before);
        relay.set_online(true);
        pass(600).await;
        assert_eq!((device.now(), device.signer.asked()), (before, 0));
    });
}

#[test]
fn the_oldest_of_two_keyrings_writes_and_both_read() {
    let (young, old) = (keyring(1, 8, START - 10), keyring(1, 9, START - 20));
    let (a, b) = (Relay::new("a").holding([&young]), Relay::new("b").holding([&old]));
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), willing(), &[a.clone(), b.clone()]);
        let keys = device
            .until("both", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
        assert!([public(8), public(9)].iter().all(|key| keys.read.contains(key)));
        assert_eq!(device.until_ready().await.write.unwrap().public, public(9));
        pass(60).await;
        assert_eq!(a.held(), b.held(), "each relay is sent what it lacks");
        assert!(
            a.published() == [old] && b.published() == [young],
            "and nothing else, in the same bytes"
        );
    });
}

#[test]
fn f44_one_corrupt_keyring_of_three_stops_nobody() {
    let events = [
        junk(1, START - 30),
        keyring(1, 8, START - 20),
        keyring(1, 9, START - 10),
    ];
    let relay = Relay::new("a").holding(&events);
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), willing(), from_ref(&relay));
        device
            .until("the two good ones", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
        let keys = device.until_ready().await;
        assert_eq!(keys.write.unwrap().public, public(8));
        let listed = device.keeper.list.send(ListKeyrings).await.unwrap();
        let closed: Vec<bool> = listed.iter().map(|keyring| keyring.closed.is_some()).collect();
        assert_eq!(closed, [true, false, false]);
    });
}

#[test]
fn only_junk_of_ours_locks_the_account_and_creates_nothing() {
    let disk = MemoryDisk::new();
    let relay = Relay::new("a").holding([&junk(1, START - 30)]);
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        let why = device.until_locked().await;
        assert!(why.contains("nsec"), "{why}");
    });
    relay.wipe();
    simulate(async {
        let mut device = Device::boot(2, &disk, willing(), from_ref(&relay));
        device.until_locked().await;
        pass(7200).await;
        assert!(relay.published().is_empty(), "also when the relay has lost it");
    });
}

#[test]
fn strangers_and_forgeries_are_never_keyrings() {
    let stranger = keyring(2, 8, START - 30);
    let real = keyring(1, 9, START - 20);
    let forged = Event::new(
        real.id,
        real.pubkey,
        nostr::types::Timestamp::from_secs(START - 5000),
        real.kind,
        real.tags.clone().to_vec(),
        &real.content,
        real.sig,
    );
    let relay = Relay::new("a").holding([&stranger, &forged]);
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), willing(), from_ref(&relay));
        pass(7200).await;
        assert_eq!((device.now().read.len(), device.signer.asked()), (0, 0));
        assert!(
            relay.published().is_empty(),
            "somebody has a keyring of ours: none is created"
        );
        relay.clone().holding([&real]);
        assert_eq!(device.until_ready().await.write.unwrap().not_before, START - 20);
    });
}

#[test]
fn a_keyring_that_vanished_from_a_relay_is_sent_there_again() {
    let (disk, existing) = (MemoryDisk::new(), keyring(1, 9, START - 50));
    let relay = Relay::new("a").holding([&existing]);
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        device.until_ready().await;
        relay.wipe();
        relay.set_online(false);
        pass(60).await;
        relay.set_online(true);
        pass(600).await;
        assert_eq!(relay.held(), from_ref(&existing));
        assert_eq!(device.signer.asked(), 1);
    });
}

#[test]
fn f41_a_signer_that_is_away_is_asked_again_by_itself() {
    let relay = Relay::new("a").holding([&keyring(1, 9, START - 50)]);
    simulate(async {
        let mut device = Device::boot(
            1,
            &MemoryDisk::new(),
            TestSigner::new(1, Mood::Away),
            from_ref(&relay),
        );
        let why = device.until_locked().await;
        assert!(why.contains("65 s"), "{why}");
        pass(3600).await;
        assert!(
            (4..12).contains(&device.signer.asked()),
            "asked {} times in an hour",
            device.signer.asked()
        );
        device.signer.set(Mood::Willing);
        device.until_ready().await;
        assert!(relay.published().is_empty(), "nothing was created meanwhile");
    });
}

#[test]
fn f41_a_signer_that_refuses_is_asked_again_by_a_person_only() {
    let relay = Relay::new("a").holding([&keyring(1, 9, START - 50)]);
    simulate(async {
        let mut device = Device::boot(
            1,
            &MemoryDisk::new(),
            TestSigner::new(1, Mood::Denies),
            from_ref(&relay),
        );
        let why = device.until_locked().await;
        assert!(why.contains("the person said no"), "{why}");
        device.signer.set(Mood::Willing);
        pass(3600).await;
        assert_eq!(device.signer.asked(), 1);
        device.keeper.unlock.send(Unlock).await.unwrap();
        device.until_ready().await;
        assert_eq!(device.signer.asked(), 2);
    });
}

#[test]
fn f41_a_refused_creation_is_tried_again_by_a_person_only() {
    let relay = Relay::new("a");
    simulate(async {
        let mut device = Device::boot(
            1,
            &MemoryDisk::new(),
            TestSigner::new(1, Mood::Denies),
            from_ref(&relay),
        );
        device.until_locked().await;
        device.signer.set(Mood::Willing);
        pass(3600).await;
        assert_eq!(device.signer.asked(), 1);
        device.keeper.unlock.send(Unlock).await.unwrap();
        device.until_ready().await;
    });
}

#[test]
fn a_restarted_keeper_knows_everything_again() {
    let relay = Relay::new("a");
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), willing(), from_ref(&relay));
        let keys = device.until_ready().await;
        let mut facts = device.facts();
        facts.mark_unchanged();
        device.restart_keeper();
        facts.changed().await.unwrap();
        assert_eq!(device.until_ready().await, keys);
        pass(60).await;
        assert_eq!((relay.published().len(), device.signer.asked()), (1, 2));
        // It listens again: another device's keyring arrives.
        let other = keyring(1, 9, START + 100);
        let mut second = Device::boot(
            2,
            &MemoryDisk::new(),
            willing(),
            &[relay.clone(), Relay::new("b").holding([&other])],
        );
        second
            .until("both", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
        device
            .until("both", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
    });
}

#[test]
fn what_is_known_is_announced_whenever_asked() {
    let relay = Relay::new("a").holding([&keyring(1, 9, START - 50)]);
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), willing(), from_ref(&relay));
        let keys = device.until_ready().await;
        let mut facts = device.facts();
        facts.mark_unchanged();
        device.keeper.announce.send(Announce).await.unwrap();
        facts.changed().await.unwrap();
        assert_eq!(*facts.borrow(), Some(keys.clone()));
        device
            .keeper
            .restarted
            .send(supervision::Restarted(supervision::Role::Status))
            .await
            .unwrap();
        facts.changed().await.unwrap();
        assert_eq!(*facts.borrow(), Some(keys));
    });
}

#[test]
fn a_raw_key_login_reads_what_older_web_apps_wrote_and_writes_with_a_keyring() {
    let relay = Relay::new("a");
    simulate(async {
        let mut device = Device::boot(
            1,
            &MemoryDisk::new(),
            willing().showing_its_secret(),
            from_ref(&relay),
        );
        let account = DeviceSecret::from_bytes(&[1; 32]).unwrap();
        let direct = Profile::ALL.map(|profile| PnsKey::derive(profile, &account, "").unwrap().public());
        let keys = device
            .until("the older keys", |keys| {
                direct.iter().all(|key| keys.read.contains(key))
            })
            .await;
        assert_eq!(keys.write, None);
        let keys = device.until_ready().await;
        assert_eq!(keys.read.len(), 4 + PER_KEYRING);
        assert!(!direct.contains(&keys.write.unwrap().public));
    });
}
