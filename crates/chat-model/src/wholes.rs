//! Which messages of a conversation are pieces of a longer one (DESIGN 3 "Size").
//!
//! A whole message is a chain of parents with one hash, one count and one role, numbered from 1 to the count, whose
//! contents join to something with that hash. It is called by its last piece's id, which is what replies name; its
//! parent is the first piece's. Whatever is no such chain is shown as the messages it consists of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::order::Link;
use crate::split::{PIECES_MAX, join};
use crate::{Message, MessageId, Part, Role};

/// A piece can be part of several chains, when a program repeats itself. It is tried with this many of them, so that
/// no set of messages costs more than a few times its bytes.
const TRIES_MAX: u8 = 4;

/// A message that says it is a piece.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    message: &'a Message,
    part: Part,
    /// What it hangs off, after aliases and removed messages were looked through.
    parent: Option<MessageId>,
}

impl<'a> Piece<'a> {
    /// `None` for a message that is none, or that is the only one, or one of more than are joined.
    pub(crate) fn of(message: &'a Message, parent: Option<MessageId>) -> Option<Self> {
        let part = message.part?;
        (2..=PIECES_MAX as u32).contains(&part.count).then_some(Self {
            message,
            part,
            parent,
        })
    }

    /// Whether `next` continues this piece.
    fn goes_before(&self, next: &Self) -> bool {
        let before = Part {
            index: self.part.index.saturating_add(1),
            ..self.part
        };
        before == next.part && self.message.role == next.message.role
    }
}

/// A message that came in pieces.
#[derive(Clone)]
pub(crate) struct Whole {
    /// The canonical ids of its pieces, in order; at least two.
    pub(crate) pieces: Vec<MessageId>,
    /// The message: the first piece with the whole content.
    pub(crate) message: Arc<Message>,
}

impl Whole {
    /// What it is called.
    pub(crate) fn last(&self) -> MessageId {
        self.pieces[self.pieces.len() - 1]
    }
}

/// The messages of a conversation that came in pieces, and are all here.
#[derive(Default)]
pub(crate) struct Wholes {
    /// By their last pieces.
    by_last: BTreeMap<MessageId, Whole>,
    /// From each piece to the last.
    last_of: BTreeMap<MessageId, MessageId>,
    folded: usize,
}

impl Wholes {
    /// Finds them; what it finds depends on the set only. Of several chains that share a piece, the one with the lowest
    /// last id has it. Cost: O(n log n) of the pieces, and a hash of what was not joined in `before`.
    pub(crate) fn new(pieces: &BTreeMap<MessageId, Piece<'_>>, before: &Self) -> Self {
        let mut found = Self::default();
        let mut tries: BTreeMap<MessageId, u8> = BTreeMap::new();
        let lasts = pieces
            .iter()
            .filter(|(_, piece)| piece.part.index == piece.part.count);
        for (last, _) in lasts {
            let Some(chain) = found.chain(*last, pieces, &mut tries) else {
                continue;
            };
            let known = before.by_last.get(last).filter(|known| known.pieces == chain);
            let Some(whole) = known.cloned().or_else(|| joined(chain, pieces)) else {
                continue;
            };
            if whole.message.role != Role::System {
                found.folded += whole.pieces.len() - 1;
            }
            found
                .last_of
                .extend(whole.pieces.iter().map(|piece| (*piece, *last)));
            found.by_last.insert(*last, whole);
        }
        found
    }

    /// The pieces from the first to `last`, or `None` when one is missing or belongs to another message.
    fn chain(
        &self,
        last: MessageId,
        pieces: &BTreeMap<MessageId, Piece<'_>>,
        tries: &mut BTreeMap<MessageId, u8>,
    ) -> Option<Vec<MessageId>> {
        let mut chain = vec![last];
        let (mut id, mut piece) = (last, pieces.get(&last)?);
        loop {
            let count = tries.entry(id).or_default();
            if *count == TRIES_MAX || self.last_of.contains_key(&id) {
                return None;
            }
            *count += 1;
            if piece.part.index == 1 {
                chain.reverse();
                return Some(chain);
            }
            // The numbers go down, so this ends.
            id = piece.parent?;
            let before = pieces.get(&id).filter(|before| before.goes_before(piece))?;
            chain.push(id);
            piece = before;
        }
    }

    /// The whole message a piece belongs to.
    pub(crate) fn whole_of(&self, piece: &MessageId) -> Option<&Whole> {
        self.by_last.get(self.last_of.get(piece)?)
    }

    /// What a piece's whole message is called.
    pub(crate) fn last_of(&self, piece: &MessageId) -> Option<MessageId> {
        self.last_of.get(piece).copied()
    }

    /// How many messages fewer there are than pieces, notes left out.
    pub(crate) fn folded(&self) -> usize {
        self.folded
    }

    /// Where each whole message hangs, given what its first piece names. Cost: O(n log n) of them.
    pub(crate) fn links(&self, named: impl Fn(&Whole) -> Link) -> BTreeMap<MessageId, Link> {
        let mut links = BTreeMap::new();
        for (last, whole) in &self.by_last {
            let (mut path, mut on_path) = (Vec::new(), BTreeSet::new());
            let (mut last, mut whole) = (*last, whole);
            let link = loop {
                if let Some(link) = links.get(&last) {
                    break *link;
                }
                if !on_path.insert(last) {
                    // Versions of each other in a circle say nothing.
                    break Link::ByOrder;
                }
                path.push(last);
                let link = named(whole);
                match self.version_of(&whole.message.role, link) {
                    Some(other) => (last, whole) = (other.last(), other),
                    None => break self.under(link),
                }
            };
            links.extend(path.into_iter().map(|last| (last, link)));
        }
        links
    }

    /// Where a message in one piece hangs that names `link`. `links` are those of the whole messages.
    pub(crate) fn place(&self, role: &Role, link: Link, links: &BTreeMap<MessageId, Link>) -> Link {
        match self.version_of(role, link) {
            Some(whole) => links.get(&whole.last()).copied().unwrap_or(Link::ByOrder),
            None => self.under(link),
        }
    }

    /// The whole message of which a message with this role and link is another version: another program showed its
    /// user the pieces, and one of them was written anew.
    fn version_of(&self, role: &Role, link: Link) -> Option<&Whole> {
        let Link::To(parent) = link else { return None };
        let whole = self.whole_of(&parent)?;
        (whole.last() != parent && whole.message.role == *role).then_some(whole)
    }

    /// A reply to any piece is one to the message.
    fn under(&self, link: Link) -> Link {
        match link {
            Link::To(parent) => Link::To(self.last_of(&parent).unwrap_or(parent)),
            other => other,
        }
    }
}

fn joined(chain: Vec<MessageId>, pieces: &BTreeMap<MessageId, Piece<'_>>) -> Option<Whole> {
    let found: Vec<&Piece<'_>> = chain.iter().filter_map(|id| pieces.get(id)).collect();
    let contents: Vec<_> = found.iter().map(|piece| &piece.message.content).collect();
    let first = found.first()?;
    let content = join(&contents, &first.part.whole)?;
    let message = Message {
        content,
        part: None,
        ..first.message.clone()
    };
    Some(Whole {
        pieces: chain,
        message: Arc::new(message),
    })
}
