//! A conversation as a tree: which messages are versions of each other, and which replies follow the shown one.
//!
//! The rules are those of tests/vectors/threads.json. A note (role `system`) is spliced out. A user message whose
//! parent is "nothing" is at the top; a message with a parent is under it, shown or not, here or not; any other goes
//! where the order puts it: under the message before it when the roles differ, else beside it.

use std::collections::{BTreeMap, BTreeSet};

use crate::conversation::Selection;
use crate::order::{Link, Node};
use crate::{MessageId, Role};

/// A place in the tree. Messages at one place are versions of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Top,
    Under(MessageId),
}

impl Place {
    pub(crate) fn parent(self) -> Option<MessageId> {
        match self {
            Self::Top => None,
            Self::Under(parent) => Some(parent),
        }
    }
}

/// One step of the shown branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The message it hangs off; `None` at the top.
    pub parent: Option<MessageId>,
    /// The versions at this place, oldest first. Never empty.
    pub versions: Vec<MessageId>,
    /// Which of them is shown.
    pub shown_index: usize,
}

impl Slot {
    /// The shown version.
    pub fn shown(&self) -> MessageId {
        self.versions[self.shown_index]
    }
}

/// Where every message of a conversation is.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The messages at each place, in order.
    versions: BTreeMap<Place, Vec<MessageId>>,
    places: BTreeMap<MessageId, Place>,
}

impl Tree {
    /// Places messages that are in order. Cost: O(n log n).
    pub(crate) fn new(ordered: &[Node<'_>]) -> Self {
        let notes: BTreeMap<MessageId, Link> = ordered
            .iter()
            .filter(|node| *node.role == Role::System)
            .map(|node| (node.id, node.link))
            .collect();
        let mut tree = Self::default();
        let mut placed: Vec<(&Role, MessageId)> = Vec::new();
        let mut named_early = BTreeSet::new();
        for node in ordered.iter().filter(|node| *node.role != Role::System) {
            let place = match splice(node.link, &notes) {
                Link::To(parent) => {
                    if !tree.places.contains_key(&parent) {
                        named_early.insert(parent);
                    }
                    Place::Under(parent)
                }
                Link::Top if *node.role == Role::User => Place::Top,
                Link::Top | Link::ByOrder => tree.by_order(node, &placed, named_early.contains(&node.id)),
            };
            tree.versions.entry(place).or_default().push(node.id);
            tree.places.insert(node.id, place);
            placed.push((node.role, node.id));
        }
        tree
    }

    /// Under the message before it when the roles differ, else beside that one. The first is at the top.
    ///
    /// `has_replies` tells that a message earlier in the order names this one as parent (its clock was behind). Placed
    /// under such a message it would hang off itself, and neither would be shown.
    fn by_order(&self, node: &Node<'_>, placed: &[(&Role, MessageId)], has_replies: bool) -> Place {
        let mut earlier = placed.iter().rev();
        let before = earlier.find(|(_, id)| !has_replies || !self.descends(*id, node.id));
        match before {
            None => Place::Top,
            Some((role, id)) if *role != node.role => Place::Under(*id),
            Some((_, id)) => self.places[id],
        }
    }

    fn descends(&self, mut id: MessageId, ancestor: MessageId) -> bool {
        // A chain longer than the tree is a loop.
        for _ in 0..=self.places.len() {
            match self.places.get(&id) {
                Some(Place::Under(parent)) if *parent == ancestor => return true,
                Some(Place::Under(parent)) => id = *parent,
                Some(Place::Top) | None => return false,
            }
        }
        false
    }

    /// The branch from the top: at each depth the picked version, else the last.
    pub(crate) fn slots(&self, selection: &Selection) -> Vec<Slot> {
        self.slots_by(|depth, versions| {
            let picked = selection.get(&depth)?;
            versions.iter().position(|version| version == picked)
        })
    }

    /// The branch from the top, of which `choose` says by depth which version is shown; the last where it says nothing.
    pub(crate) fn slots_by(&self, choose: impl Fn(usize, &[MessageId]) -> Option<usize>) -> Vec<Slot> {
        let mut slots = Vec::new();
        let mut place = Place::Top;
        // Every message has one place, so a walk from the top meets none twice and ends.
        while let Some(versions) = self.versions.get(&place) {
            let shown_index = choose(slots.len(), versions).unwrap_or(versions.len() - 1);
            slots.push(Slot {
                parent: place.parent(),
                versions: versions.clone(),
                shown_index,
            });
            place = Place::Under(versions[shown_index]);
        }
        slots
    }

    /// The versions at the message's place and the place, or `None` for a note or a stranger.
    pub(crate) fn versions_of(&self, id: &MessageId) -> Option<(Place, &[MessageId])> {
        let place = *self.places.get(id)?;
        Some((place, &self.versions[&place]))
    }
}

/// Looks through notes to what they hang off. A loop of notes says nothing.
fn splice(mut link: Link, notes: &BTreeMap<MessageId, Link>) -> Link {
    for _ in 0..=notes.len() {
        match link {
            Link::To(parent) => match notes.get(&parent) {
                Some(next) => link = *next,
                None => return link,
            },
            Link::Top | Link::ByOrder => return link,
        }
    }
    Link::ByOrder
}
