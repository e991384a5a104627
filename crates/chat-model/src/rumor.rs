//! The wire form of a message: the rumor (kind 20001) inside an envelope. DESIGN 3 "Rumor".

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::mend_surrogates;
use crate::{Content, Message, MessageId, Parent, Part, Role, js};

/// The most bytes of rumor JSON one envelope carries: a default strfry refuses larger events (DESIGN 3 "Size").
/// [`Message::to_rumor`] does not check it; whoever seals does.
pub const RUMOR_BYTES_MAX: usize = 40_000;

/// The last second of the year 9999. A later time is a time in milliseconds.
pub const CREATED_AT_MAX: u64 = 253_402_300_799;

/// The `model` tag of an answer whose model is not known.
pub const UNKNOWN_MODEL: &str = "unknown-model";

const KIND: u64 = 20_001;

/// Why a decrypted text is not a chat message. None of these stops the messages after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RumorError {
    /// The text does not parse.
    #[error("the envelope holds no JSON; it is kept and skipped")]
    NotJson,
    /// Another kind than 20001, or no object.
    #[error("the envelope holds something else than a chat message (kind 20001); it is kept and skipped")]
    Kind,
    /// `tags` is missing or no list.
    #[error("the message has no list of tags; it is kept and skipped")]
    Tags,
    /// `content` is missing or no text.
    #[error("the message's content is no text; it is kept and skipped")]
    Content,
    /// No `d` tag, or an empty one.
    #[error("the message names no conversation; it is kept and skipped")]
    Conversation,
    /// Neither the account nor its device key.
    #[error("the message was written by neither this account nor its device key; it is kept and skipped")]
    Author,
    /// No whole second between 1970 and 9999.
    #[error("the message's time is no second between 1970 and 9999; it is kept and skipped")]
    CreatedAt,
}

impl RumorError {
    /// A short stable name, for logs and test data.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotJson => "inner_not_json",
            Self::Kind => "inner_kind",
            Self::Tags => "inner_tags",
            Self::Content => "inner_content",
            Self::Conversation => "inner_conversation",
            Self::Author => "inner_author",
            Self::CreatedAt => "inner_created_at",
        }
    }
}

/// Why a message cannot be written as a rumor yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// A rumor names its parent by event id, and the parent has none.
    #[error("the message replies to draft {parent}, which has no event id yet; seal that one first")]
    ParentIsDraft {
        /// The parent's local id.
        parent: MessageId,
    },
}

#[derive(Serialize)]
struct Rumor<'a> {
    kind: u64,
    pubkey: &'a str,
    created_at: u64,
    tags: Vec<Vec<String>>,
    content: &'a str,
}

impl Message {
    /// The rumor's JSON: keys and tags in the web app's order, our own tags last. `author` is the pubkey to write,
    /// in hex: the account's, or the device key's under the `nip-pns` profile.
    ///
    /// A `model` tag is written on assistant messages only, [`UNKNOWN_MODEL`] when there is none; `sats` only when it
    /// is a finite number.
    pub fn to_rumor(&self, author: &str) -> Result<Vec<u8>, WriteError> {
        if let Parent::Message(parent @ MessageId::Local(_)) = self.parent {
            return Err(WriteError::ParentIsDraft { parent });
        }
        let rumor = Rumor {
            kind: KIND,
            pubkey: author,
            created_at: self.created_at,
            tags: self.tags(),
            content: self.content.raw(),
        };
        // Strings and integers only: no map key and no writer that could fail.
        Ok(serde_json::to_vec(&rumor).expect("a rumor always serialises"))
    }

    fn tags(&self) -> Vec<Vec<String>> {
        let mut tags = Vec::with_capacity(8);
        let mut add = |name: &str, value: String| tags.push(vec![name.to_owned(), value]);
        add("d", self.conversation.clone());
        add("role", self.role.to_string());
        if let Some(client) = &self.client {
            add("client", client.clone());
        }
        if let Some(parent) = self.parent.to_tag() {
            add("e", parent);
        }
        if self.role == Role::Assistant {
            add(
                "model",
                self.model.clone().unwrap_or_else(|| UNKNOWN_MODEL.to_owned()),
            );
        }
        if let Some(sats) = self.sats.filter(|sats| sats.is_finite()) {
            add("sats", sats.to_string());
        }
        if let Some(source) = &self.source {
            add("src", source.clone());
        }
        if let Some(part) = self.part {
            let [position, whole] = part.to_tag();
            tags.push(vec!["part".to_owned(), position, whole]);
        }
        tags
    }

    /// Reads a rumor. `authors` are the pubkeys it may have been written by, in lowercase hex: the account's and
    /// the device key's.
    ///
    /// Bytes that are not UTF-8 and lone surrogate escapes become U+FFFD. The first of equal tags counts, the last of
    /// equal keys; tags that are no lists are skipped; unknown tags and keys are dropped.
    pub fn from_rumor(bytes: &[u8], authors: &[impl AsRef<str>]) -> Result<Self, RumorError> {
        // What parses as it is has nothing to mend.
        let rumor: Wire = serde_json::from_slice(bytes).or_else(|_| mended(bytes))?;

        if rumor.kind.as_f64() != Some(KIND as f64) {
            return Err(RumorError::Kind);
        }
        let tags = Tags(rumor.tags.as_array().ok_or(RumorError::Tags)?);
        let Value::String(content) = rumor.content else {
            return Err(RumorError::Content);
        };
        let conversation = tags.conversation().ok_or(RumorError::Conversation)?;
        let author = rumor.pubkey.as_str().ok_or(RumorError::Author)?;
        if !authors.iter().any(|allowed| allowed.as_ref() == author) {
            return Err(RumorError::Author);
        }
        let created_at = second(&rumor.created_at).ok_or(RumorError::CreatedAt)?;

        let text = |name| tags.text(name).map(str::to_owned);
        Ok(Self {
            conversation,
            role: Role::from(tags.text("role").unwrap_or_default()),
            content: Content::new(content),
            parent: tags.text("e").map_or(Parent::Absent, Parent::from_tag),
            model: text("model"),
            client: text("client"),
            sats: tags
                .text("sats")
                .filter(|sats| !js::trim(sats).is_empty())
                .and_then(js::number),
            created_at,
            source: text("src").filter(|source| !source.is_empty()),
            part: tags
                .first("part")
                .and_then(|tag| Part::from_tag(tag.get(1)?.as_str()?, tag.get(2)?.as_str()?)),
        })
    }
}

/// What counts of a rumor, of whatever type it is; null where it has none.
#[derive(Default)]
struct Wire {
    kind: Value,
    pubkey: Value,
    created_at: Value,
    tags: Value,
    content: Value,
    other: Value,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Kind,
    Pubkey,
    CreatedAt,
    Tags,
    Content,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Wire {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(WireVisitor)
    }
}

struct WireVisitor;

impl<'de> Visitor<'de> for WireVisitor {
    type Value = Wire;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Wire, A::Error> {
        let mut rumor = Wire::default();
        while let Some(key) = map.next_key()? {
            let place = match key {
                Key::Kind => &mut rumor.kind,
                Key::Pubkey => &mut rumor.pubkey,
                Key::CreatedAt => &mut rumor.created_at,
                Key::Tags => &mut rumor.tags,
                Key::Content => &mut rumor.content,
                // Read all the same: what is no JSON there is none.
                Key::Other => &mut rumor.other,
            };
            *place = map.next_value()?;
        }
        Ok(rumor)
    }
}

/// A rumor in what JavaScript takes for JSON.
fn mended(bytes: &[u8]) -> Result<Wire, RumorError> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let text = mend_surrogates(text.as_bytes());
    serde_json::from_slice(&text).map_err(|_| match serde_json::from_slice(&text) {
        Ok(Value::Object(_)) | Err(_) => RumorError::NotJson,
        Ok(_) => RumorError::Kind,
    })
}

/// A whole second in range. JavaScript writes 1.789e9 for the same number, so a float without a fraction is one too.
#[expect(clippy::cast_sign_loss, reason = "the range begins at 0")]
fn second(value: &Value) -> Option<u64> {
    let second = match value.as_u64() {
        Some(second) => second,
        None => value
            .as_f64()
            .filter(|s| s.fract() == 0.0 && (0.0..=CREATED_AT_MAX as f64).contains(s))?
            as u64,
    };
    (second <= CREATED_AT_MAX).then_some(second)
}

struct Tags<'a>(&'a [Value]);

impl<'a> Tags<'a> {
    fn first(&self, name: &str) -> Option<&'a [Value]> {
        let mut lists = self.0.iter().filter_map(Value::as_array);
        lists
            .find(|tag| tag.first().is_some_and(|first| first == name))
            .map(Vec::as_slice)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.first(name)?.get(1)?.as_str()
    }

    fn conversation(&self) -> Option<String> {
        match self.first("d")?.get(1)? {
            Value::String(id) if !id.is_empty() => Some(id.clone()),
            // Some client wrote the time without quotes. Its digits keep the message.
            Value::Number(id) => Some(id.to_string()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_tags_come_last() {
        let mut message = Message::new("c", Role::Assistant, Content::new("hi"), 7);
        message.parent = Parent::Top;
        message.sats = Some(0.5);
        message.source = Some("s".into());
        message.part = Part::from_tag("1/2", &"ab".repeat(32));
        let names: Vec<String> = message.tags().into_iter().map(|tag| tag[0].clone()).collect();
        assert_eq!(names, ["d", "role", "e", "model", "sats", "src", "part"]);
    }

    #[test]
    fn a_reply_to_a_draft_waits_for_its_event_id() {
        let parent = MessageId::Local([3; 16]);
        let mut message = Message::new("c", Role::User, Content::new("hi"), 7);
        message.parent = Parent::Message(parent);
        assert_eq!(message.to_rumor("aa"), Err(WriteError::ParentIsDraft { parent }));
    }

    #[test]
    fn times_outside_four_digit_years_are_refused() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.789e9", Some(1_789_000_000)),
            ("253402300799", Some(CREATED_AT_MAX)),
            ("253402300800", None),
            ("253402300800.0", None),
            ("-1", None),
            ("1.5", None),
            ("1e300", None),
            ("\"1\"", None),
        ] {
            assert_eq!(second(&serde_json::from_str(text).unwrap()), expected, "{text}");
        }
    }
}
