//! The first keyring: made once, when it is certain that there is none.

use std::slice::from_ref;
use std::time::Duration;

use event_index::MemoryDisk;
use pns_keys::keeper::{KeyState, ListKeyrings};
use supervision::{Role, Tripwire};

use crate::PER_KEYRING;
use crate::device::{Device, START, pass, simulate};
use crate::relay::{Fault, Relay};
use crate::signer::{Mood, TestSigner, keyring};

fn willing() -> TestSigner {
    TestSigner::new(1, Mood::Willing)
}

#[test]
fn the_first_keyring_is_saved_sent_and_read_back() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a"));
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        let keys = device.until_ready().await;
        let write = keys.write.unwrap();
        assert_eq!(keys.state, KeyState::Ready);
        assert!(keys.read.contains(&write.public));
        assert_eq!(keys.read.len(), PER_KEYRING);
        assert!(
            (START - 298..START - 290).contains(&write.not_before),
            "two empty answers, two seconds apart, and the window for a first history is open"
        );
        assert_eq!(device.signer.asked(), 2, "once to encrypt, once to sign");

        let rows = device.index.store().keyrings().unwrap();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].read_back && rows[0].secret.is_some());
        assert_eq!(relay.published(), [rows[0].event.clone()]);

        pass(3600).await;
        let listed = device.keeper.list.send(ListKeyrings).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert!(listed[0].writes && listed[0].read_back && listed[0].closed.is_none());
        assert_eq!(listed[0].held_by, [relay.url.clone()].into());
        assert_eq!(relay.published().len(), 1, "nothing is sent again");
    });
}

#[test]
fn a_relay_that_swallows_ok_is_sent_the_same_bytes_and_read_back() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a").with(Fault::SwallowsOk));
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        device.until_ready().await;
        let published = relay.published();
        assert!(published.iter().all(|event| *event == published[0]));
        assert_eq!(device.signer.asked(), 2, "it is never signed again");
    });
}

#[test]
fn a_relay_that_accepts_and_forgets_makes_no_key_ready() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a").with(Fault::Forgets));
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        let keys = device.until("a write key", |keys| keys.write.is_some()).await;
        assert!(!keys.write.unwrap().ready);
        pass(7200).await;
        assert_eq!(device.now(), keys);
        assert!(relay.published().len() > 5, "it is tried again");
        relay.heal();
        device.until_ready().await;
    });
}

#[test]
fn f42_only_slow_relay_holds_the_keyring() {
    let (disk, existing) = (MemoryDisk::new(), keyring(1, 9, START - 1000));
    let slow = Relay::new("slow")
        .holding([&existing])
        .with(Fault::Slow(Duration::from_secs(8)));
    let relays = [Relay::new("a"), Relay::new("b"), slow];
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), &relays);
        let keys = device.until_ready().await;
        assert_eq!(keys.write.unwrap().not_before, START - 1000);
        assert_eq!(device.signer.asked(), 1, "once to open it");
        pass(60).await;
        assert!(
            relays.iter().all(|relay| relay.held() == [existing.clone()]),
            "the others have a copy now"
        );
    });
}

#[test]
fn a_relay_that_gives_no_clean_answer_leads_to_no_keyring() {
    for fault in [Fault::Silent, Fault::NoticeBeforeEose, Fault::Refuses] {
        let (disk, relay) = (MemoryDisk::new(), Relay::new("a").with(fault));
        simulate(async {
            let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
            pass(7200).await;
            assert!(
                matches!(device.now().state, KeyState::Searching { .. }),
                "{fault:?}"
            );
            assert_eq!(
                (device.now().write, device.signer.asked()),
                (None, 0),
                "{fault:?}"
            );
            assert!(
                (5..30).contains(&relay.reqs()),
                "{fault:?}: asked {} times in two hours",
                relay.reqs()
            );
            relay.heal();
            device.until_ready().await;
        });
    }
}

#[test]
fn a_relay_that_closes_after_eose_has_answered() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a").with(Fault::ClosesAfterEose));
    simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        device.until_ready().await;
        let (before, other) = (device.now().read.len(), keyring(1, 9, START + 100));
        relay.clone().holding([&other]);
        device
            .until("the news, although nothing is subscribed", |keys| {
                keys.read.len() > before
            })
            .await;
    });
}

#[test]
fn no_relay_no_keyring() {
    simulate(async {
        let device = Device::boot(1, &MemoryDisk::new(), willing(), &[]);
        pass(7200).await;
        let KeyState::Searching { why } = device.now().state else {
            panic!("{:?}", device.now())
        };
        assert!(why.contains("no relay is configured"), "{why}");
    });
}

#[test]
fn a_keyring_that_turns_up_while_the_signer_thinks_wins() {
    let (disk, relay, other) = (MemoryDisk::new(), Relay::new("a"), keyring(1, 9, START + 3));
    simulate(async {
        let signer = TestSigner::new(1, Mood::Slow(Duration::from_secs(30)));
        let mut device = Device::boot(1, &disk, signer, from_ref(&relay));
        let making = |why: &str| why.contains("make your first history key");
        device
            .until(
                "creating",
                |keys| matches!(&keys.state, KeyState::Asking { why } if making(why)),
            )
            .await;
        // Another device is faster; this one is told on its live subscription.
        let mut faster = Device::boot(
            2,
            &MemoryDisk::new(),
            willing(),
            &[Relay::new("b").holding([&other]), relay.clone()],
        );
        faster.until_ready().await;
        let keys = device.until_ready().await;
        assert_eq!(keys.write.unwrap().not_before, START + 3);
        pass(600).await;
        assert_eq!(relay.held(), [other]);
        assert_eq!(device.now().read.len(), PER_KEYRING);
    });
}

#[test]
fn f43_two_devices_create_in_the_same_second_while_partitioned() {
    let (a, b) = (Relay::new("a"), Relay::new("b"));
    let (one, two) = (MemoryDisk::new(), MemoryDisk::new());
    simulate(async {
        let (mut first, mut second) = (
            Device::boot(1, &one, willing(), from_ref(&a)),
            Device::boot(2, &two, willing(), from_ref(&b)),
        );
        let (first, second) = (first.until_ready().await, second.until_ready().await);
        assert_ne!(first.write.unwrap().public, second.write.unwrap().public);
        assert_eq!(first.write.unwrap().not_before, second.write.unwrap().not_before);
    });
    simulate(async {
        let both = [a.clone(), b.clone()];
        let mut first = Device::boot(3, &one, willing(), &both);
        let mut second = Device::boot(4, &two, willing(), &both);
        let first = first
            .until("both keys", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
        let second = second
            .until("both keys", |keys| keys.read.len() == 2 * PER_KEYRING)
            .await;
        assert_eq!(first.read, second.read);
        assert_eq!(first.write.unwrap().public, second.write.unwrap().public);
        pass(60).await;
        assert_eq!(a.held(), b.held(), "each relay has both keyrings");
    });
}

#[test]
fn a_power_cut_between_saving_and_sending_creates_no_second_keyring() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a"));
    let saved = simulate(async {
        let mut device = Device::boot(1, &disk, willing(), from_ref(&relay));
        device
            .until("a saved keyring", |keys| keys.write.is_some())
            .await
            .write
            .unwrap()
    });
    relay.wipe();
    simulate(async {
        let mut device = Device::boot(2, &disk, willing(), from_ref(&relay));
        let keys = device.until("loaded", |keys| keys.state == KeyState::Ready).await;
        assert_eq!(keys.write.unwrap().public, saved.public);
        device.until_ready().await;
        pass(60).await;
        assert_eq!((relay.held().len(), device.signer.asked()), (1, 0));
    });
}

#[test]
fn a_keeper_that_dies_at_any_step_makes_one_keyring() {
    let mut died = 0;
    for step in 1..30 {
        let (disk, relay) = (MemoryDisk::new(), Relay::new("a"));
        simulate(async {
            let tripwire = Tripwire::armed([(Role::Keeper, step)]);
            let mut device = Device::boot_with(tripwire.clone(), step, &disk, willing(), from_ref(&relay));
            device.until_ready().await;
            pass(600).await;
            assert_eq!(relay.held().len(), 1, "died at step {step}");
            assert_eq!(
                device.index.store().keyrings().unwrap().len(),
                1,
                "died at step {step}"
            );
            died += usize::from(tripwire.untouched().is_empty());
        });
    }
    assert!(died >= 8, "a creation takes more than {died} messages");
}

#[test]
fn a_keyring_that_cannot_be_saved_is_never_sent_nor_made_again() {
    let (disk, relay) = (MemoryDisk::new(), Relay::new("a"));
    simulate(async {
        let device = Device::boot(1, &disk, willing(), from_ref(&relay));
        disk.cut_power_at_sync(disk.syncs() + 1);
        pass(600).await;
        assert_eq!(device.signer.asked(), 2, "it was made");
        assert_eq!((device.now().write, relay.published().len()), (None, 0));
        let KeyState::Searching { why } = device.now().state else {
            panic!("{:?}", device.now())
        };
        assert!(why.contains("could not be saved"), "{why}");
    });
}
