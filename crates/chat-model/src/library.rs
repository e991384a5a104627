//! Every conversation this device knows, in memory, kept up to date one message at a time.
//!
//! A message can have several ids: the outer ids of copies with one source id, and the local id it had as a draft. One
//! is *canonical*: the event id with the lowest (outer time, id), or the local id while there is no event. The others
//! are aliases: they find the message, resolve as a parent, and go when it goes.
//!
//! Cost: taking, renaming or removing a message is O(log n). A title is computed when somebody asks, and again only
//! after a change that could alter it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::chat::{Chat, Entry, Home};
use crate::tombstone::Identity;
use crate::{Message, MessageId, Parent, Removed, Role, Tombstone};

/// What became of a message that was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// A message that was not here.
    New,
    /// Another copy of a message that is here; `of` stays canonical.
    Alias {
        /// The canonical id.
        of: MessageId,
    },
    /// Another copy of a message that is here, and its id is canonical from now on; `before` is an alias.
    Canonical {
        /// The id that was canonical.
        before: MessageId,
    },
    /// This very id is here already, as a canonical one or an alias.
    Duplicate,
    /// This message was removed, and stays so.
    Removed,
}

/// Every conversation this device knows. `Debug` prints counts only.
#[derive(Default)]
pub struct Library {
    pub(crate) chats: BTreeMap<Arc<str>, Chat>,
    pub(crate) homes: BTreeMap<MessageId, Home>,
    /// Towards the canonical id, in one step or, for a local id whose event is not here yet, in two.
    pub(crate) aliases: BTreeMap<MessageId, MessageId>,
    pub(crate) identities: BTreeMap<Identity, MessageId>,
    pub(crate) by_activity: BTreeSet<(Reverse<u64>, Arc<str>)>,
    /// Removed ids, with what their message replied to where that is known.
    pub(crate) removed: BTreeMap<MessageId, Option<Parent>>,
    removed_identities: BTreeSet<Identity>,
    /// Messages that are kept elsewhere: what they replied to, and what tells their copies.
    pub(crate) passed_over: BTreeMap<MessageId, (Parent, Option<Identity>)>,
    late: Vec<Removed>,
}

impl Library {
    /// An empty library.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a message. `outer_time` is when its event was sealed; it is ignored for a local id.
    pub fn insert(&mut self, id: MessageId, outer_time: u64, message: Message) -> Inserted {
        let identity = Identity::of(&message);
        let copy_removed = identity
            .as_ref()
            .is_some_and(|identity| self.removed_identities.contains(identity));
        if copy_removed || self.removed.contains_key(&id) {
            // The removal may have come first and not known what it removed. Now other copies can go too.
            let tombstone = Tombstone::of(&message);
            if !self.removed.contains_key(&id) {
                self.late.push(Removed {
                    ids: vec![id],
                    parents: vec![tombstone.parent.clone()],
                    tombstone: tombstone.clone(),
                });
            }
            self.bury(id, Some(tombstone));
            return Inserted::Removed;
        }
        if self.homes.contains_key(&id) || self.aliases.contains_key(&id) {
            return Inserted::Duplicate;
        }
        let before = identity
            .as_ref()
            .and_then(|identity| self.identities.get(identity))
            .copied();
        let Some(before) = before else {
            self.put(
                id,
                Entry {
                    outer_time,
                    message,
                    aliases: BTreeMap::new(),
                },
            );
            return Inserted::New;
        };
        self.add_copy(before, id, outer_time, Some(message))
    }

    /// Tells that a local id's message is now carried by an event. A draft keeps its place, and its local id becomes
    /// an alias; an alias read from disk may be told before or after the event. Returns the canonical id of the
    /// message, or `None` while it is not here or when it was removed (then the event is removed too).
    pub fn rename(&mut self, local: MessageId, event: MessageId, outer_time: u64) -> Option<MessageId> {
        if let Some(parent) = self.removed.get(&local).cloned() {
            self.drop_message(event);
            self.removed.entry(event).or_insert(parent);
            return None;
        }
        match (self.resolve(&local), self.resolve(&event)) {
            (Some(draft), Some(held)) if draft != held => {
                // The event came back from a relay first, and without a source id nothing has joined the two yet.
                let (_, entry) = self.take(draft)?;
                self.attach(held, draft, Some(entry.message.parent));
                for (alias, parent) in entry.aliases {
                    self.attach(held, alias, Some(parent));
                }
            }
            (Some(draft), None) => {
                self.add_copy(draft, event, outer_time, None);
            }
            (None, Some(held)) => self.attach(held, local, None),
            // Two aliases that name each other would be followed for ever.
            (None, None) if self.canonical(event) != local => {
                self.aliases.insert(local, event);
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.resolve(&event)
    }

    /// Removes a message for good, by any of its ids: a copy that comes later is not taken. Returns what was there;
    /// an unknown id is remembered, and nothing returned.
    pub fn remove(&mut self, id: &MessageId) -> Option<Removed> {
        let removed = self.drop_message(*id);
        self.removed.entry(*id).or_insert(None);
        removed
    }

    /// Takes a message away as if it had never come: a copy that comes later is taken. An unknown id changes nothing.
    pub fn forget(&mut self, id: &MessageId) {
        let Some((_, entry)) = self.resolve(id).and_then(|canonical| self.take(canonical)) else {
            return;
        };
        for alias in entry.aliases.keys() {
            self.aliases.remove(alias);
        }
    }

    /// Copies that went, or were not taken, because another copy of their message was removed: they are still where
    /// they came from. Those that were told before are not told again.
    pub fn take_late(&mut self) -> Vec<Removed> {
        std::mem::take(&mut self.late)
    }

    /// Takes a removal that was kept on disk, with the tombstone that was kept with it, if any.
    pub fn bury(&mut self, id: MessageId, tombstone: Option<Tombstone>) {
        let gone = self.drop_message(id);
        self.late.extend(gone.filter(|gone| gone.ids.len() > 1));
        let Some(tombstone) = tombstone else {
            self.removed.entry(id).or_insert(None);
            return;
        };
        if let Some(identity) = tombstone.identity() {
            if let Some(copy) = self.identities.get(&identity).copied() {
                let gone = self.drop_message(copy);
                self.late.extend(gone);
            }
            self.removed_identities.insert(identity);
        }
        self.touch(&tombstone.conversation);
        self.removed.insert(id, Some(tombstone.parent));
    }

    /// Tells of a message that is not here and not removed either, but kept elsewhere: what replies to it hangs off another
    /// copy of it, or off what it replied to. A message that is here, or comes later, counts as it is.
    pub fn pass_over(&mut self, id: MessageId, tombstone: Tombstone) {
        if self.resolve(&id).is_none() {
            self.touch(&tombstone.conversation);
            let identity = tombstone.identity();
            self.passed_over.insert(id, (tombstone.parent, identity));
        }
    }

    /// Whether [`Library::pass_over`] told of this message.
    pub fn passes_over(&self, id: &MessageId) -> bool {
        self.passed_over.contains_key(id)
    }

    /// Adds another id, with its copy of the message, to the message whose canonical id is `before`.
    fn add_copy(
        &mut self,
        before: MessageId,
        id: MessageId,
        outer_time: u64,
        copy: Option<Message>,
    ) -> Inserted {
        let time_before = self.get(&before).and_then(|held| held.outer_time);
        // Any event comes before a local id, which has no outer time.
        let rank = |time: Option<u64>, id: MessageId| (time.is_none(), time, id);
        let time = (!id.is_local()).then_some(outer_time);
        if rank(time, id) > rank(time_before, before) {
            self.attach(before, id, copy.map(|copy| copy.parent));
            return Inserted::Alias { of: before };
        }
        let Some((_, entry)) = self.take(before) else {
            return Inserted::Duplicate;
        };
        let Entry { message, aliases, .. } = entry;
        let parent_before = message.parent.clone();
        // The canonical copy is the one that is shown, so that the order of arrival does not matter.
        let message = copy.unwrap_or(message);
        self.put(
            id,
            Entry {
                outer_time,
                message,
                aliases: BTreeMap::new(),
            },
        );
        self.attach(id, before, Some(parent_before));
        for (alias, parent) in aliases {
            self.attach(id, alias, Some(parent));
        }
        Inserted::Canonical { before }
    }

    /// Makes an id an alias of a canonical one. `parent` is what its own copy replies to, if it has one.
    fn attach(&mut self, canonical: MessageId, id: MessageId, parent: Option<Parent>) {
        let Some(home) = self.homes.get(&canonical) else {
            return;
        };
        let Some(chat) = self.chats.get_mut(&home.conversation) else {
            return;
        };
        // A reply in the first second may have found its parent, which can change what comes first.
        chat.changed();
        let Some(entry) = chat.entries.get_mut(&(home.created_at, canonical)) else {
            return;
        };
        entry
            .aliases
            .insert(id, parent.unwrap_or_else(|| entry.message.parent.clone()));
        self.aliases.insert(id, canonical);
    }

    /// Takes a message and all its ids away, and remembers each of them.
    fn drop_message(&mut self, id: MessageId) -> Option<Removed> {
        let canonical = self.resolve(&id)?;
        let (identity, entry) = self.take(canonical)?;
        let removed = entry.removal(canonical);
        self.removed.insert(canonical, Some(entry.message.parent));
        for (alias, parent) in entry.aliases {
            self.aliases.remove(&alias);
            self.removed.insert(alias, Some(parent));
        }
        self.removed_identities.extend(identity);
        Some(removed)
    }

    /// Puts a message into its conversation under its canonical id.
    fn put(&mut self, id: MessageId, entry: Entry) {
        let Message {
            conversation,
            created_at,
            ..
        } = &entry.message;
        let (conversation, created_at) = (conversation.as_str(), *created_at);
        // What hangs off a message that is kept elsewhere may hang off this one from now on.
        let moves_others = !self.passed_over.is_empty();
        self.passed_over.remove(&id);
        if let Some(identity) = Identity::of(&entry.message) {
            self.identities.insert(identity, id);
        }
        let conversation = match self.chats.get_key_value(conversation) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(conversation),
        };
        let chat = self.chats.entry(Arc::clone(&conversation)).or_default();
        let was = (Reverse(chat.updated_at()), Arc::clone(&conversation));
        chat.notes += usize::from(entry.message.role == Role::System);
        chat.pieces += usize::from(entry.message.part.is_some());
        chat.regroup();
        // A piece of any second can make the first message whole.
        let retitles = moves_others || entry.message.part.is_some();
        let title = chat.title.get();
        if title.is_some_and(|(_, second)| retitles || created_at <= *second) {
            chat.title = OnceLock::new();
        }
        chat.entries.insert((created_at, id), entry);
        self.by_activity.remove(&was);
        self.by_activity
            .insert((Reverse(chat.updated_at()), Arc::clone(&conversation)));
        self.homes.insert(
            id,
            Home {
                conversation,
                created_at,
            },
        );
    }

    /// Takes a message out of its conversation. Its aliases stay registered until the caller decides.
    fn take(&mut self, id: MessageId) -> Option<(Option<Identity>, Entry)> {
        let Home {
            conversation,
            created_at,
        } = self.homes.remove(&id)?;
        let chat = self.chats.get_mut(&conversation)?;
        self.by_activity
            .remove(&(Reverse(chat.updated_at()), Arc::clone(&conversation)));
        let entry = chat.entries.remove(&(created_at, id))?;
        chat.notes -= usize::from(entry.message.role == Role::System);
        chat.pieces -= usize::from(entry.message.part.is_some());
        chat.changed();
        if chat.entries.is_empty() {
            self.chats.remove(&conversation);
        } else {
            self.by_activity
                .insert((Reverse(chat.updated_at()), conversation));
        }
        let identity = Identity::of(&entry.message);
        if let Some(identity) = &identity {
            self.identities.remove(identity);
        }
        Some((identity, entry))
    }

    fn touch(&mut self, conversation: &str) {
        if let Some(chat) = self.chats.get_mut(conversation) {
            chat.changed();
        }
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Library")
            .field("conversations", &self.chats.len())
            .field("ids", &(self.homes.len() + self.aliases.len()))
            .field("removed", &self.removed.len())
            .finish_non_exhaustive()
    }
}
