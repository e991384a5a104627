//! The set arithmetic of NIP-77, behind the three calls a session needs.
//!
//! Today it is the `negentropy` crate over a borrowed view of the snapshot, which fingerprints a range by adding up
//! its ids: a comparison costs one pass over all items (about 20 ms for a million). Nothing outside this file knows
//! that crate.

use std::sync::Arc;

use event_index::Snapshot;
use negentropy::{Bound, Error, Id, Item, Negentropy, NegentropyStorageBase};
use nostr::event::EventId;

/// The initiating side of one comparison.
pub(crate) struct Engine(Negentropy<'static, View>);

/// What one reply of the relay told.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The next message, or `None` when nothing is left to compare.
    pub(crate) next: Option<Vec<u8>>,
    /// Held here, missing there; may repeat ids of earlier answers (N-14).
    pub(crate) have: Vec<EventId>,
    /// Held there, missing here; may repeat ids of earlier answers.
    pub(crate) need: Vec<EventId>,
}

/// Why a message could not be worked with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// The relay speaks another version of the protocol; it never gets further than this.
    #[error("the relay speaks another version of negentropy than 0x61")]
    Version,
    /// The bytes are not a negentropy message.
    #[error("the relay sent a negentropy message that cannot be read ({0})")]
    Malformed(String),
}

impl Engine {
    /// The engine and its first message. `frame_bytes_max` bounds every message it makes; 0 means no bound, and
    /// anything between is raised to the 4,096 that NIP-77 allows at least.
    pub(crate) fn open(
        snapshot: Arc<Snapshot>,
        frame_bytes_max: u64,
    ) -> Result<(Self, Vec<u8>), EngineError> {
        let limit = if frame_bytes_max == 0 {
            0
        } else {
            frame_bytes_max.max(4096)
        };
        let mut inner = Negentropy::owned(View(snapshot), limit).map_err(malformed)?;
        let message = inner.initiate().map_err(malformed)?;
        Ok((Self(inner), message))
    }

    /// Works through one reply.
    pub(crate) fn answer(&mut self, message: &[u8]) -> Result<Answer, EngineError> {
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let next = self
            .0
            .reconcile_with_ids(message, &mut have, &mut need)
            .map_err(|error| match error {
                Error::UnsupportedProtocolVersion | Error::InvalidProtocolVersion => EngineError::Version,
                other => malformed(other),
            })?;
        Ok(Answer {
            next,
            have: event_ids(&have),
            need: event_ids(&need),
        })
    }
}

fn malformed(error: Error) -> EngineError {
    EngineError::Malformed(error.to_string())
}

fn event_ids(ids: &[Id]) -> Vec<EventId> {
    ids.iter()
        .map(|id| EventId::from_byte_array(id.to_bytes()))
        .collect()
}

/// A snapshot in the shape the crate reads; nothing is copied.
struct View(Arc<Snapshot>);

impl View {
    fn item(&self, index: usize) -> Option<Item> {
        let item = self.0.items().get(index)?;
        Some(Item::with_timestamp_and_id(
            item.created_at,
            Id::from_byte_array(item.id.to_bytes()),
        ))
    }
}

impl NegentropyStorageBase for View {
    fn size(&self) -> Result<usize, Error> {
        Ok(self.0.len())
    }

    fn get_item(&self, index: usize) -> Result<Option<Item>, Error> {
        Ok(self.item(index))
    }

    fn iterate(
        &self,
        begin: usize,
        end: usize,
        each: &mut dyn FnMut(Item, usize) -> Result<bool, Error>,
    ) -> Result<(), Error> {
        for index in begin..end {
            let item = self.item(index).ok_or(Error::BadRange)?;
            if !each(item, index)? {
                break;
            }
        }
        Ok(())
    }

    fn find_lower_bound(&self, first: usize, last: usize, value: &Bound) -> usize {
        let (mut first, mut last) = (first, last.min(self.0.len()));
        while first < last {
            let middle = first + (last - first) / 2;
            match self.item(middle) {
                Some(item) if item < value.item => first = middle + 1,
                _ => last = middle,
            }
        }
        first
    }
}
