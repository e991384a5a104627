//! One chat message, as every other part of the project knows it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::from_hex;
use crate::{Content, MessageId};

/// What the Routstr web app writes in its `client` tag. Imports of its files carry it too.
pub const CLIENT_ROUTSTR: &str = "routstr-chat";

/// The parent that the web app names at the top of a conversation.
const TOP: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One chat message. Its id is not part of it: a draft has none yet, and one message can have several (DESIGN 3
/// "Identity"). `Debug` prints no words of it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The conversation's id (`d` tag): free text, never empty in a message that can be read back.
    pub conversation: String,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: Content,
    /// What it replies to.
    pub parent: Parent,
    /// The model that answered. Written on assistant messages only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The program that wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What the answer cost, in satoshis; fractions occur.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sats: Option<f64>,
    /// When it was said: seconds since the Unix epoch, not the time of the outer event.
    pub created_at: u64,
    /// The stable id that makes two copies one message (`src` tag).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Set when this is one piece of a longer text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
}

impl Message {
    /// A message with no parent tag and nothing optional.
    pub fn new(conversation: impl Into<String>, role: Role, content: Content, created_at: u64) -> Self {
        Self {
            conversation: conversation.into(),
            role,
            content,
            parent: Parent::Absent,
            model: None,
            client: None,
            sats: None,
            created_at,
            source: None,
            part: None,
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("role", &self.role)
            .field("content", &self.content)
            .field("parent", &self.parent)
            .field("created_at", &self.created_at)
            .field("part", &self.part)
            .finish_non_exhaustive()
    }
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Role {
    /// The person.
    User,
    /// A model.
    Assistant,
    /// A note of the program, such as an error. Never shown, and not counted as a message.
    System,
    /// A role this project gives no meaning, such as `tool`. Make it with `Role::from`.
    Other(String),
}

impl Role {
    /// The text of the `role` tag.
    pub fn as_str(&self) -> &str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::System => "system",
            Self::Other(name) => name,
        }
    }
}

impl From<&str> for Role {
    /// An empty name reads as a user's, as in the web app.
    fn from(name: &str) -> Self {
        match name {
            "" | "user" => Self::User,
            "assistant" => Self::Assistant,
            "system" => Self::System,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl From<String> for Role {
    fn from(name: String) -> Self {
        Self::from(name.as_str())
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.as_str().to_owned()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message replies to (`e` tag).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Parent {
    /// No tag: migrated from a program without parents. The order says where the message goes.
    Absent,
    /// Nothing: it is a first message (64 zeros).
    Top,
    /// A message, by the id of its outer event, or by its local id while it is a draft.
    Message(MessageId),
    /// A text that is no event id. Nothing can ever have it, so it counts as absent; kept to be written back.
    Foreign(String),
}

impl Parent {
    /// Reads an `e` tag's value. Only 64 lowercase digits are an event id: local ids mean nothing elsewhere.
    pub fn from_tag(value: &str) -> Self {
        if value == TOP {
            return Self::Top;
        }
        let lowercase = !value.bytes().any(|byte| byte.is_ascii_uppercase());
        match from_hex(value) {
            Some(id) if lowercase => Self::Message(MessageId::Event(id)),
            _ => Self::Foreign(value.to_owned()),
        }
    }

    /// The `e` tag's value, or `None` without one. A draft's local id comes out as its 32 digits.
    pub fn to_tag(&self) -> Option<String> {
        match self {
            Self::Absent => None,
            Self::Top => Some(TOP.to_owned()),
            Self::Message(id) => Some(id.to_string()),
            Self::Foreign(text) => Some(text.clone()),
        }
    }
}

/// Which piece of a longer text a message is (`part` tag, DESIGN 3 "Size").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// Its place, from 1.
    pub index: u32,
    /// How many pieces there are.
    pub count: u32,
    /// SHA-256 of the whole content.
    pub whole: [u8; 32],
}

impl Part {
    /// Reads the two values of a `part` tag, or `None` when they make no sense.
    pub fn from_tag(position: &str, whole: &str) -> Option<Self> {
        let (index, count) = position.split_once('/')?;
        // `parse` would also take a leading plus sign.
        let number = |text: &str| {
            text.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| text.parse().ok())
                .flatten()
        };
        let part = Self {
            index: number(index)?,
            count: number(count)?,
            whole: from_hex(whole)?,
        };
        (1..=part.count).contains(&part.index).then_some(part)
    }

    /// The two values of the tag.
    pub fn to_tag(&self) -> [String; 2] {
        [
            format!("{}/{}", self.index, self.count),
            MessageId::Event(self.whole).to_string(),
        ]
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The hash would let a log reader recognise a known text.
        write!(f, "Part({}/{})", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_prints_no_words() {
        let mut message = Message::new("secret chat", Role::User, Content::new("secret words"), 5);
        message.source = Some("secret source".into());
        message.part = Part::from_tag("1/2", &"ab".repeat(32));
        let printed = format!("{message:?}");
        assert!(
            !printed.contains("secret") && !printed.contains("abab"),
            "{printed}"
        );
        assert!(printed.contains("12 bytes"), "{printed}");
    }

    #[test]
    fn a_part_outside_its_set_is_no_part() {
        let whole = "0f".repeat(32);
        assert!(Part::from_tag("3/3", &whole).is_some());
        for position in [
            "0/3",
            "4/3",
            "1/0",
            "+1/3",
            "1/3/5",
            "1",
            "-1/3",
            "/3",
            "1/99999999999",
        ] {
            assert_eq!(Part::from_tag(position, &whole), None, "{position}");
        }
        assert_eq!(Part::from_tag("1/3", "0f"), None);
    }

    #[test]
    fn only_a_lowercase_event_id_names_a_parent() {
        assert_eq!(Parent::from_tag(&"0".repeat(64)), Parent::Top);
        assert_eq!(
            Parent::from_tag(&"ab".repeat(32)),
            Parent::Message(MessageId::Event([0xab; 32]))
        );
        for text in [String::new(), "local-3".into(), "AB".repeat(32), "ab".repeat(16)] {
            assert_eq!(Parent::from_tag(&text), Parent::Foreign(text.clone()));
        }
    }
}
