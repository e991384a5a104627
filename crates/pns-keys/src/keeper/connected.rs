//! What the keeper has open at one connected relay.

use std::collections::{BTreeMap, BTreeSet};

use nostr::event::EventId;
use nostr::filter::Filter;
use nostr::key::PublicKey;
use relay_link::{ClientFrame, RelayLink, SubId};

use super::shelf::KEYRINGS_MAX;
use crate::KEYRING;

/// Subscriptions of an earlier incarnation that were closed here; a connection rarely sees one.
const STRAYS_MAX: usize = 16;

/// A relay with a live connection.
pub(super) struct Connected {
    pub(super) link: RelayLink,
    pub(super) connection: u64,
    /// The live subscription for keyrings.
    pub(super) question: Option<Question>,
    /// Keyrings asked for by id.
    pub(super) read_backs: BTreeMap<SubId, EventId>,
    strays: BTreeSet<SubId>,
}

/// The question for all keyrings; after its EOSE it stays open and tells news.
pub(super) struct Question {
    pub(super) sub: SubId,
    /// What came before EOSE.
    pub(super) listed: BTreeSet<EventId>,
    /// EOSE came.
    pub(super) ended: bool,
    /// A NOTICE or something forged came before EOSE, which then says nothing.
    pub(super) spoiled: bool,
}

/// What a subscription id stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The question, before its EOSE.
    Stored,
    /// The question, after its EOSE.
    News,
    /// A keyring asked for by id.
    ReadBack(EventId),
    /// Nothing that is open.
    Stray,
}

impl Question {
    pub(super) fn new(sub: SubId) -> Self {
        Self {
            sub,
            listed: BTreeSet::new(),
            ended: false,
            spoiled: false,
        }
    }

    /// Its EOSE came and can be believed.
    pub(super) fn is_answered(&self) -> bool {
        self.ended && !self.spoiled
    }
}

impl Connected {
    pub(super) fn new(link: RelayLink, connection: u64) -> Self {
        Self {
            link,
            connection,
            question: None,
            read_backs: BTreeMap::new(),
            strays: BTreeSet::new(),
        }
    }

    pub(super) fn heard(&self, sub: &SubId) -> Heard {
        match (&self.question, self.read_backs.get(sub)) {
            (Some(question), _) if question.sub == *sub && question.ended => Heard::News,
            (Some(question), _) if question.sub == *sub => Heard::Stored,
            (_, Some(id)) => Heard::ReadBack(*id),
            _ => Heard::Stray,
        }
    }

    /// Takes out the subscriptions that ask for `id`, to be closed.
    pub(super) fn take_read_backs(&mut self, id: EventId) -> Vec<SubId> {
        let subs: Vec<SubId> = self
            .read_backs
            .iter()
            .filter(|(_, wanted)| **wanted == id)
            .map(|(sub, _)| sub.clone())
            .collect();
        for sub in &subs {
            self.read_backs.remove(sub);
            self.closed(sub);
        }
        subs
    }

    /// The CLOSE for a subscription nobody here opened, the first time it is met.
    pub(super) fn close_stray(&mut self, sub: SubId) -> Option<ClientFrame> {
        let room = self.strays.len() < STRAYS_MAX;
        (room && self.strays.insert(sub.clone())).then_some(ClientFrame::Close { sub })
    }

    /// Marks `sub` as closed here: what is still in flight on it is no stray.
    pub(super) fn closed(&mut self, sub: &SubId) {
        if self.strays.len() >= STRAYS_MAX {
            self.strays.pop_first();
        }
        self.strays.insert(sub.clone());
    }
}

/// All keyrings of `account`.
pub(super) fn all_keyrings(account: PublicKey) -> Filter {
    Filter::new().kind(KEYRING).author(account).limit(KEYRINGS_MAX)
}

/// One keyring of `account`.
pub(super) fn one_keyring(account: PublicKey, id: EventId) -> Filter {
    Filter::new().id(id).kind(KEYRING).author(account).limit(1)
}
