//! The conversations in memory, and the updates that follow from each change.

use std::collections::{BTreeMap, BTreeSet};

use chat_model::{
    ConversationSummary, Doomed, FindError, Inserted, Library, Message, MessageId, Removed, Selection, Shown,
    Tombstone,
};

use crate::messages::{ChatUpdate, ConversationView, MessageView};

/// More messages at once than this are no news but another history: watchers read it anew.
const NEWS_MAX: usize = 1000;

/// A change to the conversations, kept so that one that happens while the disk is read can be applied again.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// A message is here under this name; the number is its outer time, 0 for a draft.
    Insert(MessageId, u64, Message),
    /// A draft became an envelope: local id, event id, outer time, and the message as it was sealed.
    Seal(MessageId, MessageId, u64, Message),
    /// An id was deleted.
    Remove(MessageId),
    /// A message was deleted with all its ids.
    Delete(Removed),
    /// An id was deleted before its message came; this is what stays of it.
    Bury(MessageId, Tombstone),
    /// A message was dropped here only.
    Forget(MessageId),
}

/// Every conversation, and whoever must be told about changes.
#[derive(Debug, Default)]
pub(crate) struct Chats {
    library: Library,
    /// Messages of which one id was deleted, and that still have others.
    late: Vec<Removed>,
}

impl Chats {
    pub(crate) fn over(library: Library) -> Self {
        let late = Vec::new();
        Self { library, late }
    }

    /// Copies of deleted messages that nobody has deleted: from wherever they came, they come again.
    pub(crate) fn take_late(&mut self) -> Vec<Removed> {
        self.late.append(&mut self.library.take_late());
        std::mem::take(&mut self.late)
    }

    pub(crate) fn doomed(&self, selector: &str) -> Result<Doomed, FindError> {
        self.library.doomed(selector)
    }

    pub(crate) fn list(&self) -> Vec<ConversationSummary> {
        self.library.conversations()
    }

    pub(crate) fn count(&self) -> u64 {
        self.library.conversation_count() as u64
    }

    pub(crate) fn resolve(&self, id: &MessageId) -> Option<MessageId> {
        self.library.shown_id(id)
    }

    pub(crate) fn pieces_of(&self, id: &MessageId) -> Vec<MessageId> {
        self.library.pieces_of(id)
    }

    pub(crate) fn show(&self, selector: &str) -> Result<ConversationView, FindError> {
        let summary = self.library.find(selector)?;
        let Some(conversation) = self.library.conversation(&summary.id) else {
            return Err(FindError::NotFound);
        };
        let branch = conversation
            .branch(&Selection::new())
            .iter()
            .map(|shown| view(&summary.id, shown))
            .collect();
        Ok(ConversationView { summary, branch })
    }

    /// Applies changes in order and returns what a watcher has to be told. Views are made only when `watched`: they
    /// cost a walk over each conversation that changed.
    pub(crate) fn apply(&mut self, changes: Vec<Change>, watched: bool) -> Vec<ChatUpdate> {
        let mut landed: BTreeMap<String, BTreeSet<MessageId>> = BTreeMap::new();
        let mut removed = Vec::new();
        let mut renamed = Vec::new();
        for change in changes {
            match change {
                Change::Insert(id, outer_time, message) => {
                    let conversation = message.conversation.clone();
                    if self.library.insert(id, outer_time, message) == Inserted::New {
                        landed.entry(conversation).or_default().insert(id);
                    }
                }
                Change::Seal(local, id, outer_time, message) => {
                    if self.library.rename(local, id, outer_time).is_none() {
                        // The draft was never announced here; the envelope is.
                        let conversation = message.conversation.clone();
                        if self.library.insert(id, outer_time, message) == Inserted::New {
                            landed.entry(conversation).or_default().insert(id);
                        }
                    }
                    renamed.push((local, id));
                }
                Change::Remove(id) => {
                    if let Some(gone) = self.library.remove(&id) {
                        removed.extend(gone.ids.iter().copied());
                        if gone.ids.len() > 1 {
                            self.late.push(gone);
                        }
                    }
                }
                Change::Delete(gone) => {
                    for (id, tombstone) in gone.tombstones() {
                        self.library.remove(&id);
                        self.library.bury(id, Some(tombstone));
                    }
                    removed.extend(gone.ids);
                }
                Change::Bury(id, tombstone) => self.library.bury(id, Some(tombstone)),
                Change::Forget(id) => {
                    self.library.forget(&id);
                    removed.push(id);
                }
            }
        }
        if !watched {
            return Vec::new();
        }
        // A message in pieces is called by its last one; nobody has heard of the others.
        renamed.retain(|(_, id)| self.library.shown_id(id) == self.library.resolve(id));
        let mut updates: Vec<ChatUpdate> = renamed
            .into_iter()
            .map(|(local, id)| ChatUpdate::Renamed { local, id })
            .collect();
        if !removed.is_empty() {
            updates.push(ChatUpdate::Removed(removed));
        }
        updates.extend(self.shown_among(&mut landed));
        let views = self.views(&landed);
        if !views.is_empty() {
            updates.push(ChatUpdate::Landed(views));
        }
        updates
    }

    /// What a watcher of `before` has to be told: a key that appeared may have opened envelopes that were closed.
    pub(crate) fn news_since(&self, before: &Self) -> Option<ChatUpdate> {
        let mut landed = Vec::new();
        for summary in self.library.conversations() {
            let Some(conversation) = self.library.conversation(&summary.id) else {
                continue;
            };
            let messages = conversation.messages().into_iter();
            let drafts = before.drafts_of(&summary.id);
            let new = messages.filter(|shown| {
                let seen_as_draft = shown
                    .message
                    .source
                    .as_ref()
                    .is_some_and(|source| drafts.contains(source));
                let pieces = |chats: &Self| chats.library.pieces_of(&shown.id).len();
                pieces(before) != pieces(self) && !seen_as_draft
            });
            landed.extend(new.map(|shown| view(&summary.id, &shown)));
            if landed.len() > NEWS_MAX {
                return Some(ChatUpdate::Reloaded);
            }
        }
        (!landed.is_empty()).then_some(ChatUpdate::Landed(landed))
    }

    /// The sources of a conversation's drafts: what names a message before and after it is sealed.
    fn drafts_of(&self, conversation: &str) -> BTreeSet<String> {
        let Some(conversation) = self.library.conversation(conversation) else {
            return BTreeSet::new();
        };
        let drafts = conversation
            .messages()
            .into_iter()
            .filter(|shown| shown.id.is_local());
        drafts.filter_map(|shown| shown.message.source.clone()).collect()
    }

    /// Puts messages in the place of their pieces, and tells which pieces were here before.
    fn shown_among(&self, landed: &mut BTreeMap<String, BTreeSet<MessageId>>) -> Vec<ChatUpdate> {
        let mut joined = Vec::new();
        for messages in landed.values_mut() {
            let shown: BTreeSet<MessageId> = messages
                .iter()
                .filter_map(|id| self.library.shown_id(id))
                .collect();
            for id in &shown {
                let mut pieces = self.library.pieces_of(id);
                let whole = pieces.len() > 1;
                pieces.retain(|piece| !messages.contains(piece));
                if whole && !pieces.is_empty() {
                    joined.push(ChatUpdate::Joined { id: *id, pieces });
                }
            }
            *messages = shown;
        }
        joined
    }

    fn views(&self, landed: &BTreeMap<String, BTreeSet<MessageId>>) -> Vec<MessageView> {
        let mut views = Vec::new();
        for (id, messages) in landed {
            let Some(conversation) = self.library.conversation(id) else {
                continue;
            };
            let new = conversation
                .messages()
                .into_iter()
                .filter(|shown| messages.contains(&shown.id));
            views.extend(new.map(|shown| view(id, &shown)));
        }
        views
    }
}

fn view(conversation: &str, shown: &Shown<'_>) -> MessageView {
    MessageView {
        id: shown.id,
        conversation: conversation.to_owned(),
        parent: shown.parent,
        role: shown.message.role.clone(),
        content: shown.message.content.raw().to_owned(),
        created_at: shown.message.created_at,
        model: shown.message.model.clone(),
        version: shown.version,
        versions: shown.versions,
    }
}
