//! What one relay's exceptions cost a comparison at this many items, 2,000 of them deleted (the relay serves 1,000
//! still) and 500 refused: `cargo run --release -p event-index --example view_costs -- [100000 1000000]`.
//!
//! Each measurement opens the file anew, with redb's cache empty; the pages are in the operating system's cache.

use std::path::Path;
use std::time::{Duration, Instant};

use event_index::{
    Agreement, Arrival, Basis, Delivery, DeliveryState, Extra, ExtraReason, IndexError, Item, Storage, Store,
    StoreKey, View,
};
use nostr::event::{Event, EventId, Kind, Signature, Tag, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

const RELAY: &str = "wss://relay.example";
/// One commit of a download.
const BATCH: u64 = 1_000;
const DELETED: u64 = 2_000;
const REFUSED: u64 = 500;
const ROUNDS: usize = 7;

fn event(kind: u16, created_at: u64, tags: Vec<Tag>) -> Event {
    let author = PublicKey::from_byte_array([1; 32]);
    let (created_at, kind) = (Timestamp::from(created_at), Kind::from(kind));
    // As long as a message of some 500 letters.
    let content = "x".repeat(1_000);
    let id = EventId::compute(
        &author,
        &created_at,
        &kind,
        &Tags::from_list(tags.clone()),
        &content,
    );
    let signature = Signature::from_byte_array([1; 64]);
    Event::new(id, author, created_at, kind, tags, content, signature)
}

fn message(number: u64) -> Event {
    event(1080, 1_600_000_000 + 30 * number, Vec::new())
}

fn arrivals(events: impl IntoIterator<Item = Event>) -> Vec<Arrival> {
    let arrival = |event| Arrival { event, source: None };
    events.into_iter().map(arrival).collect()
}

fn open(path: &Path) -> Result<Store, IndexError> {
    Store::open(Storage::File(path.to_owned()), &StoreKey::from_bytes([7; 32]))
}

/// Runs `work` on a freshly opened file, several times, and prints the median.
#[expect(clippy::disallowed_methods, reason = "this program measures")]
fn fresh<T>(
    what: &str,
    path: &Path,
    work: impl Fn(&Store) -> Result<T, IndexError>,
) -> Result<(), IndexError> {
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..ROUNDS {
        let store = open(path)?;
        let start = Instant::now();
        work(&store)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("  {what:<52} {:>10.3} ms", times[ROUNDS / 2].as_secs_f64() * 1e3);
    Ok(())
}

/// The sums an opening needs, and what it lists.
fn opening(view: &impl View) -> Result<usize, IndexError> {
    view.sum(0..view.len())?;
    let covered = view
        .covered()
        .or(Some(view.item(view.len() - 1)?))
        .unwrap_or_else(|| Item::of(&message(0)));
    let old = Item {
        created_at: covered.created_at.saturating_sub(300),
        ..covered
    };
    let cut = view.lower_bound(&old)?;
    view.sum(0..cut)?.fingerprint();
    let behind = view.lower_bound(&covered)?;
    view.sum(cut..behind)?.fingerprint();
    let mut listed = 0;
    view.each(behind..view.len(), &mut |_| listed += 1)?;
    Ok(listed)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes = Vec::new();
    for argument in std::env::args().skip(1) {
        sizes.push(argument.parse::<u64>()?);
    }
    if sizes.is_empty() {
        sizes = vec![100_000];
    }
    for size in sizes {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("store.redb");
        let store = open(&path)?;
        println!("{size} items");
        for from in (0..size).step_by(BATCH as usize) {
            store.ingest(arrivals((from..size.min(from + BATCH)).map(message)))?;
        }
        let anywhere = |n: u64, of: u64| message(n * size / of);
        let refused: Vec<EventId> = (0..REFUSED)
            .map(|n| anywhere(2 * n + 1, 2 * REFUSED).id)
            .collect();
        store.enqueue(RELAY, &refused)?;
        let park = |row: Delivery| Delivery {
            state: DeliveryState::Parked,
            reason: Some("blocked: not here".to_owned()),
            ..row
        };
        let rows = store.deliveries(RELAY, 0, usize::MAX)?;
        store.set_deliveries(rows.into_iter().map(park).collect())?;
        let deleted: Vec<Event> = (0..DELETED).map(|n| anywhere(n, DELETED)).collect();
        let deletion = |part: &[Event]| {
            let tags = part.iter().map(|event| Tag::event(event.id)).collect();
            event(5, 1_600_000_000 + 30 * size, tags)
        };
        store.ingest(arrivals(deleted.chunks(500).map(deletion)))?;
        let served: Vec<Extra> = deleted
            .iter()
            .step_by(2)
            .map(|event| Extra {
                item: Item::of(event),
                reason: ExtraReason::Tombstoned,
            })
            .collect();
        store.place(RELAY, &served, &[])?;
        let last_seq = store.view()?.last_seq();
        store.record_agreement(
            RELAY,
            Agreement {
                at: 1_600_000_000 + 30 * size,
                count: size,
                fingerprint: [0; 16],
                last_seq,
                basis: Basis::Fingerprint,
                authors: 1,
            },
        )?;
        drop(store);

        fresh("the items, and the sums of an opening", &path, |store| {
            opening(&store.view()?)
        })?;
        fresh("the relay's view alone", &path, |store| store.at_relay(RELAY))?;
        fresh("the relay's view, and the sums of an opening", &path, |store| {
            opening(&store.at_relay(RELAY)?.view)
        })?;
        fresh("the relay's view, and sixteen buckets", &path, |store| {
            let view = store.at_relay(RELAY)?.view;
            let bound = |n: u64| view.len() * n / 16;
            (0..16)
                .map(|n| view.sum(bound(n)..bound(n + 1)))
                .collect::<Result<Vec<_>, _>>()
        })?;
        fresh("for comparison: all items loaded and added up", &path, |store| {
            let snapshot = store.snapshot()?;
            snapshot.sum(0..snapshot.len() as u64)
        })?;
    }
    Ok(())
}
