//! Events that arrived and wait to be checked and stored together: a burst is one commit and one update.

use std::time::{Duration, Instant};

use nostr::prelude::Event;
use relay_link::RelayUrl;

/// Events within this long of the batch before them are one batch (DESIGN 7), as long as they come one after the other. The
/// first one after a pause goes at once: a message that is written by hand is shown without a wait.
pub(crate) const GATHER: Duration = Duration::from_millis(50);
/// A burst in which nothing came for this long is over: two messages that happen to be written within [`GATHER`] of each
/// other need not wait for a third. A relay sends a burst with far less than this between two frames.
pub(crate) const QUIET: Duration = Duration::from_millis(4);
/// A bulk commit holds this many or more: the cost of a commit no longer shows beside the signature checks.
pub(crate) const BATCH: usize = 1000;
/// And at most this many, a third of the room for common events: one batch is checked, one waits for the store and one is
/// stored. The more there are in a commit the less often a page of a table with random keys is written; how many gather
/// while the disk is busy follows from how busy it is.
pub(crate) const BATCH_MAX: usize = PLACES as usize / 8;
/// How much may wait, in places of 1 KiB: 12 MiB, of the 16 that the engine has for it (field guide 7). A relay that sends
/// faster than the disk takes is read more slowly.
pub(crate) const PLACES: u32 = 12 << 10;

/// The places an event takes: one for all but its content, and one for every KiB of that, begun or full.
pub(crate) fn places(event: &Event) -> u32 {
    1 + u32::try_from(event.content.len().div_ceil(1024)).unwrap_or(PLACES)
}

/// An event, the relay it came from, and the `T` that keeps its place in the bounded room.
#[derive(Debug)]
pub struct Arrived<T> {
    /// Where it came from.
    pub relay: RelayUrl,
    /// Not checked yet.
    pub event: Event,
    /// Dropped with the batch.
    pub place: T,
}

/// Gathers arrivals into batches. Reads no clock.
#[derive(Debug)]
pub struct Intake<T> {
    waiting: Vec<Arrived<T>>,
    taken: Option<Instant>,
    pushed: Option<Instant>,
}

impl<T> Default for Intake<T> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            taken: None,
            pushed: None,
        }
    }
}

impl<T> Intake<T> {
    /// Adds an arrival.
    pub fn push(&mut self, arrived: Arrived<T>, now: Instant) {
        self.waiting.push(arrived);
        self.pushed = Some(now);
    }

    /// When the batch is ripe; `None` when nothing waits.
    pub fn ripe_at(&self, now: Instant) -> Option<Instant> {
        if self.waiting.is_empty() {
            return None;
        }
        let gathered = self.taken.map_or(now, |taken| taken + GATHER);
        let over = self.pushed.map_or(now, |pushed| pushed + QUIET);
        let gathered = gathered.min(over);
        Some(if self.full() { now } else { gathered.max(now) })
    }

    /// When the batch may go beside another: a bulk at once, and what follows it when nothing more comes. A burst is one commit
    /// otherwise.
    pub fn ripe_beside_at(&self, now: Instant) -> Option<Instant> {
        let over = self.pushed.filter(|_| !self.waiting.is_empty())? + QUIET;
        Some(if self.full() { now } else { over.max(now) })
    }

    /// Whether a bulk commit is worth it.
    pub fn full(&self) -> bool {
        self.waiting.len() >= BATCH
    }

    /// Takes at most one batch, the oldest first.
    pub fn take(&mut self, now: Instant) -> Vec<Arrived<T>> {
        let rest = self.waiting.split_off(self.waiting.len().min(BATCH_MAX));
        self.taken = Some(now);
        std::mem::replace(&mut self.waiting, rest)
    }

    /// Whether events of `relay` wait.
    pub fn holds(&self, relay: &RelayUrl) -> bool {
        self.waiting.iter().any(|arrived| arrived.relay == *relay)
    }
}

#[cfg(test)]
mod tests {
    use nostr::prelude::{EventBuilder, FinalizeEvent as _, Keys, Kind};

    use super::*;

    fn arrived(event: &Event) -> Arrived<()> {
        Arrived {
            relay: "wss://relay.example".parse().unwrap(),
            event: event.clone(),
            place: (),
        }
    }

    #[test]
    fn beside_another_batch_goes_a_bulk_and_what_nothing_follows() {
        let event = EventBuilder::new(Kind::TextNote, "")
            .finalize(&Keys::generate())
            .unwrap();
        let mut intake = Intake::default();
        let begin = supervision::Env::production().clock.now();
        assert_eq!(intake.ripe_beside_at(begin), None, "nothing waits");
        intake.push(arrived(&event), begin);
        intake.push(arrived(&event), begin + QUIET / 2);
        let over = begin + QUIET / 2 + QUIET;
        assert_eq!(
            intake.ripe_beside_at(begin + QUIET),
            Some(over),
            "another may come"
        );
        assert_eq!(intake.ripe_beside_at(over + QUIET), Some(over + QUIET));
        for _ in 2..BATCH {
            intake.push(arrived(&event), over);
        }
        assert_eq!(intake.ripe_beside_at(over), Some(over), "a bulk");
    }
}
