//! What went over a connection, counted.

use std::collections::BTreeMap;

/// Every label of NIP-01, NIP-42, NIP-45 and NIP-77.
const LABELS: [&str; 14] = [
    "AUTH",
    "CLOSE",
    "CLOSED",
    "COUNT",
    "EOSE",
    "EVENT",
    "NEG-CLOSE",
    "NEG-ERR",
    "NEG-MSG",
    "NEG-OPEN",
    "NOTICE",
    "OK",
    "REQ",
    // Whatever else is counted under this one name, so that a stranger's labels cannot fill the memory.
    OTHER,
];

/// The label that stands for every unknown one.
pub const OTHER: &str = "other";

/// The label of a frame: `["REQ",…]` is `REQ`. [`OTHER`] when it is none that we know. Reads only the start.
pub fn label(frame: &str) -> &'static str {
    let named = || {
        let rest = frame
            .trim_start()
            .strip_prefix('[')?
            .trim_start()
            .strip_prefix('"')?;
        let (name, _) = rest.split_once('"')?;
        LABELS.into_iter().find(|label| *label == name)
    };
    named().unwrap_or(OTHER)
}

/// Frames and their size.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Text frames.
    pub frames: u64,
    /// Bytes of text in them, without what the websocket adds.
    pub bytes: u64,
}

impl Count {
    fn add(&mut self, bytes: usize) {
        self.frames += 1;
        self.bytes += bytes as u64;
    }
}

/// What clients sent and got since the start, by label. Counts what the client sees: a frame that a fault swallowed
/// was sent, and an answer that a fault made up was got.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    up: BTreeMap<&'static str, Count>,
    down: BTreeMap<&'static str, Count>,
}

impl Tally {
    /// Counts a frame from a client.
    pub(crate) fn sent(&mut self, frame: &str) {
        self.up.entry(label(frame)).or_default().add(frame.len());
    }

    /// Counts a frame to a client.
    pub(crate) fn got(&mut self, frame: &str) {
        self.down.entry(label(frame)).or_default().add(frame.len());
    }

    /// Everything that clients sent.
    pub fn up(&self) -> Count {
        total(&self.up)
    }

    /// Everything that clients got.
    pub fn down(&self) -> Count {
        total(&self.down)
    }

    /// What clients sent under one label, for example `NEG-OPEN`.
    pub fn up_of(&self, label: &str) -> Count {
        self.up.get(label).copied().unwrap_or_default()
    }

    /// What clients got under one label, for example `EVENT`.
    pub fn down_of(&self, label: &str) -> Count {
        self.down.get(label).copied().unwrap_or_default()
    }
}

fn total(counts: &BTreeMap<&'static str, Count>) -> Count {
    counts.values().fold(Count::default(), |sum, count| Count {
        frames: sum.frames + count.frames,
        bytes: sum.bytes + count.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_counted_under_its_label() {
        let mut tally = Tally::default();
        tally.sent(r#"["REQ","a",{}]"#);
        tally.sent(r#" [ "REQ" ,"b",{}]"#);
        tally.got(r#"["EOSE","a"]"#);
        assert_eq!(
            tally.up_of("REQ"),
            Count {
                frames: 2,
                bytes: 14 + 17
            }
        );
        assert_eq!(tally.up(), tally.up_of("REQ"));
        assert_eq!(tally.down(), Count { frames: 1, bytes: 12 });
        assert_eq!(tally.down_of("EVENT"), Count::default());
    }

    #[test]
    fn what_is_no_frame_is_counted_as_other() {
        for text in ["", "[", "REQ", r#"{"REQ":1}"#, r#"["MADE-UP",1]"#, r#"["REQ"#] {
            assert_eq!(label(text), OTHER, "{text}");
        }
    }
}
