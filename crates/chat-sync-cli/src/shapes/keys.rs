//! `key list`, `key backup`.

use chat_sync::HistoryKey;
use hyper::body::Bytes;
use pns_keys::CardKey;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::exit::Failure;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Keys {
    pub(crate) keys: Vec<KeyLine>,
    /// Where the key of the store is.
    pub(crate) store_key: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyLine {
    pub(crate) keyring: String,
    pub(crate) created_at: u64,
    pub(crate) public_key: Option<String>,
    pub(crate) writes: bool,
    pub(crate) on_a_relay: bool,
    pub(crate) messages: u64,
}

impl Keys {
    pub(crate) fn new(keys: &[HistoryKey], store_key: String) -> Self {
        let one = |key: &HistoryKey| KeyLine {
            keyring: key.keyring.to_hex(),
            created_at: key.created_at,
            public_key: key.public.map(|public| public.to_hex()),
            writes: key.writes,
            on_a_relay: key.read_back,
            messages: key.messages,
        };
        Self {
            keys: keys.iter().map(one).collect(),
            store_key,
        }
    }
}

/// `key backup`, and `POST /keyrings/card`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SealedCard {
    /// How many are on it.
    pub(crate) keyrings: usize,
    /// Its text.
    pub(crate) card: String,
}

/// What the daemon is to seal a card under. It has no `Debug`: there is a key in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardWanted {
    log_n: u8,
    salt: String,
    #[serde(deserialize_with = "erased")]
    key: Zeroizing<String>,
}

fn erased<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl CardWanted {
    pub(crate) fn of(key: &CardKey) -> Self {
        Self {
            log_n: key.log_n(),
            salt: hex(key.salt()).as_str().to_owned(),
            key: hex(&**key.key()),
        }
    }

    /// As a body. What the connection makes of it is not ours to erase.
    pub(crate) fn to_json(&self) -> Bytes {
        let Self { log_n, salt, key } = self;
        let text = Zeroizing::new(format!(
            "{{\"log_n\":{log_n},\"salt\":\"{salt}\",\"key\":\"{}\"}}",
            key.as_str()
        ));
        Bytes::copy_from_slice(text.as_bytes())
    }

    pub(crate) fn key(&self) -> Result<CardKey, Failure> {
        let wrong = |what: &str, digits| Failure::Usage(format!("`{what}` is {digits} hexadecimal digits"));
        let salt = unhex::<16>(&self.salt).ok_or_else(|| wrong("salt", 32))?;
        let key = unhex::<32>(&self.key).ok_or_else(|| wrong("key", 64))?;
        CardKey::from_parts(self.log_n, *salt, key).map_err(|error| Failure::Usage(error.to_string()))
    }
}

fn hex(bytes: &[u8]) -> Zeroizing<String> {
    use std::fmt::Write;
    let text = Zeroizing::new(String::with_capacity(2 * bytes.len()));
    bytes.iter().fold(text, |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    if text.len() != 2 * N || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_after_it_went_over_the_api() {
        let key = CardKey::of_passphrase("correct horse", 1, [0xa0; 16]).unwrap();
        let body = CardWanted::of(&key).to_json();
        let wanted: CardWanted = serde_json::from_slice(&body).unwrap();
        let taken = wanted.key().unwrap();
        assert_eq!(
            (taken.key(), taken.salt(), taken.log_n()),
            (key.key(), key.salt(), 1)
        );
        for wrong in ["", "a0", "xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy", &"é".repeat(16)] {
            assert_eq!(unhex::<16>(wrong), None, "{wrong}");
        }
    }
}
