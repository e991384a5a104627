//! What an engine may do is switched: to look only, to send only, to fetch only.

use chat_sync::{Config, Engine, Switches};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::bench::{Device, everything, live, write};

/// A relay with five messages of the phone, and a laptop that has three others nobody saw.
async fn apart() -> (EmbeddedRelay, Device) {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let (laptop, phone) = (Device::new(&[&relay.url()]), Device::new(&[&relay.url()]));
    let other = phone.start();
    write(&other, "phone", 5).await;
    assert!(other.sync().await.unwrap().complete);
    other.shutdown().await;
    // The laptop knows the history key, and wrote its own while it was away from the relay.
    let first = laptop.start();
    assert!(first.sync().await.unwrap().complete);
    first.shutdown().await;
    let behind = phone.start();
    write(&behind, "phone", 2).await;
    assert!(behind.sync().await.unwrap().complete);
    behind.shutdown().await;
    let offline = Engine::start(Config {
        online: false,
        ..laptop.config()
    })
    .unwrap();
    write(&offline, "laptop", 3).await;
    offline.shutdown().await;
    (relay, laptop)
}

async fn held(relay: &EmbeddedRelay) -> usize {
    relay
        .count_events(&[nostr::prelude::Kind::Custom(1080)], &[])
        .await
        .unwrap()
}

#[test]
fn a_dry_run_says_what_would_move_and_moves_nothing() {
    live(async {
        let (relay, laptop) = apart().await;
        for _ in 0..2 {
            let engine = Engine::start(Config {
                switches: Switches {
                    uploads: false,
                    downloads: false,
                    ..Switches::ON
                },
                ..laptop.config()
            })
            .unwrap();
            let report = engine.sync().await.unwrap();
            assert!(!report.complete, "{report:?}");
            let compared = &report.relays[0];
            assert_eq!((compared.need, compared.sent, compared.received), (2, 0, 0));
            assert_eq!((report.counts.drafts, report.counts.messages), (3, 8));
            engine.shutdown().await;
        }
        assert_eq!(held(&relay).await, 7);
    });
}

#[test]
fn sending_only_and_fetching_only_move_their_side_and_together_come_level() {
    live(async {
        let (relay, laptop) = apart().await;
        let up = Engine::start(Config {
            switches: Switches {
                downloads: false,
                ..Switches::ON
            },
            ..laptop.config()
        })
        .unwrap();
        let report = up.sync().await.unwrap();
        assert_eq!(
            (report.counts.drafts, report.counts.waiting),
            (0, 0),
            "{report:?}"
        );
        assert_eq!(everything(&up).await.len(), 8, "nothing was fetched");
        assert_eq!(held(&relay).await, 10, "everything was sent");
        up.shutdown().await;

        let down = Engine::start(Config {
            switches: Switches {
                uploads: false,
                ..Switches::ON
            },
            ..laptop.config()
        })
        .unwrap();
        write(&down, "laptop", 1).await;
        down.sync().await.unwrap();
        assert_eq!(everything(&down).await.len(), 11, "the two came");
        assert_eq!(held(&relay).await, 10, "and nothing left");
        down.shutdown().await;

        let both = laptop.start();
        assert!(both.sync().await.unwrap().complete);
        assert_eq!(held(&relay).await, 11);
        both.shutdown().await;
    });
}

#[test]
fn a_new_account_that_sends_nothing_makes_no_keyring_and_says_so_at_once() {
    live(async {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let device = Device::new(&[&relay.url()]);
        let engine = Engine::start(Config {
            switches: Switches {
                uploads: false,
                ..Switches::ON
            },
            ..device.config()
        })
        .unwrap();
        let report = engine.sync().await.unwrap();
        let why = report.locked.expect("there is no key to write with");
        assert!(why.contains("no relay holds a history key"), "{why}");
        let keyrings = relay
            .count_events(&[nostr::prelude::Kind::Custom(1081)], &[])
            .await
            .unwrap();
        assert_eq!(keyrings, 0);
        engine.shutdown().await;
    });
}
