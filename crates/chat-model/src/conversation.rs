//! One conversation of a [`Library`](crate::Library), as a person sees it.

use std::collections::BTreeMap;

use crate::order::Node;
use crate::tree::{Slot, Tree};
use crate::{Message, MessageId};

/// The versions a person picked: depth in the shown branch, from 0, to message. A pick that is not there is ignored.
pub type Selection = BTreeMap<usize, MessageId>;

/// One line of the list of conversations. `Debug` leaves its words out.
#[derive(Clone, PartialEq, Eq)]
pub struct ConversationSummary {
    /// The conversation's id.
    pub id: String,
    /// What it is called; [`NEW_CONVERSATION`](crate::NEW_CONVERSATION) when its first message says nothing.
    pub title: String,
    /// How many messages it has in all branches, notes left out.
    pub messages: usize,
    /// The newest `created_at` of any of its messages, notes included.
    pub updated_at: u64,
    /// How many of its messages were not read on this device. A library knows of none; whoever keeps marks counts them
    /// with [`Library::unread`](crate::Library::unread).
    pub unread: usize,
}

impl std::fmt::Debug for ConversationSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationSummary")
            .field("messages", &self.messages)
            .field("updated_at", &self.updated_at)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

/// A message with its place in the tree.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown<'a> {
    /// Its canonical id.
    pub id: MessageId,
    /// What it hangs off once notes, removed messages and aliases are looked through: `None` at the top. Otherwise the
    /// canonical id of a message that may not be here yet.
    pub parent: Option<MessageId>,
    /// The message.
    pub message: &'a Message,
    /// Which version it is at its place, from 1.
    pub version: usize,
    /// How many versions there are.
    pub versions: usize,
}

/// One conversation as a tree, borrowed from a library. Built in O(n log n) of its messages.
pub struct Conversation<'a> {
    id: &'a str,
    title: &'a str,
    updated_at: u64,
    /// Every message with its canonical id, in order, notes included.
    messages: BTreeMap<MessageId, &'a Message>,
    order: Vec<MessageId>,
    tree: Tree,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(
        id: &'a str,
        title: &'a str,
        updated_at: u64,
        messages: BTreeMap<MessageId, &'a Message>,
        ordered: &[Node<'_>],
    ) -> Self {
        let order = ordered.iter().map(|node| node.id).collect();
        Self {
            id,
            title,
            updated_at,
            messages,
            order,
            tree: Tree::new(ordered),
        }
    }

    /// The conversation's id.
    pub fn id(&self) -> &'a str {
        self.id
    }

    /// What it is called.
    pub fn title(&self) -> &'a str {
        self.title
    }

    /// The newest `created_at` of any of its messages, notes included.
    pub fn updated_at(&self) -> u64 {
        self.updated_at
    }

    /// The shown branch, with the versions at each step.
    pub fn slots(&self, selection: &Selection) -> Vec<Slot> {
        self.tree.slots(selection)
    }

    /// The branch in which, where several versions are among `ranks`, the one with the highest shows.
    pub(crate) fn slots_ranked(&self, ranks: &BTreeMap<MessageId, usize>) -> Vec<Slot> {
        self.tree.slots_by(|_, versions| {
            let ranked = versions.iter().enumerate();
            let ranked = ranked.filter_map(|(at, version)| Some((ranks.get(version)?, at)));
            ranked.max().map(|(_, at)| at)
        })
    }

    /// The shown branch from the top: what a person reads.
    pub fn branch(&self, selection: &Selection) -> Vec<Shown<'a>> {
        self.tree
            .slots(selection)
            .iter()
            .filter_map(|slot| self.shown(&slot.shown()))
            .collect()
    }

    /// Every message of every branch in order, notes left out, and messages whose parent is not here yet included.
    pub fn messages(&self) -> Vec<Shown<'a>> {
        self.order.iter().filter_map(|id| self.shown(id)).collect()
    }

    /// The notes (role `system`), in order.
    pub fn notes(&self) -> Vec<(MessageId, &'a Message)> {
        let notes = self.order.iter().filter(|id| self.tree.versions_of(id).is_none());
        notes.map(|id| (*id, self.messages[id])).collect()
    }

    /// One message by its canonical id, or `None` for a note or a stranger.
    pub fn shown(&self, id: &MessageId) -> Option<Shown<'a>> {
        let (place, versions) = self.tree.versions_of(id)?;
        let version = versions.iter().position(|version| version == id)? + 1;
        let message = self.messages.get(id)?;
        Some(Shown {
            id: *id,
            parent: place.parent(),
            message,
            version,
            versions: versions.len(),
        })
    }

    /// The messages at the place of this one, itself among them, oldest first; none for a note or a stranger.
    pub fn versions(&self, id: &MessageId) -> &[MessageId] {
        self.tree.versions_of(id).map_or(&[], |(_, versions)| versions)
    }

    /// The last message of the shown branch: what a new message replies to.
    pub fn last(&self, selection: &Selection) -> Option<Shown<'a>> {
        self.tree
            .slots(selection)
            .last()
            .and_then(|slot| self.shown(&slot.shown()))
    }
}

impl std::fmt::Debug for Conversation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation")
            .field("messages", &self.order.len())
            .finish_non_exhaustive()
    }
}
