//! Events that arrived and wait to be checked and stored together: a burst is one commit and one update.

use std::time::{Duration, Instant};

use nostr::prelude::Event;
use relay_link::RelayUrl;

/// How long the first event of a burst waits for the others (DESIGN 7).
pub(crate) const GATHER: Duration = Duration::from_millis(50);
/// A bulk commit holds this many: the cost of a commit no longer shows beside the signature checks.
pub(crate) const BATCH: usize = 1000;
/// Events waiting at most; a relay that sends faster is read more slowly. Two batches keep all cores busy.
pub(crate) const WAITING_MAX: usize = 2 * BATCH;

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
    since: Option<Instant>,
}

impl<T> Default for Intake<T> {
    fn default() -> Self {
        Self {
            waiting: Vec::new(),
            since: None,
        }
    }
}

impl<T> Intake<T> {
    /// Adds an arrival.
    pub fn push(&mut self, arrived: Arrived<T>, now: Instant) {
        self.since.get_or_insert(now);
        self.waiting.push(arrived);
    }

    /// When the batch is ripe; `None` when nothing waits.
    pub fn ripe_at(&self, now: Instant) -> Option<Instant> {
        let since = self.since?;
        Some(if self.waiting.len() >= BATCH {
            now
        } else {
            since + GATHER
        })
    }

    /// Takes at most one batch, the oldest first.
    pub fn take(&mut self, now: Instant) -> Vec<Arrived<T>> {
        let rest = self.waiting.split_off(self.waiting.len().min(BATCH));
        let batch = std::mem::replace(&mut self.waiting, rest);
        self.since = (!self.waiting.is_empty()).then_some(now);
        batch
    }

    /// Whether events of `relay` wait.
    pub fn holds(&self, relay: &RelayUrl) -> bool {
        self.waiting.iter().any(|arrived| arrived.relay == *relay)
    }
}
