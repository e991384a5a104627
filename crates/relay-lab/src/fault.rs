//! How a relay misbehaves, by name. One core serves the proxy and the relay in memory.

use std::fmt;
use std::str::FromStr;

use crate::tally::label;

/// What strfry says to every NEG frame when NIP-77 is switched off: a NOTICE, which names no subscription.
const NEG_DISABLED: &str = r#"["NOTICE","ERROR: bad msg: negentropy disabled"]"#;

/// A way to misbehave. Seen at real relays; the rows are those of the relay field guide.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Behaves.
    #[default]
    None,
    /// Answers NIP-77 frames with `NOTICE "ERROR: bad msg: negentropy disabled"` (N-1).
    RefusesNeg,
    /// Says nothing to NIP-77 frames (N-2).
    IgnoresNeg,
}

/// What happens to a frame on its way to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The relay gets it.
    Forward,
    /// It is gone.
    Drop,
    /// The relay never sees it, and the client gets this instead.
    Answer(String),
}

impl Fault {
    /// Every fault, in the order of their declaration.
    pub const ALL: [Self; 3] = [Self::None, Self::RefusesNeg, Self::IgnoresNeg];

    /// Its name on a command line, for example `refuses-neg`.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::RefusesNeg => "refuses-neg",
            Self::IgnoresNeg => "ignores-neg",
        }
    }

    /// Judges one text frame from a client.
    pub fn on_client_frame(&mut self, frame: &str) -> Verdict {
        let neg = matches!(label(frame), "NEG-OPEN" | "NEG-MSG" | "NEG-CLOSE");
        match self {
            Self::RefusesNeg if neg => Verdict::Answer(NEG_DISABLED.to_owned()),
            Self::IgnoresNeg if neg => Verdict::Drop,
            Self::None | Self::RefusesNeg | Self::IgnoresNeg => Verdict::Forward,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no fault; the names are none, refuses-neg and ignores-neg")]
pub struct UnknownFault(String);

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let named = Self::ALL.into_iter().find(|fault| fault.name() == name);
        named.ok_or_else(|| UnknownFault(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_touches_only_what_its_name_says() {
        let refused = Verdict::Answer(NEG_DISABLED.to_owned());
        for (mut fault, neg) in [
            (Fault::None, Verdict::Forward),
            (Fault::RefusesNeg, refused),
            (Fault::IgnoresNeg, Verdict::Drop),
        ] {
            for frame in [
                r#"["NEG-OPEN","a",{},"61"]"#,
                r#"["NEG-MSG","a","61"]"#,
                r#"["NEG-CLOSE","a"]"#,
            ] {
                assert_eq!(fault.on_client_frame(frame), neg, "{fault}: {frame}");
            }
            for frame in [r#"["REQ","NEG-OPEN",{}]"#, r#"["EVENT",{}]"#, "no frame at all"] {
                assert_eq!(fault.on_client_frame(frame), Verdict::Forward, "{fault}: {frame}");
            }
        }
    }

    #[test]
    fn names_read_back() {
        for fault in Fault::ALL {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        assert!(
            "slow"
                .parse::<Fault>()
                .unwrap_err()
                .to_string()
                .contains("refuses-neg")
        );
    }
}
