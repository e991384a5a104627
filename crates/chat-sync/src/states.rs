//! How far one message is, in one word.

use event_index::Standing;

/// How far a message is: the best that is known of it at any relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageState {
    /// Not on this device: deleted, or never seen.
    Gone,
    /// On this device, not sealed yet.
    Draft,
    /// Every relay that was asked refused it; `status` says why.
    Parked,
    /// Sealed, and to be sent.
    Waiting,
    /// Sent, and not answered so far.
    Sent,
    /// A relay said yes.
    Accepted,
    /// Read from a relay, or part of the set a relay agreed on.
    Verified,
}

impl MessageState {
    /// The state as one word, as in `chats show --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Draft => "draft",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Verified => "verified",
        }
    }

    /// The best standing at any relay; `None` when no relay is known to have been asked.
    pub(crate) fn of(standings: impl Iterator<Item = Standing>) -> Option<Self> {
        match standings.max()? {
            Standing::Unknown => None,
            Standing::Parked => Some(Self::Parked),
            Standing::Waiting => Some(Self::Waiting),
            Standing::Sent => Some(Self::Sent),
            Standing::Accepted => Some(Self::Accepted),
            Standing::Verified => Some(Self::Verified),
        }
    }
}
