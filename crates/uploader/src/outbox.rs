//! The queue of one relay as a state machine: what to send next, what an answer means, when to try again.
//!
//! Rows live in `event-index`; this holds a window of them. It reads no clock and no disk: the shell loads rows,
//! sends what [`Outbox::next`] names and writes back the rows that [`Outbox::answered`] and [`Outbox::expire`] change.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use event_index::{Delivery, DeliveryState};
use nostr::prelude::EventId;
use relay_link::{ClockRefusal, OkClass};

use crate::pace::Pace;
use crate::window::Window;

/// Events on the wire without an OK (field guide 7). More would be lost together when a socket closes.
pub const IN_FLIGHT_MAX: usize = 32;
/// How long an OK may take (field guide 7); a late one still settles its event.
pub const OK_DEADLINE: Duration = Duration::from_secs(10);
/// Rows read at once, with their events. Two flights keep a connection busy; at 55 KB an event it is 3.5 MB a relay,
/// however long the queue is.
pub const WINDOW: usize = 2 * IN_FLIGHT_MAX;
/// Overdue events remembered for a late OK: several windows of [`IN_FLIGHT_MAX`]; beyond, the retry settles it.
const OVERDUE_MAX: usize = 1024;
/// A relay that makes us wait longer than this has settled for now: the rest is retried later.
pub const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// "Permanent here" is asked again after a day (field guide 3.1): relays change their rules.
const RETEST_SECONDS: u64 = 24 * 3600;
const RETRY_SECONDS_FIRST: u64 = 2;
/// At most one try an hour once it keeps failing (field guide U-16).
const RETRY_SECONDS_MAX: u64 = 3600;

/// What the shell does next for this relay.
#[derive(Debug)]
pub enum Next {
    /// Send the event of this row; it is in flight from now on.
    Send(Delivery),
    /// Read the next [`WINDOW`] rows after this sequence number and hand them to [`Outbox::load`].
    Load {
        /// Sequence number of the last row already read.
        after: u64,
        /// To be handed back with the rows.
        read: Read,
    },
    /// Nothing to do before this moment, unless an answer arrives.
    Wait(Instant),
    /// Nothing to do until something new is queued.
    Idle,
}

/// Names one reading of the queue: rows of an earlier one may come after the queue changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    rewinds: u64,
    appends: u64,
}

/// One relay's window of deliveries.
#[derive(Debug)]
pub struct Outbox {
    pace: Pace,
    ready: BTreeMap<u64, Delivery>,
    in_flight: BTreeMap<EventId, Flight>,
    /// Expired without an OK: a late one still settles them.
    overdue: BTreeMap<EventId, Delivery>,
    read_to: u64,
    read_all: bool,
    deferred: Deferred,
    accepted: u64,
    changes: Read,
}

#[derive(Debug)]
struct Flight {
    row: Delivery,
    deadline: Instant,
}

/// Rows seen in this read of the queue whose time has not come.
#[derive(Debug, Default)]
struct Deferred {
    waiting: u64,
    earliest: Option<u64>,
}

impl Outbox {
    /// An outbox that has read nothing yet.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            ready: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            overdue: BTreeMap::new(),
            read_to: 0,
            read_all: false,
            deferred: Deferred::default(),
            accepted: 0,
            changes: Read {
                rewinds: 0,
                appends: 0,
            },
        }
    }

    /// Starts reading the queue from its beginning: rows were added, or their time has come.
    pub fn rewind(&mut self) {
        self.changes.rewinds += 1;
        self.ready.clear();
        self.read_to = 0;
        self.read_all = false;
        self.deferred = Deferred::default();
    }

    /// Rows were added behind those already read.
    pub fn appended(&mut self) {
        self.changes.appends += 1;
        self.read_all = false;
    }

    /// The connection ended: what was in flight is sent again, the same bytes, when the next one stands.
    pub fn disconnected(&mut self) {
        self.in_flight.clear();
        self.overdue.clear();
        self.rewind();
    }

    /// Takes the rows that followed [`Next::Load`]. Rows of the window may be left out; the reading goes on behind it.
    pub fn load(&mut self, read: Read, window: Window, unix: u64) {
        // Rows read before a rewind are read again, from the beginning.
        if read.rewinds != self.changes.rewinds {
            return;
        }
        self.read_all = window.last && read.appends == self.changes.appends;
        self.read_to = self.read_to.max(window.read_to);
        for row in window.rows {
            if self.in_flight.contains_key(&row.id) {
                continue;
            }
            match row.state {
                DeliveryState::Accepted => {}
                DeliveryState::Waiting | DeliveryState::Sent | DeliveryState::Parked
                    if row.next_try <= unix =>
                {
                    self.ready.insert(row.seq, row);
                }
                DeliveryState::Waiting | DeliveryState::Sent | DeliveryState::Parked => self.defer(&row),
            }
        }
    }

    /// What to do at `now` (wall clock `unix`).
    pub fn next(&mut self, now: Instant, unix: u64) -> Next {
        let due = self.deferred.earliest.is_some_and(|at| at <= unix);
        if due && self.ready.is_empty() {
            self.rewind();
        }
        if self.ready.is_empty() && !self.read_all {
            return Next::Load {
                after: self.read_to,
                read: self.changes,
            };
        }
        let deadline = self.in_flight.values().map(|flight| flight.deadline).min();
        let Some(entry) = self.ready.first_entry() else {
            // Looked at again at least once a day; a row parked for good is due never, which is no instant.
            let due_in = self
                .deferred
                .earliest
                .map(|at| now + Duration::from_secs(at.saturating_sub(unix).min(RETEST_SECONDS)));
            return [deadline, due_in]
                .into_iter()
                .flatten()
                .min()
                .map_or(Next::Idle, Next::Wait);
        };
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return deadline.map_or(Next::Idle, Next::Wait);
        }
        let ready_at = self.pace.ready_at(now);
        if ready_at > now {
            return Next::Wait(deadline.map_or(ready_at, |deadline| deadline.min(ready_at)));
        }
        self.pace.spent();
        let row = entry.remove();
        self.in_flight.insert(
            row.id,
            Flight {
                row: row.clone(),
                deadline: now + OK_DEADLINE,
            },
        );
        Next::Send(row)
    }

    /// The link could not take the event that [`Next::Send`] named; it keeps its place.
    pub fn not_sent(&mut self, id: &EventId) {
        if let Some(Flight { row, .. }) = self.in_flight.remove(id) {
            self.ready.insert(row.seq, row);
        }
    }

    /// Whether the event is on the wire.
    pub fn carries(&self, id: &EventId) -> bool {
        self.in_flight.contains_key(id)
    }

    /// The event is not to be sent any more: it was deleted here.
    pub fn forget(&mut self, id: &EventId) {
        self.in_flight.remove(id);
    }

    /// Takes the relay's OK for `id`. Returns the row to write back, or `None` when the answer changes nothing.
    pub fn answered(
        &mut self,
        id: &EventId,
        class: OkClass,
        reason: &str,
        (now, unix): (Instant, u64),
        chance: f64,
    ) -> Option<Delivery> {
        let mut row = match self.in_flight.remove(id) {
            Some(Flight { row, .. }) => {
                self.overdue.remove(id);
                row
            }
            None => self.settle_late(id)?,
        };
        match class {
            OkClass::Stored | OkClass::Settled => {
                self.pace.accepted(now);
                self.accepted += 1;
                row.state = DeliveryState::Accepted;
                row.reason = None;
                return Some(row);
            }
            // The relay asks for less, not for something else: the row keeps its place and its tries.
            OkClass::Pause => {
                self.pace.refused(now, None);
                self.ready.insert(row.seq, row);
                return None;
            }
            OkClass::Temporary => Self::retry_later(&mut row, unix, chance),
            OkClass::Clock(ClockRefusal::Late) => {
                row.attempts += 1;
                row.next_try = unix + 60;
            }
            OkClass::Clock(ClockRefusal::Early) | OkClass::PermanentHere | OkClass::NeedsAuth => {
                row.attempts += 1;
                row.state = DeliveryState::Parked;
                row.next_try = unix + RETEST_SECONDS;
            }
            // Sending the same bytes again cannot help; a person has to look.
            OkClass::OurBug => {
                row.attempts += 1;
                row.state = DeliveryState::Parked;
                row.next_try = u64::MAX;
            }
        }
        row.reason = Some(reason.to_owned());
        self.defer(&row);
        Some(row)
    }

    /// Returns the rows whose OK is overdue; they are tried again, the same bytes, after a pause.
    pub fn expire(&mut self, now: Instant, unix: u64, chance: f64) -> Vec<Delivery> {
        let overdue: Vec<EventId> = self
            .in_flight
            .iter()
            .filter(|(_, flight)| flight.deadline <= now)
            .map(|(id, _)| *id)
            .collect();
        let mut rows = Vec::with_capacity(overdue.len());
        for id in overdue {
            if let Some(Flight { mut row, .. }) = self.in_flight.remove(&id) {
                Self::retry_later(&mut row, unix, chance);
                row.reason = Some(format!("no OK within {} s", OK_DEADLINE.as_secs()));
                self.defer(&row);
                if self.overdue.len() < OVERDUE_MAX {
                    self.overdue.insert(id, row.clone());
                }
                rows.push(row);
            }
        }
        rows
    }

    /// How many rows still wait here, once nothing more happens at this relay for now; `None` while it is busy.
    pub fn settled(&mut self, now: Instant) -> Option<u64> {
        let unread = self.ready.is_empty() && !self.read_all;
        if unread || !self.in_flight.is_empty() {
            return None;
        }
        if self.ready.is_empty() || self.pace.ready_at(now) > now + SETTLE_PATIENCE {
            return Some(self.ready.len() as u64 + self.deferred.waiting);
        }
        None
    }

    /// Events accepted since this was last asked.
    pub fn take_accepted(&mut self) -> u64 {
        std::mem::take(&mut self.accepted)
    }

    /// Rows on the wire and rows ready to go, for progress.
    pub fn backlog(&self) -> u64 {
        (self.in_flight.len() + self.ready.len()) as u64
    }

    /// Takes an overdue row back from wherever its retry stands.
    fn settle_late(&mut self, id: &EventId) -> Option<Delivery> {
        let row = self.overdue.remove(id)?;
        if self.ready.remove(&row.seq).is_none() {
            self.deferred.waiting = self.deferred.waiting.saturating_sub(1);
        }
        Some(row)
    }

    /// Doubles the pause each time; `chance` in [0, 1) takes up to half of it off, so that devices spread out.
    fn retry_later(row: &mut Delivery, unix: u64, chance: f64) {
        let pause = RETRY_SECONDS_FIRST
            .saturating_shl(row.attempts)
            .min(RETRY_SECONDS_MAX);
        row.attempts += 1;
        row.state = DeliveryState::Waiting;
        row.next_try = unix + Duration::from_secs(pause).mul_f64(1.0 - chance / 2.0).as_secs();
    }

    fn defer(&mut self, row: &Delivery) {
        if row.state != DeliveryState::Parked {
            self.deferred.waiting += 1;
        }
        self.deferred.earliest = Some(
            self.deferred
                .earliest
                .map_or(row.next_try, |at| at.min(row.next_try)),
        );
    }
}

trait SaturatingShl {
    fn saturating_shl(self, by: u32) -> Self;
}

impl SaturatingShl for u64 {
    fn saturating_shl(self, by: u32) -> Self {
        self.checked_mul(1_u64.checked_shl(by).unwrap_or(Self::MAX))
            .unwrap_or(Self::MAX)
    }
}
