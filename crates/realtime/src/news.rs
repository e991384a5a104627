//! What a watcher of a conversation is told when rows are added to it.

use std::collections::BTreeSet;

use chat_model::{Conversation, Library, MessageId, Shown};
use event_index::Advance;

use crate::messages::{ChatUpdate, MessageView};

/// Updates in the order in which they make sense: names first, then what is shown under them.
/// Cost: O(n log n) of the conversation.
pub(crate) fn of(id: &str, library: &Library, advance: &Advance) -> Vec<ChatUpdate> {
    // A message in pieces is called by its last one; nobody has heard of the others.
    let renamed = advance
        .renamed
        .iter()
        .filter(|(_, id)| library.shown_id(id) == library.resolve(id));
    let mut updates: Vec<ChatUpdate> = renamed
        .map(|(local, id)| ChatUpdate::Renamed {
            local: *local,
            id: *id,
        })
        .collect();
    let shown: BTreeSet<MessageId> = advance.new.iter().filter_map(|id| library.shown_id(id)).collect();
    for id in &shown {
        let mut pieces = library.pieces_of(id);
        let whole = pieces.len() > 1;
        pieces.retain(|piece| !advance.new.contains(piece));
        if whole && !pieces.is_empty() {
            updates.push(ChatUpdate::Joined { id: *id, pieces });
        }
    }
    if let Some(tree) = library.conversation(id).filter(|_| !shown.is_empty()) {
        let new = tree
            .messages()
            .into_iter()
            .filter(|message| shown.contains(&message.id));
        let views: Vec<MessageView> = new.map(|message| view(id, &tree, &message)).collect();
        if !views.is_empty() {
            updates.push(ChatUpdate::Landed(views));
        }
    }
    updates
}

/// A message with its place.
pub(crate) fn view(conversation: &str, tree: &Conversation<'_>, shown: &Shown<'_>) -> MessageView {
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
        version_ids: tree.versions(&shown.id).to_vec(),
    }
}
