//! What the fingerprint index costs at this many items:
//! `cargo run --release -p event-index --example index_costs -- [10000 100000 1000000]`.
//!
//! The items are ingested as any others are, with an empty content, so the file is smaller than one of real messages;
//! what the index reads is the same. Each measurement opens the file anew, with redb's cache empty; the pages are in
//! the operating system's cache.

use std::path::Path;
use std::time::{Duration, Instant};

use event_index::{Arrival, Item, Storage, Store, StoreKey, View};
use nostr::event::{Event, EventId, Kind, Signature, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

/// One commit of a download.
const BATCH: u64 = 1_000;
/// What a recent-first opening lists.
const TAIL: u64 = 128;
const ROUNDS: usize = 5;

fn event(number: u64) -> Event {
    let author = PublicKey::from_byte_array([1; 32]);
    let (created_at, kind) = (Timestamp::from(1_600_000_000 + 30 * number), Kind::from(1080));
    let id = EventId::compute(&author, &created_at, &kind, &Tags::new(), "");
    let signature = Signature::from_byte_array([1; 64]);
    Event::new(id, author, created_at, kind, [], "", signature)
}

fn arrivals(numbers: std::ops::Range<u64>) -> Vec<Arrival> {
    let arrival = |number| Arrival {
        event: event(number),
        source: None,
    };
    numbers.map(arrival).collect()
}

fn open(path: &Path) -> Result<Store, event_index::IndexError> {
    Store::open(Storage::File(path.to_owned()), &StoreKey::from_bytes([7; 32]))
}

#[expect(clippy::disallowed_methods, reason = "this program measures")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let done = work();
    (done, start.elapsed())
}

fn line(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let median = times[times.len() / 2];
    println!("  {what:<52} {:>10.3} ms", median.as_secs_f64() * 1e3);
}

/// Runs `work` on a freshly opened file, several times, and prints the median.
fn fresh<T>(
    what: &str,
    path: &Path,
    mut work: impl FnMut(&Store) -> Result<T, event_index::IndexError>,
) -> Result<(), event_index::IndexError> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let store = open(path)?;
        let (done, time) = timed(|| work(&store));
        done?;
        times.push(time);
    }
    line(what, times);
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = Vec::new();
    for argument in std::env::args().skip(1) {
        sizes.push(argument.parse::<u64>()?);
    }
    if sizes.is_empty() {
        sizes = vec![10_000, 100_000];
    }
    for size in sizes {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("store.redb");
        let store = open(&path)?;
        println!("{size} items");
        let mut times = Vec::new();
        for from in (0..size).step_by(BATCH as usize) {
            let batch = arrivals(from..size.min(from + BATCH));
            let (done, time) = timed(|| store.ingest(batch));
            done?;
            times.push(time);
        }
        line("ingest of 1,000 in one commit", times);
        drop(store);
        let bytes = std::fs::metadata(&path)?.len();
        println!("  {:<52} {:>10} B", "file, an item", bytes / size);

        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let (store, time) = timed(|| open(&path));
            drop(store?);
            times.push(time);
        }
        line("open the file", times);
        fresh("view, total and the last 128 items", &path, |store| {
            let view = store.view()?;
            let cut = view.len().saturating_sub(TAIL);
            let older = view.sum(0..cut)?.fingerprint();
            let mut tail: Vec<Item> = Vec::new();
            view.each(cut..view.len(), &mut |item| tail.push(item))?;
            Ok((view.sum(0..view.len())?, older, tail))
        })?;
        fresh("view, and sixteen buckets", &path, |store| {
            let view = store.view()?;
            let bound = |n: u64| view.len() * n / 16;
            (0..16)
                .map(|n| view.sum(bound(n)..bound(n + 1)))
                .collect::<Result<Vec<_>, _>>()
        })?;
        fresh("view, and 1,000 short ranges anywhere", &path, |store| {
            let view = store.view()?;
            (0..1_000)
                .map(|n| {
                    let start = n * view.len() / 1_001;
                    view.sum(start..view.len().min(start + 20))
                })
                .collect::<Result<Vec<_>, _>>()
        })?;
        fresh("view, and 4,096 buckets cut where it is cheap", &path, |store| {
            let view = store.view()?;
            let mut bounds = Vec::new();
            for n in 0..=4_096 {
                bounds.push(view.cheap_cut(view.len() * n / 4_096)?);
            }
            bounds.dedup();
            let buckets = bounds
                .windows(2)
                .map(|pair| Ok((view.item(pair[1] - 1)?, view.sum(pair[0]..pair[1])?)));
            buckets.collect::<Result<Vec<_>, _>>()
        })?;
        fresh("view, and 4,096 equal buckets", &path, |store| {
            let view = store.view()?;
            let bound = |n: u64| view.len() * n / 4_096;
            let buckets =
                (0..4_096).map(|n| Ok((view.item(bound(n + 1) - 1)?, view.sum(bound(n)..bound(n + 1))?)));
            buckets.collect::<Result<Vec<_>, _>>()
        })?;
        fresh("snapshot", &path, Store::snapshot)?;
        fresh("snapshot, and the sum of all", &path, |store| {
            let snapshot = store.snapshot()?;
            snapshot.sum(0..snapshot.len() as u64)
        })?;
        fresh("proof of the index", &path, Store::verify_index)?;
        let (done, time) = timed(|| open(&path)?.rebuild_index());
        done?;
        line("rebuild of the index", vec![time]);
        let backdated = (0..BATCH).map(|n| {
            let number = n * (size / BATCH).max(1);
            let mut arrival = arrivals(number..number + 1).remove(0);
            arrival.event = shifted(&arrival.event);
            arrival
        });
        let store = open(&path)?;
        let backdated: Vec<_> = backdated.collect();
        let (done, time) = timed(|| store.ingest(backdated));
        done?;
        line("ingest of 1,000 anywhere in one commit", vec![time]);
        let mut times = Vec::new();
        for number in size..size + 20 {
            let one = arrivals(number..number + 1);
            let (done, time) = timed(|| store.ingest(one));
            done?;
            times.push(time);
        }
        line("ingest of 1 newer one", times);
        store.verify_index()?;
    }
    Ok(())
}

/// The same event a few seconds later, which is another.
fn shifted(event: &Event) -> Event {
    let created_at = Timestamp::from(event.created_at.as_secs() + 7);
    let id = EventId::compute(&event.pubkey, &created_at, &event.kind, &Tags::new(), "");
    Event::new(id, event.pubkey, created_at, event.kind, [], "", event.sig)
}
