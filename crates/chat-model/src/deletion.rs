//! What a person means when they delete something, and everything that goes with it.

use crate::{ConversationSummary, FindError, Library, MessageId, Removed, Role};

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

    /// The messages that are deleted together with this one, by canonical id. A message that a person takes for one and
    /// that is several on the wire is to be expanded here, and nowhere else.
    fn together(&self, id: MessageId) -> Vec<MessageId> {
        vec![id]
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
        let (removed, notes): (Vec<Removed>, Vec<bool>) = entries
            .map(|((_, id), entry)| (entry.removal(*id), entry.message.role == Role::System))
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
            messages: notes.iter().filter(|note| !**note).count(),
            removed,
            versions,
        }
    }
}
