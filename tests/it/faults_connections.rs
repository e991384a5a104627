//! Connections that fail, hang or lie, F36 to F38, and a long time without any: what was written on either side
//! meanwhile arrives by itself, once, and in order.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use chat_sync::{Engine, Handle, NewMessage, RelayState};
use futures_util::future::{BoxFuture, FutureExt, ready};
use nostr::prelude::Kind;
use relay_lab::{MemoryRelay, Quirk};
use relay_link::{Connection, Dial, DialError, RelayUrl};
use supervision::{SeededEntropy, SimulatedClock};

use crate::bench::{Device, NOW, assert_level, draw_below, everything, simulate, simulated, write};
use crate::fault_lab::seconds;
use crate::keyring_lab::{ONE, TWO, network, start, until};

/// A connection that lasted this long is one that works.
const STABLE: u64 = 90;
/// Longer than any pause before a relay is dialled again.
const REDIALLED: u64 = 300;

/// A device whose clock can be set, and its clock.
async fn start_with_clock(device: &Device, seed: u64, relay: &MemoryRelay) -> (Handle, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::starting_at(NOW));
    let mut env = simulated(seed, Arc::new(network(&[(ONE, relay)])));
    env.runtime.clock = Arc::clone(&clock) as Arc<_>;
    let engine = Engine::start_on_current(&device.config(), env).await.unwrap();
    (engine, clock)
}

async fn started(device: &Device, seed: u64, relays: &[(&str, &MemoryRelay)]) -> Handle {
    start(device.config(), seed, 0, network(relays)).await
}

fn is_live(device: &Handle) -> bool {
    let status = device.status();
    status
        .relays
        .iter()
        .all(|relay| matches!(relay.state, RelayState::Live))
}

#[test]
fn f36_a_relay_that_takes_and_drops_connections_is_dialled_rarely_and_holds_nobody_up() {
    simulate(async {
        let (bad, good) = (MemoryRelay::default(), MemoryRelay::default());
        let relays = [(ONE, &bad), (TWO, &good)];
        let laptop = started(&Device::new(&[ONE, TWO]), 361, &relays).await;
        let phone = started(&Device::new(&[TWO]), 362, &[(TWO, &good)]).await;
        write(&laptop, "before", 3).await;
        seconds(STABLE).await;
        assert_eq!(everything(&phone).await.len(), 3);

        let before = bad.dials();
        bad.hang_up(100);
        bad.down();
        bad.up();
        for round in 0..40 {
            write(&laptop, &format!("minute {round}"), 1).await;
            seconds(60).await;
        }
        let dials = bad.dials() - before;
        assert!((8..=20).contains(&dials), "{dials} dials in 40 minutes");
        assert_level(&laptop, &phone, 43).await;

        bad.hang_up(0);
        seconds(REDIALLED).await;
        let held = |relay: &MemoryRelay| {
            let events = relay.events().into_iter();
            events.filter(|event| event.kind == Kind::Custom(1080)).count()
        };
        assert_eq!((held(&bad), held(&good)), (43, 43));
        assert!(is_live(&laptop), "{:?}", laptop.status());
    });
}

#[test]
fn f36_a_relay_that_was_away_for_ten_minutes_is_back_within_five() {
    simulate(async {
        let relay = MemoryRelay::default();
        let laptop = started(&Device::new(&[ONE]), 363, &[(ONE, &relay)]).await;
        let phone = started(&Device::new(&[ONE]), 364, &[(ONE, &relay)]).await;
        write(&laptop, "before", 3).await;
        seconds(STABLE).await;
        relay.down();
        write(&laptop, "laptop, meanwhile", 5).await;
        write(&phone, "phone, meanwhile", 5).await;
        seconds(600).await;
        relay.up();
        seconds(REDIALLED).await;
        assert_level(&laptop, &phone, 13).await;
    });
}

#[test]
fn f37_a_connection_that_died_unseen_is_replaced_within_a_minute_and_nothing_is_missing() {
    simulate(async {
        let relay = MemoryRelay::default();
        let laptop = started(&Device::new(&[ONE]), 371, &[(ONE, &relay)]).await;
        let phone = started(&Device::new(&[ONE]), 372, &[(ONE, &relay)]).await;
        write(&laptop, "before", 3).await;
        seconds(STABLE).await;
        relay.lose_connections();
        write(&laptop, "laptop, into the hole", 5).await;
        write(&phone, "phone, into the hole", 5).await;
        // 45 s until it is noticed, and a dial.
        seconds(60).await;
        assert_level(&laptop, &phone, 13).await;
    });
}

#[test]
fn f37_after_ten_minutes_of_sleep_a_dead_connection_is_replaced_within_seconds() {
    simulate(async {
        let relay = MemoryRelay::default();
        let (laptop, clock) = start_with_clock(&Device::new(&[ONE]), 373, &relay).await;
        write(&laptop, "before", 3).await;
        seconds(STABLE).await;
        // While the machine sleeps its monotonic clock stands still, and routers forget.
        clock.shift(600);
        relay.lose_connections();
        let (phone, later) = start_with_clock(&Device::new(&[ONE]), 374, &relay).await;
        later.shift(600 + i64::try_from(STABLE).unwrap());
        write(&phone, "meanwhile", 5).await;
        seconds(8).await;
        assert_eq!(everything(&phone).await.len(), 8);
        assert_level(&laptop, &phone, 8).await;
    });
}

#[test]
fn f37_a_clock_set_two_hours_ahead_or_back_loses_nothing_and_keeps_the_order() {
    for (seed, shift) in [(375, 2 * 3600), (376, -2 * 3600)] {
        simulate(async {
            let relay = MemoryRelay::default();
            let (laptop, clock) = start_with_clock(&Device::new(&[ONE]), seed, &relay).await;
            let mut written = write(&laptop, "talk", 5).await;
            seconds(STABLE).await;
            let dials = relay.dials();
            clock.shift(shift);
            for n in 0..5 {
                let text = format!("later {n}");
                laptop.send(NewMessage::user("talk", &text)).await.unwrap();
                written.push(text);
                seconds(1).await;
            }
            seconds(3 * 3600).await;
            assert_eq!(relay.dials(), dials, "a connection that answers is kept");

            let (phone, _) = start_with_clock(&Device::new(&[ONE]), seed + 10, &relay).await;
            seconds(STABLE).await;
            let view = phone.conversation("talk").await.unwrap();
            let stamps: Vec<u64> = view.branch.iter().map(|message| message.created_at).collect();
            assert!(stamps.is_sorted(), "{stamps:?}");
            let shown: Vec<String> = view.branch.into_iter().map(|message| message.content).collect();
            assert_eq!(shown, written, "shifted by {shift} s");
        });
    }
}

/// A network that answers every dial itself until it is the real one.
struct Portal {
    error: DialError,
    open: Arc<AtomicBool>,
    relay: MemoryRelay,
    /// The last number of this machine's address.
    address: Arc<AtomicU8>,
}

impl Dial for Portal {
    fn local_addresses(&self) -> Vec<IpAddr> {
        vec![[192, 168, 1, self.address.load(Ordering::Relaxed)].into()]
    }

    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        if self.open.load(Ordering::Relaxed) {
            return self.relay.dial(url);
        }
        ready(Err(self.error.clone())).boxed()
    }
}

#[test]
fn f38_behind_a_portal_everything_waits_and_a_person_who_signed_in_there_need_not_wait() {
    let portals = [
        DialError::Http {
            status: 200,
            retry_after: None,
        },
        DialError::Tls {
            reason: "invalid peer certificate: NotValidForName".to_owned(),
        },
        DialError::NoAddress {
            host: "one.example".to_owned(),
        },
    ];
    for error in portals {
        simulate(async {
            let (relay, open) = (MemoryRelay::default(), Arc::new(AtomicBool::new(false)));
            let portal = Portal {
                error: error.clone(),
                open: Arc::clone(&open),
                relay: relay.clone(),
                address: Arc::default(),
            };
            let laptop = start(Device::new(&[ONE]).config(), 380, 0, portal).await;
            write(&laptop, "in the train", 5).await;
            seconds(1_800).await;
            let status = laptop.status();
            let words = error.to_string();
            assert!(
                matches!(&status.relays[0].state, RelayState::Waiting { why, .. } if *why == words),
                "{:?}",
                status.relays[0]
            );
            assert_eq!(status.counts.drafts, 5, "nothing left, nothing lost");
            assert!(!status.complete && relay.is_empty());

            open.store(true, Ordering::Relaxed);
            let report = laptop.sync().await.unwrap();
            assert_eq!(report.counts.waiting, 0, "{report:?}");
            let phone = started(&Device::new(&[ONE]), 381, &[(ONE, &relay)]).await;
            seconds(STABLE).await;
            assert_level(&laptop, &phone, 5).await;
        });
    }
}

#[test]
fn f38_in_another_network_relays_are_dialled_at_once() {
    simulate(async {
        let (relay, open) = (MemoryRelay::default(), Arc::new(AtomicBool::new(false)));
        let address = Arc::new(AtomicU8::new(1));
        // A wrong name waits for minutes, because trying soon cannot help: unless the network is another one.
        let portal = Portal {
            error: DialError::NoAddress {
                host: "one.example".to_owned(),
            },
            open: Arc::clone(&open),
            relay: relay.clone(),
            address: Arc::clone(&address),
        };
        let laptop = start(Device::new(&[ONE]).config(), 382, 0, portal).await;
        write(&laptop, "in the train", 5).await;
        seconds(1_810).await;
        open.store(true, Ordering::Relaxed);
        address.store(2, Ordering::Relaxed);
        seconds(8).await;
        assert!(is_live(&laptop), "{:?}", laptop.status().relays);
        assert_eq!(laptop.status().counts.drafts, 0, "everything is on its way");
    });
}

#[test]
fn a_live_subscription_that_died_on_an_open_connection_is_found_and_replaced() {
    simulate(async {
        let relay = MemoryRelay::default();
        let laptop = started(&Device::new(&[ONE]), 391, &[(ONE, &relay)]).await;
        let phone = started(&Device::new(&[ONE]), 392, &[(ONE, &relay)]).await;
        write(&laptop, "before", 2).await;
        seconds(STABLE).await;
        // It answers everything, and passes nothing on.
        relay.add_quirk(Quirk::AnnouncesNothing);
        write(&laptop, "unannounced", 1).await;
        let written = tokio::time::Instant::now();
        until(&phone, "the silence is noticed", |status| {
            status.counts.messages == 3
        })
        .await;
        // It is probed after ten minutes of silence (field guide C-5); the daily comparison would come far too late.
        let noticed = written.elapsed().as_secs();
        assert!(noticed <= 660, "noticed after {noticed} s");
        relay.heal();
        write(&laptop, "announced", 1).await;
        seconds(2).await;
        assert_level(&laptop, &phone, 4).await;
    });
}

#[test]
fn ten_hours_without_a_network_are_made_up_for_within_two_passes() {
    for seed in 401..=406 {
        simulate(async move {
            let relay = MemoryRelay::default();
            let laptop = started(&Device::new(&[ONE]), seed, &[(ONE, &relay)]).await;
            let phone = started(&Device::new(&[ONE]), seed + 10, &[(ONE, &relay)]).await;
            write(&laptop, "before", 3).await;
            seconds(STABLE).await;
            assert_level(&laptop, &phone, 3).await;
            relay.down();
            let entropy = SeededEntropy::new(seed);
            let draw = |below| draw_below(&entropy, below);
            let (mut written, mut offline) = (3, 0);
            while offline < 10 * 3600 {
                // Both add to what they have in common as well.
                let talks = ["before".to_owned(), format!("second {offline}")];
                for device in [&laptop, &phone] {
                    let (talk, count) = (&talks[draw(2)], draw(5));
                    for n in 0..count {
                        let text = format!("{written} {n}");
                        device.send(NewMessage::user(talk, &text)).await.unwrap();
                    }
                    written += count;
                }
                let pause = 60 + draw(3_000) as u64;
                offline += pause;
                seconds(pause).await;
            }
            relay.up();
            for device in [&laptop, &phone] {
                device.sync().await.unwrap();
            }
            for device in [&laptop, &phone] {
                let report = device.sync().await.unwrap();
                assert!(report.complete, "seed {seed}: {report:?}");
            }
            assert_same(&laptop, &phone, written).await;
            seconds(10).await;
            assert!(laptop.status().complete && phone.status().complete, "seed {seed}");
        });
    }
}

/// Both show the same conversations, with branches where both wrote, and hold as many messages. What was read is each
/// device's own matter.
async fn assert_same(one: &Handle, two: &Handle, messages: usize) {
    let mut lists = [
        one.conversations().await.unwrap(),
        two.conversations().await.unwrap(),
    ];
    for line in lists.iter_mut().flatten() {
        line.unread = 0;
    }
    assert_eq!(lists[0], lists[1]);
    for conversation in &lists[0] {
        let mut views = [
            one.conversation(&conversation.id).await.unwrap(),
            two.conversation(&conversation.id).await.unwrap(),
        ];
        for view in &mut views {
            view.summary.unread = 0;
        }
        assert_eq!(views[0], views[1]);
    }
    for device in [one, two] {
        assert_eq!(device.status().counts.messages, messages as u64);
    }
}
