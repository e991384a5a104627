//! JSON as JavaScript leaves it: lone surrogates in escapes, and objects whose keys keep their order.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Replaces every `\uXXXX` escape of an unpaired surrogate by `\ufffd`, and nothing else.
///
/// `JSON.stringify` writes such escapes for texts that were cut inside an emoji, and `serde_json` refuses the whole
/// text for one of them. An escape and its replacement are six bytes each, so no offset moves.
pub(crate) fn mend_surrogates(text: &[u8]) -> Cow<'_, [u8]> {
    let mut mended = Cow::Borrowed(text);
    let mut at = 0;
    while at < text.len() {
        if text[at] != b'\\' {
            at += 1;
            continue;
        }
        at += match (
            escaped_unit(&text[at..]),
            text.get(at + 6..).and_then(escaped_unit),
        ) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.to_mut()[at + 2..at + 6].copy_from_slice(b"fffd");
                6
            }
            (Some(_), _) => 6,
            // Steps over the escaped character: an escaped backslash must not start an escape of its own.
            (None, _) => 2,
        };
    }
    mended
}

/// The UTF-16 unit of a `\uXXXX` escape at the start of `text`.
fn escaped_unit(text: &[u8]) -> Option<u32> {
    let digits = text.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |unit, digit| {
        Some(unit * 16 + char::from(*digit).to_digit(16)?)
    })
}

/// A JSON value whose objects keep the order of their keys, as `JSON.stringify` will write them again.
#[derive(Clone, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    /// A whole number that fits.
    Whole(i128),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    /// Keys are unique: the last value of equal keys counts, at the place of the first.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads bytes as a JavaScript program would: a leading byte order mark is dropped, bytes that are not UTF-8 and
    /// lone surrogates become U+FFFD. At most 127 levels deep.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        serde_json::from_slice(&mend_surrogates(text.as_bytes()))
    }

    /// The value of a key, or `None` when there is none or this is no object.
    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(fields) => fields
                .iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }

    /// The text, when it is one.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The items, when it is a list.
    pub(crate) fn as_list(&self) -> Option<&[Json]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    /// What it is, for a person.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Whole(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The value on one line without spaces.
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Json;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Whole(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Whole(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                // JavaScript has one kind of number and writes `1.0` as `1`, up to 21 digits.
                let whole = value.fract() == 0.0 && value.abs() < 1e21;
                Ok(if whole {
                    Json::Whole(value as i128)
                } else {
                    Json::Float(value)
                })
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Text(value.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Json::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
                let mut object = Vec::new();
                let mut places = std::collections::BTreeMap::new();
                while let Some((name, value)) = fields.next_entry::<String, Json>()? {
                    let place = *places.entry(name.clone()).or_insert(object.len());
                    if place == object.len() {
                        object.push((name, value));
                    } else {
                        object[place] = (name, value);
                    }
                }
                Ok(Json::Object(object))
            }
        }
        deserializer.deserialize_any(Values)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Whole(value) => serializer.serialize_i128(*value),
            Self::Float(value) => serializer.serialize_f64(*value),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Object(fields) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                fields
                    .iter()
                    .try_for_each(|(name, value)| object.serialize_entry(name, value))?;
                object.end()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> String {
        String::from_utf8(mend_surrogates(text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn each_lone_surrogate_is_replaced_and_nothing_else() {
        for (text, expected) in [
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uDE80x""#, r#""\ufffdx""#),
            (r#""\ud83d\ud83d\ude80""#, r#""\ufffd\ud83d\ude80""#),
            (r#""\ude80\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\n""#, r#""\ufffd\n""#),
        ] {
            assert_eq!(mended(text), expected);
            assert!(serde_json::from_str::<String>(expected).is_ok());
        }
        for text in [
            r#""\ud83d\ude80""#,
            r#""\\ud83d""#,
            r#""\u0041\\\\ud83d""#,
            "\"🚀\"",
            r"\u12",
            r"\",
            "",
        ] {
            assert_eq!(mended(text), text);
        }
    }

    #[test]
    fn objects_keep_the_order_of_their_keys() {
        let text = r#"{"z":1,"a":[true,null,1.25,"ü"],"m":{"y":-3,"b":18446744073709551615}}"#;
        assert_eq!(Json::read(text.as_bytes()).unwrap().to_line(), text);
        let spaced = b"\xef\xbb\xbf { \"a\" : 1.0 , \"b\" : 2 , \"a\" : 3e2 } ";
        assert_eq!(Json::read(spaced).unwrap().to_line(), r#"{"a":300,"b":2}"#);
    }
}
