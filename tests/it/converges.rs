//! Two devices and a real relay end with the same history.

use chat_sync::{ChatUpdate, MessageState, NewMessage};
use futures_util::StreamExt;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use std::time::Duration;

use crate::bench::{Device, assert_level, live, write};

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

#[test]
fn what_one_device_wrote_is_on_the_other_after_a_sync() {
    live(async {
        let relay = relay();
        let (laptop, phone) = (
            Device::new(&[&relay.url()]).start(),
            Device::new(&[&relay.url()]).start(),
        );
        write(&laptop, "groceries", 20).await;
        let sent = laptop.sync().await.unwrap();
        assert!(sent.complete, "{sent:?}");
        assert_eq!((sent.relays[0].sent, sent.counts.waiting), (20, 0));

        let received = phone.sync().await.unwrap();
        assert!(received.complete, "{received:?}");
        assert_level(&laptop, &phone, 20).await;
        laptop.shutdown().await;
        phone.shutdown().await;
    });
}

#[test]
fn a_second_sync_finds_nothing_to_do_in_one_round() {
    live(async {
        let relay = relay();
        let device = Device::new(&[&relay.url()]);
        let engine = device.start();
        write(&engine, "groceries", 50).await;
        assert!(engine.sync().await.unwrap().complete);
        engine.shutdown().await;

        let engine = device.start();
        let report = engine.sync().await.unwrap();
        assert!(report.complete, "{report:?}");
        let line = &report.relays[0];
        assert_eq!(
            (line.have, line.need, line.received, line.sent, line.rounds),
            (0, 0, 0, 0, 1),
            "{line:?}"
        );
        engine.shutdown().await;
    });
}

#[test]
fn both_sides_writing_offline_come_level() {
    live(async {
        let relay = relay();
        let (laptop, phone) = (Device::new(&[&relay.url()]), Device::new(&[&relay.url()]));
        // The account's keyring exists before the devices part.
        let (one, two) = (laptop.start(), phone.start());
        write(&one, "before", 3).await;
        assert!(one.sync().await.unwrap().complete);
        assert!(two.sync().await.unwrap().complete);
        one.shutdown().await;
        two.shutdown().await;

        let offline = |device: &Device| {
            let mut config = device.config();
            config.online = false;
            chat_sync::Engine::start(config).unwrap()
        };
        let (one, two) = (offline(&laptop), offline(&phone));
        write(&one, "laptop", 30).await;
        write(&two, "phone", 40).await;
        one.shutdown().await;
        two.shutdown().await;

        let (one, two) = (laptop.start(), phone.start());
        for device in [&one, &two, &one] {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
        }
        assert_level(&one, &two, 73).await;
        one.shutdown().await;
        two.shutdown().await;
    });
}

#[test]
fn a_message_lands_on_the_other_device_while_it_watches() {
    live(async {
        let relay = relay();
        let (laptop, phone) = (
            Device::new(&[&relay.url()]).start(),
            Device::new(&[&relay.url()]).start(),
        );
        assert!(laptop.sync().await.unwrap().complete);
        assert!(phone.sync().await.unwrap().complete);
        let mut updates = Box::pin(phone.updates());

        let sent = laptop.send(NewMessage::user("groceries", "milk")).await.unwrap();
        let landed = loop {
            match updates.next().await.unwrap() {
                ChatUpdate::Landed(messages) => break messages,
                other => drop(other),
            }
        };
        assert_eq!(landed.len(), 1);
        assert_eq!(
            (landed[0].conversation.as_str(), landed[0].content.as_str()),
            ("groceries", "milk")
        );

        laptop.flush(Duration::from_secs(10)).await.unwrap();
        let name = laptop
            .current_name(sent.id)
            .await
            .unwrap()
            .expect("the local id stays valid");
        assert_eq!(name, landed[0].id);
        assert!(laptop.states(vec![name]).await.unwrap()[0] >= MessageState::Accepted);
        laptop.shutdown().await;
        phone.shutdown().await;
    });
}

#[test]
fn without_a_relay_everything_stays_here_and_says_so() {
    live(async {
        let relay = relay();
        let url = relay.url();
        let device = Device::new(&[&url]);
        let engine = device.start();
        assert!(engine.sync().await.unwrap().complete);
        engine.shutdown().await;
        relay.shutdown().await;

        let engine = device.start();
        let sent = engine.send(NewMessage::user("groceries", "milk")).await.unwrap();
        let report = engine.sync().await.unwrap();
        assert!(report.offline() && !report.complete, "{report:?}");
        assert_eq!((report.counts.drafts, report.counts.waiting), (1, 1));
        assert_eq!(engine.states(vec![sent.id]).await.unwrap(), [MessageState::Draft]);
        engine.shutdown().await;
    });
}
