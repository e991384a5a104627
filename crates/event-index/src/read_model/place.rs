//! Where a message is: behind which envelope, or in which draft.

/// Set in the place of a draft.
const DRAFT: u64 = 1 << 63;

/// A message's place in its conversation. Events come before drafts, each in the order they were stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// A sequence number.
    Event(u64),
    /// A draft number.
    Draft(u64),
}

impl Place {
    pub(crate) fn key(self) -> u64 {
        match self {
            Self::Event(seq) => seq,
            Self::Draft(number) => number | DRAFT,
        }
    }

    pub(crate) fn from_key(key: u64) -> Self {
        if key & DRAFT == 0 {
            Self::Event(key)
        } else {
            Self::Draft(key & !DRAFT)
        }
    }
}

/// How far somebody has read: everything stored later has higher numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks {
    /// The last sequence number of an event.
    pub seq: u64,
    /// The last number of a draft.
    pub draft: u64,
}

impl Marks {
    /// Behind everything.
    pub const END: Self = Self {
        seq: u64::MAX,
        draft: u64::MAX,
    };

    pub(crate) fn covers(self, place: Place) -> bool {
        match place {
            Place::Event(seq) => seq <= self.seq,
            Place::Draft(number) => number <= self.draft,
        }
    }
}
