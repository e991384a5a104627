//! F40: a disk that takes 100 ms for a commit, while 500 messages of 60 KB arrive from a relay that gives up slow readers.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chat_sync::{Engine, Env, Handle};
use event_index::MemoryDisk;
use nostr::prelude::Event;
use relay_lab::{Fault, MemoryRelay, MemoryRelayConfig};

use crate::bench::{Device, NOW, live_within};
use crate::keyring_lab::{made_elsewhere, network, written_elsewhere};

const ONE: &str = "ws://127.0.0.1:7";
const COUNT: usize = 500;
/// The longest that one envelope carries: 60 KB on the wire.
const TEXT_BYTES: usize = 39_000;
/// 30 MB are checked, opened and stored, in builds that are not optimised.
const PATIENCE: Duration = Duration::from_secs(300);
/// A commit syncs twice.
const SYNC: Duration = Duration::from_millis(50);
/// What a relay lets pile up that cuts off whoever asks for the whole history at once (26 MiB of frames), and nobody who
/// asks for 400 messages before it knows how long they are (21 MiB).
const ALL_IS_TOO_MUCH: usize = 24 << 20;
/// A burst is stored in batches: with a commit for each message it would take a minute and a half here.
const SYNCS_MAX: u64 = COUNT as u64;

struct Scene {
    relay: MemoryRelay,
    device: Device,
    disk: MemoryDisk,
}

/// The account's keyring and what was written with it; sealing 30 MB takes its time, once.
fn history() -> &'static (Event, Vec<Event>) {
    static HISTORY: OnceLock<(Event, Vec<Event>)> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let (event, keyring) = futures_executor::block_on(made_elsewhere(9, NOW - 90 * 24 * 3600));
        let message = |n: usize| {
            let text = format!("{n} {}", "x".repeat(TEXT_BYTES));
            written_elsewhere(&keyring, &format!("talk {}", n / 50), &text, NOW - 60 * n as u64)
        };
        (event, (0..COUNT).map(message).collect())
    })
}

impl Scene {
    /// A relay that hangs up on whoever lets this much pile up, and a history.
    fn new(unread_bytes_max: usize) -> Self {
        let relay = MemoryRelay::new(MemoryRelayConfig {
            unread_bytes_max,
            ..MemoryRelayConfig::default()
        });
        relay.put(history().0.clone());
        let device = Device::new(&[ONE]);
        Self {
            disk: device.disk(),
            device,
            relay,
        }
    }

    fn start(&self) -> Handle {
        let engine = Engine::start_with(
            self.device.config(),
            Env {
                dial: Arc::new(network(&[(ONE, &self.relay)])),
                ..Env::production()
            },
        );
        self.disk.slow_down(SYNC);
        engine.unwrap()
    }

    fn fill(&self) {
        for event in &history().1 {
            assert!(self.relay.put(event.clone()));
        }
    }

    /// The disk was asked to wait for fewer commits than there are messages.
    fn stored_in_batches(&self) {
        let syncs = self.disk.syncs();
        assert!(syncs <= SYNCS_MAX, "{syncs} syncs for {COUNT} messages");
    }

    /// Everything is here and shown, proven by a comparison.
    async fn ends_whole(&self, engine: &Handle) {
        let mut report = engine.sync().await.unwrap();
        while !report.complete {
            report = engine.sync().await.unwrap();
        }
        self.disk.slow_down(Duration::ZERO);
        assert_eq!(report.counts.messages, COUNT as u64);
        let conversations = engine.conversations().await.unwrap();
        let shown: usize = conversations
            .iter()
            .map(|conversation| conversation.messages)
            .sum();
        assert_eq!(shown, COUNT);
    }
}

#[test]
fn f40_a_download_is_slowed_down_by_the_disk_and_not_cut_off() {
    let scene = Scene::new(ALL_IS_TOO_MUCH);
    live_within(PATIENCE, async {
        scene.fill();
        let engine = scene.start();
        scene.ends_whole(&engine).await;
        scene.stored_in_batches();
        assert_eq!(scene.relay.dials(), 1, "never cut off");
        engine.shutdown().await;
    });
}

#[test]
fn f40_a_burst_of_news_is_slowed_down_by_the_disk_and_not_cut_off() {
    let scene = Scene::new(32 << 20);
    live_within(PATIENCE, async {
        let engine = scene.start();
        engine.sync().await.unwrap();
        scene.fill();
        scene.ends_whole(&engine).await;
        scene.stored_in_batches();
        assert_eq!(scene.relay.dials(), 1, "never cut off");
        engine.shutdown().await;
    });
}

#[test]
fn f40_a_relay_that_cuts_a_slow_reader_off_is_resumed_without_loss() {
    // A page is asked for as a whole, whatever its events weigh: that one needs a relay of the usual patience.
    for (fault, unread) in [(Fault::None, 8 << 20), (Fault::RefusesNeg, 32 << 20)] {
        let scene = Scene::new(unread);
        live_within(PATIENCE, async move {
            scene.relay.set_fault(fault);
            let engine = scene.start();
            engine.sync().await.unwrap();
            // More at once than the relay keeps for anybody.
            scene.fill();
            scene.ends_whole(&engine).await;
            let cut = scene.relay.dials() > 1;
            assert_eq!(cut, unread < 32 << 20, "{unread}: {} dials", scene.relay.dials());
            engine.shutdown().await;
        });
    }
}
