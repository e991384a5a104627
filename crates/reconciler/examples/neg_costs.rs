//! What a comparison costs: ours, opened plainly and recent first, against the `negentropy` crate.
//!
//! `cargo run --release -p reconciler --example neg_costs [ITEMS…]`, by default 10,000, 100,000 and 1,000,000.
//!
//! The relay is the crate in every row, and frames are at most 60,000 bytes both ways. Only the client's time is
//! counted: one thread that never waits. Our view keeps sums of 256 and of 65,536 items, as the index on disk does; the crate's `load` is what it
//! takes to fill and seal its list, which it has to do before each comparison.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use event_index::{IndexError, Item, Sum, View};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, Next, Strategy};

const FRAME_BYTES_MAX: u64 = 60_000;
const FIRST_SECOND: u64 = 1_700_000_000;
/// Each measurement is the least of this many: another program may run beside.
const RUNS: usize = 7;

/// Sorted items with the sums of blocks and of blocks of blocks.
struct Summed {
    items: Vec<Item>,
    blocks: Vec<Sum>,
    superblocks: Vec<Sum>,
}

const BLOCK: usize = 256;
const SUPERBLOCK: usize = BLOCK * BLOCK;

impl Summed {
    fn new(items: Vec<Item>) -> Self {
        let sum = |items: &[Item]| {
            let mut sum = Sum::default();
            for item in items {
                sum.add(item.id.as_bytes());
            }
            sum
        };
        let blocks = items.chunks(BLOCK).map(sum).collect();
        let superblocks = items.chunks(SUPERBLOCK).map(sum).collect();
        Self {
            items,
            blocks,
            superblocks,
        }
    }
}

impl View for Summed {
    fn len(&self) -> u64 {
        self.items.len() as u64
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        Ok(self.items[rank as usize])
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        Ok(self.items.partition_point(|item| item < bound) as u64)
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        let (mut at, end) = (range.start as usize, range.end as usize);
        let mut sum = Sum::default();
        while at < end {
            if at.is_multiple_of(SUPERBLOCK) && at + SUPERBLOCK <= end {
                sum.merge(&self.superblocks[at / SUPERBLOCK]);
                at += SUPERBLOCK;
            } else if at.is_multiple_of(BLOCK) && at + BLOCK <= end {
                sum.merge(&self.blocks[at / BLOCK]);
                at += BLOCK;
            } else {
                sum.add(self.items[at].id.as_bytes());
                at += 1;
            }
        }
        Ok(sum)
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        let items = &self.items[range.start as usize..range.end as usize];
        items.iter().copied().for_each(take);
        Ok(())
    }
}

/// What one comparison took.
#[derive(Default)]
struct Cost {
    load: u64,
    compare: u64,
    rounds: u32,
    up: usize,
    down: usize,
    named: usize,
}

fn ours(view: &Arc<Summed>, relay: &NegentropyStorageVector, strategy: Strategy) -> Cost {
    let (mut cost, mut named) = (Cost::default(), BTreeSet::new());
    let limit = FrameLimit::of(FRAME_BYTES_MAX);
    let ((mut client, mut message), nanos) =
        timed(|| Initiator::open(Arc::clone(view), strategy, limit).expect("memory does not fail"));
    cost.compare += nanos;
    loop {
        let reply = cost.ask(relay, &message);
        let (step, nanos) = timed(|| client.handle(&reply).expect("the crate speaks 0x61"));
        cost.compare += nanos;
        named.extend(step.have.into_iter().chain(step.need));
        match step.next {
            Next::Send(next) => message = next,
            Next::Done | Next::Full => break,
        }
    }
    cost.named = named.len();
    cost
}

fn theirs(items: &[Item], relay: &NegentropyStorageVector) -> Cost {
    let (mut cost, mut named) = (Cost::default(), BTreeSet::new());
    let (set, nanos) = timed(|| loaded(items));
    cost.load = nanos;
    let ((mut client, mut message), nanos) = timed(|| {
        let mut client = Negentropy::owned(set, FRAME_BYTES_MAX).expect("the limit is legal");
        let message = client.initiate().expect("memory does not fail");
        (client, message)
    });
    cost.compare += nanos;
    loop {
        let reply = cost.ask(relay, &message);
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let (next, nanos) = timed(|| {
            let next = client.reconcile_with_ids(&reply, &mut have, &mut need);
            next.expect("the crate speaks 0x61")
        });
        cost.compare += nanos;
        named.extend(have.into_iter().chain(need).map(Id::to_bytes));
        match next {
            Some(next) => message = next,
            None => break,
        }
    }
    cost.named = named.len();
    cost
}

impl Cost {
    fn ask(&mut self, relay: &NegentropyStorageVector, message: &[u8]) -> Vec<u8> {
        let mut relay = Negentropy::borrowed(relay, FRAME_BYTES_MAX).expect("the limit is legal");
        let reply = relay.reconcile(message).expect("ours speaks 0x61");
        self.rounds += 1;
        self.up += message.len();
        self.down += reply.len();
        reply
    }

    fn print(&self, count: u64, differs: &str, who: &str) {
        println!(
            "{count:>9}  {differs:<14} {who:<13} {:>6} {:>8} {:>8} {:>6} {:>11.3} {:>11.3}",
            self.rounds,
            self.up,
            self.down,
            self.named,
            self.compare as f64 / 1e6,
            self.load as f64 / 1e6,
        );
    }
}

/// The cheapest of a few runs.
fn least(run: impl Fn() -> Cost) -> Cost {
    let runs = (0..RUNS).map(|_| run());
    runs.min_by_key(|cost| cost.compare + cost.load)
        .expect("there is more than one run")
}

fn loaded(items: &[Item]) -> NegentropyStorageVector {
    let mut set = NegentropyStorageVector::with_capacity(items.len());
    for item in items {
        set.insert(item.created_at, Id::from_byte_array(item.id.to_bytes()))
            .expect("the list is not sealed yet");
    }
    set.seal().expect("the list is sealed once");
    set
}

/// What `work` returns, and how many nanoseconds it took.
#[expect(clippy::disallowed_methods, reason = "this program measures")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, u64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_nanos() as u64)
}

/// Steele, Lea and Flood's splitmix64.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Item `n` of a history with one message every ten seconds.
fn item(n: u64) -> Item {
    let mut id = [0; 32];
    for (at, word) in id.chunks_exact_mut(8).enumerate() {
        word.copy_from_slice(&mix(n * 4 + at as u64).to_be_bytes());
    }
    Item {
        created_at: FIRST_SECOND + n * 10,
        id: EventId::from_byte_array(id),
    }
}

fn compare(count: u64, differs: &str, chosen: &BTreeSet<u64>, agreed: u64) {
    // Of the items that differ, every other one is missing here, the others at the relay.
    let missing: BTreeSet<u64> = chosen.iter().copied().step_by(2).collect();
    let side = |misses: &dyn Fn(u64) -> bool| {
        let mut items: Vec<Item> = (0..count).filter(|n| !misses(*n)).map(item).collect();
        items.sort_unstable();
        items
    };
    let held = side(&|n| missing.contains(&n));
    let relay = loaded(&side(&|n| chosen.contains(&n) && !missing.contains(&n)));
    let view = Arc::new(Summed::new(held.clone()));
    let recent = Strategy::RecentFirst {
        agreed: Some(Item {
            created_at: FIRST_SECOND + agreed * 10,
            id: EventId::from_byte_array([0; 32]),
        }),
    };
    let rows = [
        ("crate", least(|| theirs(&held, &relay))),
        ("plain", least(|| ours(&view, &relay, Strategy::Plain))),
        ("recent first", least(|| ours(&view, &relay, recent))),
    ];
    for (who, cost) in rows {
        assert_eq!(
            cost.named,
            chosen.len(),
            "{who} named something else than what differs"
        );
        cost.print(count, differs, who);
    }
}

fn main() {
    let counts: Vec<u64> = std::env::args()
        .skip(1)
        .map(|count| count.parse().expect("a number of items"))
        .collect();
    println!(
        "{:>9}  {:<14} {:<13} {:>6} {:>8} {:>8} {:>6} {:>11} {:>11}",
        "items", "differs", "client", "rounds", "B up", "B down", "named", "compare ms", "load ms"
    );
    let counts = if counts.is_empty() {
        vec![10_000, 100_000, 1_000_000]
    } else {
        counts
    };
    for count in counts {
        let anywhere = |wanted: usize| {
            let mut chosen = BTreeSet::new();
            let places = (0..).map(|n| mix(n ^ 0x5eed) % count);
            for place in places {
                if chosen.len() == wanted {
                    break;
                }
                chosen.insert(place);
            }
            chosen
        };
        compare(count, "none", &BTreeSet::new(), count);
        compare(count, "10 recent", &(count - 10..count).collect(), count - 10);
        compare(count, "10 anywhere", &anywhere(10), count);
        compare(count, "1000 anywhere", &anywhere(1_000), count);
    }
}
