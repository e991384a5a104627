//! What stays of a message when it is gone, and what makes two copies one message.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Message, MessageId, Parent, Part};

/// What has to be remembered of a removed message, so that late replies find their place and late copies stay away.
/// Words of a conversation are not in it, but its ids are: seal it on disk.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The conversation the message was in.
    pub conversation: String,
    /// What the message replied to.
    pub parent: Parent,
    /// Its stable id.
    pub source: Option<String>,
    /// Which piece of a longer text it was.
    pub part: Option<Part>,
}

impl fmt::Debug for Tombstone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tombstone")
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

impl Tombstone {
    pub(crate) fn of(message: &Message) -> Self {
        Self {
            conversation: message.conversation.clone(),
            parent: message.parent.clone(),
            source: message.source.clone(),
            part: message.part,
        }
    }

    pub(crate) fn identity(&self) -> Option<Identity> {
        Some(Identity {
            conversation: self.conversation.clone(),
            source: self.source.clone()?,
            part: self.part,
        })
    }
}

/// What a removal took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Every id the message had, the canonical one first. Each event id needs a deletion at the relays.
    pub ids: Vec<MessageId>,
    /// What to keep of it.
    pub tombstone: Tombstone,
}

/// Equal for two copies of one message. The part is in it because the pieces of a long text are not copies.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    conversation: String,
    source: String,
    part: Option<Part>,
}

impl Identity {
    /// `None` for a message without a source id: it is only equal to itself.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let Message {
            conversation,
            source,
            part,
            ..
        } = message;
        Some(Self {
            conversation: conversation.clone(),
            source: source.clone()?,
            part: *part,
        })
    }
}
