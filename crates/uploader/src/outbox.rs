//! The queue of one relay as a state machine: what to send next, what an answer means, when to try again.
//!
//! Rows live in `event-index`; this holds a window of them. It reads no clock and no disk: the shell loads rows,
//! sends what [`Outbox::next`] names and writes back the rows that the other calls change.
//!
//! An answer that names no event (a NOTICE, a closed socket) is about one of those in flight. With exactly one there
//! it is about that one (field guide U-4, U-5); with more, all of them go again one at a time until it is known which.

use std::collections::{BTreeMap, BTreeSet};
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
/// Events without a yes remembered for one that comes late, or after a no: several windows of [`IN_FLIGHT_MAX`]; beyond, the
/// retry settles it.
const OVERDUE_MAX: usize = 1024;
/// How long after a NOTICE the one event in flight may still get its OK, which would mean that the NOTICE was about
/// something else.
const NOTICE_GRACE: Duration = Duration::from_secs(2);
/// Abnormal closes in a row that an event may be in flight at (field guide U-5).
const CLOSES_MAX: u8 = 2;
/// A socket that closes may also be an outage, so what was in flight is tried again sooner than what was refused.
const QUARANTINE_SECONDS: u64 = 3600;
/// Events smaller than this every relay takes (field guide 3.2): their size is not why a socket was closed.
const SMALL_BYTES: usize = 16 * 1024;
/// A queue is read from its start again for rows whose time has come; between two such readings there is a pause of a
/// second, and another for so many rows that the last one passed over, so that a long queue costs a fraction of a
/// worker.
const ROWS_PER_SECOND: u64 = 10_000;
/// The same for rows that were added and may leave at once, while a comparison names them: a second for a hundred thousand.
const ROWS_PER_MILLISECOND: u64 = 100;
/// After so many tries at most one an hour (field guide U-16).
const TRIES_FREE: u32 = 10;
/// A relay that makes us wait longer than this has settled for now: the rest is retried later.
pub const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// "Permanent here" is asked again after a day (field guide 3.1): relays change their rules.
const RETEST_SECONDS: u64 = 24 * 3600;
/// Begins the reason of an event that is put aside because connections ended when it was sent.
pub const CLOSED_TWICE: &str = "the relay closed the connection twice when this event";
/// Begins the reason of an event that was sent and not answered.
pub const NO_ANSWER: &str = "no OK within";
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
    /// Expired without an OK, or refused: a yes that still comes settles them.
    overdue: BTreeMap<EventId, Delivery>,
    read_to: u64,
    read_all: bool,
    deferred: Deferred,
    accepted: u64,
    changes: Read,
    /// When the queue was last read from its start.
    reread: Option<Instant>,
    /// Rows were added in front of those already read.
    behind: bool,
    /// One event at a time until the row with this number was answered.
    attributing: Option<u64>,
    /// Nothing leaves before this: answers to what was in flight must not be taken for answers to what goes again.
    drained_at: Option<Instant>,
    /// How many abnormal closes in a row each event was in flight at.
    closes: BTreeMap<EventId, u8>,
    /// Bytes of a frame that the relay refused for its size, or says that it refuses: what is as large is not sent.
    too_large_from: Option<usize>,
    /// News for the relay's profile.
    size_learned: bool,
}

#[derive(Debug)]
struct Flight {
    row: Delivery,
    deadline: Instant,
    /// Bytes of its frame, once that is known.
    bytes: usize,
    /// What a NOTICE said while it was the only one in flight.
    notice: Option<(OkClass, String)>,
}

/// Rows seen in this read of the queue whose time has not come.
#[derive(Debug, Default)]
struct Deferred {
    waiting: u64,
    earliest: Option<u64>,
    /// Rows passed over in this reading.
    passed: u64,
    /// Parked rows, and why one of them is.
    parked: u64,
    why: Option<String>,
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
            reread: None,
            behind: false,
            attributing: None,
            drained_at: None,
            closes: BTreeMap::new(),
            too_large_from: None,
            size_learned: false,
        }
    }

    /// Takes over what earlier runs learned about the relay: its pace, and the bytes of a frame that it refuses.
    pub fn learned(&mut self, pace: Pace, too_large_from: Option<usize>) {
        self.pace = pace;
        self.too_large_from = too_large_from;
    }

    /// How many events an hour the relay takes, when that was learned since this was last asked.
    pub fn pace_lesson(&mut self) -> Option<u64> {
        self.pace.lesson()
    }

    /// Bytes of a frame from which on the relay refuses it, when that was learned since this was last asked.
    pub fn size_lesson(&mut self) -> Option<usize> {
        std::mem::take(&mut self.size_learned)
            .then_some(self.too_large_from)
            .flatten()
    }

    /// How many events are parked at the relay, and why one of them is; `None` while the queue is being read.
    pub fn parked(&self) -> Option<(u64, Option<&str>)> {
        let why = self.deferred.why.as_deref();
        self.read_all
            .then_some((self.deferred.parked, why.filter(|_| self.deferred.parked > 0)))
    }

    /// Starts reading the queue from its beginning: rows were added, or their time has come.
    pub fn rewind(&mut self) {
        self.changes.rewinds += 1;
        self.ready.clear();
        self.read_to = 0;
        self.read_all = false;
        self.behind = false;
        self.deferred = Deferred::default();
    }

    /// Rows were added anywhere, such as those that a comparison found missing. Those in front of what was read are read
    /// once what is at hand is sent: a comparison names a few hundred at a time, and a long queue is not to be read again
    /// for each of these.
    pub fn added(&mut self) {
        self.appended();
        self.behind = true;
    }

    /// Rows were added behind those already read.
    pub fn appended(&mut self) {
        self.changes.appends += 1;
        self.read_all = false;
    }

    /// The connection ended: what was in flight is sent again, the same bytes, when the next one stands. An event that
    /// was in flight at two ends in a row is not: it is returned, parked, because it may be what ends them.
    pub fn disconnected(&mut self, unix: u64) -> Vec<Delivery> {
        let mut quarantined = Vec::new();
        let mut closes = BTreeMap::new();
        let flights = std::mem::take(&mut self.in_flight);
        let alone = flights.len() == 1;
        for (id, Flight { mut row, bytes, .. }) in flights {
            let count = self.closes.get(&id).copied().unwrap_or(0) + 1;
            if count < CLOSES_MAX || !alone {
                self.attributing = self.attributing.max(Some(row.seq));
                closes.insert(id, count.min(CLOSES_MAX - 1));
                continue;
            }
            if bytes > SMALL_BYTES {
                self.learn_size(bytes);
            }
            row.attempts += 1;
            row.turn(DeliveryState::Parked, unix);
            row.next_try = unix + QUARANTINE_SECONDS;
            row.reason = Some(format!("{CLOSED_TWICE} of {bytes} bytes was sent"));
            quarantined.push(row);
        }
        // One that ends with nothing in flight says nothing about any event.
        if alone || !closes.is_empty() {
            self.closes = closes;
        }
        self.overdue.clear();
        self.drained_at = None;
        self.rewind();
        quarantined
    }

    fn learn_size(&mut self, bytes: usize) {
        if self.too_large_from.is_none_or(|known| bytes < known) {
            self.too_large_from = Some(bytes);
            self.size_learned = true;
        }
    }

    /// Checks the frame of an event that [`Outbox::next`] named against what the relay takes (field guide 3.2). Returns
    /// the parked row when it is too large; it is not to be sent then.
    pub fn sized(&mut self, id: &EventId, bytes: usize, unix: u64) -> Option<Delivery> {
        let max = self.too_large_from;
        let flight = self.in_flight.get_mut(id)?;
        flight.bytes = bytes;
        let max = max.filter(|max| bytes >= *max)?;
        let Flight { mut row, .. } = self.in_flight.remove(id)?;
        self.pace.unspent();
        row.turn(DeliveryState::Parked, unix);
        row.next_try = unix + RETEST_SECONDS;
        row.reason = Some(format!(
            "too large for this relay: {bytes} bytes, and it takes less than {max}; not sent"
        ));
        self.defer(&row);
        Some(row)
    }

    /// Takes a NOTICE. One that is about an event, without saying which, is about the one in flight; with several in
    /// flight all go again, one at a time. Any other changes nothing.
    pub fn noticed(&mut self, text: &str, now: Instant) {
        let class = OkClass::classify(false, text);
        match class {
            OkClass::Pause => {
                if self.in_flight.is_empty() || names_another_request(text) {
                    return;
                }
                self.pace.refused(now, None);
                self.take_back_flights();
            }
            OkClass::PermanentHere | OkClass::OurBug => {
                let one = self.in_flight.len() == 1;
                if let Some(flight) = self.in_flight.values_mut().next().filter(|_| one) {
                    flight.deadline = flight.deadline.min(now + NOTICE_GRACE);
                    flight.notice = Some((class, text.to_owned()));
                } else if let Some(last) = self.in_flight.values().map(|flight| flight.row.seq).max() {
                    self.attributing = self.attributing.max(Some(last));
                    self.drained_at = Some(now + OK_DEADLINE);
                    self.take_back_flights();
                }
            }
            OkClass::Stored
            | OkClass::NeedsAuth
            | OkClass::Temporary
            | OkClass::Clock(_)
            | OkClass::Settled => {}
        }
    }

    /// Nothing of what is in flight left: it keeps its place.
    pub fn take_back(&mut self) {
        for (_, Flight { row, .. }) in std::mem::take(&mut self.in_flight) {
            self.ready.insert(row.seq, row);
        }
    }

    /// What is in flight goes again; an OK that still comes settles it.
    fn take_back_flights(&mut self) {
        for (_, Flight { row, .. }) in std::mem::take(&mut self.in_flight) {
            self.remember(&row);
            self.ready.insert(row.seq, row);
        }
    }

    /// Takes the rows that followed [`Next::Load`]. Rows of the window may be left out; the reading goes on behind it.
    pub fn load(&mut self, read: Read, window: Window, unix: u64) {
        // Rows read before a rewind are read again, from the beginning.
        if read.rewinds != self.changes.rewinds {
            return;
        }
        self.read_all = window.last && read.appends == self.changes.appends;
        self.read_to = self.read_to.max(window.read_to);
        self.deferred.take(&window);
        for row in window.rows {
            if self.in_flight.contains_key(&row.id) {
                continue;
            }
            match row.state {
                DeliveryState::Accepted | DeliveryState::Verified => {}
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
        let due = self.behind || self.deferred.earliest.is_some_and(|at| at <= unix);
        let pause = if self.behind {
            Duration::from_millis(self.deferred.passed / ROWS_PER_MILLISECOND)
        } else {
            Duration::from_secs(1 + self.deferred.passed / ROWS_PER_SECOND)
        };
        let reread_at = self.reread.map_or(now, |at| at + pause);
        if due && self.ready.is_empty() && self.read_all && reread_at <= now {
            self.rewind();
            self.reread = Some(now);
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
            let earliest = if self.behind {
                Some(unix)
            } else {
                self.deferred.earliest
            };
            let due_in = earliest.map(|at| {
                let due_at = now + Duration::from_secs(at.saturating_sub(unix).min(RETEST_SECONDS));
                due_at.max(reread_at)
            });
            return [deadline, due_in]
                .into_iter()
                .flatten()
                .min()
                .map_or(Next::Idle, Next::Wait);
        };
        if self.attributing.is_some_and(|last| *entry.key() > last) && self.in_flight.is_empty() {
            self.attributing = None;
        }
        let most = if self.attributing.is_some() {
            1
        } else {
            IN_FLIGHT_MAX
        };
        if self.in_flight.len() >= most {
            return deadline.map_or(Next::Idle, Next::Wait);
        }
        if let Some(until) = self.drained_at.filter(|until| *until > now) {
            return Next::Wait(until);
        }
        self.drained_at = None;
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
                bytes: 0,
                notice: None,
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

    /// Whether the event of this row is next to go.
    pub fn keeps(&self, row: &Delivery) -> bool {
        self.ready.contains_key(&row.seq)
    }

    /// The events that are on the wire or next to go: at most two windows.
    pub fn at_hand(&self) -> BTreeSet<EventId> {
        let ready = self.ready.values().map(|row| row.id);
        ready.chain(self.in_flight.keys().copied()).collect()
    }

    /// The event is not to be sent any more: it was deleted here.
    pub fn forget(&mut self, id: &EventId) {
        self.in_flight.remove(id);
    }

    /// Takes the relay's OK for `id`. Returns the row to write back, or `None` when the answer changes nothing. A row may
    /// be written back and still be next to go ([`Outbox::keeps`]). Of two answers that contradict each other the yes
    /// counts, whichever comes first, because it can be checked: [`ReadBack`](crate::ReadBack) asks for the event.
    pub fn answered(
        &mut self,
        id: &EventId,
        class: OkClass,
        reason: &str,
        (now, unix): (Instant, u64),
        chance: f64,
    ) -> Option<Delivery> {
        let row = match self.in_flight.remove(id) {
            Some(Flight { row, bytes, .. }) => {
                self.overdue.remove(id);
                if class == OkClass::PermanentHere && OkClass::names_size(reason) && bytes > 0 {
                    self.learn_size(bytes);
                }
                row
            }
            // A refusal that comes late, or after a yes, says no more than the retry will; a yes settles.
            None if matches!(class, OkClass::Stored | OkClass::Settled) => self.settle_late(id)?,
            None => return None,
        };
        // The relay answered, so this event is not what closes its sockets.
        self.closes.remove(id);
        Some(self.judge(row, class, reason, (now, unix), chance))
    }

    /// What becomes of a row that is not in flight any more.
    fn judge(
        &mut self,
        mut row: Delivery,
        class: OkClass,
        reason: &str,
        (now, unix): (Instant, u64),
        chance: f64,
    ) -> Delivery {
        match class {
            OkClass::Stored => {
                self.pace.accepted(now);
                self.accepted += 1;
                row.turn(DeliveryState::Accepted, unix);
                row.reason = None;
                return row;
            }
            // The relay asks for less, not for something else: the row keeps its place and its tries, and the words.
            OkClass::Pause => {
                self.pace.refused(now, None);
                row.reason = Some(reason.to_owned());
                self.ready.insert(row.seq, row.clone());
                return row;
            }
            OkClass::Temporary => Self::retry_later(&mut row, unix, chance),
            OkClass::Clock(ClockRefusal::Late) => {
                row.attempts += 1;
                row.next_try = unix + 60;
            }
            OkClass::Clock(ClockRefusal::Early) | OkClass::PermanentHere | OkClass::NeedsAuth => {
                row.attempts += 1;
                row.turn(DeliveryState::Parked, unix);
                row.next_try = unix + RETEST_SECONDS;
            }
            // Sending the same bytes again cannot help; a person has to look. One that the relay has as deleted is not
            // there, so it is not called accepted either.
            OkClass::OurBug | OkClass::Settled => {
                row.attempts += 1;
                row.turn(DeliveryState::Parked, unix);
                row.next_try = u64::MAX;
            }
        }
        row.reason = Some(reason.to_owned());
        self.defer(&row);
        self.remember(&row);
        row
    }

    /// A yes may still come for this event.
    fn remember(&mut self, row: &Delivery) {
        if self.overdue.len() < OVERDUE_MAX {
            self.overdue.insert(row.id, row.clone());
        }
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
            if let Some(Flight {
                mut row,
                notice,
                bytes,
                ..
            }) = self.in_flight.remove(&id)
            {
                if let Some((class, text)) = notice {
                    if OkClass::names_size(&text) && bytes > 0 {
                        self.learn_size(bytes);
                    }
                    rows.push(self.judge(row, class, &text, (now, unix), chance));
                    continue;
                }
                let since = (row.state == DeliveryState::Sent).then_some(row.at);
                Self::retry_later(&mut row, unix, chance);
                row.turn(DeliveryState::Sent, unix);
                row.at = since.unwrap_or(row.at);
                row.reason = Some(format!("{NO_ANSWER} {} s", OK_DEADLINE.as_secs()));
                self.defer(&row);
                self.remember(&row);
                rows.push(row);
            }
        }
        rows
    }

    /// How many rows still wait here, once nothing more happens at this relay for now; `None` while it is busy.
    pub fn settled(&mut self, now: Instant) -> Option<u64> {
        let unread = self.ready.is_empty() && (!self.read_all || self.behind);
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
            let deferred = if row.state == DeliveryState::Parked {
                &mut self.deferred.parked
            } else {
                &mut self.deferred.waiting
            };
            *deferred = deferred.saturating_sub(1);
        }
        Some(row)
    }

    /// Doubles the pause each time, at least an hour after ten tries; `chance` in [0, 1) spreads devices out.
    fn retry_later(row: &mut Delivery, unix: u64, chance: f64) {
        let whole = RETRY_SECONDS_FIRST
            .saturating_shl(row.attempts)
            .min(RETRY_SECONDS_MAX);
        let pause = if row.attempts < TRIES_FREE {
            Duration::from_secs(whole).mul_f64(1.0 - chance / 2.0)
        } else {
            Duration::from_secs(RETRY_SECONDS_MAX).mul_f64(1.0 + chance / 2.0)
        };
        row.attempts += 1;
        row.turn(DeliveryState::Waiting, unix);
        row.next_try = unix + pause.as_secs();
    }

    fn defer(&mut self, row: &Delivery) {
        if row.state == DeliveryState::Parked {
            self.deferred.parked += 1;
            self.deferred.why.clone_from(&row.reason);
        } else {
            self.deferred.waiting += 1;
        }
        self.deferred.earliest = Some(
            self.deferred
                .earliest
                .map_or(row.next_try, |at| at.min(row.next_try)),
        );
    }
}

impl Deferred {
    /// Takes in the rows that the reading left out because their time has not come.
    fn take(&mut self, window: &Window) {
        self.waiting += window.deferred.waiting;
        self.passed += window.passed;
        self.parked += window.deferred.parked;
        if window.deferred.why.is_some() {
            self.why.clone_from(&window.deferred.why);
        }
        self.earliest = [self.earliest, window.deferred.earliest]
            .into_iter()
            .flatten()
            .min();
    }
}

/// A relay that has too many subscriptions says so with words that would fit events too.
fn names_another_request(text: &str) -> bool {
    let text = text.to_lowercase();
    ["req", "subscription", "filter", "neg"]
        .iter()
        .any(|word| text.contains(word))
        && !text.contains("requests")
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
