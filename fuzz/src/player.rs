//! Who plays a side of a comparison: ours, or the `negentropy` crate.

use std::collections::BTreeSet;

use event_index::{Item, Snapshot};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, Next, Responder, Step, Strategy};

use crate::items::view;

/// Who plays a side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Player {
    Ours,
    Reference,
}

/// How a comparison is set up; pairs name the client first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) items: (&'a [Item], &'a [Item]),
    pub(crate) players: (Player, Player),
    pub(crate) strategy: Strategy,
    pub(crate) limits: (u64, u64),
}

/// What a whole comparison came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Played {
    /// In order, the client's first.
    pub(crate) messages: Vec<Vec<u8>>,
    pub(crate) have: BTreeSet<EventId>,
    pub(crate) need: BTreeSet<EventId>,
}

impl Played {
    pub(crate) fn rounds(&self) -> usize {
        self.messages.len() / 2
    }
}

/// Far more than any comparison of these sizes takes: one that goes on longer goes on for ever.
const ROUNDS_MAX: usize = 300;

/// Plays until the client is done.
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
        let (items, limit) = (table.items.0, table.limits.0);
        match table.players.0 {
            Player::Ours => {
                let opened = Initiator::open(view(items), table.strategy, FrameLimit::of(limit));
                let (client, message) = opened.expect("a view in memory does not fail");
                (Self::Ours(client), message)
            }
            Player::Reference => {
                let mut client = Negentropy::owned(reference(items), limit).expect("a legal limit");
                let message = client.initiate().expect("it opens once");
                (Self::Reference(client), message)
            }
        }
    }

    fn handle(&mut self, reply: &[u8]) -> Step {
        match self {
            Self::Ours(client) => client.handle(reply).expect("an honest reply is read"),
            Self::Reference(client) => {
                let (mut have, mut need) = (Vec::new(), Vec::new());
                let next = client.reconcile_with_ids(reply, &mut have, &mut need);
                let next = next.expect("the reference reads what ours says");
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
        let (items, limit) = (table.items.1, table.limits.1);
        match table.players.1 {
            Player::Ours => Self::Ours(Responder::new(view(items), FrameLimit::of(limit))),
            Player::Reference => Self::Reference(reference(items), limit),
        }
    }

    fn answer(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ours(server) => server.answer(message).expect("an honest question is read"),
            Self::Reference(set, limit) => {
                let mut server = Negentropy::borrowed(set, *limit).expect("a legal limit");
                server
                    .reconcile(message)
                    .expect("the reference reads what ours says")
            }
        }
    }
}

fn reference(items: &[Item]) -> NegentropyStorageVector {
    let mut set = NegentropyStorageVector::with_capacity(items.len());
    for item in items {
        let id = Id::from_byte_array(item.id.to_bytes());
        set.insert(item.created_at, id).expect("it is not sealed yet");
    }
    set.seal().expect("it is sealed once");
    set
}
