//! Names for messages that have no event id yet.

use std::fmt;
use std::str::FromStr;

use supervision::Entropy;

/// Names a message from the moment it is composed, for ever; its event id joins it when it is sealed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalId([u8; 16]);

/// Why a text is not a local id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a local id; one has exactly 32 lowercase hexadecimal digits")]
pub struct NotALocalId(String);

impl LocalId {
    /// A fresh random one.
    pub fn draw(entropy: &dyn Entropy) -> Self {
        Self(entropy.draw_16())
    }

    /// The one these bytes are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for LocalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LocalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalId({self})")
    }
}

impl FromStr for LocalId {
    type Err = NotALocalId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        from_hex(text)
            .map(Self)
            .ok_or_else(|| NotALocalId(text.chars().take(40).collect()))
    }
}

/// Exactly `N` bytes as lowercase hexadecimal digits.
pub(crate) fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// Names where a message came from: a keyed hash, so that nothing readable is on disk. See
/// [`Store::source_id`](crate::Store::source_id).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId {
    /// The conversation's tag.
    pub(crate) conversation: [u8; 16],
    /// Of conversation and source.
    pub(crate) hash: [u8; 32],
}

impl SourceId {
    /// A local id that follows from the source, so that whoever knows the source can name the message before it is
    /// known whether this device keeps a draft of it. It stays valid as an alias when a message of this source turns
    /// out to be here already.
    pub fn local(&self) -> LocalId {
        LocalId(*self.half())
    }

    /// The first half of the hash, which is enough to tell the sources of a conversation apart.
    fn half(&self) -> &[u8; 16] {
        self.hash.first_chunk().expect("a half is shorter than the whole")
    }

    /// As it is in a key.
    pub(crate) fn key(&self) -> (&[u8; 16], &[u8; 16]) {
        (&self.conversation, self.half())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_id_survives_its_text() {
        let id = LocalId::from_bytes([0x0f; 16]);
        assert_eq!(id.to_string(), "0f".repeat(16));
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn other_texts_are_not_local_ids() {
        for text in [
            "",
            "0f",
            &"0F".repeat(16),
            &"0g".repeat(16),
            &"0f".repeat(17),
            &"é".repeat(16),
        ] {
            assert!(text.parse::<LocalId>().is_err(), "{text}");
        }
    }
}
