//! The ways history keys have been derived over time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How a history key comes from a device secret. The differences are in salts and in how the conversation key is
/// made; envelopes look the same from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// The web app today. Written by default.
    Routstr,
    /// The web app's first synced release. Read only.
    RoutstrEarly,
    /// The NIP-PNS draft, as in nostrdb and notedeck. Written when a person chose it.
    NipPns,
    /// The web app's very first key. Read only.
    RoutstrFirst,
}

impl Profile {
    /// Every profile, in the order a direct login tries them.
    pub const ALL: [Self; 4] = [
        Self::Routstr,
        Self::RoutstrEarly,
        Self::NipPns,
        Self::RoutstrFirst,
    ];

    /// Whether new envelopes may be sealed under this profile.
    pub fn writable(self) -> bool {
        matches!(self, Self::Routstr | Self::NipPns)
    }

    /// The name in configuration files and in the golden data.
    pub fn name(self) -> &'static str {
        match self {
            Self::Routstr => "routstr",
            Self::RoutstrEarly => "routstr-early",
            Self::NipPns => "nip-pns",
            Self::RoutstrFirst => "routstr-first",
        }
    }

    /// The salt where a keyring names none. Only [`Profile::Routstr`] lets a keyring name one.
    pub fn default_salt(self) -> &'static str {
        match self {
            Self::Routstr => "routstr-chat-sync-v1",
            Self::RoutstrEarly => "routstr-chat-history-v2",
            Self::NipPns | Self::RoutstrFirst => "nip-pns",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names no profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile {0:?}; choose routstr, routstr-early, nip-pns or routstr-first")]
pub struct UnknownProfile(String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == name);
        known.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
