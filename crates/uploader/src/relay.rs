//! What the shell keeps for one relay beside its [`Outbox`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use actix::SpawnHandle;
use event_index::Delivery;
use nostr::prelude::{Event, EventId};
use relay_link::{LinkState, Presence, RelayLink, Turn};

use crate::outbox::Outbox;
use crate::pace::Pace;

/// One relay, as the uploader sees it.
pub(crate) struct Relay {
    pub(crate) link: RelayLink,
    pub(crate) outbox: Outbox,
    /// The events of the rows in the outbox's window.
    pub(crate) events: BTreeMap<EventId, Event>,
    /// Changed rows that are not on disk yet.
    pub(crate) unwritten: Vec<Delivery>,
    /// Rows are being written.
    pub(crate) writing: bool,
    /// A window is being read.
    pub(crate) loading: bool,
    /// Have ids are being queued.
    pub(crate) enqueuing: u32,
    /// The pass that waits for this relay to settle, and since when.
    pub(crate) settle: Option<(u64, Instant)>,
    /// Accepted since a pass last settled. A comparison that began before such an OK still names the id; only the one
    /// after it can say that the relay lost it.
    pub(crate) accepted: BTreeSet<EventId>,
    pub(crate) timer: Option<SpawnHandle>,
    /// Accepted since the queue was last empty.
    pub(crate) done: u64,
    presence: Presence,
}

/// Ids in [`Relay::accepted`]; beyond, an event may be sent once more than needed.
const ACCEPTED_MAX: usize = 100_000;

impl Relay {
    pub(crate) fn new(link: RelayLink, now: Instant) -> Self {
        let pace = if link.url().is_loopback() {
            Pace::unlimited(now)
        } else {
            Pace::learning(now)
        };
        Self {
            link,
            outbox: Outbox::new(pace),
            events: BTreeMap::new(),
            unwritten: Vec::new(),
            writing: false,
            loading: false,
            enqueuing: 0,
            settle: None,
            accepted: BTreeSet::new(),
            timer: None,
            done: 0,
            presence: Presence::default(),
        }
    }

    pub(crate) fn connected(&self) -> bool {
        self.presence.connected()
    }

    /// Takes the link's state. Returns whether a new connection stands.
    pub(crate) fn link_changed(&mut self, state: &LinkState) -> bool {
        let Some(turn) = self.presence.follow(state) else {
            return false;
        };
        self.outbox.disconnected();
        self.events.clear();
        self.accepted.clear();
        if turn == Turn::Lost {
            // The pass ended with the connection; a new one asks again.
            self.settle = None;
        }
        turn == Turn::Opened
    }

    /// The relay said that it has this event.
    pub(crate) fn remember_accepted(&mut self, id: EventId) {
        if self.accepted.len() < ACCEPTED_MAX {
            self.accepted.insert(id);
        }
    }

    /// Reads, writes or queueing under way that a settled relay would not have.
    pub(crate) fn busy(&self) -> bool {
        self.loading || self.writing || self.enqueuing > 0 || !self.unwritten.is_empty()
    }
}
