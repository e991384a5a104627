//! What a comparison says.

use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use relay_link::{ClientFrame, Lesson};

use crate::messages::Method;

/// What is carried out after each call, in order.
#[derive(Debug)]
pub(crate) enum Output {
    Send(ClientFrame),
    /// Held here only.
    Have(Vec<EventId>),
    /// Held there only.
    Need(Vec<EventId>),
    /// Held there only, and handed over as events already.
    Shown(Vec<EventId>),
    /// To be answered with [`Comparison::taken`].
    Events(Vec<Event>),
    /// Find out who wrote what and answer with [`Comparison::authors_split`].
    SplitByAuthor(Vec<PublicKey>),
    Learned(Lesson),
    Ended(End),
}

/// How a comparison ended.
#[derive(Debug)]
pub(crate) enum End {
    Compared(Verdict),
    AuthRequired {
        why: String,
    },
    RateLimited {
        why: String,
    },
    /// The store could not be read.
    Unreadable {
        why: String,
    },
}

/// What a comparison came to.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) method: Method,
    /// A session was full: transfer first, then compare again.
    pub(crate) partial: bool,
    pub(crate) unproven_seconds: Vec<u64>,
    pub(crate) trouble: Option<String>,
}
