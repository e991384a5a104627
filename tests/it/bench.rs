//! Devices for tests: an account's engine over a store in memory that survives the engine.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Config, ConversationSummary, Engine, Env, Handle, NewMessage, RelayUrl};
use event_index::{MemoryDisk, Store, StoreKey};
use pns_keys::{LocalSigner, Signer};
use supervision::{Clock, Entropy, SeededEntropy, SimulatedClock, SystemEntropy, Tripwire, Workers};

/// The account of every test.
pub(crate) const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// Where simulated clocks start.
pub(crate) const NOW: u64 = 1_789_000_000;
/// Longer than anything here takes; real tests that wait this long have failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Longer than any simulation takes of its own time: one that waits for what never happens ends.
const SIMULATED_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// One device: its disk outlives its engines.
pub(crate) struct Device {
    disk: MemoryDisk,
    key: StoreKey,
    relays: Vec<RelayUrl>,
}

impl Device {
    pub(crate) fn new(relays: &[&str]) -> Self {
        Self {
            disk: MemoryDisk::new(),
            key: StoreKey::draw(&SystemEntropy),
            relays: relays.iter().map(|url| url.parse().unwrap()).collect(),
        }
    }

    pub(crate) fn store(&self) -> Arc<Store> {
        Arc::new(Store::open(self.disk.storage(), &self.key).unwrap())
    }

    pub(crate) fn config(&self) -> Config {
        self.config_as(Arc::new(
            LocalSigner::parse(SECRET, || SystemEntropy.draw_32()).unwrap(),
        ))
    }

    /// The same, with the account's key held by `signer`.
    pub(crate) fn config_as(&self, signer: Arc<dyn Signer>) -> Config {
        Config::new(signer, self.store(), self.relays.clone())
    }

    /// Its disk.
    pub(crate) fn disk(&self) -> MemoryDisk {
        self.disk.clone()
    }

    /// A second device that begins with everything that is on the disk of this one, drafts and keys among it: a restored
    /// backup, or a copied data directory.
    pub(crate) fn cloned(&self) -> Self {
        Self {
            disk: self.disk.after_power_cut(|_| true),
            key: self.key.clone(),
            relays: self.relays.clone(),
        }
    }

    /// The device as it starts after a power cut that took everything its disk had not promised.
    pub(crate) fn after_power_cut(self) -> Self {
        let disk = self.disk.after_power_cut(|_| false);
        Self { disk, ..self }
    }

    /// An engine on a thread of its own, with the real clock and real sockets.
    pub(crate) fn start(&self) -> Handle {
        Engine::start(self.config()).unwrap()
    }
}

/// The machine's environment, with actors dying where the tripwire says.
pub(crate) fn env_with(tripwire: Tripwire) -> Env {
    let mut env = Env::production();
    env.runtime.tripwire = tripwire;
    env
}

/// An environment whose time is tokio's, whose work runs inline, and whose randomness follows from `seed`.
pub(crate) fn simulated(seed: u64, dial: Arc<dyn relay_link::Dial>) -> Env {
    let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::starting_at(NOW));
    let runtime = supervision::Env {
        clock,
        entropy: Arc::new(SeededEntropy::new(seed)),
        workers: Workers::inline(),
        tripwire: Tripwire::none(),
    };
    Env { runtime, dial }
}

/// A number below `below`.
pub(crate) fn draw_below(entropy: &SeededEntropy, below: usize) -> usize {
    let drawn = u128::from_be_bytes(entropy.draw_16());
    usize::try_from(drawn % below as u128).unwrap_or(0)
}

/// Runs a test in real time, with a deadline.
pub(crate) fn live<F: Future<Output = ()>>(test: F) {
    live_within(PATIENCE, test);
}

/// The same, for one that has much to do.
pub(crate) fn live_within<F: Future<Output = ()>>(patience: Duration, test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(patience, test)
            .await
            .expect("the test ends in time");
    });
}

/// Runs a test in simulated time: waits take none.
pub(crate) fn simulate<F: Future<Output = ()>>(test: F) {
    let system = actix::System::with_tokio_rt(|| {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    });
    system.block_on(async {
        tokio::time::timeout(SIMULATED_MAX, test)
            .await
            .expect("the test ends in time");
    });
}

/// Seeds a simulation is run with, unless `FLOW_SEED=<number>` names one.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

/// Runs a test once for every seed, and names the seed of the run that failed.
pub(crate) fn over_seeds(test: impl Fn(u64)) {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("to see this again: FLOW_SEED={}", self.0);
            }
        }
    }
    let chosen = std::env::var("FLOW_SEED").ok();
    let seeds = chosen.map_or(SEEDS, |seed| {
        let seed = seed.parse().expect("FLOW_SEED is a number");
        seed..=seed
    });
    for seed in seeds {
        let _named = Named(seed);
        test(seed);
    }
}

/// Writes `count` messages into `conversation`, and returns their texts.
pub(crate) async fn write(device: &Handle, conversation: &str, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for n in 0..count {
        let text = format!("{conversation} {n}");
        device.send(NewMessage::user(conversation, &text)).await.unwrap();
        texts.push(text);
    }
    texts
}

/// Every message on a device as (conversation, text): a list, so that duplicates show.
pub(crate) async fn everything(device: &Handle) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for conversation in device.conversations().await.unwrap() {
        let view = device.conversation(&conversation.id).await.unwrap();
        assert_eq!(
            view.branch.len(),
            conversation.messages,
            "a linear conversation shows every message"
        );
        all.extend(
            view.branch
                .into_iter()
                .map(|message| (message.conversation, message.content)),
        );
    }
    all.sort();
    all
}

/// Both devices show the same, and nothing twice.
pub(crate) async fn assert_level(one: &Handle, two: &Handle, messages: usize) {
    let (left, right) = (everything(one).await, everything(two).await);
    assert_eq!(left.len(), messages, "nothing lost, nothing twice");
    assert_eq!(
        left.iter().collect::<BTreeSet<_>>().len(),
        messages,
        "no two alike"
    );
    assert_eq!(left, right);
    assert_eq!(lines(one).await, lines(two).await);
}

/// The list of conversations, without what each device knows for itself: what was read there.
async fn lines(device: &Handle) -> Vec<ConversationSummary> {
    let mut lines = device.conversations().await.unwrap();
    for line in &mut lines {
        line.unread = 0;
    }
    lines
}
