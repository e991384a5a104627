//! The negentropy core against itself and against the reference, in both roles.

mod bytes;
mod collision;
mod recent;
mod seams;
mod sets;
mod vectors;

use std::collections::BTreeSet;
use std::sync::Arc;

use event_index::{Item, Snapshot};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::EventId;
use proptest::prelude::*;
use reconciler::neg::{FrameLimit, Initiator, Next, Responder, Step, Strategy as Opening};

/// Who plays a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    Ours,
    Reference,
}

/// How a comparison is set up.
#[derive(Debug, Clone)]
pub(crate) struct Table<'a> {
    pub(crate) client: &'a [Item],
    pub(crate) server: &'a [Item],
    pub(crate) players: (Player, Player),
    pub(crate) opening: Opening,
    pub(crate) limits: (u64, u64),
}

/// What a whole comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// In order, the client's first.
    pub(crate) messages: Vec<Vec<u8>>,
    /// Every id named, once.
    pub(crate) have: BTreeSet<EventId>,
    pub(crate) need: BTreeSet<EventId>,
}

impl Played {
    pub(crate) fn rounds(&self) -> usize {
        self.messages.len() / 2
    }
}

/// Far more than any comparison here takes: one that goes on longer goes on for ever.
const ROUNDS_MAX: usize = 200;

pub(crate) fn play(table: &Table<'_>) -> Played {
    let (mut client, mut message) = Client::open(table);
    let server = Server::new(table);
    let (mut messages, mut have, mut need) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    loop {
        let reply = server.answer(&message);
        for (bytes, limit) in [(&message, table.limits.0), (&reply, table.limits.1)] {
            assert!(limit == 0 || bytes.len() as u64 <= limit, "{} bytes", bytes.len());
        }
        let step = client.handle(&reply);
        messages.extend([message, reply]);
        have.extend(step.have);
        need.extend(step.need);
        assert!(messages.len() / 2 < ROUNDS_MAX, "the comparison does not end");
        match step.next {
            Next::Send(next) => message = next,
            Next::Done => break,
            Next::Full => panic!("so few ids fill no step"),
        }
    }
    Played { messages, have, need }
}

enum Client {
    Ours(Initiator<Snapshot>),
    Reference(Negentropy<'static, NegentropyStorageVector>),
}

impl Client {
    fn open(table: &Table<'_>) -> (Self, Vec<u8>) {
        let limit = table.limits.0;
        match table.players.0 {
            Player::Ours => {
                let view = view(table.client);
                let (client, message) = Initiator::open(view, table.opening, FrameLimit::of(limit)).unwrap();
                (Self::Ours(client), message)
            }
            Player::Reference => {
                let mut client = Negentropy::owned(reference(table.client), limit).unwrap();
                let message = client.initiate().unwrap();
                (Self::Reference(client), message)
            }
        }
    }

    fn handle(&mut self, reply: &[u8]) -> Step {
        match self {
            Self::Ours(client) => client.handle(reply).unwrap(),
            Self::Reference(client) => {
                let (mut have, mut need) = (Vec::new(), Vec::new());
                let next = client.reconcile_with_ids(reply, &mut have, &mut need).unwrap();
                let ids = |ids: Vec<Id>| {
                    ids.iter()
                        .map(|id| EventId::from_byte_array(id.to_bytes()))
                        .collect()
                };
                Step {
                    have: ids(have),
                    need: ids(need),
                    next: next.map_or(Next::Done, Next::Send),
                }
            }
        }
    }
}

enum Server {
    Ours(Responder<Snapshot>),
    Reference(NegentropyStorageVector, u64),
}

impl Server {
    fn new(table: &Table<'_>) -> Self {
        match table.players.1 {
            Player::Ours => Self::Ours(Responder::new(view(table.server), FrameLimit::of(table.limits.1))),
            Player::Reference => Self::Reference(reference(table.server), table.limits.1),
        }
    }

    /// Each message alone decides.
    fn answer(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(server) => server.answer(message).unwrap(),
            Self::Reference(set, limit) => Negentropy::borrowed(set, *limit)
                .unwrap()
                .reconcile(message)
                .unwrap(),
        }
    }
}

pub(crate) fn view(items: &[Item]) -> Arc<Snapshot> {
    Arc::new(Snapshot::of(items.to_vec(), 0))
}

fn reference(items: &[Item]) -> NegentropyStorageVector {
    let mut set = NegentropyStorageVector::with_capacity(items.len());
    for item in items {
        set.insert(item.created_at, Id::from_byte_array(item.id.to_bytes()))
            .unwrap();
    }
    set.seal().unwrap();
    set
}

/// Who plays whom when one side at least is ours.
pub(crate) const OURS: [(Player, Player); 3] = [
    (Player::Ours, Player::Ours),
    (Player::Ours, Player::Reference),
    (Player::Reference, Player::Ours),
];

/// Items and who holds each: 1 the client, 2 the server, 3 both. An id has eight random bytes and one time, seconds
/// are few, and long runs belong to one side.
pub(crate) fn sets() -> impl Strategy<Value = (Vec<Item>, Vec<Item>)> {
    let seconds = prop_oneof![Just(1_u64), Just(5), Just(60), Just(u64::from(u32::MAX))];
    let run = (
        prop_oneof![8 => Just(3_u8), 1 => Just(1), 1 => Just(2), 1 => Just(0)],
        1_usize..250,
        any::<u64>(),
        seconds,
    );
    let base = prop_oneof![4 => Just(1_789_000_000_u64), 1 => Just(0), 1 => Just(u64::MAX - (1 << 33))];
    (proptest::collection::vec(run, 0..12), base, any::<[u8; 24]>()).prop_map(|(runs, base, tail)| {
        let (mut client, mut server) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (holder, count, seed, seconds) in runs {
            let mut random = seed;
            for at in 0..count {
                random = mix(random);
                // Some ids share all but their last bytes, so that bounds are long.
                let mut id = [0; 32];
                let (head, rest) = if random.is_multiple_of(5) { (24, 0) } else { (0, 8) };
                id[rest..rest + 24].copy_from_slice(&tail);
                id[head..head + 8].copy_from_slice(&random.to_be_bytes());
                let item = Item {
                    created_at: base + mix(random ^ 1) % seconds,
                    id: EventId::from_byte_array(id),
                };
                // Now and then one that another run would not have.
                let holder = if holder == 3 && at % 97 == 41 {
                    1 + (random >> 8) as u8 % 2
                } else {
                    holder
                };
                if seen.insert(item.id) {
                    if holder & 1 > 0 {
                        client.push(item);
                    }
                    if holder & 2 > 0 {
                        server.push(item);
                    }
                }
            }
        }
        (client, server)
    })
}

/// Steele, Lea and Flood's splitmix64.
pub(crate) fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

pub(crate) fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(4_096), Just(60_000), 4_096..10_000_u64]
}

/// Any opening: plain, or recent first with an agreement anywhere.
pub(crate) fn opening() -> impl Strategy<Value = Opening> {
    let item = (any::<prop::sample::Index>(), any::<[u8; 32]>(), any::<bool>()).prop_map(|(at, id, zero)| {
        let id = if zero { [0; 32] } else { id };
        Item {
            created_at: 1_789_000_000 + at.index(90) as u64,
            id: EventId::from_byte_array(id),
        }
    });
    let overlapping = (item.clone(), item.clone(), any::<bool>()).prop_map(|(from, covered, last)| {
        let highest = EventId::from_byte_array([0xff; 32]);
        let covered = if last {
            Item {
                id: highest,
                ..covered
            }
        } else {
            covered
        };
        Opening::Overlapping { from, covered }
    });
    let agreed = prop_oneof![
        8 => item.prop_map(Some),
        1 => Just(None),
        1 => Just(Some(Item { created_at: u64::MAX, id: EventId::from_byte_array([0; 32]) })),
        1 => Just(Some(Item { created_at: 0, id: EventId::from_byte_array([0; 32]) })),
    ];
    let recent = agreed.prop_map(|agreed| Opening::RecentFirst { agreed });
    prop_oneof![1 => Just(Opening::Plain), 3 => recent, 3 => overlapping]
}
