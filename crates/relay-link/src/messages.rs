//! What the link tells others, and what it is told.

use std::time::Instant;

use actix::Message;

use crate::{RelayFrame, RelayLink, RelayUrl};

/// Fact: a frame arrived for whoever opened the subscription or session or sent the event. The socket is not read
/// further until it was handled, so a slow receiver slows the relay instead of filling memory.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct FrameArrived {
    /// From this relay.
    pub relay: RelayUrl,
    /// The frame.
    pub frame: RelayFrame,
}

/// Fact: the state of a link, as a snapshot. Repeated when any part restarted and when asked for. States in between
/// may be skipped for a receiver that is behind: compare the connection number to notice a reconnection. When the
/// connection is not the same as before, every subscription, session and unanswered event is forgotten.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct LinkChanged {
    /// The link it is about.
    pub link: RelayLink,
    /// How it stands.
    pub state: LinkState,
}

/// How a link stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// A connection is being opened; takes at most 15 s.
    Connecting,
    /// Frames go through.
    Connected {
        /// Grows with every connection of this link, also over restarts of its actor.
        connection: u64,
    },
    /// The next attempt comes later.
    Waiting {
        /// When.
        until: Instant,
        /// What went wrong, for a person.
        why: String,
    },
    /// Not dialled while synchronising is switched off; dialled at once when it is switched on.
    Resting,
    /// Closed on command; it stays so.
    Stopped,
}

/// Command: steer a link. Sent with [`RelayLink::redial`], [`RelayLink::announce`] and [`RelayLink::close`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub enum Steer {
    /// The network changed, the machine woke up, or a person asks: dial now and forget earlier failures; an open
    /// connection must show a sign of life within 5 s.
    Redial,
    /// Tell every watcher the current state again.
    Announce,
    /// Send what is queued, say goodbye, and never dial again.
    Close,
}
