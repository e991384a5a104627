//! What the store costs on this machine: `cargo run --release -p event-index --example costs`.

use std::time::Instant;

use event_index::{Arrival, LocalId, NewDraft, SealedDraft, Storage, Store, StoreKey};
use nostr::event::{Event, EventId, Kind, Signature, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

/// As long as the envelope of a short message.
const CONTENT_BYTES: usize = 700;

fn event(number: u64) -> Event {
    let author = PublicKey::from_byte_array([1; 32]);
    let (created_at, kind) = (Timestamp::from(1_700_000_000 + number / 2), Kind::from(1080));
    let content = format!("{number:0CONTENT_BYTES$}");
    let id = EventId::compute(&author, &created_at, &kind, &Tags::new(), &content);
    Event::new(
        id,
        author,
        created_at,
        kind,
        [],
        content,
        Signature::from_byte_array([1; 64]),
    )
}

fn arrivals(numbers: std::ops::Range<u64>) -> Vec<Arrival> {
    numbers
        .map(|number| Arrival {
            event: event(number),
            source: None,
        })
        .collect()
}

#[expect(clippy::disallowed_methods, reason = "this program measures")]
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    println!("{what:<44} {:>10.2} ms", start.elapsed().as_secs_f64() * 1e3);
    done
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("store.redb");
    let key = StoreKey::from_bytes([7; 32]);
    let store = timed("make the store", || {
        Store::open(Storage::File(path.clone()), &key)
    })?;
    let relays = ["wss://a.example".to_owned(), "wss://b.example".to_owned()];

    let one = arrivals(0..1);
    timed("ingest 1", || store.ingest(one))?;
    let thousand = arrivals(1..1_000);
    timed("ingest 1,000 in one commit", || store.ingest(thousand))?;
    let ten_thousand = arrivals(1_000..10_000);
    timed("ingest 10,000 in one commit", || store.ingest(ten_thousand))?;
    let rest: Vec<_> = (10..100)
        .map(|thousand| arrivals(thousand * 1_000..(thousand + 1) * 1_000))
        .collect();
    timed("ingest 90,000 in commits of 1,000", || {
        rest.into_iter()
            .try_for_each(|batch| store.ingest(batch).map(drop))
    })?;
    let again = arrivals(0..10_000);
    timed("ingest 10,000 that are known", || store.ingest(again))?;

    let snapshot = timed("snapshot of 100,000", || store.snapshot())?;
    timed("fingerprint of 100,000", || {
        snapshot.fingerprint(0..snapshot.len())
    });
    timed("counts", || store.counts())?;
    timed("read and check 1,000 events", || {
        store.events_after(50_000, 1_000)
    })?;

    let draft = |number: u8| NewDraft {
        local: LocalId::from_bytes([number; 16]),
        source: store.source_id("c", &number.to_string()),
        body: vec![number; CONTENT_BYTES],
    };
    for number in 201..=204 {
        timed("add 1 draft", || store.add_drafts(vec![draft(number)]))?;
    }
    timed("add 201 drafts", || {
        store.add_drafts((0..=200).map(draft).collect())
    })?;
    let sealed: Vec<_> = (0..=200)
        .map(|number| SealedDraft {
            local: LocalId::from_bytes([number; 16]),
            event: event(200_000 + u64::from(number)),
            message: None,
        })
        .collect();
    timed("seal 201 drafts for two relays", || {
        store.commit_sealed(sealed, &relays)
    })?;
    let ids: Vec<_> = snapshot.items().iter().take(10_000).map(|item| item.id).collect();
    timed("enqueue 10,000", || store.enqueue(&relays[0], &ids))?;
    timed("read 10,000 deliveries", || {
        store.deliveries(&relays[0], 0, 10_000)
    })?;
    timed("safe", || store.safe(&relays, &[]))?;
    drop(store);
    println!(
        "{:<44} {:>10.2} MiB",
        "file",
        std::fs::metadata(&path)?.len() as f64 / f64::from(1 << 20)
    );
    timed("open it again", || Store::open(Storage::File(path), &key))?;
    Ok(())
}
