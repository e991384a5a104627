//! The relay's end of the wire: what clients ask, and what they are told.

use std::fmt::Write;

use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A frame from a client (NIP-01, NIP-42, NIP-77).
#[derive(Debug)]
pub(super) enum Request {
    Event(Box<Event>),
    Req {
        sub: String,
        filters: Vec<Filter>,
    },
    Close {
        sub: String,
    },
    NegOpen {
        sub: String,
        filter: Box<Filter>,
        message: Vec<u8>,
    },
    NegMsg {
        sub: String,
        message: Vec<u8>,
    },
    NegClose {
        sub: String,
    },
    Auth(Box<Event>),
}

impl Request {
    /// Reads one frame. An error is the NOTICE that answers it, in strfry's words.
    pub(super) fn parse(frame: &str) -> Result<Self, String> {
        parse(frame).map_err(|problem| notice(&format!("ERROR: bad msg: {problem}")))
    }
}

fn parse(frame: &str) -> Result<Request, String> {
    let elements: Vec<Value> = serde_json::from_str(frame).map_err(|error| error.to_string())?;
    let label = elements
        .first()
        .and_then(Value::as_str)
        .ok_or("the first element is not a label")?;
    Ok(match label {
        "EVENT" => Request::Event(Box::new(element(&elements, 1)?)),
        "AUTH" => Request::Auth(Box::new(element(&elements, 1)?)),
        "REQ" if elements.len() > 2 => Request::Req {
            sub: element(&elements, 1)?,
            filters: (2..elements.len())
                .map(|n| element(&elements, n))
                .collect::<Result<_, _>>()?,
        },
        "CLOSE" => Request::Close {
            sub: element(&elements, 1)?,
        },
        "NEG-OPEN" => Request::NegOpen {
            sub: element(&elements, 1)?,
            filter: Box::new(element(&elements, 2)?),
            message: from_hex(&element::<String>(&elements, 3)?)?,
        },
        "NEG-MSG" => Request::NegMsg {
            sub: element(&elements, 1)?,
            message: from_hex(&element::<String>(&elements, 2)?)?,
        },
        "NEG-CLOSE" => Request::NegClose {
            sub: element(&elements, 1)?,
        },
        _ => return Err("unknown cmd".to_owned()),
    })
}

fn element<T: DeserializeOwned>(elements: &[Value], n: usize) -> Result<T, String> {
    let element = elements.get(n).ok_or_else(|| format!("element {n} is missing"))?;
    T::deserialize(element).map_err(|error| format!("element {n}: {error}"))
}

/// `["EVENT",sub,event]`; the event's JSON is kept ready by the store.
pub(super) fn event(sub: &str, event_json: &str) -> String {
    format!("[\"EVENT\",{},{event_json}]", Value::from(sub))
}

pub(super) fn ok(id: &EventId, accepted: bool, reason: &str) -> String {
    json!(["OK", id.to_hex(), accepted, reason]).to_string()
}

pub(super) fn auth(challenge: &str) -> String {
    json!(["AUTH", challenge]).to_string()
}

pub(super) fn eose(sub: &str) -> String {
    json!(["EOSE", sub]).to_string()
}

pub(super) fn closed(sub: &str, reason: &str) -> String {
    json!(["CLOSED", sub, reason]).to_string()
}

pub(super) fn notice(text: &str) -> String {
    json!(["NOTICE", text]).to_string()
}

pub(super) fn neg_msg(sub: &str, message: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * message.len());
    for byte in message {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    json!(["NEG-MSG", sub, hex]).to_string()
}

/// A NEG-MSG whose message is this text, hex or not.
pub(super) fn neg_msg_text(sub: &str, text: &str) -> String {
    json!(["NEG-MSG", sub, text]).to_string()
}

pub(super) fn neg_err(sub: &str, reason: &str) -> String {
    json!(["NEG-ERR", sub, reason]).to_string()
}

/// The refusal with the cap as a fourth element, as strfry sends it (guide N-6).
pub(super) fn neg_too_big(sub: &str, cap: usize) -> String {
    json!(["NEG-ERR", sub, "blocked: too many query results", cap]).to_string()
}

fn from_hex(text: &str) -> Result<Vec<u8>, String> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err("odd number of hex digits".to_owned());
    }
    digits
        .chunks_exact(2)
        .map(|pair| {
            let value = |digit: u8| char::from(digit).to_digit(16);
            let byte = value(pair[0])
                .zip(value(pair[1]))
                .map(|(high, low)| (high << 4 | low) as u8);
            byte.ok_or_else(|| "bad hex".to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_frames_are_answered_with_a_notice() {
        for frame in [
            "",
            "{}",
            "[]",
            r#"["REQ","a"]"#,
            r#"["REQ",7,{}]"#,
            r#"["EVENT",{"id":"00"}]"#,
            r#"["NEG-OPEN","a",{},"6"]"#,
            r#"["NEG-MSG","a","zz"]"#,
            r#"["NEG-MSG","a","6é"]"#,
            r#"["COUNT","a",{}]"#,
        ] {
            let answer = Request::parse(frame).unwrap_err();
            assert!(
                answer.starts_with(r#"["NOTICE","ERROR: bad msg: "#),
                "{frame}: {answer}"
            );
        }
    }

    #[test]
    fn hex_reads_back() {
        let message = [0x61, 0x00, 0xff, 0x0a];
        let frame = neg_msg("a", &message);
        let Ok(Request::NegMsg { sub, message: read }) = Request::parse(&frame) else {
            panic!("{frame}")
        };
        assert_eq!((sub.as_str(), read.as_slice()), ("a", message.as_slice()));
    }
}
