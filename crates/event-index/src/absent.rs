//! What relays refused of what is held: part of what one is expected to hold, so that comparisons match. Kept beside the
//! deliveries because an event's place is not in its delivery, and its envelope is a page of its own.

use nostr::event::EventId;
use redb::{ReadTransaction, ReadableTable, TableError};
use serde::Deserialize;

use crate::delivery_rows::{Row, state_of};
use crate::sealing::hex;
use crate::tables::{ABSENT, DELIVERIES, ITEMS};
use crate::writer::Writer;
use crate::{DeliveryState, IndexError, Item, Store};

/// The part of an envelope that its place depends on.
#[derive(Deserialize)]
struct Timed {
    created_at: u64,
}

fn damaged(tag: &[u8; 16], seq: u64) -> IndexError {
    IndexError::corrupt(format!("absent-1 {} {seq}", hex(tag)))
}

pub(crate) fn to_bytes(item: &Item) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&item.created_at.to_le_bytes());
    bytes[8..].copy_from_slice(item.id.as_bytes());
    bytes
}

pub(crate) fn from_bytes(bytes: &[u8; 40]) -> Item {
    let mut id = [0; 32];
    id.copy_from_slice(&bytes[8..]);
    Item::at((u64::from_le_bytes(std::array::from_fn(|n| bytes[n])), &id))
}

/// The first `most` items that this relay refused, with their sequence numbers, in the order of those.
pub(crate) fn absent_in(
    transaction: &ReadTransaction,
    tag: &[u8; 16],
    most: usize,
) -> Result<Vec<(u64, Item)>, IndexError> {
    let mut found = Vec::new();
    for row in transaction
        .open_table(ABSENT)?
        .range((tag, 0)..=(tag, u64::MAX))?
        .take(most)
    {
        let (key, item) = row?;
        found.push((key.value().1, from_bytes(item.value())));
    }
    Ok(found)
}

/// Proves that every row is that of an item which this relay refused.
pub(crate) fn check(transaction: &ReadTransaction) -> Result<(), IndexError> {
    let (items, deliveries) = (
        transaction.open_table(ITEMS)?,
        transaction.open_table(DELIVERIES)?,
    );
    for row in transaction.open_table(ABSENT)?.iter()? {
        let (key, value) = row?;
        let ((tag, seq), item) = (key.value(), from_bytes(value.value()));
        let parked = deliveries
            .get((tag, seq))?
            .is_some_and(|row| state_of(row.value()) == Some(DeliveryState::Parked));
        let held = items.get(item.key())?.is_some_and(|number| number.value() == seq);
        if !parked || !held {
            return Err(damaged(tag, seq));
        }
    }
    Ok(())
}

fn rebuild(writer: &mut Writer<'_>) -> Result<(), IndexError> {
    writer.rebuild_absent()
}

impl Store {
    /// Makes the table in a store that was written before it was known. Cost when it is there: one look-up.
    pub(crate) fn make_absent(&self) -> Result<(), IndexError> {
        match self.read()?.open_table(ABSENT) {
            Ok(_) => Ok(()),
            Err(TableError::TableDoesNotExist(_)) => self.write(rebuild),
            Err(error) => Err(error.into()),
        }
    }
}

impl Writer<'_> {
    /// Computes the table again from the deliveries.
    pub(crate) fn rebuild_absent(&mut self) -> Result<(), IndexError> {
        self.absent.retain(|_, _| false)?;
        let mut parked = Vec::new();
        for row in self.deliveries.iter()? {
            let (key, bytes) = row?;
            let (tag, seq) = key.value();
            if state_of(bytes.value()) == Some(DeliveryState::Parked) {
                parked.push((*tag, seq, Row::decode(tag, seq, bytes.value(), None)?.id));
            }
        }
        for (tag, seq, id) in parked {
            self.note_refusal(&tag, seq, id)?;
        }
        Ok(())
    }

    /// Follows the row of a delivery, which was in one state and is in another now, or gone.
    pub(crate) fn follow_refusal(
        &mut self,
        tag: &[u8; 16],
        seq: u64,
        before: Option<DeliveryState>,
        after: Option<(DeliveryState, EventId)>,
    ) -> Result<(), IndexError> {
        let parked = DeliveryState::Parked;
        match (before == Some(parked), after) {
            (false, Some((state, id))) if state == parked => self.note_refusal(tag, seq, id),
            (true, Some((state, _))) if state == parked => Ok(()),
            (true, _) => {
                self.absent.remove((tag, seq))?;
                Ok(())
            }
            (false, _) => Ok(()),
        }
    }

    fn note_refusal(&mut self, tag: &[u8; 16], seq: u64, id: EventId) -> Result<(), IndexError> {
        // The time alone is read, and is right if it leads to the item: the id need not be computed again.
        let timed = self.envelopes.table()?.get(seq)?;
        let timed = timed.and_then(|json| serde_json::from_slice::<Timed>(json.value()).ok());
        if let Some(Timed { created_at }) = timed {
            let item = Item { created_at, id };
            if self.number_of(&item)? == Some(seq) {
                self.absent.insert((tag, seq), &to_bytes(&item))?;
                return Ok(());
            }
        }
        // Expected to be there, it differs in every comparison; the others are compared all the same.
        tracing::warn!(event = %id, "the envelope of a refused event is damaged");
        Ok(())
    }
}
