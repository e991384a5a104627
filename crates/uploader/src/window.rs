//! A stretch of a relay's queue as it was read from disk.

use event_index::{Delivery, DeliveryState, IndexError, Store};
use nostr::prelude::Event;

use crate::outbox::WINDOW;

/// Rows passed over in one read transaction. Accepted rows stay in the queue, so after a restart most of a long one is
/// of this kind; their events are not read.
const STRIDE: usize = 1_000;

/// Consecutive rows of the queue, without those that ask for nothing any more.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// At most [`WINDOW`] rows that are not accepted, in sequence order.
    pub rows: Vec<Delivery>,
    /// Every row up to this sequence number is in `rows` or asks for nothing.
    pub read_to: u64,
    /// There were no rows behind these.
    pub last: bool,
}

impl Window {
    /// Reads the rows behind sequence number `after`, and the events they are about. Blocks on the disk.
    ///
    /// An envelope that is damaged is left out, and keeps no other from leaving.
    pub(crate) fn read(store: &Store, relay: &str, after: u64) -> Result<(Self, Vec<Event>), IndexError> {
        let mut window = Self {
            read_to: after,
            ..Self::default()
        };
        while !window.last && window.rows.len() < WINDOW {
            let stride = store.deliveries(relay, window.read_to, STRIDE)?;
            window.last = stride.len() < STRIDE;
            for row in stride {
                if window.rows.len() == WINDOW {
                    window.last = false;
                    break;
                }
                window.read_to = row.seq;
                if row.state != DeliveryState::Accepted {
                    window.rows.push(row);
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
}
