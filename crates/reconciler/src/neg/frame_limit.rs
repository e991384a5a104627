//! How long a message may become.

/// The least a party must take (NIP-77 appendix).
const LEAST: u64 = 4_096;
/// What is kept free for the fingerprint of the rest, and for the headers of the range that was written last.
const SLACK: u64 = 200;

/// The longest message one side makes, in bytes before hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimit(u64);

impl FrameLimit {
    /// No limit: a message is as long as what it has to say.
    pub const NONE: Self = Self(0);

    /// At most `bytes`, raised to the 4,096 that every party takes; 0 is [`FrameLimit::NONE`].
    pub const fn of(bytes: u64) -> Self {
        match bytes {
            0 => Self::NONE,
            1..LEAST => Self(LEAST),
            _ => Self(bytes),
        }
    }

    /// Whether a message of `len` bytes leaves no room for another range.
    pub(super) fn exceeded_by(self, len: usize) -> bool {
        self.0 != 0 && len as u64 > self.0 - SLACK
    }

    /// How many of `wanted` ids an answering list holds when `len` bytes are written already: one is begun as long as
    /// the limit is not exceeded, as the reference does it.
    pub(super) fn ids_behind(self, len: usize, wanted: u64) -> u64 {
        if self.0 == 0 {
            return wanted;
        }
        match (self.0 - SLACK).checked_sub(len as u64) {
            Some(room) => wanted.min(room / 32 + 1),
            None => 0,
        }
    }
}
