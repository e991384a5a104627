//! Devices that hold the same messages without having heard of each other: what both send is one message, by its source.

use chat_sync::{Handle, Message, NewMessage, Role};
use relay_lab::MemoryRelay;

use crate::bench::{Device, NOW, everything, over_seeds, simulate};
use crate::keyring_lab::{network, start, texts};

const URL: &str = "ws://127.0.0.1:7";

async fn begin(device: &Device, seed: u64, relay: &MemoryRelay, online: bool) -> Handle {
    let mut config = device.config();
    config.online = online;
    start(config, seed, 0, network(&[(URL, relay)])).await
}

fn envelopes(relay: &MemoryRelay) -> usize {
    let events = relay.events().into_iter();
    events.filter(|event| event.kind.as_u16() == 1080).count()
}

/// Questions and answers of an export, which says nothing of parents.
fn export() -> Vec<Message> {
    let one = |n: u64| {
        let content = chat_model::Content::new(format!("imported {n}"));
        let role = if n.is_multiple_of(2) {
            Role::User
        } else {
            Role::Assistant
        };
        let mut message = Message::new("export", role, content, NOW - 900 + n);
        message.parent = chat_model::Parent::Absent;
        message.source = Some(format!("file:export:{n}"));
        message
    };
    (0..5).map(one).collect()
}

#[test]
fn a_cloned_device_that_sends_the_same_drafts_makes_no_message_twice() {
    over_seeds(|seed| {
        let relay = MemoryRelay::default();
        let laptop_disk = Device::new(&[URL]);
        // The keyring is there already; then something is written without a network, and the disk is copied.
        simulate({
            let (relay, disk) = (relay.clone(), laptop_disk.cloned());
            async move {
                let first = begin(&disk, seed, &relay, true).await;
                assert!(first.sync().await.unwrap().complete);
            }
        });
        simulate(async move {
            let written = ["one", "two", "three"];
            let offline = begin(&laptop_disk, seed + 100, &relay, false).await;
            for text in written {
                offline.send(NewMessage::user("talk", text)).await.unwrap();
            }
            offline.import(export(), |_| ()).await.unwrap();
            let clone_disk = laptop_disk.cloned();
            offline.shutdown().await;

            let copy = begin(&clone_disk, seed + 200, &relay, true).await;
            let original = begin(&laptop_disk.cloned(), seed + 300, &relay, true).await;
            for device in [&copy, &original, &copy] {
                assert!(device.sync().await.unwrap().complete);
            }
            assert!(
                (8..=16).contains(&envelopes(&relay)),
                "both sent theirs, or one was quicker"
            );
            // Importing the same file again adds nothing, whoever sealed it first.
            let again = copy.import(export(), |_| ()).await.unwrap();
            assert_eq!(again.added, 0, "{again:?}");
            copy.send(NewMessage::user("talk", "four")).await.unwrap();
            for device in [&copy, &original] {
                assert!(device.sync().await.unwrap().complete);
            }
            let third = begin(&Device::new(&[URL]), seed + 400, &relay, true).await;
            assert!(third.sync().await.unwrap().complete);
            for device in [&copy, &original, &third] {
                assert_eq!(everything(device).await.len(), 9, "each message once");
                assert_eq!(texts(device, "talk").await, ["one", "two", "three", "four"]);
                assert_eq!(device.status().counts.waiting, 0);
            }

            // What is deleted goes with all its copies.
            assert!(third.delete("export").await.unwrap().complete());
            assert!(third.delete("talk").await.unwrap().complete());
            assert_eq!(envelopes(&relay), 0);
            for device in [&copy, &original] {
                assert!(device.sync().await.unwrap().complete);
                assert_eq!(device.conversations().await.unwrap(), []);
            }
        });
    });
}
