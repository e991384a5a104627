//! Our engine with a queue: made beforehand in a process of its own, then sent.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_download::{Outcome, history, usage};
use chat_sync::{AccountState, Config, Engine, Handle, RelayUrl};
use event_index::{Arrival, Storage, Store, StoreKey};
use futures_executor::block_on;
use nostr::prelude::{Event, EventId, Kind};
use relay_lab::{Fault, Proxy};
use serde::{Deserialize, Serialize};

use crate::texts::message;

/// Between two looks at how far it is.
const LOOK: Duration = Duration::from_micros(500);
/// Longer than anything here takes: what is not over then has failed.
const PATIENCE: Duration = Duration::from_secs(600);
/// Events and ids in memory at once, while a queue is made.
const CHUNK: usize = 1_000;

/// What it took until a queue was empty.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Drafts that became envelopes, a second, from the first one on; 0 when there were none.
    pub(crate) sealed_per_second: f64,
    /// Events that the relay said yes to, a second.
    pub(crate) left_per_second: f64,
}

/// What it took until the first event left.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    /// From the start of the engine, milliseconds.
    pub(crate) first_ms: f64,
    /// The most memory so far, KiB.
    pub(crate) peak_kib: u64,
}

fn store(folder: &Path) -> Outcome<Arc<Store>> {
    let file = Storage::File(folder.join("store.redb"));
    Ok(Arc::new(Store::open(file, &StoreKey::from_bytes([3; 32]))?))
}

fn engine(store: &Arc<Store>, relays: Vec<RelayUrl>, online: bool) -> Outcome<Handle> {
    let mut config = Config::new(Arc::new(history::signer()?), Arc::clone(store), relays);
    config.online = online;
    Ok(Engine::start(config)?)
}

/// A device whose history key is here and on its relay.
fn keyed(folder: &Path, url: &str) -> Outcome<Arc<Store>> {
    let store = store(folder)?;
    let engine = engine(&store, vec![url.parse()?], true)?;
    let report = block_on(engine.sync())?;
    let state = engine.status().account.state;
    block_on(engine.shutdown());
    if !report.complete || state != AccountState::Ready {
        return Err(format!("no history key: {state:?}").into());
    }
    Ok(store)
}

/// Makes a device that holds the events of a file, none of them at any relay.
pub(crate) fn prepare(folder: &Path, url: &str, file: &Path) -> Outcome<()> {
    let store = keyed(folder, url)?;
    let mut lines = BufReader::new(File::open(file)?).lines();
    loop {
        let mut arrivals = Vec::with_capacity(CHUNK);
        for line in lines.by_ref().take(CHUNK) {
            let event = Event::from_json(line?)?;
            // The keyring is on its first line.
            if event.kind == Kind::Custom(1080) {
                arrivals.push(Arrival { event, source: None });
            }
        }
        if arrivals.is_empty() {
            return usage::print(Ok(()));
        }
        store.ingest(arrivals)?;
    }
}

/// Makes a device that holds so many messages that are not sealed.
pub(crate) fn prepare_drafts(folder: &Path, url: &str, count: u64) -> Outcome<()> {
    let store = keyed(folder, url)?;
    let engine = engine(&store, vec![url.parse()?], false)?;
    block_on(engine.import((0..count).map(message).collect(), |_| ()))?;
    block_on(engine.shutdown());
    usage::print(Ok(()))
}

/// Queues everything that is held.
fn enqueue(store: &Store, relay: &str) -> Outcome<()> {
    let mut after = 0;
    loop {
        let page = store.events_after(after, CHUNK)?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        after = *last;
        let ids: Vec<EventId> = page.iter().map(|(_, event)| event.id).collect();
        store.enqueue(relay, &ids)?;
    }
}

/// Waits until it is so.
fn until(what: &str, so: impl Fn() -> Outcome<bool>) -> Outcome<()> {
    let begin = Instant::now();
    while !so()? {
        if begin.elapsed() > PATIENCE {
            return Err(format!("{what}: not within {} s", PATIENCE.as_secs()).into());
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// Sends everything.
pub(crate) fn leave(folder: &Path, url: &str) -> Outcome<Left> {
    let store = store(folder)?;
    enqueue(&store, url)?;
    let before = store.counts()?;
    let begin = Instant::now();
    let engine = engine(&store, vec![url.parse()?], true)?;
    let drafts = before.drafts;
    until("the first one sealed", || {
        Ok(drafts == 0 || store.counts()?.drafts < drafts)
    })?;
    let (sealing, left) = (Instant::now(), store.counts()?.drafts);
    until("all sealed", || Ok(store.counts()?.drafts == 0))?;
    let sealed = left as f64 / sealing.elapsed().as_secs_f64();
    until("all sent", || Ok(store.counts()?.waiting == 0))?;
    let seconds = begin.elapsed().as_secs_f64();
    block_on(engine.shutdown());
    Ok(Left {
        sealed_per_second: if left == 0 { 0.0 } else { sealed },
        left_per_second: before.waiting as f64 / seconds,
    })
}

/// Reads the history and sends nothing.
pub(crate) fn held(folder: &Path) -> Outcome<Waited> {
    let store = store(folder)?;
    let begin = Instant::now();
    let engine = engine(&store, vec!["ws://127.0.0.1:1".parse()?], false)?;
    block_on(engine.conversations())?;
    let waited = waited(begin)?;
    block_on(engine.shutdown());
    Ok(waited)
}

/// Sends the first event of a queue that holds everything.
pub(crate) fn first(folder: &Path, url: &str) -> Outcome<Waited> {
    let store = store(folder)?;
    // Between them, to see it leave.
    let door = Proxy::start(url, Fault::None)?;
    enqueue(&store, &door.url())?;
    let begin = Instant::now();
    let engine = engine(&store, vec![door.url().parse()?], true)?;
    until("the first event", || Ok(door.tally().up_of("EVENT").frames > 0))?;
    let first = begin.elapsed();
    // Until conversations can be shown, so that the same is in memory as without a queue.
    block_on(engine.conversations())?;
    until("a thousand events", || {
        Ok(door.tally().up_of("EVENT").frames > 1_000)
    })?;
    let waited = Waited {
        first_ms: first.as_secs_f64() * 1e3,
        ..waited(begin)?
    };
    // What is left is of no interest, and stopping would wait for it.
    usage::print(Ok(waited))?;
    std::process::exit(0)
}

fn waited(begin: Instant) -> Outcome<Waited> {
    Ok(Waited {
        first_ms: begin.elapsed().as_secs_f64() * 1e3,
        peak_kib: usage::peak_kib()?,
    })
}
