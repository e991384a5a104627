//! A stretch of a relay's queue as it was read from disk.

use std::collections::BTreeMap;

use event_index::{Delivery, DeliveryState, IndexError, Store};
use nostr::prelude::{Event, EventId};

use crate::outbox::WINDOW;

/// Rows passed over in one read transaction, at most. Accepted rows stay in the queue, so after a restart most of a long one is
/// of this kind; their events are not read.
const STRIDE: usize = 1_000;

/// Consecutive rows of the queue, without those that ask for nothing any more.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// At most [`WINDOW`] rows that may be sent now, in sequence order.
    pub rows: Vec<Delivery>,
    /// Every row up to this sequence number is in `rows` or asks for nothing.
    pub read_to: u64,
    /// There were no rows behind these.
    pub last: bool,
    /// Rows that were read.
    pub passed: u64,
    /// The rows whose time has not come.
    pub deferred: Later,
}

/// Rows whose time has not come, without the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Later {
    /// How many are waiting to be sent again.
    pub waiting: u64,
    /// How many are parked.
    pub parked: u64,
    /// Why one of those is.
    pub why: Option<String>,
    /// When the first of all is due, Unix seconds.
    pub earliest: Option<u64>,
}

impl Later {
    fn add(&mut self, row: Delivery) {
        if row.state == DeliveryState::Parked {
            self.parked += 1;
            self.why = row.reason.or(self.why.take());
        } else {
            self.waiting += 1;
        }
        self.earliest = Some(self.earliest.map_or(row.next_try, |at| at.min(row.next_try)));
    }
}

impl Window {
    /// Reads the rows behind sequence number `after`, and the events they are about. Blocks on the disk.
    ///
    /// An envelope that is damaged is left out, and keeps no other from leaving.
    pub(crate) fn read(
        store: &Store,
        relay: &str,
        after: u64,
        unix: u64,
    ) -> Result<(Self, Vec<Event>), IndexError> {
        let mut window = Self {
            read_to: after,
            ..Self::default()
        };
        // As a rule the next rows are those to send. Where they are not, the strides grow.
        let mut stride_max = WINDOW;
        while !window.last && window.rows.len() < WINDOW {
            let stride = store.deliveries(relay, window.read_to, stride_max)?;
            window.last = stride.len() < stride_max;
            stride_max = (2 * stride_max).min(STRIDE);
            for row in stride {
                if window.rows.len() == WINDOW {
                    window.last = false;
                    break;
                }
                window.read_to = row.seq;
                window.passed += 1;
                if row.state.is_settled() {
                    continue;
                }
                if row.next_try <= unix {
                    window.rows.push(row);
                } else {
                    window.deferred.add(row);
                }
            }
        }
        let mut events = Vec::with_capacity(window.rows.len());
        for row in &window.rows {
            match store.event(&row.id) {
                Ok(event) => events.extend(event),
                Err(IndexError::Corrupt { what, .. }) => tracing::error!(what, "can't be sent"),
                Err(error) => return Err(error),
            }
        }
        Ok((window, events))
    }

    /// Puts `changed` rows, the newest last, in the place of what was read from disk before they were written: an event
    /// that was refused a moment ago must not go out again because the disk does not know it yet.
    pub(crate) fn renew<'a>(&mut self, changed: impl IntoIterator<Item = &'a Delivery>) {
        let changed: BTreeMap<u64, &Delivery> = changed.into_iter().map(|row| (row.seq, row)).collect();
        for row in &mut self.rows {
            if let Some(newer) = changed.get(&row.seq) {
                row.clone_from(newer);
            }
        }
    }

    /// Which of these are still held: one may have been deleted here since its window was read. Blocks on the disk.
    pub(crate) fn still_held(store: &Store, ids: &[EventId]) -> Result<Vec<bool>, IndexError> {
        ids.iter().map(|id| store.contains(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64, state: DeliveryState, attempts: u32) -> Delivery {
        Delivery {
            relay: "wss://relay.example".to_owned(),
            seq,
            id: EventId::from_byte_array([seq as u8; 32]),
            state,
            at: 0,
            attempts,
            next_try: 0,
            reason: None,
            absent: 0,
        }
    }

    #[test]
    fn what_is_on_its_way_to_the_disk_is_newer_than_what_was_read_from_it() {
        let mut window = Window {
            rows: (1..=3).map(|seq| row(seq, DeliveryState::Waiting, 0)).collect(),
            ..Window::default()
        };
        let changed = [
            row(2, DeliveryState::Waiting, 1),
            row(2, DeliveryState::Parked, 2),
            row(9, DeliveryState::Parked, 1),
        ];
        window.renew(&changed);
        assert_eq!(
            window.rows,
            [
                row(1, DeliveryState::Waiting, 0),
                row(2, DeliveryState::Parked, 2),
                row(3, DeliveryState::Waiting, 0)
            ]
        );
    }
}
