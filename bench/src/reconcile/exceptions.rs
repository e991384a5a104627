//! A history whose relay is known to hold something else: it serves what was deleted here, and refused what is held.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use event_index::{
    Agreement, Arrival, Basis, Delivery, DeliveryState, Extra, ExtraReason, Item, Storage, Store,
};
use negentropy::{Id, NegentropyStorageVector};
use nostr::event::{Event, EventId, Kind, Signature, Tag, Tags};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

use super::history::{self, Expected, Relay};

/// The name of the row: nothing differs from what is expected there.
pub(super) const NAME: &str = "none-exceptions";
/// The relay that the exceptions are of.
pub(super) const RELAY: &str = "wss://relay.example";
/// Larger histories are copied for nothing: what exceptions cost depends on their number.
pub(super) const ITEMS_MAX: u64 = 1_000_000;

/// Events that were held and deleted; the relay serves every other one still.
const DELETED: u64 = 2_000;
/// Ids that one deletion names (DESIGN 3).
const DELETED_AT_ONCE: usize = 500;
/// Items that the relay refused.
const REFUSED: u64 = 500;

/// The file with the items `0..count` and what came and went beside them, made from that with the items alone unless it
/// is there.
pub(super) fn file(directory: &Path, count: u64, items: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let path = directory.join(format!("history-{count}-exceptions.redb"));
    if path.try_exists()? {
        return Ok(path);
    }
    let unfinished = directory.join(format!("history-{count}-exceptions.unfinished"));
    fs::copy(items, &unfinished)?;
    let store = Store::open(Storage::File(unfinished.clone()), &history::key())?;
    let deleted: Vec<Event> = deleted(count).collect();
    store.ingest(arrivals(deleted.iter().cloned()))?;
    let ingested = store.ingest(arrivals(deletions(count, &deleted)))?;
    if ingested.deleted.len() as u64 != DELETED {
        return Err("not everything was deleted".into());
    }
    let served: Vec<Extra> = served(&deleted)
        .map(|item| Extra {
            item,
            reason: ExtraReason::Tombstoned,
        })
        .collect();
    store.place(RELAY, &served, &[])?;
    let refused: Vec<EventId> = refused(count).map(|n| history::item(n).id).collect();
    store.enqueue(RELAY, &refused)?;
    let parked = store
        .deliveries(RELAY, 0, usize::MAX)?
        .into_iter()
        .map(|row| Delivery {
            state: DeliveryState::Parked,
            reason: Some("blocked: not here".to_owned()),
            ..row
        });
    store.set_deliveries(parked.collect())?;
    let agreement = Agreement {
        at: agreed_at(count),
        count,
        fingerprint: [0; 16],
        last_seq: store.view()?.last_seq(),
        basis: Basis::Fingerprint,
        authors: 1,
    };
    store.record_agreement(RELAY, agreement)?;
    drop(store);
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

/// The relay's set. Ours is to find it as expected; the crate's client knows of no exceptions and names each.
pub(super) fn relay(count: u64) -> Result<Relay, Box<dyn Error>> {
    let deleted: Vec<Event> = deleted(count).collect();
    let deletions = deletions(count, &deleted);
    let refused: BTreeSet<u64> = refused(count).collect();
    let mut set = NegentropyStorageVector::with_capacity(count as usize + deleted.len());
    let held = (0..count).filter(|n| !refused.contains(n)).map(history::item);
    let served: Vec<Item> = served(&deleted).collect();
    for item in held
        .chain(served.iter().copied())
        .chain(deletions.iter().map(Item::of))
    {
        set.insert(item.created_at, Id::from_byte_array(item.id.to_bytes()))?;
    }
    set.seal()?;
    Ok(Relay {
        set,
        ours: Expected::default(),
        theirs: Expected {
            have: refused.iter().map(|n| history::item(*n).id).collect(),
            need: served.iter().map(|item| item.id).collect(),
        },
        agreed: agreed_at(count),
    })
}

fn agreed_at(count: u64) -> u64 {
    history::item(count).created_at
}

/// Spread over the history, between the refused ones and the ends.
fn refused(count: u64) -> impl Iterator<Item = u64> {
    (0..REFUSED).map(move |n| (2 * n + 1) * count / (2 * REFUSED))
}

/// Their ids are the hashes of what they say: a deletion reads what it deletes.
fn deleted(count: u64) -> impl Iterator<Item = Event> {
    (0..DELETED).map(move |n| {
        let beside = history::item(n * count / DELETED).created_at;
        event(1080, beside + 3, Vec::new())
    })
}

fn deletions(count: u64, deleted: &[Event]) -> Vec<Event> {
    let last = history::item(count - 1).created_at;
    let parts = (1..).zip(deleted.chunks(DELETED_AT_ONCE));
    parts
        .map(|(n, part)| {
            let targets = part.iter().map(|event| Tag::event(event.id)).collect();
            event(5, last + n, targets)
        })
        .collect()
}

fn served(deleted: &[Event]) -> impl Iterator<Item = Item> {
    deleted.iter().step_by(2).map(Item::of)
}

fn event(kind: u16, created_at: u64, tags: Vec<Tag>) -> Event {
    let author = PublicKey::from_byte_array([1; 32]);
    let (created_at, kind) = (Timestamp::from(created_at), Kind::from(kind));
    let id = EventId::compute(&author, &created_at, &kind, &Tags::from_list(tags.clone()), "");
    Event::new(
        id,
        author,
        created_at,
        kind,
        tags,
        "",
        Signature::from_byte_array([1; 64]),
    )
}

fn arrivals(events: impl IntoIterator<Item = Event>) -> Vec<Arrival> {
    let arrival = |event| Arrival { event, source: None };
    events.into_iter().map(arrival).collect()
}
