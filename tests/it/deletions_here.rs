//! F34: what a person deletes on one device is gone on every device, whatever relays do about it.

use std::collections::BTreeSet;

use chat_sync::{Handle, Message, MessageId, NewMessage, RelayDeletion, Role, Told};
use event_index::{Burial, MessageRef};
use nostr::prelude::{Event, EventBuilder, EventId, FinalizeEvent, Keys, Kind, Tag};
use pns_keys::{Keyring, Profile, Signer as _, seal};
use relay_lab::MemoryRelay;
use supervision::{Entropy, SeededEntropy};

use crate::bench::{Device, NOW, SECRET, everything, simulate, write};
use crate::fault_lab::seconds;
use crate::keyring_lab::{made_elsewhere, network, start, texts, until};
use crate::signers::local;

const HERE: &str = "ws://127.0.0.1:7";
const AWAY: &str = "ws://127.0.0.1:8";
const DAYS: u64 = 24 * 3600;

async fn begin(device: &Device, seed: u64, relays: &[(&str, &MemoryRelay)]) -> Handle {
    start(device.config(), seed, 0, network(relays)).await
}

async fn begin_offline(device: &Device, seed: u64) -> Handle {
    let mut config = device.config();
    config.online = false;
    start(config, seed, 0, network(&[])).await
}

/// Messages in a row, as another device of the account wrote them a day ago.
fn chain(keyring: &Keyring, conversation: &str, count: u64) -> Vec<Event> {
    let account = local(SECRET, 0).public_key().to_hex();
    let entropy = SeededEntropy::new(count);
    let mut parent = "0".repeat(64);
    let mut events = Vec::new();
    for n in 0..count {
        let at = NOW - DAYS + n;
        let rumor = serde_json::json!({
            "kind": 20001, "pubkey": account, "created_at": at,
            "tags": [["d", conversation], ["role", "user"], ["client", "routstr-chat"], ["e", parent]],
            "content": format!("text {n}"),
        });
        let (nonce, aux) = (entropy.draw_32(), entropy.draw_32());
        let key = keyring.key(Profile::Routstr);
        let event = seal(key, rumor.to_string().as_bytes(), at, nonce, aux).unwrap();
        parent = event.id.to_hex();
        events.push(event);
    }
    events
}

/// A keyring that every one of these relays holds, with a chat of so many messages.
async fn chat(count: u64, relays: &[&MemoryRelay]) -> Vec<Event> {
    let (event, keyring) = made_elsewhere(9, NOW - 90 * DAYS).await;
    let messages = chain(&keyring, "talk", count);
    for relay in relays {
        relay.put(event.clone());
        for message in &messages {
            relay.put(message.clone());
        }
    }
    messages
}

fn of_kind(relay: &MemoryRelay, kind: u16) -> Vec<Event> {
    let events = relay.events().into_iter();
    events.filter(|event| event.kind == Kind::from(kind)).collect()
}

fn at<'r>(relays: &'r [RelayDeletion], url: &str) -> &'r RelayDeletion {
    relays
        .iter()
        .find(|relay| relay.url.as_str().starts_with(url))
        .unwrap()
}

/// How many round trips a comparison takes in which nothing differs.
async fn rounds_of_nothing(device: &Handle) -> Vec<u32> {
    let report = device.sync().await.unwrap();
    assert!(report.complete, "{report:?}");
    let lines = report.relays.iter();
    assert!(
        lines.clone().all(|line| (line.have, line.need) == (0, 0)),
        "{report:?}"
    );
    lines.map(|line| line.rounds).collect()
}

#[test]
fn f34_a_long_chat_is_gone_everywhere_and_an_offline_relay_hears_of_it_days_later() {
    let (here, away) = (MemoryRelay::default(), MemoryRelay::default());
    let messages = futures_executor::block_on(chat(2_000, &[&here, &away]));
    let (laptop_disk, phone_disk) = (Device::new(&[HERE, AWAY]), Device::new(&[HERE]));
    simulate(async {
        let laptop = begin(&laptop_disk, 1, &[(HERE, &here), (AWAY, &away)]).await;
        let phone = begin(&phone_disk, 2, &[(HERE, &here)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert!(phone.sync().await.unwrap().complete);
        assert_eq!(everything(&phone).await.len(), 2_000);

        let preview = laptop.delete_preview("talk").await.unwrap();
        assert_eq!(
            (preview.messages, preview.events, preview.deletions),
            (2_000, 2_000, 4)
        );
        assert!(
            preview.relays.iter().all(|(_, known)| *known == 2_000),
            "{preview:?}"
        );
        assert_eq!(everything(&laptop).await.len(), 2_000, "nothing changed");

        away.down();
        until(&laptop, "the relay is gone", |status| {
            status
                .relays
                .iter()
                .any(|relay| relay.state != chat_sync::RelayState::Live)
        })
        .await;
        let report = laptop.delete("talk").await.unwrap();
        assert!(!report.complete());
        let told = at(&report.relays, HERE);
        assert_eq!((&told.told, &told.served), (&Told::Accepted, &Ok(Vec::new())));
        let missed = at(&report.relays, AWAY);
        assert_eq!(missed.told, Told::Waiting);
        assert!(missed.served.is_err(), "it could not be asked: {missed:?}");

        assert_eq!(laptop.conversations().await.unwrap(), []);
        assert!(of_kind(&here, 1080).is_empty());
        let deletions = of_kind(&here, 5);
        let named: Vec<usize> = deletions
            .iter()
            .map(|event| event.tags.event_ids().count())
            .collect();
        assert_eq!(named, [500; 4]);
        for deletion in &deletions {
            let last = deletion.tags.iter().last().unwrap();
            assert_eq!(last.as_slice(), ["k", "1080"]);
        }
        // The other device heard it live.
        until(&phone, "gone on the other device", |status| {
            status.counts.messages == 0
        })
        .await;
        assert_eq!(phone.conversations().await.unwrap(), []);
    });

    // Three days later.
    simulate(async {
        let both = [(HERE, &here), (AWAY, &away)];
        let laptop = start(laptop_disk.config(), 30, 3 * DAYS, network(&both)).await;
        seconds(60).await;
        assert_eq!(of_kind(&away, 1080).len(), 2_000);
        away.up();
        until(&laptop, "everything arrived", |status| status.complete).await;
        assert_eq!((of_kind(&away, 1080).len(), of_kind(&away, 5).len()), (0, 4));
        assert_eq!(laptop.conversations().await.unwrap(), []);

        // A relay that was set up anew from an old copy changes nothing on screen, and is told again.
        away.wipe();
        for message in messages {
            away.put(message);
        }
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(
            (
                laptop.conversations().await.unwrap(),
                laptop.status().counts.messages
            ),
            (vec![], 0)
        );
        assert_eq!((of_kind(&away, 1080).len(), of_kind(&away, 5).len()), (0, 4));
    });
}

#[test]
fn f34_a_relay_that_keeps_what_was_deleted_is_named_and_changes_nothing() {
    let (here, keeper) = (MemoryRelay::default(), MemoryRelay::default());
    keeper.keep_deleted();
    let disk = Device::new(&[HERE, AWAY]);
    let both = [(HERE, &here), (AWAY, &keeper)];
    let messages = futures_executor::block_on(chat(150, &[&here, &keeper]));
    let mut ids: Vec<EventId> = messages.iter().map(|message| message.id).collect();
    ids.sort();
    simulate(async {
        let laptop = begin(&disk, 3, &both).await;
        assert!(laptop.sync().await.unwrap().complete);
        let report = laptop.delete("talk").await.unwrap();
        assert!(at(&report.relays, HERE).is_done() && !report.complete());
        let kept = at(&report.relays, AWAY);
        assert_eq!((&kept.told, kept.served.as_ref()), (&Told::Accepted, Ok(&ids)));
        laptop.sync().await.unwrap();
        assert_eq!(
            rounds_of_nothing(&laptop).await,
            [1, 1],
            "what it serves is no difference"
        );
    });
    simulate(async {
        let laptop = begin(&disk, 4, &both).await;
        assert_eq!(rounds_of_nothing(&laptop).await, [1, 1]);
        assert_eq!(
            (laptop.conversations().await.unwrap(), of_kind(&here, 1080).len()),
            (vec![], 0)
        );
    });
}

#[test]
fn f34_a_crash_after_the_tombstones_still_deletes_everywhere() {
    let relay = MemoryRelay::default();
    let disk = Device::new(&[HERE]);
    let messages = futures_executor::block_on(chat(600, &[&relay]));
    simulate(async {
        let laptop = begin(&disk, 5, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
    });
    let burial = |message: &Event| Burial {
        name: MessageRef::Event(message.id),
        record: Vec::new(),
    };
    disk.store().bury(messages.iter().map(burial).collect()).unwrap();
    let disk = disk.after_power_cut();
    simulate(async {
        let laptop = begin(&disk, 6, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(laptop.conversations().await.unwrap(), []);
    });
    assert_eq!((of_kind(&relay, 1080).len(), of_kind(&relay, 5).len()), (0, 2));
}

#[test]
fn f34_a_forged_deletion_deletes_nothing_whenever_it_comes() {
    simulate(async {
        let relay = MemoryRelay::default();
        let messages = chat(6, &[&relay]).await;
        let early = messages[3].clone();
        relay.remove(&early.id);
        let disk = Device::new(&[HERE]);
        let laptop = begin(&disk, 7, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);

        let tags = messages.iter().map(|message| Tag::event(message.id));
        let forged = EventBuilder::new(Kind::EventDeletion, "").tags(tags);
        // By a stranger, and by a stranger who claims to be the author.
        let stranger = forged.finalize(&Keys::generate()).unwrap();
        let mut claimed = stranger.clone();
        claimed.pubkey = early.pubkey;
        relay.put(stranger);
        relay.put(claimed);
        laptop.sync().await.unwrap();
        relay.put(early);
        laptop.sync().await.unwrap();
        assert_eq!(everything(&laptop).await.len(), 6);
        assert_eq!(laptop.status().counts.tombstones, 0);
    });
}

#[test]
fn f34_the_reply_of_an_offline_device_hangs_off_the_nearest_message_that_is_left() {
    let relay = MemoryRelay::default();
    let (laptop_disk, phone_disk) = (Device::new(&[HERE]), Device::new(&[HERE]));
    let messages = futures_executor::block_on(chat(4, &[&relay]));
    let last = messages[3].id;
    simulate(async {
        for (disk, seed) in [(&laptop_disk, 8), (&phone_disk, 9)] {
            let device = begin(disk, seed, &[(HERE, &relay)]).await;
            assert!(device.sync().await.unwrap().complete);
        }
    });
    simulate(async {
        let phone = begin_offline(&phone_disk, 10).await;
        phone.send(NewMessage::user("talk", "reply")).await.unwrap();
        let laptop = begin(&laptop_disk, 11, &[(HERE, &relay)]).await;
        for id in [last, messages[2].id] {
            let report = laptop.delete(&id.to_hex()).await.unwrap();
            assert!(report.complete(), "{report:?}");
            assert_eq!(
                (report.took.messages, report.took.message),
                (1, Some(MessageId::Event(id.to_bytes())))
            );
        }
    });
    let expected = ["text 0", "text 1", "reply"];
    simulate(async {
        let phone = begin(&phone_disk, 12, &[(HERE, &relay)]).await;
        assert!(phone.sync().await.unwrap().complete);
        let laptop = begin(&laptop_disk, 13, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(texts(&phone, "talk").await, expected);
        assert_eq!(texts(&laptop, "talk").await, expected);
    });
    // And after a restart, from what is on disk.
    for disk in [&laptop_disk, &phone_disk] {
        simulate(async {
            let device = begin_offline(disk, 14).await;
            assert_eq!(texts(&device, "talk").await, expected);
            let view = device.conversation("talk").await.unwrap();
            assert_eq!(
                view.branch[2].parent,
                Some(MessageId::Event(messages[1].id.to_bytes()))
            );
        });
    }
}

/// A message of an export, the same on every device that imports it.
fn imported(n: u64) -> Message {
    let mut message = Message::new(
        "export",
        Role::User,
        chat_model::Content::new(format!("imported {n}")),
        NOW - DAYS + n,
    );
    message.source = Some(format!("file:export:{n}"));
    message
}

#[test]
fn f34_a_copy_that_another_device_made_offline_stays_hidden_and_is_deleted_too() {
    let relay = MemoryRelay::default();
    let (laptop_disk, phone_disk) = (Device::new(&[HERE]), Device::new(&[HERE]));
    futures_executor::block_on(chat(1, &[&relay]));
    simulate(async {
        let phone = begin_offline(&phone_disk, 15).await;
        phone
            .import((0..3).map(imported).collect(), |_| ())
            .await
            .unwrap();
        let laptop = begin(&laptop_disk, 16, &[(HERE, &relay)]).await;
        laptop
            .import((0..3).map(imported).collect(), |_| ())
            .await
            .unwrap();
        assert!(laptop.sync().await.unwrap().complete);
        assert!(laptop.delete("export").await.unwrap().complete());
    });
    // The laptop's engine is another one now: it knows from disk what was deleted.
    simulate(async {
        let laptop = begin(&laptop_disk, 17, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        let phone = begin(&phone_disk, 18, &[(HERE, &relay)]).await;
        phone.sync().await.unwrap();
        for device in [&laptop, &phone] {
            until(device, "the copies are deleted", |status| {
                status.complete && status.counts.messages == 1
            })
            .await;
        }
        let names: BTreeSet<String> = laptop
            .conversations()
            .await
            .unwrap()
            .into_iter()
            .map(|line| line.id)
            .collect();
        assert_eq!(names, BTreeSet::from(["talk".to_owned()]));
        assert_eq!(
            phone.conversations().await.unwrap(),
            laptop.conversations().await.unwrap()
        );
        assert_eq!(of_kind(&relay, 1080).len(), 1);
    });
}

#[test]
fn f34_drafts_of_a_deleted_conversation_never_leave() {
    let relay = MemoryRelay::default();
    let disk = Device::new(&[HERE]);
    futures_executor::block_on(chat(2, &[&relay]));
    simulate(async {
        let laptop = begin_offline(&disk, 19).await;
        write(&laptop, "secret plans", 3).await;
        write(&laptop, "groceries", 2).await;
        let preview = laptop.delete_preview("secret plans").await.unwrap();
        assert_eq!(
            (
                preview.messages,
                preview.drafts,
                preview.events,
                preview.deletions
            ),
            (3, 3, 0, 0)
        );
        let report = laptop.delete("secret plans").await.unwrap();
        assert!(report.complete() && report.relays.is_empty(), "{report:?}");
        // A draft in the middle: what replied to it hangs off what it replied to.
        let first = laptop.conversation("groceries").await.unwrap().branch[0].id;
        laptop.delete(&first.to_string()).await.unwrap();
        assert_eq!(texts(&laptop, "groceries").await, ["groceries 1"]);
    });
    simulate(async {
        let laptop = begin(&disk, 20, &[(HERE, &relay)]).await;
        assert_eq!(texts(&laptop, "groceries").await, ["groceries 1"]);
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(texts(&laptop, "groceries").await, ["groceries 1"]);
    });
    assert_eq!((of_kind(&relay, 1080).len(), of_kind(&relay, 5).len()), (3, 0));
}

#[test]
fn what_is_dropped_here_only_comes_back_with_the_next_sync() {
    let relay = MemoryRelay::default();
    let disk = Device::new(&[HERE]);
    futures_executor::block_on(chat(40, &[&relay]));
    simulate(async {
        let laptop = begin(&disk, 21, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
    });
    simulate(async {
        let laptop = begin_offline(&disk, 22).await;
        laptop
            .send(NewMessage::user("talk", "not sent yet"))
            .await
            .unwrap();
        let dropped = laptop.drop_here("talk").await.unwrap();
        assert_eq!(
            (dropped.dropped, dropped.kept),
            (40, 1),
            "what is nowhere else stays"
        );
        assert_eq!(laptop.conversations().await.unwrap()[0].messages, 1);
    });
    simulate(async {
        let laptop = begin(&disk, 23, &[(HERE, &relay)]).await;
        assert!(laptop.sync().await.unwrap().complete);
        assert_eq!(everything(&laptop).await.len(), 41);
    });
    assert!(
        of_kind(&relay, 5).is_empty(),
        "nobody was told to delete anything"
    );
    disk.store().verify().unwrap();
}
