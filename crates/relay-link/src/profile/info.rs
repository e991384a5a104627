//! What a relay says about itself.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A text of the document is cut here: it is kept on disk and shown in a line.
const TEXT_CHARS_MAX: usize = 200;
/// More numbers than there are specifications are not a list of specifications.
const NIPS_MAX: usize = 1_000;

/// The part of a relay information document (NIP-11) that matters here. A hint: it may be stale or wrong, and what was
/// seen of the relay counts more (field guide 0, rule 3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelayInfo {
    /// What the operator calls the relay.
    pub name: Option<String>,
    /// The program it runs, usually an address.
    pub software: Option<String>,
    /// The program's version.
    pub version: Option<String>,
    /// The specifications it claims to follow, in order, once each; `None` when it does not say.
    pub supported_nips: Option<Vec<u16>>,
    /// Events per filter.
    pub max_limit: Option<u64>,
    /// Bytes per frame that it takes.
    pub max_message_length: Option<u64>,
    /// Subscriptions per connection.
    pub max_subscriptions: Option<u64>,
    /// Characters of a subscription id.
    pub max_subid_length: Option<u64>,
    /// Whether it wants to know who is there before anything else (NIP-42).
    pub auth_required: Option<bool>,
    /// Whether it wants money before anything else.
    pub payment_required: Option<bool>,
    /// How old an event may be, in seconds.
    pub created_at_lower_limit: Option<u64>,
    /// How far in the future an event may be, in seconds.
    pub created_at_upper_limit: Option<u64>,
    /// What the relay's clock showed when it answered, Unix seconds. Of that answer only: not kept.
    #[serde(skip)]
    pub date: Option<u64>,
}

/// Why an answer is not a relay information document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not a relay information document; the relay may not have one")]
pub struct NotRelayInfo;

impl RelayInfo {
    /// Reads a document as leniently as can be: what is missing, of another type, negative or out of range is left out.
    /// Only something that is no JSON object is refused.
    pub fn from_document(bytes: &[u8]) -> Result<Self, NotRelayInfo> {
        let document: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| NotRelayInfo)?;
        let limits = document.get("limitation").and_then(Value::as_object);
        let limit = |name: &str| limits?.get(name);
        Ok(Self {
            name: text(document.get("name")),
            software: text(document.get("software")),
            version: text(document.get("version")),
            supported_nips: nips(document.get("supported_nips")),
            max_limit: number(limit("max_limit")),
            max_message_length: number(limit("max_message_length")),
            max_subscriptions: number(limit("max_subscriptions")),
            max_subid_length: number(limit("max_subid_length")),
            auth_required: limit("auth_required").and_then(Value::as_bool),
            payment_required: limit("payment_required").and_then(Value::as_bool),
            created_at_lower_limit: number(limit("created_at_lower_limit")),
            created_at_upper_limit: number(limit("created_at_upper_limit")),
            date: None,
        })
    }

    /// Whether the document lists this specification; `None` when it lists none at all.
    pub fn lists(&self, nip: u16) -> Option<bool> {
        self.supported_nips.as_ref().map(|nips| nips.contains(&nip))
    }
}

/// One line of at most [`TEXT_CHARS_MAX`] characters: what a relay says must not draw on a person's terminal.
pub(super) fn one_line(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let cut: String = printable.take(TEXT_CHARS_MAX).collect();
    cut.trim().to_owned()
}

fn text(value: Option<&Value>) -> Option<String> {
    Some(one_line(value?.as_str()?)).filter(|text| !text.is_empty())
}

/// Some relays write whole numbers as 500.0 or "500".
fn number(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn whole(number: f64) -> Option<u64> {
    /// From here on a float no longer holds every whole number.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let fits = number.fract() == 0.0 && (0.0..EXACT_MAX).contains(&number);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole, not negative, below 2^53"
    )]
    fits.then_some(number as u64)
}

/// Entries that are no numbers, such as drafts named by letters, are left out.
fn nips(value: Option<&Value>) -> Option<Vec<u16>> {
    let listed = value?.as_array()?.iter().take(NIPS_MAX);
    let mut nips: Vec<u16> = listed
        .filter_map(|nip| u16::try_from(number(Some(nip))?).ok())
        .collect();
    nips.sort_unstable();
    nips.dedup();
    Some(nips)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_document_is_read_for_what_matters_here() {
        let info = RelayInfo::from_document(
            br#"{"name":"a relay","description":"for testing","pubkey":"bb","software":"git+https://example.com/relay.git",
                "version":"1.0.4","supported_nips":[11,1,77,1],"retention":[{"kinds":[0]}],
                "limitation":{"max_limit":300,"max_message_length":131072,"max_subscriptions":20,"max_subid_length":71,
                "auth_required":false,"payment_required":true,"created_at_lower_limit":94608000,"created_at_upper_limit":900}}"#,
        )
        .unwrap();
        let expected = RelayInfo {
            name: Some("a relay".into()),
            software: Some("git+https://example.com/relay.git".into()),
            version: Some("1.0.4".into()),
            supported_nips: Some(vec![1, 11, 77]),
            max_limit: Some(300),
            max_message_length: Some(131_072),
            max_subscriptions: Some(20),
            max_subid_length: Some(71),
            auth_required: Some(false),
            payment_required: Some(true),
            created_at_lower_limit: Some(94_608_000),
            created_at_upper_limit: Some(900),
            date: None,
        };
        assert_eq!(info, expected);
        assert_eq!((info.lists(77), info.lists(50)), (Some(true), Some(false)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_left_out_and_the_rest_counts() {
        let read = |text: &str| RelayInfo::from_document(text.as_bytes()).unwrap();
        assert_eq!(read("{}"), RelayInfo::default());
        assert_eq!(read("{}").lists(77), None, "it did not say");
        let odd = read(
            r#"{"name":["x"],"version":2,"software":"  ","supported_nips":["1",77.0,"C0",-3,99999,null],
                "limitation":{"max_limit":1e30,"max_message_length":-1,"max_subscriptions":"20","max_subid_length":2.5,
                "auth_required":"yes","created_at_lower_limit":500.0}}"#,
        );
        let expected = RelayInfo {
            supported_nips: Some(vec![1, 77]),
            max_subscriptions: Some(20),
            created_at_lower_limit: Some(500),
            ..RelayInfo::default()
        };
        assert_eq!(odd, expected);
        assert_eq!(read(r#"{"limitation":[]}"#), RelayInfo::default());
    }

    #[test]
    fn a_long_or_many_lined_name_is_one_short_line() {
        let name = format!("one\u{1b}[31m\ntwo{}", "x".repeat(10_000));
        let document = serde_json::json!({ "name": name }).to_string();
        let read = RelayInfo::from_document(document.as_bytes())
            .unwrap()
            .name
            .unwrap();
        assert!(
            read.starts_with("one [31m two") && read.chars().count() == TEXT_CHARS_MAX,
            "{read}"
        );
    }

    #[test]
    fn an_answer_that_is_no_object_is_no_document() {
        for answer in [&b"<html>sign in</html>"[..], b"[]", b"null", b"", b"\xff{}"] {
            assert_eq!(RelayInfo::from_document(answer), Err(NotRelayInfo), "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_is_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,40}", number: f64) {
            drop(RelayInfo::from_document(&bytes));
            let document = serde_json::json!({"name": text, "supported_nips": [number], "limitation": {"max_limit": number}});
            prop_assert!(RelayInfo::from_document(document.to_string().as_bytes()).is_ok());
        }
    }
}
