//! How a message is named: by the outer event that carries it or, while there is none, by a local id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Names a message. Event ids sort before local ids, so a draft comes last among equals.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum MessageId {
    /// The id of the outer event (kind 1080). Shown as 64 hexadecimal digits.
    Event([u8; 32]),
    /// The id of a message that has no event yet. Known on this device only; 32 hexadecimal digits.
    Local([u8; 16]),
}

/// Why a text is not a message id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a message id has 64 (event) or 32 (draft) hexadecimal digits, not {found} characters; copy the whole id"
)]
pub struct IdError {
    /// How many characters the text has.
    pub found: usize,
}

impl MessageId {
    /// Whether the message has no event yet.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local(_))
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Event(bytes) => bytes,
            Self::Local(bytes) => bytes,
        }
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MessageId {
    type Err = IdError;

    /// Reads 64 or 32 hexadecimal digits of either case.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError {
            found: text.chars().count(),
        };
        match text.len() {
            64 => from_hex(text).map(Self::Event),
            32 => from_hex(text).map(Self::Local),
            _ => None,
        }
        .ok_or_else(wrong)
    }
}

impl From<MessageId> for String {
    fn from(id: MessageId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for MessageId {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

/// Exactly `N` bytes from `2 * N` hexadecimal digits, or `None`.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (nibble(pair[0])? * 16 + nibble(pair[1])?) as u8;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_from_their_text() {
        for id in [MessageId::Event([0xab; 32]), MessageId::Local([7; 16])] {
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        }
    }

    #[test]
    fn other_lengths_and_letters_are_refused_with_what_was_found() {
        assert_eq!("abc".parse::<MessageId>(), Err(IdError { found: 3 }));
        assert_eq!("g".repeat(64).parse::<MessageId>(), Err(IdError { found: 64 }));
        assert_eq!("é".repeat(16).parse::<MessageId>(), Err(IdError { found: 16 }));
    }

    #[test]
    fn a_draft_sorts_after_every_event() {
        assert!(MessageId::Event([255; 32]) < MessageId::Local([0; 16]));
    }
}
