//! Every part of the engine dies once in the middle of a sync, and nothing is lost.

use chat_sync::Engine;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use supervision::{Role, Tripwire};

use crate::bench::{Device, assert_level, env_with, live, write};

/// The role dies at its `n`-th message; the sync that runs, or the one after it, ends complete on both devices.
fn dies_and_loses_nothing(role: impl Fn(&str) -> Role + Send + 'static, n: u64) {
    live(async move {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let role = role(&relay.url());
        let (laptop, phone) = (Device::new(&[&relay.url()]), Device::new(&[&relay.url()]));
        let other = phone.start();
        write(&other, "phone", 300).await;
        assert!(other.sync().await.unwrap().complete);

        let tripwire = Tripwire::armed([(role.clone(), n)]);
        let engine = Engine::start_with(laptop.config(), env_with(tripwire.clone())).unwrap();
        write_stubbornly(&engine, 300).await;
        let mut complete = false;
        for _ in 0..5 {
            complete = engine.sync().await.unwrap().complete && tripwire.untouched().is_empty();
            if complete {
                break;
            }
        }
        assert!(tripwire.untouched().is_empty(), "{role} died on the way");
        assert!(complete, "{:?}", engine.status());
        assert!(other.sync().await.unwrap().complete);
        assert_level(&engine, &other, 600).await;
        engine.shutdown().await;
        other.shutdown().await;
    });
}

/// A person who is told that a message was not kept writes it again.
async fn write_stubbornly(engine: &chat_sync::Handle, count: usize) {
    let messages: Vec<_> = (0..count)
        .map(|n| {
            let text = chat_model::Content::new(format!("laptop {n}"));
            // Without parents the order says where a message goes: question, answer, question, answer.
            let role = if n % 2 == 0 {
                chat_sync::Role::User
            } else {
                chat_sync::Role::Assistant
            };
            let mut message = chat_sync::Message::new("laptop", role, text, crate::bench::NOW + n as u64);
            message.source = Some(format!("laptop-{n}"));
            message
        })
        .collect();
    for batch in messages.chunks(50) {
        while engine.import(batch.to_vec(), |_| ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    }
}

#[test]
fn the_keeper_dies() {
    dies_and_loses_nothing(|_| Role::Keeper, 8);
}

#[test]
fn the_index_dies() {
    dies_and_loses_nothing(|_| Role::Index, 9);
}

#[test]
fn the_uploader_dies() {
    dies_and_loses_nothing(|_| Role::Uploader, 60);
}

#[test]
fn realtime_dies() {
    dies_and_loses_nothing(|_| Role::Realtime, 60);
}

#[test]
fn the_reconciler_dies() {
    dies_and_loses_nothing(|_| Role::Reconciler, 6);
}

#[test]
fn the_status_dies() {
    dies_and_loses_nothing(|_| Role::Status, 20);
}

#[test]
fn the_link_dies() {
    dies_and_loses_nothing(|url| Role::Link(url.to_owned()), 40);
}

#[test]
fn an_uploader_that_dies_among_two_relays_gets_everything_to_both() {
    for n in [20, 35, 60, 90] {
        live(async move {
            let relays = [(), ()].map(|()| EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap());
            let device = Device::new(&[&relays[0].url(), &relays[1].url()]);
            let tripwire = Tripwire::armed([(Role::Uploader, n)]);
            let engine = Engine::start_with(device.config(), env_with(tripwire.clone())).unwrap();
            write_stubbornly(&engine, 600).await;
            let mut complete = false;
            while !complete {
                complete = engine.sync().await.unwrap().complete;
            }
            assert!(tripwire.untouched().is_empty(), "it died on the way");
            for relay in &relays {
                let held = relay
                    .count_events(&[nostr::prelude::Kind::Custom(1080)], &[])
                    .await
                    .unwrap();
                assert_eq!(held, 600, "dead at message {n}");
            }
            engine.shutdown().await;
        });
    }
}
