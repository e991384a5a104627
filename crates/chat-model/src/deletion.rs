//! What a person means when they delete something, and everything that goes with it.

use crate::{ConversationSummary, FindError, Library, Message, MessageId, Parent, Removed, Role};

/// What a deletion takes away. `Debug` prints no words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The conversation, as it is before.
    pub conversation: ConversationSummary,
    /// The one message that was meant; `None` for the whole conversation.
    pub message: Option<MessageId>,
    /// Every message that goes, notes included, with all its ids.
    pub removed: Vec<Removed>,
    /// How many of them are messages, notes left out.
    pub messages: usize,
    /// How many of those stand behind a newer version at the same place.
    pub versions: usize,
}

impl Doomed {
    /// Every id that goes.
    pub fn ids(&self) -> impl Iterator<Item = MessageId> {
        self.removed
            .iter()
            .flat_map(|removed| removed.ids.iter().copied())
    }

    /// How many ids of events beyond the first of each message go: copies with the same source id.
    pub fn aliases(&self) -> usize {
        let events = |removed: &Removed| removed.ids.iter().filter(|id| !id.is_local()).count();
        self.removed
            .iter()
            .map(|removed| events(removed).saturating_sub(1))
            .sum()
    }

    /// How many messages have no event yet.
    pub fn drafts(&self) -> usize {
        let draft = |removed: &&Removed| removed.ids.iter().all(MessageId::is_local);
        self.removed.iter().filter(draft).count()
    }
}

impl Library {
    /// What deleting this would take: a conversation by its exact id, else one message by any of its whole ids, else the
    /// conversation that [`Library::find`] finds. Nothing changes. Cost: O(n log n) of the conversation.
    pub fn doomed(&self, selector: &str) -> Result<Doomed, FindError> {
        let message = match self.summary(selector) {
            Some(_) => None,
            None => selector.parse().ok().and_then(|id| self.get(&id)),
        };
        let Some(held) = message else {
            let conversation = self.find(selector)?;
            return Ok(self.doomed_of(conversation, None));
        };
        let conversation = self
            .summary(&held.message.conversation)
            .ok_or(FindError::NotFound)?;
        Ok(self.doomed_of(conversation, Some(held.id)))
    }

    /// The messages that are deleted together with this one, by canonical id: what a person takes for one message and is
    /// several on the wire is put together here, and nowhere else. A long text is a chain of parents with equal hash,
    /// number of parts and role (DESIGN 3 "Size"). Cost: a scan of the conversation for each part.
    fn together(&self, id: MessageId) -> Vec<MessageId> {
        let mut found = vec![id];
        let mut at = 0;
        while let Some(held) = found.get(at).and_then(|id| self.get(id)) {
            at += 1;
            let neighbours = self.pieces_beside(held.id, held.message);
            for neighbour in neighbours {
                if !found.contains(&neighbour) {
                    found.push(neighbour);
                }
            }
        }
        found
    }

    /// The pieces before and behind this one in its chain; none for a message that is whole.
    fn pieces_beside(&self, id: MessageId, message: &Message) -> Vec<MessageId> {
        let (Some(part), Some(chat)) = (message.part, self.chats.get(message.conversation.as_str())) else {
            return Vec::new();
        };
        let parent_of = |message: &Message| match message.parent {
            Parent::Message(parent) => Some(self.canonical(parent)),
            Parent::Absent | Parent::Top | Parent::Foreign(_) => None,
        };
        let before = parent_of(message);
        let pieces = chat.entries.iter().filter(|((_, other), entry)| {
            let Some(piece) = entry.message.part else {
                return false;
            };
            let same =
                (piece.whole, piece.count, &entry.message.role) == (part.whole, part.count, &message.role);
            let precedes = piece.index.checked_add(1) == Some(part.index) && before == Some(*other);
            let follows =
                part.index.checked_add(1) == Some(piece.index) && parent_of(&entry.message) == Some(id);
            same && (precedes || follows)
        });
        pieces.map(|((_, id), _)| *id).collect()
    }

    fn doomed_of(&self, conversation: ConversationSummary, message: Option<MessageId>) -> Doomed {
        let Some(chat) = self.chats.get(conversation.id.as_str()) else {
            return Doomed {
                conversation,
                message,
                removed: Vec::new(),
                messages: 0,
                versions: 0,
            };
        };
        let wanted = message.map(|id| self.together(id));
        let goes = |id: &MessageId| wanted.as_ref().is_none_or(|wanted| wanted.contains(id));
        let entries = chat.entries.iter().filter(|((_, id), _)| goes(id));
        let wholes = self.wholes(chat);
        // A message in pieces is the last of them.
        let counts = |id: &MessageId, role: &Role| {
            *role != Role::System && wholes.last_of(id).is_none_or(|last| last == *id)
        };
        let (removed, counted): (Vec<Removed>, Vec<bool>) = entries
            .map(|((_, id), entry)| (entry.removal(*id), counts(id, &entry.message.role)))
            .unzip();
        let versions = match (&wanted, self.conversation(&conversation.id)) {
            (None, Some(tree)) => {
                let shown = tree.messages();
                shown
                    .iter()
                    .filter(|shown| shown.version < shown.versions)
                    .count()
            }
            _ => 0,
        };
        Doomed {
            conversation,
            message,
            messages: counted.iter().filter(|counts| **counts).count(),
            removed,
            versions,
        }
    }
}
