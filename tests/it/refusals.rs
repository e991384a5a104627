//! Relays that do not compare sets: the sync pages, and says so.

use std::sync::Arc;

use chat_sync::{Config, Engine, Handle};
use event_index::Basis;
use reconciler::Method;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, MemoryRelay, Proxy};

use crate::bench::{Device, assert_level, live, simulate, simulated, write};

async fn start(device: &Device, seed: u64, relay: &MemoryRelay) -> Handle {
    let config: Config = device.config();
    Engine::start_on_current(&config, simulated(seed, Arc::new(relay.clone())))
        .await
        .unwrap()
}

#[test]
fn f01_a_relay_that_answers_neg_open_with_a_notice_is_paged() {
    live(async {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let proxy = Proxy::start(&relay.url(), Fault::RefusesNeg).unwrap();
        let (laptop, phone) = (
            Device::new(&[&proxy.url()]).start(),
            Device::new(&[&proxy.url()]).start(),
        );
        write(&laptop, "groceries", 40).await;
        for device in [&laptop, &phone] {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
            assert_eq!(report.relays[0].method, Some(Method::Paging));
            assert_eq!(report.relays[0].basis, Some(Basis::Pages), "claimed, not proven");
        }
        assert_level(&laptop, &phone, 40).await;
        assert!(proxy.tally().up_of("NEG-OPEN").frames > 0, "it was tried");
        laptop.shutdown().await;
        phone.shutdown().await;
    });
}

#[test]
fn f02_a_relay_that_ignores_neg_open_is_paged_after_its_deadline() {
    simulate(async {
        let relay = MemoryRelay::default();
        relay.set_fault(Fault::IgnoresNeg);
        let (laptop, phone) = (
            Device::new(&["ws://127.0.0.1:7"]),
            Device::new(&["ws://127.0.0.1:7"]),
        );
        let (laptop, phone) = (start(&laptop, 1, &relay).await, start(&phone, 2, &relay).await);
        write(&laptop, "groceries", 40).await;
        for device in [&laptop, &phone] {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
            assert_eq!(report.relays[0].method, Some(Method::Paging));
        }
        assert_level(&laptop, &phone, 40).await;
    });
}

#[test]
fn two_simulated_devices_converge_by_fingerprint() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop, phone) = (
            Device::new(&["ws://127.0.0.1:7"]),
            Device::new(&["ws://127.0.0.1:7"]),
        );
        let (laptop, phone) = (start(&laptop, 3, &relay).await, start(&phone, 4, &relay).await);
        write(&laptop, "laptop", 120).await;
        write(&phone, "phone", 80).await;
        for device in [&laptop, &phone, &laptop] {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "{report:?}");
            assert_eq!(report.relays[0].basis, Some(Basis::Fingerprint));
        }
        assert_level(&laptop, &phone, 200).await;
    });
}
