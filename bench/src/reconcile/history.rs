//! The history that is compared: a store made through its own interface, and what a relay holds instead.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use event_index::{Arrival, Item, Storage, Store, StoreKey};
use negentropy::{Id, NegentropyStorageVector};
use nostr::event::{Event, EventId, Kind, Signature};
use nostr::key::PublicKey;
use nostr::types::Timestamp;

const FIRST_SECOND: u64 = 1_600_000_000;
/// One message every ten seconds.
const APART: u64 = 10;
/// Items of one commit while a file is made.
const BATCH: u64 = 20_000;

/// Item `n`. Its id begins with its number, so that the table of ids grows at its end and a file of ten million is made
/// in minutes; no comparison reads that table. The rest is random, which is what sums and fingerprints see.
pub(super) fn item(n: u64) -> Item {
    let mut id = [0; 32];
    for (at, word) in id.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mix(n * 4 + at as u64).to_be_bytes());
    }
    id[..8].copy_from_slice(&n.to_be_bytes());
    Item {
        created_at: FIRST_SECOND + n * APART,
        id: EventId::from_byte_array(id),
    }
}

/// One that only the relay has, right behind item `n`.
fn theirs(n: u64) -> Item {
    let Item { created_at, id } = item(n);
    let mut id = id.to_bytes();
    id[31] ^= 1;
    Item {
        created_at: created_at + APART / 2,
        id: EventId::from_byte_array(id),
    }
}

/// Steele, Lea and Flood's splitmix64.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The store's key; nothing in these files is anybody's.
pub(crate) fn key() -> StoreKey {
    StoreKey::from_bytes([7; 32])
}

/// The file with the items `0..count`, made unless it is there. Events have no content: a comparison reads none.
pub(super) fn file(directory: &Path, count: u64) -> Result<PathBuf, Box<dyn Error>> {
    let path = directory.join(format!("history-{count}.redb"));
    if path.try_exists()? {
        return Ok(path);
    }
    eprintln!("bench: making a history of {count} events");
    let unfinished = directory.join(format!("history-{count}.unfinished"));
    if unfinished.try_exists()? {
        fs::remove_file(&unfinished)?;
    }
    let store = Store::open(Storage::File(unfinished.clone()), &key())?;
    for from in (0..count).step_by(BATCH as usize) {
        store.ingest(arrivals(from..count.min(from + BATCH)))?;
    }
    drop(store);
    fs::rename(&unfinished, &path)?;
    Ok(path)
}

fn arrivals(numbers: Range<u64>) -> Vec<Arrival> {
    let author = PublicKey::from_byte_array([1; 32]);
    let signature = Signature::from_byte_array([1; 64]);
    let arrival = |number| {
        let Item { created_at, id } = item(number);
        let created_at = Timestamp::from(created_at);
        let event = Event::new(id, author, created_at, Kind::from(1080), [], "", signature);
        Arrival { event, source: None }
    };
    numbers.map(arrival).collect()
}

/// What differs between the file and the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    /// As DESIGN 9 names it.
    pub(super) name: &'static str,
    items: u64,
    /// The newest items, instead of items anywhere.
    recent: bool,
}

/// In the order of the table.
pub(super) const DIFFERENCES: [Difference; 4] = [
    Difference {
        name: "none",
        items: 0,
        recent: true,
    },
    Difference {
        name: "10-recent",
        items: 10,
        recent: true,
    },
    Difference {
        name: "10-anywhere",
        items: 10,
        recent: false,
    },
    Difference {
        name: "1000-anywhere",
        items: 1_000,
        recent: false,
    },
];

/// What a comparison has to name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) have: BTreeSet<EventId>,
    pub(super) need: BTreeSet<EventId>,
}

/// A relay's set, and what comparisons with it have to name.
pub(super) struct Relay {
    pub(super) set: NegentropyStorageVector,
    /// Ours.
    pub(super) ours: Expected,
    /// The crate's.
    pub(super) theirs: Expected,
    /// The first item after the last agreement with it.
    pub(super) agreed: u64,
}

impl Difference {
    /// Of the places that differ, the relay lacks our item at every other, and has one of its own behind the rest.
    pub(super) fn relay(self, count: u64) -> Result<Relay, Box<dyn Error>> {
        let mut places = BTreeSet::new();
        if self.recent {
            places.extend(count - self.items..count);
        } else {
            let anywhere = (0..).map(|n| mix(n ^ 0x5eed) % count);
            for place in anywhere {
                if places.len() as u64 == self.items {
                    break;
                }
                places.insert(place);
            }
        }
        let lacks: BTreeSet<u64> = places.iter().copied().step_by(2).collect();
        let mut set = NegentropyStorageVector::with_capacity(count as usize);
        let mut put = |item: Item| set.insert(item.created_at, Id::from_byte_array(item.id.to_bytes()));
        let mut expected = Expected::default();
        for n in 0..count {
            if lacks.contains(&n) {
                expected.have.insert(item(n).id);
            } else {
                put(item(n))?;
            }
            if places.contains(&n) && !lacks.contains(&n) {
                put(theirs(n))?;
                expected.need.insert(theirs(n).id);
            }
        }
        set.seal()?;
        let news = if self.recent { self.items } else { 0 };
        let agreed = item(count - news).created_at;
        Ok(Relay {
            set,
            ours: expected.clone(),
            theirs: expected,
            agreed,
        })
    }
}
