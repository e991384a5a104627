//! What the shell keeps for one relay beside its [`Outbox`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use actix::SpawnHandle;
use event_index::Delivery;
use nostr::prelude::{Event, EventId};
use relay_link::{ClientFrame, FrameArrived, LinkState, Presence, RelayLink, Turn};
use supervision::Outlet;

use crate::messages::ParkedChanged;
use crate::outbox::Outbox;
use crate::pace::Pace;
use crate::read_back::ReadBack;

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that is under way at the relay, independent of the others"
)]
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
    /// Rows that are being written, and those that were written while a window was read, which may have missed them.
    pub(crate) unread: Vec<Delivery>,
    /// A window is being read.
    pub(crate) loading: bool,
    /// What is known of the relay was read.
    pub(crate) profiled: bool,
    /// Whether events that are about to leave are still held is being looked up.
    pub(crate) checking: bool,
    /// What to read back.
    pub(crate) read_back: ReadBack,
    pub(crate) read_back_timer: Option<SpawnHandle>,
    /// Rows in [`Relay::unwritten`] are to be looked at again once they are on disk.
    pub(crate) rewind_when_written: bool,
    /// Unix second from which on the next event that the relay lost may be sent.
    pub(crate) next_lost: u64,
    /// What status was told last.
    pub(crate) told_parked: Option<ParkedChanged>,
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

/// `["EVENT",` and `]`.
const FRAME_OVERHEAD: usize = 10;
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
            unread: Vec::new(),
            loading: false,
            profiled: false,
            checking: false,
            read_back: ReadBack::default(),
            read_back_timer: None,
            rewind_when_written: false,
            next_lost: 0,
            told_parked: None,
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
    pub(crate) fn link_changed(&mut self, state: &LinkState, now: Instant, unix: u64) -> bool {
        let Some(turn) = self.presence.follow(state) else {
            return false;
        };
        let quarantined = self.outbox.disconnected(unix);
        self.unwritten.extend(quarantined);
        self.rewind_when_written = true;
        self.read_back.unanswered(now);
        self.events.clear();
        self.accepted.clear();
        if turn == Turn::Lost {
            // The pass ended with the connection; a new one asks again.
            self.settle = None;
        }
        turn == Turn::Opened
    }

    /// Puts an event that the outbox named on the wire, when it is `held` and not too large for this relay. Returns the
    /// rows that changed.
    pub(crate) fn send(
        &mut self,
        id: &EventId,
        held: bool,
        unix: u64,
        answers: Outlet<FrameArrived>,
    ) -> Option<Delivery> {
        let Some(event) = self.events.get(id).filter(|_| held) else {
            self.outbox.forget(id);
            return None;
        };
        let bytes = event.as_json().len() + FRAME_OVERHEAD;
        let too_large = self.outbox.sized(id, bytes, unix);
        if too_large.is_none() {
            let frame = ClientFrame::Event(Box::new(event.clone()));
            if self.link.try_send(frame, answers).is_err() {
                self.outbox.not_sent(id);
            }
        }
        too_large
    }

    /// A write came to an end, or the reading of a window: what every later reading finds on disk need not be kept.
    pub(crate) fn forget_written(&mut self) {
        if !self.loading && !self.writing {
            self.unread.clear();
        }
    }

    /// The relay said that it has this event.
    pub(crate) fn remember_accepted(&mut self, id: EventId) {
        if self.accepted.len() < ACCEPTED_MAX {
            self.accepted.insert(id);
        }
    }

    /// Reads, writes or queueing under way that a settled relay would not have.
    pub(crate) fn busy(&self) -> bool {
        self.loading || self.checking || self.writing || self.enqueuing > 0 || !self.unwritten.is_empty()
    }
}
