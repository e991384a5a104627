//! Deletions of other devices apply, forged ones do not, and what is deleted stays gone.

use std::sync::Arc;

use chat_sync::{Engine, Handle};
use nostr::prelude::{Event, EventBuilder, EventId, FinalizeEvent, Keys, Kind, Tag};
use pns_keys::{LocalSigner, PnsKey, Profile, open_keyring, sign_deletion};
use relay_lab::MemoryRelay;

use crate::bench::{Device, NOW, SECRET, everything, simulate, simulated, write};

const URL: &str = "ws://127.0.0.1:7";

async fn start(device: &Device, seed: u64, relay: &MemoryRelay) -> Handle {
    let env = simulated(seed, Arc::new(relay.clone()));
    Engine::start_on_current(&device.config(), env).await.unwrap()
}

pub(crate) fn envelopes(relay: &MemoryRelay) -> Vec<Event> {
    relay
        .events()
        .into_iter()
        .filter(|event| event.kind == Kind::Custom(1080))
        .collect()
}

fn deletion(of: &[EventId], by: &Keys) -> Event {
    let tags = of.iter().map(|id| Tag::parse(["e", &id.to_hex()]).unwrap());
    EventBuilder::new(Kind::EventDeletion, "")
        .tags(tags)
        .finalize(by)
        .unwrap()
}

/// The history key that wrote `envelope`, as any other device of the account gets it: from a keyring on the relay. Two
/// devices that start together may make two keyrings (F43).
pub(crate) async fn author_of(envelope: &Event, relay: &MemoryRelay) -> Arc<PnsKey> {
    let signer = LocalSigner::parse(SECRET, || [7; 32]).unwrap();
    for event in relay
        .events()
        .into_iter()
        .filter(|event| event.kind == Kind::Custom(1081))
    {
        let keyring = open_keyring(&signer, &event).await.unwrap();
        let key = keyring.key(Profile::Routstr);
        if key.public() == envelope.pubkey {
            return Arc::clone(key);
        }
    }
    panic!("no keyring holds the author of {}", envelope.id);
}

#[test]
fn a_deletion_by_the_history_key_takes_the_message_away_for_good() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop_disk, phone_disk) = (Device::new(&[URL]), Device::new(&[URL]));
        let (laptop, phone) = (
            start(&laptop_disk, 1, &relay).await,
            start(&phone_disk, 2, &relay).await,
        );
        write(&laptop, "groceries", 3).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert!(phone.sync().await.unwrap().complete);
        assert_eq!(everything(&phone).await.len(), 3);

        let target = phone
            .conversation("groceries")
            .await
            .unwrap()
            .branch
            .last()
            .unwrap()
            .id;
        let event = envelopes(&relay)
            .into_iter()
            .find(|event| event.id.to_hex() == target.to_string())
            .unwrap();
        let deletion = sign_deletion(&*author_of(&event, &relay).await, &[event.id], NOW, [7; 32]).unwrap();
        assert!(relay.put(deletion), "the relay takes it");
        assert!(phone.sync().await.unwrap().complete);
        assert_eq!(everything(&phone).await.len(), 2);

        // A relay that serves it again changes nothing, now and after a restart.
        relay.wipe();
        relay.put(event);
        phone.sync().await.unwrap();
        assert_eq!(everything(&phone).await.len(), 2, "what is deleted stays gone");
    });
}

#[test]
fn a_deletion_by_a_stranger_deletes_nothing() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[URL]);
        let engine = start(&device, 3, &relay).await;
        write(&engine, "groceries", 3).await;
        assert!(engine.sync().await.unwrap().complete);
        let ids: Vec<EventId> = envelopes(&relay).iter().map(|event| event.id).collect();

        relay.put(deletion(&ids, &Keys::generate()));
        assert!(engine.sync().await.unwrap().complete);
        assert_eq!(everything(&engine).await.len(), 3);
        assert_eq!(envelopes(&relay).len(), 3, "and the relay keeps them too");
    });
}

#[test]
fn f24_forged_events_are_not_stored_on_the_first_pass_nor_on_the_second() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop_disk, phone_disk) = (Device::new(&[URL]), Device::new(&[URL]));
        let laptop = start(&laptop_disk, 4, &relay).await;
        write(&laptop, "groceries", 5).await;
        assert!(laptop.sync().await.unwrap().complete);
        let honest = envelopes(&relay);

        // The relay alters one message: same id, same signature, other words.
        let mut forged = honest[2].clone();
        relay.remove(&forged.id);
        forged.content.push('A');
        relay.put(forged);
        let phone = start(&phone_disk, 5, &relay).await;
        for _ in 0..2 {
            let report = phone.sync().await.unwrap();
            assert!(!report.complete, "one need id is missing: {report:?}");
            assert_eq!(phone.status().counts.messages, 4);
        }
    });
}
