//! Conversations and messages of [`Here`].

use std::time::Duration;

use chat_sync::{ConversationView, Excerpt, MessageId, NewMessage};

use super::here::Here;
use super::settled_status;
use crate::exit::Failure;
use crate::shapes::deletion::{Deleted, FromHere, Preview};
use crate::shapes::search::Hits;
use crate::shapes::{Conversation, Conversations, MessageShape, ReceiptShape, Sent};

/// How long the way to a relay is waited for. The message is safe on disk without it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// The same while there is no history key: that there is none must be certain before the first one is made, and
/// relays are asked twice for that.
const FIRST_PATIENCE: Duration = Duration::from_secs(6);

/// Which part of a conversation is wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// Deliveries of each message too.
    pub(crate) receipts: bool,
    /// Which of the messages.
    pub(crate) page: Excerpt,
}

impl Part {
    /// Only which conversation it is.
    pub(crate) fn nothing() -> Self {
        Self {
            page: Excerpt::last(0),
            ..Self::default()
        }
    }
}

/// A part of a conversation, and what was left out of it.
pub(crate) struct Shown {
    pub(crate) conversation: Conversation,
    /// Messages of the whole branch.
    pub(crate) total: usize,
    /// Some stand before the first one here.
    pub(crate) more: bool,
    /// Some stand after the last one.
    pub(crate) later: bool,
}

impl Here {
    pub(crate) async fn conversations(&self) -> Result<Conversations, Failure> {
        let conversations = self.engine()?.conversations().await?;
        Ok(Conversations {
            conversations: conversations.into_iter().map(Into::into).collect(),
        })
    }

    pub(crate) async fn conversation(&self, selector: &str, part: Part) -> Result<Shown, Failure> {
        let engine = self.engine()?;
        let ConversationView {
            summary,
            branch,
            total,
            more,
            later,
            ..
        } = engine.conversation_page(selector, part.page).await?;
        let known = engine
            .receipts(branch.iter().map(|message| message.id).collect())
            .await?;
        let messages = branch.into_iter().zip(&known).map(|(message, known)| {
            let shape = MessageShape::new(message, known.state);
            if part.receipts {
                shape.with_receipt(known)
            } else {
                shape
            }
        });
        Ok(Shown {
            conversation: Conversation {
                id: summary.id,
                title: summary.title,
                messages: messages.collect(),
            },
            total,
            more,
            later,
        })
    }

    /// Keeps a message, and waits for a moment until it is out, if that `waits`.
    pub(crate) async fn send(&self, new: NewMessage, waits: bool) -> Result<Sent, Failure> {
        let engine = self.engine()?;
        if new.conversation == "latest" {
            // Without any, this is a mistake, and not the name of a new one.
            engine.conversation("latest").await?;
        }
        let before = engine.conversations().await?;
        let sent = engine.send(new).await?;
        if waits && self.dials() && !self.relays().is_empty() {
            let keyless = settled_status(&engine).await.account.write_key.is_none();
            let patience = if keyless { FIRST_PATIENCE } else { FLUSH_PATIENCE };
            engine.flush(patience).await?;
        }
        // It may have been sealed meanwhile, and is asked for by its new name then.
        let name = engine.current_name(sent.id).await?.unwrap_or(sent.id);
        let known = self.receipt(name).await?;
        Ok(Sent {
            id: sent.id.to_string(),
            began: before
                .iter()
                .all(|conversation| conversation.id != sent.conversation),
            conversation: sent.conversation,
            state: known.state,
            deliveries: known.deliveries,
        })
    }

    /// Where a message is; `draft` and nowhere for one that is not known.
    pub(crate) async fn receipt(&self, id: MessageId) -> Result<ReceiptShape, Failure> {
        let known = self.engine()?.receipts(vec![id]).await?.into_iter().next();
        Ok(ReceiptShape {
            id: id.to_string(),
            state: known
                .as_ref()
                .map_or("draft", |known| known.state.word())
                .to_owned(),
            safe: known.as_ref().is_some_and(|known| known.safe),
            deliveries: known
                .as_ref()
                .map(crate::shapes::DeliveryShape::all)
                .unwrap_or_default(),
        })
    }

    /// Messages that have these words.
    pub(crate) async fn search(&self, text: &str, limit: usize) -> Result<Hits, Failure> {
        Ok(self.engine()?.search(text, limit).await?.into())
    }

    /// Shows this version at its place from now on; returns the end of its conversation.
    pub(crate) async fn pick(&self, message: MessageId, part: Part) -> Result<Shown, Failure> {
        let view = self.engine()?.pick_version(message).await?;
        self.conversation(&view.summary.id, part).await
    }

    /// Counts everything in it as read on this device.
    pub(crate) async fn mark_read(&self, conversation: &str) -> Result<(), Failure> {
        Ok(self.engine()?.mark_read(conversation).await?)
    }

    pub(crate) async fn delete_preview(&self, selector: &str) -> Result<Preview, Failure> {
        Ok(Preview::from(&self.engine()?.delete_preview(selector).await?))
    }

    pub(crate) async fn delete(&self, selector: &str) -> Result<Deleted, Failure> {
        Ok(Deleted::from(&self.engine()?.delete(selector).await?))
    }

    pub(crate) async fn drop_here(&self, selector: &str) -> Result<FromHere, Failure> {
        let engine = self.engine()?;
        let preview = engine.delete_preview(selector).await?;
        Ok(FromHere::new(&preview, &engine.drop_here(selector).await?))
    }

    /// Messages with their conversations, as `chats watch` shows them.
    pub(crate) async fn landed(
        &self,
        messages: Vec<chat_sync::MessageView>,
    ) -> Result<Vec<MessageShape>, Failure> {
        let ids = messages.iter().map(|message| message.id).collect();
        let states = self.engine()?.states(ids).await?;
        Ok(messages
            .into_iter()
            .zip(states)
            .map(|(message, state)| MessageShape::of_conversation(message, state))
            .collect())
    }
}
