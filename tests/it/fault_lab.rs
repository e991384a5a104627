//! What the tests of faults share: two relays, of which one misbehaves, and a history that both hold.

use std::collections::BTreeSet;
use std::time::Duration;

use chat_sync::{Handle, RelayUrl, Status};
use event_index::Basis;
use nostr::prelude::{Event, EventId, Kind};
use pns_keys::Keyring;
use reconciler::Method;
use reconciler::messages::PassReport;
use relay_lab::MemoryRelay;

use crate::bench::{Device, NOW, assert_level, everything, write};
use crate::keyring_lab::{made_elsewhere, network, start, written_elsewhere};

/// The relay that misbehaves. On this machine, so that nothing waits for a pace.
pub(crate) const BAD: &str = "ws://127.0.0.1:7";
/// The relay that does not.
pub(crate) const GOOD: &str = "ws://127.0.0.1:8";

/// Two relays and what they hold.
pub(crate) struct Lab {
    pub(crate) bad: MemoryRelay,
    pub(crate) good: MemoryRelay,
    pub(crate) keyring: Keyring,
    pub(crate) history: Vec<Event>,
    seed: u64,
}

/// Outer times ten seconds apart, all older than what a live subscription asks for.
pub(crate) fn spread(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |n| NOW - 2_000 - 10 * n)
}

impl Lab {
    /// [`Lab::holding`], before time begins: for a lab that outlives an engine.
    pub(crate) fn beforehand(seed: u64, times: impl IntoIterator<Item = u64>) -> Self {
        futures_executor::block_on(Self::holding(seed, times))
    }

    /// Both relays hold the account's keyring, and one message for each of `times`, sealed then.
    pub(crate) async fn holding(seed: u64, times: impl IntoIterator<Item = u64>) -> Self {
        let lab = Self::empty(seed, times).await;
        lab.history_appears();
        lab
    }

    /// The same, before [`Lab::history_appears`]: the relays hold the keyring and nothing else.
    pub(crate) async fn empty(seed: u64, times: impl IntoIterator<Item = u64>) -> Self {
        let (event, keyring) = made_elsewhere(9, NOW - 90 * 24 * 3600).await;
        let (bad, good) = (MemoryRelay::default(), MemoryRelay::default());
        for relay in [&bad, &good] {
            relay.put(event.clone());
        }
        let message = |(n, at)| written_elsewhere(&keyring, &format!("talk {n}"), &format!("text {n}"), at);
        Self {
            history: times.into_iter().enumerate().map(message).collect(),
            bad,
            good,
            keyring,
            seed,
        }
    }

    /// Both relays hold the history from now on, without having announced it.
    pub(crate) fn history_appears(&self) {
        for event in &self.history {
            self.bad.put(event.clone());
            self.good.put(event.clone());
        }
    }

    /// Every other message is at one relay only: the even ones at the bad one, the odd ones at the good one.
    pub(crate) fn part(&self) {
        for (n, event) in self.history.iter().enumerate() {
            let other = if n % 2 == 0 { &self.good } else { &self.bad };
            other.remove(&event.id);
        }
    }

    /// The engine of `device` with these relays.
    pub(crate) async fn start(&self, device: &Device, relays: &[&str]) -> Handle {
        self.start_later(device, relays, 0).await
    }

    /// The same, on a device whose clock is `later` seconds ahead of the first.
    pub(crate) async fn start_later(&self, device: &Device, relays: &[&str], later: u64) -> Handle {
        let mut config = device.config();
        config.relays = relays.iter().map(|url| url.parse().unwrap()).collect();
        let seed = self.seed * 100 + relays.len() as u64;
        let network = network(&[(BAD, &self.bad), (GOOD, &self.good)]);
        start(config, seed, later, network).await
    }

    /// A new device with these relays.
    pub(crate) async fn fresh(&self, relays: &[&str]) -> Handle {
        self.start(&Device::new(relays), relays).await
    }

    /// NEG-OPENs that the bad relay got.
    pub(crate) fn opens(&self) -> u64 {
        self.bad.tally().up_of("NEG-OPEN").frames
    }

    /// What was asked of the bad relay by NEG-OPEN, filter by filter. [`MemoryRelay::listen`] comes first.
    pub(crate) fn opened(&self) -> Vec<String> {
        let frames = self.bad.heard();
        let read = frames
            .iter()
            .map(|frame| serde_json::from_str::<serde_json::Value>(frame).unwrap());
        read.filter(|frame| frame[0] == "NEG-OPEN")
            .map(|frame| frame[2].to_string())
            .collect()
    }

    /// No filter was opened twice. A new device asks twice in its first second: its keyring adds an author.
    pub(crate) fn assert_opened_once(&self) {
        let opened = self.opened();
        let different: BTreeSet<&String> = opened.iter().collect();
        assert!(!opened.is_empty() && opened.len() <= 2, "{opened:?}");
        assert_eq!(opened.len(), different.len(), "{opened:?}");
    }

    /// The REQs of comparisons that the bad relay heard, as JSON. [`MemoryRelay::listen`] comes first.
    pub(crate) fn pages(&self) -> Vec<serde_json::Value> {
        let frames = self.bad.heard();
        let read = frames.iter().map(|frame| serde_json::from_str(frame).unwrap());
        read.filter(|frame: &serde_json::Value| {
            frame[0] == "REQ" && frame[1].as_str().is_some_and(|sub| sub.starts_with("compare"))
        })
        .collect()
    }

    /// The fault is over. Devices write something, and after at most two syncs each, both devices and both relays
    /// hold the same: the history, what was written, no message twice, and the one keyring there was.
    ///
    /// `phone` may know the bad relay only; `laptop` knows both.
    pub(crate) async fn heals(&self, phone: &Handle, laptop: &Handle) {
        self.bad.heal();
        write(laptop, "laptop, after the fault", 3).await;
        write(phone, "phone, after the fault", 2).await;
        for device in [laptop, phone] {
            device.sync().await.unwrap();
        }
        for device in [laptop, phone] {
            let report = device.sync().await.unwrap();
            assert!(report.complete, "after the fault: {report:?}");
        }
        let count = self.history.len() + 5;
        assert_level(laptop, phone, count).await;
        let (bad, good) = (sealed(&self.bad), sealed(&self.good));
        assert_eq!(
            bad.len(),
            count,
            "nothing is missing at the relay that misbehaved"
        );
        assert_eq!(bad, good, "both relays hold the same");
        for relay in [&self.bad, &self.good] {
            assert_eq!(of_kind(relay, 1081).len(), 1, "no second keyring");
        }
    }
}

/// The envelopes that a relay holds.
pub(crate) fn sealed(relay: &MemoryRelay) -> BTreeSet<EventId> {
    of_kind(relay, 1080)
}

fn of_kind(relay: &MemoryRelay, kind: u16) -> BTreeSet<EventId> {
    let events = relay.events().into_iter();
    events
        .filter(|event| event.kind == Kind::Custom(kind))
        .map(|event| event.id)
        .collect()
}

/// How many messages a device shows; none of them twice.
pub(crate) async fn shown(device: &Handle) -> usize {
    let all = everything(device).await;
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "no message twice");
    all.len()
}

/// The report of the last pass with a relay.
pub(crate) fn report(status: &Status, url: &str) -> PassReport {
    let url: RelayUrl = url.parse().unwrap();
    let relay = status.relays.iter().find(|relay| relay.url == url).unwrap();
    relay.report.clone().expect("a pass has ended")
}

/// The relay that behaves was compared with by fingerprint, and agrees.
pub(crate) fn assert_unaffected(device: &Handle) {
    let good = report(&device.status(), GOOD);
    assert!(good.complete && good.error.is_none(), "{good:?}");
    assert_eq!(
        (good.method, good.basis),
        (Method::Negentropy, Basis::Fingerprint)
    );
}

/// Lets time pass.
pub(crate) async fn seconds(count: u64) {
    tokio::time::sleep(Duration::from_secs(count)).await;
}
