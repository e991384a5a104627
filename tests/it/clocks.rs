//! A machine whose clock is wrong (field guide C-8): relays tell, a person is warned, and nothing is sealed by it.

use std::sync::Arc;

use chat_sync::{Engine, Env, Handle};
use futures_util::future::{BoxFuture, FutureExt};
use relay_lab::{MemoryNetwork, MemoryRelay};
use relay_link::{Connection, Dial, DialError, RelayUrl};
use supervision::{Clock, SimulatedClock};

use crate::bench::{Device, NOW, simulate, simulated, write};
use crate::fault_lab::{BAD, GOOD, sealed, seconds};
use crate::keyring_lab::{keyrings, made_elsewhere, network, until};

/// Relays that say what time it is when they are dialled, by a clock of their own.
struct Dated {
    network: MemoryNetwork,
    clock: Arc<SimulatedClock>,
    /// What each is ahead of that clock.
    ahead: Vec<(RelayUrl, i64)>,
}

impl Dial for Dated {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let ahead = self.ahead.iter().find(|(relay, _)| relay == url);
        let date = ahead.map(|(_, ahead)| self.clock.unix().saturating_add_signed(*ahead));
        let dialled = self.network.dial(url);
        async move {
            let connection = dialled.await?;
            Ok(Connection { date, ..connection })
        }
        .boxed()
    }
}

/// An engine whose own clock is `behind` seconds behind the world's, at relays that are ahead of the world by so much.
async fn start(
    device: &Device,
    behind: i64,
    relays: &[(&str, &MemoryRelay, i64)],
) -> (Handle, Arc<SimulatedClock>) {
    let world = Arc::new(SimulatedClock::starting_at(NOW));
    let own = Arc::new(SimulatedClock::starting_at(NOW.saturating_add_signed(-behind)));
    let named: Vec<(&str, &MemoryRelay)> = relays.iter().map(|(url, relay, _)| (*url, *relay)).collect();
    let dial = Dated {
        network: network(&named),
        clock: world,
        ahead: relays
            .iter()
            .map(|(url, _, ahead)| (url.parse().unwrap(), *ahead))
            .collect(),
    };
    let mut env: Env = simulated(1, Arc::new(dial));
    env.runtime.clock = own.clone();
    let engine = Engine::start_on_current(&device.config(), env).await.unwrap();
    (engine, own)
}

#[test]
fn nothing_is_sealed_while_the_clock_is_known_to_be_wrong_and_all_of_it_once_it_is_right() {
    for behind in [86_400, -86_400, 200] {
        simulate(async move {
            let relay = MemoryRelay::default();
            relay.put(made_elsewhere(9, NOW - 1_000).await.0);
            let device = Device::new(&[BAD]);
            let (engine, clock) = start(&device, behind, &[(BAD, &relay, 0)]).await;
            write(&engine, "groceries", 3).await;
            until(&engine, "held", |status| status.held.is_some()).await;
            seconds(600).await;
            let status = engine.status();
            assert_eq!(status.clock_skew, Some(behind), "{behind}");
            let warning = status.warning.unwrap();
            assert!(
                warning.contains("clock") && warning.contains(&behind.unsigned_abs().to_string()),
                "{warning}"
            );
            assert!(sealed(&relay).is_empty(), "{behind}");
            assert_eq!(status.counts.drafts, 3);

            clock.shift(behind);
            until(&engine, "sent", |status| {
                status.complete && status.counts.drafts == 0
            })
            .await;
            let status = engine.status();
            assert_eq!((status.held, status.warning), (None, None));
            let known = relay.events();
            let times = known
                .iter()
                .filter(|event| event.kind == nostr::prelude::Kind::Custom(1080))
                .map(|event| event.created_at.as_secs());
            assert!(times.into_iter().all(|at| at.abs_diff(NOW) < 2_000), "{behind}");
            engine.shutdown().await;
        });
    }
}

#[test]
fn no_first_history_key_is_made_by_a_wrong_clock() {
    for behind in [86_400, -86_400] {
        simulate(async move {
            let relay = MemoryRelay::default();
            let device = Device::new(&[BAD]);
            let (engine, clock) = start(&device, behind, &[(BAD, &relay, 0)]).await;
            write(&engine, "groceries", 1).await;
            seconds(1_800).await;
            assert!(keyrings(&[&relay]).is_empty(), "{behind}");
            let why = engine.status().warning.unwrap();
            assert!(why.contains("clock"), "{why}");
            clock.shift(behind);
            until(&engine, "sent", |status| {
                status.complete && status.counts.drafts == 0
            })
            .await;
            assert_eq!(keyrings(&[&relay]).len(), 1);
            engine.shutdown().await;
        });
    }
}

#[test]
fn one_relay_of_two_with_another_time_stops_nothing() {
    simulate(async {
        let (odd, even) = (MemoryRelay::default(), MemoryRelay::default());
        let device = Device::new(&[BAD, GOOD]);
        let (engine, _) = start(&device, 0, &[(BAD, &odd, 7_200), (GOOD, &even, 0)]).await;
        write(&engine, "groceries", 3).await;
        until(&engine, "sent", |status| {
            status.complete && status.counts.drafts == 0
        })
        .await;
        let status = engine.status();
        assert_eq!((status.clock_skew, status.warning), (Some(0), None));
        engine.shutdown().await;
    });
}

#[test]
fn a_relay_that_does_not_say_what_time_it_is_changes_nothing() {
    simulate(async {
        let relay = MemoryRelay::default();
        let device = Device::new(&[BAD]);
        let env = simulated(2, Arc::new(network(&[(BAD, &relay)])));
        let engine = Engine::start_on_current(&device.config(), env).await.unwrap();
        write(&engine, "groceries", 1).await;
        until(&engine, "sent", |status| {
            status.complete && status.counts.drafts == 0
        })
        .await;
        assert_eq!(engine.status().clock_skew, None);
        engine.shutdown().await;
    });
}
