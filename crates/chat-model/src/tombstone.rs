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
    /// What has to be remembered of this message.
    pub fn of(message: &Message) -> Self {
        Self {
            conversation: message.conversation.clone(),
            parent: message.parent.clone(),
            source: message.source.clone(),
            part: message.part,
        }
    }

    /// The tombstone as bytes for the store, to be sealed there. [`Tombstone::from_record`] gives an equal one back.
    pub fn to_record(&self) -> Vec<u8> {
        // Strings, numbers and enums only: no map key and no writer that could fail.
        serde_json::to_vec(self).expect("a tombstone always serialises")
    }

    /// Reads what [`Tombstone::to_record`] wrote, in this or an earlier release; `None` when it is none.
    pub fn from_record(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
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
    /// What the copy with each of these ids replied to, in the order of `ids`.
    pub parents: Vec<Parent>,
}

impl Removed {
    /// Each id with what to keep of its own copy.
    pub fn tombstones(&self) -> impl Iterator<Item = (MessageId, Tombstone)> {
        self.ids.iter().zip(&self.parents).map(|(id, parent)| {
            let tombstone = Tombstone {
                parent: parent.clone(),
                ..self.tombstone.clone()
            };
            (*id, tombstone)
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_comes_back_from_its_record() {
        for (parent, source) in [
            (Parent::Top, None),
            (Parent::Absent, Some("src".to_owned())),
            (Parent::Message(MessageId::Event([7; 32])), Some(String::new())),
            (Parent::Message(MessageId::Local([7; 16])), None),
            (Parent::Foreign("x".into()), None),
        ] {
            let tombstone = Tombstone {
                conversation: "chat".into(),
                parent,
                source,
                part: Part::from_tag("1/2", &"0f".repeat(32)),
            };
            assert_eq!(Tombstone::from_record(&tombstone.to_record()), Some(tombstone));
        }
        assert_eq!(Tombstone::from_record(b"{}"), None);
    }
}
