//! What a message says: a text, or a JSON array of parts.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::json::mend_surrogates;

/// What a message says, kept exactly as it is on the wire.
///
/// It is *parts* when it parses as a JSON array that is not empty and whose items are all objects with a string
/// `type`; anything else is *text*, JSON or not. A person who types exactly such an array cannot be told apart.
/// `Debug` prints its length only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub struct Content {
    raw: String,
    is_parts: bool,
}

impl Content {
    /// Takes what a rumor has in `content`, or what a person typed. Cost: one scan.
    pub fn new(raw: impl Into<String>) -> Self {
        let raw = raw.into();
        let is_parts = looks_like_parts(&raw);
        Self { raw, is_parts }
    }

    /// The text as it is on the wire: for parts, their JSON.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// Whether this is a list of parts.
    pub fn is_parts(&self) -> bool {
        self.is_parts
    }

    /// The parts, or `None` for a text, or for parts nested deeper than 127 levels. Cost: one parse.
    pub fn parts(&self) -> Option<Vec<Value>> {
        if !self.is_parts {
            return None;
        }
        serde_json::from_slice(&mend_surrogates(self.raw.as_bytes())).ok()
    }

    /// What a person reads: the text, or the visible text parts with an empty line between them, and the kind of
    /// every other part in brackets (`[image_url]`).
    pub fn plain(&self) -> String {
        let Some(parts) = self.parts() else {
            return self.raw.clone();
        };
        let readable: Vec<String> = parts
            .iter()
            .filter(|part| !is_hidden(part))
            .map(part_text)
            .collect();
        readable.join("\n\n")
    }

    /// What names a conversation: the text, or the text of the first text part that is not hidden.
    pub(crate) fn naming_text(&self) -> String {
        let Some(parts) = self.parts() else {
            return self.raw.clone();
        };
        let first = parts
            .iter()
            .find(|part| part["type"] == "text" && !is_hidden(part));
        first
            .and_then(|part| part["text"].as_str())
            .unwrap_or_default()
            .to_owned()
    }
}

fn part_text(part: &Value) -> String {
    match (&part["type"], &part["text"]) {
        (Value::String(kind), Value::String(text)) if kind == "text" => text.clone(),
        (Value::String(kind), _) => format!("[{kind}]"),
        _ => String::new(),
    }
}

/// Whether a part is for the model only. Follows JavaScript's idea of truth.
fn is_hidden(part: &Value) -> bool {
    match &part["hidden"] {
        Value::Null => false,
        Value::Bool(hidden) => *hidden,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(_) | Value::Object(_) => true,
    }
}

fn looks_like_parts(raw: &str) -> bool {
    // Nearly every text ends here, without a parser.
    if !raw.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('[') {
        return false;
    }
    serde_json::from_slice::<PartsCheck>(&mend_surrogates(raw.as_bytes())).is_ok_and(|check| check.0)
}

/// Whether a JSON text is a non-empty array of objects with a string `type`. Builds no values, and does not
/// recurse into the parts, so their depth does not matter.
struct PartsCheck(bool);

impl<'de> Deserialize<'de> for PartsCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items;
        impl<'de> Visitor<'de> for Items {
            type Value = PartsCheck;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of parts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PartsCheck, A::Error> {
                let (mut some, mut all) = (false, true);
                while let Some(PartCheck(good)) = items.next_element()? {
                    some = true;
                    all &= good;
                }
                Ok(PartsCheck(some && all))
            }
        }
        deserializer.deserialize_seq(Items)
    }
}

/// Whether one item is an object with a string `type`.
struct PartCheck(bool);

impl<'de> Deserialize<'de> for PartCheck {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = PartCheck;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a part")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<PartCheck, A::Error> {
                let mut good = false;
                while let Some(name) = fields.next_key::<String>()? {
                    if name == "type" {
                        // The last of equal keys counts, as in JavaScript. Anything but a string ends the parse
                        // with an error, and the content is a text.
                        fields.next_value::<String>()?;
                        good = true;
                    } else {
                        fields.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(PartCheck(good))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

impl From<String> for Content {
    fn from(raw: String) -> Self {
        Self::new(raw)
    }
}

impl From<Content> for String {
    fn from(content: Content) -> Self {
        content.raw
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_parts { "parts" } else { "text" };
        write!(f, "Content({kind}, {} bytes)", self.raw.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_list_of_typed_objects_is_parts() {
        for raw in [
            r#"[{"type":"text"}]"#,
            " \n[ {\"type\":\"text\", \"text\":\"x\"} ]\t",
            r#"[{"a":1,"type":"b"}]"#,
        ] {
            assert!(Content::new(raw).is_parts(), "{raw}");
        }
        for raw in [
            "",
            "[]",
            "[1]",
            "[null]",
            r#"[{"type":5}]"#,
            r#"[["text"]]"#,
            r#"[{"type":"text"},]"#,
            "{}",
        ] {
            assert!(!Content::new(raw).is_parts(), "{raw}");
        }
    }

    #[test]
    fn people_read_the_visible_parts() {
        let raw = r#"[{"type":"text","text":"Look"},{"type":"text","text":"secret","hidden":true},{"type":"file"}]"#;
        assert_eq!(Content::new(raw).plain(), "Look\n\n[file]");
        assert_eq!(Content::new("[1, 2]").plain(), "[1, 2]");
    }

    #[test]
    fn a_deep_part_is_a_part_and_deep_brackets_are_a_text() {
        let deep = format!(
            r#"[{{"type":"text","x":{}{}}}]"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        assert!(Content::new(deep).is_parts());
        assert!(!Content::new("[".repeat(5_000)).is_parts());
    }
}
