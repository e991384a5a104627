//! How a library keeps conversations, and what it answers about them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use crate::order::{Link, Node, ordered};
use crate::title::title;
use crate::wholes::{Piece, Wholes};
use crate::{
    Conversation, ConversationSummary, Library, Message, MessageId, Parent, Removed, Role, Tombstone,
};

/// A message in the library.
#[derive(Debug, Clone)]
pub struct Held<'a> {
    /// Its canonical id.
    pub id: MessageId,
    /// When the canonical event was sealed; `None` for a draft. Seconds since the Unix epoch.
    pub outer_time: Option<u64>,
    /// The message.
    pub message: &'a Message,
    /// Its other ids.
    pub aliases: Vec<MessageId>,
}

pub(crate) struct Entry {
    /// Meaningless for a local id.
    pub(crate) outer_time: u64,
    pub(crate) message: Message,
    /// Its other ids, each with what its own copy replies to: that counts again once the message is removed.
    pub(crate) aliases: BTreeMap<MessageId, Parent>,
}

impl Entry {
    /// What a removal of this message takes, under its canonical id.
    pub(crate) fn removal(&self, id: MessageId) -> Removed {
        let aliases = || self.aliases.iter();
        Removed {
            ids: [id]
                .into_iter()
                .chain(aliases().map(|(alias, _)| *alias))
                .collect(),
            parents: [self.message.parent.clone()]
                .into_iter()
                .chain(aliases().map(|(_, parent)| parent.clone()))
                .collect(),
            tombstone: Tombstone::of(&self.message),
        }
    }
}

#[derive(Default)]
pub(crate) struct Chat {
    /// By second, then canonical id.
    pub(crate) entries: BTreeMap<(u64, MessageId), Entry>,
    pub(crate) notes: usize,
    /// How many of them are pieces of longer ones.
    pub(crate) pieces: usize,
    /// Which pieces are one message, once somebody asked.
    pub(crate) wholes: OnceLock<Wholes>,
    /// What that was before the last change: what stayed the same is not joined again.
    pub(crate) wholes_before: Wholes,
    /// The title and the second of the message it comes from (`u64::MAX` without one).
    pub(crate) title: OnceLock<(String, u64)>,
}

/// Where a canonical id is.
pub(crate) struct Home {
    pub(crate) conversation: Arc<str>,
    pub(crate) created_at: u64,
}

impl Chat {
    /// To be called after every change.
    pub(crate) fn changed(&mut self) {
        self.title = OnceLock::new();
        self.regroup();
    }

    /// To be called after a change that leaves the title as it is.
    pub(crate) fn regroup(&mut self) {
        if let Some(wholes) = self.wholes.take() {
            self.wholes_before = wholes;
        }
    }

    pub(crate) fn updated_at(&self) -> u64 {
        self.entries
            .last_key_value()
            .map_or(0, |((second, _), _)| *second)
    }
}

impl Library {
    /// The canonical id of a message that is here.
    pub fn resolve(&self, id: &MessageId) -> Option<MessageId> {
        let id = self.canonical(*id);
        self.homes.contains_key(&id).then_some(id)
    }

    /// The id of the message that is shown for this one: its own canonical id or, for a piece of a whole one, that of
    /// the last piece. `None` when it is not here.
    pub fn shown_id(&self, id: &MessageId) -> Option<MessageId> {
        let id = self.resolve(id)?;
        let chat = self.chats.get(&self.homes.get(&id)?.conversation)?;
        Some(self.wholes(chat).last_of(&id).unwrap_or(id))
    }

    /// The canonical ids of the shown message's pieces in order, by any id of any of them; only its own for a message
    /// in one piece, and none for a stranger. The last is what the message is called.
    pub fn pieces_of(&self, id: &MessageId) -> Vec<MessageId> {
        let Some(id) = self.resolve(id) else {
            return Vec::new();
        };
        let chat = self
            .homes
            .get(&id)
            .and_then(|home| self.chats.get(&home.conversation));
        let whole = chat.and_then(|chat| self.wholes(chat).whole_of(&id));
        whole.map_or_else(|| vec![id], |whole| whole.pieces.clone())
    }

    /// Every id of the shown message, by any of them: for each of its pieces in order the canonical id, then its
    /// aliases. This is what a deletion takes.
    pub fn ids_of(&self, id: &MessageId) -> Vec<MessageId> {
        let pieces = self.pieces_of(id).into_iter();
        let held = pieces.filter_map(|piece| self.get(&piece));
        held.flat_map(|held| std::iter::once(held.id).chain(held.aliases))
            .collect()
    }

    /// Whether this id was removed.
    pub fn is_removed(&self, id: &MessageId) -> bool {
        self.removed.contains_key(id)
    }

    /// An event's or a draft's message by any of its ids: of a long one, the piece.
    pub fn get(&self, id: &MessageId) -> Option<Held<'_>> {
        let id = self.canonical(*id);
        let home = self.homes.get(&id)?;
        let entry = self
            .chats
            .get(&home.conversation)?
            .entries
            .get(&(home.created_at, id))?;
        Some(Held {
            id,
            outer_time: (!id.is_local()).then_some(entry.outer_time),
            message: &entry.message,
            aliases: entry.aliases.keys().copied().collect(),
        })
    }

    /// How many messages there are in all, notes left out.
    pub fn message_count(&self) -> usize {
        self.chats.values().map(|chat| self.messages(chat)).sum()
    }

    fn messages(&self, chat: &Chat) -> usize {
        chat.entries.len() - chat.notes - self.wholes(chat).folded()
    }

    /// Which messages of a conversation are pieces of one. Cost: nothing as a rule, O(n) of the pieces after a change.
    pub(crate) fn wholes<'a>(&self, chat: &'a Chat) -> &'a Wholes {
        chat.wholes.get_or_init(|| {
            if chat.pieces == 0 {
                return Wholes::default();
            }
            let pieces = chat.entries.iter().filter_map(|((_, id), entry)| {
                let parent = match self.link(&entry.message.parent) {
                    Link::To(parent) => Some(parent),
                    Link::Top | Link::ByOrder => None,
                };
                Some((*id, Piece::of(&entry.message, parent)?))
            });
            Wholes::new(&pieces.collect(), &chat.wholes_before)
        })
    }

    /// How many conversations there are.
    pub fn conversation_count(&self) -> usize {
        self.chats.len()
    }

    /// Every conversation, newest activity first; equally new ones by id.
    pub fn conversations(&self) -> Vec<ConversationSummary> {
        self.by_activity
            .iter()
            .filter_map(|(_, id)| self.summary(id))
            .collect()
    }

    /// One line of the list, by exact id.
    pub fn summary(&self, conversation: &str) -> Option<ConversationSummary> {
        let chat = self.chats.get(conversation)?;
        Some(ConversationSummary {
            id: conversation.to_owned(),
            title: self.title(chat).to_owned(),
            messages: self.messages(chat),
            updated_at: chat.updated_at(),
            unread: 0,
        })
    }

    /// One conversation as a tree, by exact id. Cost: O(n log n) of its messages.
    pub fn conversation(&self, id: &str) -> Option<Conversation<'_>> {
        let (id, chat) = self.chats.get_key_value(id)?;
        let wholes = self.wholes(chat);
        let links = wholes.links(|whole| self.link(&whole.message.parent));
        let mut nodes = Vec::with_capacity(chat.entries.len());
        let mut messages = BTreeMap::new();
        for (key @ (_, id), entry) in &chat.entries {
            let (node, message) = match wholes.whole_of(id) {
                None => {
                    let mut node = self.node(*key, entry);
                    node.link = wholes.place(node.role, node.link, &links);
                    (node, &entry.message)
                }
                Some(whole) if whole.last() == *id => {
                    let node = Node {
                        id: *id,
                        created_at: whole.message.created_at,
                        role: &whole.message.role,
                        source: whole.message.source.as_deref(),
                        link: links.get(id).copied().unwrap_or(Link::ByOrder),
                    };
                    (node, &*whole.message)
                }
                Some(_) => continue,
            };
            nodes.push(node);
            messages.insert(*id, message);
        }
        let ordered = ordered(nodes);
        Some(Conversation::new(
            id,
            self.title(chat),
            chat.updated_at(),
            messages,
            &ordered,
        ))
    }

    /// Ends: an alias leads to what was canonical, and is led on when that changes.
    pub(crate) fn canonical(&self, mut id: MessageId) -> MessageId {
        while let Some(next) = self.aliases.get(&id) {
            id = *next;
        }
        id
    }

    fn title<'a>(&'a self, chat: &'a Chat) -> &'a str {
        let (title, _) = chat.title.get_or_init(|| {
            let mut entries = chat.entries.iter().peekable();
            while let Some(((second, _), _)) = entries.peek() {
                let second = *second;
                let mut nodes = Vec::new();
                while let Some((key, entry)) = entries.next_if(|((at, _), _)| *at == second) {
                    nodes.push(self.node(*key, entry));
                }
                if let Some(first) = ordered(nodes).iter().find(|node| *node.role != Role::System) {
                    let message = match self.wholes(chat).whole_of(&first.id) {
                        Some(whole) => &*whole.message,
                        None => &chat.entries[&(second, first.id)].message,
                    };
                    return (title(Some(&message.content)), second);
                }
            }
            (title(None), u64::MAX)
        });
        title
    }

    fn node<'a>(&self, (created_at, id): (u64, MessageId), entry: &'a Entry) -> Node<'a> {
        let Message {
            role, source, parent, ..
        } = &entry.message;
        Node {
            id,
            created_at,
            role,
            source: source.as_deref(),
            link: self.link(parent),
        }
    }

    /// How many messages of a conversation were not read, notes left out, given the ids of unread copies. A message is
    /// unread when each copy of it is, and one in pieces when one of its pieces is. Cost: O(log n) of each id.
    pub fn unread(&self, conversation: &str, unread: &BTreeSet<MessageId>) -> usize {
        let mut shown = BTreeSet::new();
        for id in unread {
            let Some(held) = self.get(id) else { continue };
            let here = held.message.conversation == conversation && held.message.role != Role::System;
            let mut others = held
                .aliases
                .iter()
                .chain([&held.id])
                .filter(|other| !other.is_local());
            if here && others.all(|other| unread.contains(other)) {
                shown.extend(self.shown_id(&held.id));
            }
        }
        shown.len()
    }

    /// The ids that messages of this library name as what they reply to, themselves or through removed messages, and
    /// that are no messages here: whether one of them was removed decides where a message hangs.
    /// Cost: O(n log n) of all messages.
    pub fn unresolved(&self) -> BTreeSet<MessageId> {
        let mut found = BTreeSet::new();
        for entry in self.chats.values().flat_map(|chat| chat.entries.values()) {
            let mut parent = &entry.message.parent;
            while let Parent::Message(id) = parent {
                let id = self.canonical(*id);
                if self.homes.contains_key(&id) || !found.insert(id) {
                    break;
                }
                match (self.removed.get(&id), self.passed_over.get(&id)) {
                    (Some(Some(next)), _) | (None, Some((next, _))) => parent = next,
                    (Some(None), _) | (None, None) => break,
                }
            }
        }
        found
    }

    /// Looks through aliases, removed messages and those that are kept elsewhere to the nearest ancestor that is here.
    fn link<'a>(&'a self, mut parent: &'a Parent) -> Link {
        // A chain longer than there are messages to look through is a loop, and says nothing.
        for _ in 0..=self.removed.len() + self.passed_over.len() {
            match parent {
                Parent::Absent | Parent::Foreign(_) => return Link::ByOrder,
                Parent::Top => return Link::Top,
                Parent::Message(id) => {
                    let id = self.canonical(*id);
                    match self.removed.get(&id) {
                        Some(Some(next)) => parent = next,
                        Some(None) => return Link::ByOrder,
                        None => match self.passed_over.get(&id) {
                            Some((next, identity)) => {
                                let copy = identity.as_ref().and_then(|same| self.identities.get(same));
                                if let Some(copy) = copy {
                                    return Link::To(*copy);
                                }
                                parent = next;
                            }
                            None => return Link::To(id),
                        },
                    }
                }
            }
        }
        Link::ByOrder
    }
}
