//! The name of one subscription or NEG session on a connection.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use supervision::Entropy;

/// NIP-01: at most 64 characters; strfry answers CLOSED to longer ones.
const CHARACTERS_MAX: usize = 64;
/// What is left for a prefix beside a dash and 32 hex digits.
const PREFIX_MAX: usize = 31;

/// A subscription id. REQ and NEG ids are separate spaces on a relay. We never use one twice (field guide P-17):
/// some relays ignore a REQ whose id they know, others answer it twice.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SubId(String);

/// The text is empty or longer than 64 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subscription id has 1 to 64 characters, this one has {characters}; use SubId::fresh")]
pub struct SubIdError {
    /// How many it has.
    pub characters: usize,
}

impl SubId {
    /// A new id, `<prefix>-<32 hex digits>`. The prefix names the part that asks: a frame meant for everyone (a
    /// NOTICE, an AUTH challenge) is delivered once for each prefix that has something open. Characters outside
    /// `[A-Za-z0-9_-]` and more than 31 of them are left out.
    pub fn fresh(prefix: &str, entropy: &dyn Entropy) -> Self {
        let kept = |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
        let prefix: String = prefix.chars().filter(kept).take(PREFIX_MAX).collect();
        Self(format!("{prefix}-{}", crate::hex::encode(&entropy.draw_16())))
    }

    /// The text that goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before the last dash: who asked.
    pub fn prefix(&self) -> &str {
        self.0
            .rsplit_once('-')
            .map_or(self.0.as_str(), |(prefix, _)| prefix)
    }
}

impl TryFrom<String> for SubId {
    type Error = SubIdError;

    fn try_from(text: String) -> Result<Self, SubIdError> {
        match text.chars().count() {
            1..=CHARACTERS_MAX => Ok(Self(text)),
            characters => Err(SubIdError { characters }),
        }
    }
}

impl FromStr for SubId {
    type Err = SubIdError;

    fn from_str(text: &str) -> Result<Self, SubIdError> {
        Self::try_from(text.to_owned())
    }
}

impl From<SubId> for String {
    fn from(sub: SubId) -> Self {
        sub.0
    }
}

impl fmt::Display for SubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use supervision::SeededEntropy;

    use super::*;

    #[test]
    fn fresh_ids_differ_and_every_relay_accepts_them() {
        let entropy = SeededEntropy::new(1);
        let (one, two) = (SubId::fresh("live", &entropy), SubId::fresh("live", &entropy));
        assert_ne!(one, two);
        assert_eq!(one.prefix(), "live");
        let long = SubId::fresh(&"né-d ".repeat(40), &entropy);
        assert!(long.as_str().len() <= CHARACTERS_MAX, "{long}");
        assert!(
            long.as_str()
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)),
            "{long}"
        );
    }

    #[test]
    fn empty_and_overlong_ids_are_refused() {
        assert!("".parse::<SubId>().is_err());
        assert!("x".repeat(64).parse::<SubId>().is_ok());
        assert_eq!(
            "x".repeat(65).parse::<SubId>(),
            Err(SubIdError { characters: 65 })
        );
    }
}
