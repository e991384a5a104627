//! The list of conversations: one sealed row each, written when somebody looked at what is behind.

use std::collections::BTreeSet;

use chat_model::ConversationSummary;
use redb::{ReadableTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use super::conversation::OpenConversation;
use super::place::Marks;
use crate::sealing::Keys;
use crate::tables::{CONVERSATIONS, MEMBERS, STALE};
use crate::{IndexError, Store};

const TABLE: &str = "conversations-1";

/// What a conversation is called on disk: a keyed hash of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConversationTag(pub(crate) [u8; 16]);

/// A conversation whose line in the list is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stale {
    /// Which one.
    pub tag: ConversationTag,
    /// Grows with each change to it.
    pub turn: u64,
}

/// A line of the list, to be kept.
#[derive(Debug, Clone)]
pub struct SummaryRow {
    stale: Stale,
    summary: Option<ConversationSummary>,
    awaited: BTreeSet<[u8; 32]>,
    /// Something is left to be done about it: the next start has to look again.
    unfinished: bool,
}

impl SummaryRow {
    /// The same, left marked as behind: something is to be done about the conversation yet.
    #[must_use]
    pub fn unfinished(mut self, unfinished: bool) -> Self {
        self.unfinished = unfinished;
        self
    }

    /// What an open conversation shows.
    pub fn of(stale: Stale, open: &OpenConversation) -> Self {
        Self {
            stale,
            summary: open.summary(),
            awaited: open.awaited(),
            unfinished: false,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    id: String,
    title: String,
    messages: usize,
    updated_at: u64,
    unread: usize,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    awaited: BTreeSet<[u8; 32]>,
}

fn open(keys: &Keys, tag: &[u8; 16], sealed: &[u8]) -> Result<Body, IndexError> {
    let plain = keys.open(TABLE, tag, sealed)?;
    serde_json::from_slice(&plain).map_err(|_| IndexError::corrupt(format!("a row of {TABLE}")))
}

impl Store {
    /// What a conversation is called on disk.
    pub fn conversation_tag(&self, id: &str) -> ConversationTag {
        ConversationTag(self.keys.conversation_tag(id))
    }

    /// Every line of the list as it was last kept, in no order that means anything. A damaged one is logged and left out.
    /// Cost: a few microseconds each.
    pub fn summaries(&self) -> Result<Vec<(ConversationTag, ConversationSummary)>, IndexError> {
        let mut found = Vec::new();
        for row in self.read()?.open_table(CONVERSATIONS)?.iter()? {
            let (tag, sealed) = row?;
            let tag = *tag.value();
            match open(&self.keys, &tag, sealed.value()) {
                Ok(body) => {
                    let summary = ConversationSummary {
                        id: body.id,
                        title: body.title,
                        messages: body.messages,
                        updated_at: body.updated_at,
                        unread: body.unread,
                    };
                    found.push((ConversationTag(tag), summary));
                }
                Err(error) => {
                    tracing::error!(%error, "a line of the list is damaged; `store rebuild` makes it anew");
                }
            }
        }
        Ok(found)
    }

    /// How many lines are kept, and whether some are behind.
    pub fn summary_count(&self) -> Result<(u64, bool), IndexError> {
        let transaction = self.read()?;
        let behind = transaction.open_table(STALE)?.first()?.is_some();
        Ok((transaction.open_table(CONVERSATIONS)?.len()?, behind))
    }

    /// The conversations whose line is behind.
    pub fn stale(&self) -> Result<Vec<Stale>, IndexError> {
        let mut found = Vec::new();
        for row in self.read()?.open_table(STALE)?.iter()? {
            let (tag, turn) = row?;
            found.push(Stale {
                tag: ConversationTag(*tag.value()),
                turn: turn.value(),
            });
        }
        Ok(found)
    }

    /// Keeps lines of the list, in one transaction. One whose conversation changed since it was made is kept, and stays
    /// behind.
    pub fn put_summaries(&self, rows: &[SummaryRow]) -> Result<(), IndexError> {
        self.write(|writer| {
            let mut changed = false;
            for row in rows {
                let ConversationTag(tag) = row.stale.tag;
                let turn = writer.model.stale.get(&tag)?.map(|turn| turn.value());
                // Somebody else kept a newer one.
                if turn.is_none() {
                    continue;
                }
                changed = true;
                let sealed = writer
                    .model
                    .conversations
                    .get(&tag)?
                    .map(|sealed| sealed.value().to_vec());
                let before = sealed.and_then(|sealed| open(writer.keys, &tag, &sealed).ok());
                let before = before.map(|body| body.awaited).unwrap_or_default();
                for id in before.difference(&row.awaited) {
                    writer.model.awaited.remove((id, &tag))?;
                }
                for id in row.awaited.difference(&before) {
                    writer.model.awaited.insert((id, &tag), ())?;
                }
                match &row.summary {
                    Some(summary) => {
                        let body = Body {
                            id: summary.id.clone(),
                            title: summary.title.clone(),
                            messages: summary.messages,
                            updated_at: summary.updated_at,
                            unread: summary.unread,
                            awaited: row.awaited.clone(),
                        };
                        let plain = serde_json::to_vec(&body).expect("strings and numbers always serialize");
                        let sealed = writer.keys.seal(writer.entropy, TABLE, &tag, &plain);
                        writer.model.conversations.insert(&tag, sealed.as_slice())?;
                    }
                    None => {
                        writer.model.conversations.remove(&tag)?;
                    }
                }
                if turn == Some(row.stale.turn) && !row.unfinished {
                    writer.model.stale.remove(&tag)?;
                }
            }
            if !changed {
                writer.nothing_changed();
            }
            Ok(())
        })
    }

    /// Every conversation read from its rows alone, in no order that means anything: what the list should say.
    /// Cost: every message is read.
    pub fn conversations_from_rows(&self) -> Result<Vec<OpenConversation>, IndexError> {
        let mut tags = BTreeSet::new();
        for row in self.read()?.open_table(MEMBERS)?.iter()? {
            tags.insert(*row?.0.value().0);
        }
        tags.into_iter()
            .map(|tag| self.open_conversation(ConversationTag(tag), Marks::END))
            .collect()
    }
}
