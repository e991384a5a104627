//! Which relays speak NEG, kept over restarts of the program.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::pass::NegChance;

/// A refusal is remembered this long, then NEG is tried again (N-1).
const REFUSAL_KEPT_SECS: u64 = 24 * 3600;

/// What is known of each relay's NEG. Relays are few: those a person configured.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct NegMemory(BTreeMap<String, Known>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Proven,
    /// Unix seconds.
    RefusedAt(u64),
}

impl NegMemory {
    /// Reads what [`NegMemory::to_bytes`] wrote; lines that cannot be read are left out.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let known = text.lines().filter_map(|line| {
            let (known, relay) = line.split_once(' ')?;
            let known = match known {
                "proven" => Known::Proven,
                refused_at => Known::RefusedAt(refused_at.parse().ok()?),
            };
            Some((relay.to_owned(), known))
        });
        Self(known.collect())
    }

    /// One line per relay: `proven` or the second of the refusal, then the URL.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (relay, known) in &self.0 {
            let written = match known {
                Known::Proven => writeln!(text, "proven {relay}"),
                Known::RefusedAt(at) => writeln!(text, "{at} {relay}"),
            };
            debug_assert!(written.is_ok(), "writing to a string does not fail");
        }
        text.into_bytes()
    }

    /// What to expect of `relay` at `now`, Unix seconds. A refusal from the future is from before the clock was set.
    pub(crate) fn chance(&self, relay: &str, now: u64) -> NegChance {
        match self.0.get(relay) {
            Some(Known::Proven) => NegChance::Proven,
            Some(Known::RefusedAt(at)) if (*at..at.saturating_add(REFUSAL_KEPT_SECS)).contains(&now) => {
                NegChance::Unavailable
            }
            _ => NegChance::Unknown,
        }
    }

    pub(crate) fn proven(&mut self, relay: &str) {
        self.0.insert(relay.to_owned(), Known::Proven);
    }

    pub(crate) fn refused(&mut self, relay: &str, now: u64) {
        self.0.insert(relay.to_owned(), Known::RefusedAt(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_remembered_for_a_day_and_over_restarts() {
        let mut memory = NegMemory::default();
        memory.refused("wss://one.example", 1_000);
        memory.proven("wss://two.example");
        let memory = NegMemory::from_bytes(&memory.to_bytes());
        let chance = |now| memory.chance("wss://one.example", now);
        assert_eq!(chance(1_000), NegChance::Unavailable);
        assert_eq!(chance(1_000 + 24 * 3600 - 1), NegChance::Unavailable);
        assert_eq!(chance(1_000 + 24 * 3600), NegChance::Unknown);
        assert_eq!(chance(999), NegChance::Unknown, "the clock was set back");
        assert_eq!(memory.chance("wss://two.example", 5), NegChance::Proven);
        assert_eq!(memory.chance("wss://three.example", 5), NegChance::Unknown);
    }

    #[test]
    fn what_cannot_be_read_is_not_known() {
        let memory = NegMemory::from_bytes(b"proven\n\xff x\nsoon wss://a\nproven wss://b\n");
        assert_eq!(memory.chance("wss://a", 0), NegChance::Unknown);
        assert_eq!(memory.chance("wss://b", 0), NegChance::Proven);
    }
}
