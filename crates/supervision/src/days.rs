//! A number of days that a person chose.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Whole days, from 1 to 36,500. In JSON and TOML a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "u16", try_from = "u64")]
pub struct Days(u16);

/// Why something is no number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number of days is from 1 to {}", Days::MAX)]
pub struct NoDays;

impl Days {
    /// A century: who wants to keep more wants to keep everything.
    pub const MAX: u16 = 36_500;

    /// This many days.
    pub fn new(days: u64) -> Result<Self, NoDays> {
        let days = u16::try_from(days).map_err(|_| NoDays)?;
        if (1..=Self::MAX).contains(&days) {
            Ok(Self(days))
        } else {
            Err(NoDays)
        }
    }

    /// How many.
    pub fn get(self) -> u16 {
        self.0
    }

    /// How long that is.
    pub fn as_secs(self) -> u64 {
        u64::from(self.0) * 24 * 3600
    }
}

impl TryFrom<u64> for Days {
    type Error = NoDays;

    fn try_from(days: u64) -> Result<Self, NoDays> {
        Self::new(days)
    }
}

impl From<Days> for u16 {
    fn from(days: Days) -> Self {
        days.0
    }
}

impl FromStr for Days {
    type Err = NoDays;

    fn from_str(text: &str) -> Result<Self, NoDays> {
        text.parse().map_err(|_| NoDays).and_then(Self::new)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => write!(f, "1 day"),
            days => write!(f, "{days} days"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_from_one_to_a_century() {
        for (text, days) in [
            ("1", Some(1)),
            ("30", Some(30)),
            ("36500", Some(36_500)),
            ("36501", None),
        ] {
            assert_eq!(text.parse::<Days>().ok().map(Days::get), days, "{text}");
        }
        for text in ["0", "-1", "1.5", "", "ten", "99999999999999999999"] {
            assert_eq!(text.parse::<Days>(), Err(NoDays), "{text}");
        }
        assert_eq!(serde_json::to_string(&Days::new(30).unwrap()).unwrap(), "30");
        assert_eq!(serde_json::from_str::<Days>("7").unwrap().as_secs(), 604_800);
        for json in ["0", "-3", "\"7\"", "true", "40000"] {
            assert!(serde_json::from_str::<Days>(json).is_err(), "{json}");
        }
        assert_eq!(Days::new(1).unwrap().to_string(), "1 day");
        assert_eq!(Days::new(90).unwrap().to_string(), "90 days");
    }
}
