//! The durable queue towards each relay: rows only for what is not known to be there.

use nostr::event::EventId;

use crate::delivery_rows::Row;
use crate::tables::DELIVERIES;
use crate::{IndexError, Store};

/// A relay's answer is the relay's text; this much of it is kept.
const REASON_BYTES_MAX: usize = 500;

/// One event on its way to one relay. No row means: the relay's agreement says whether it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The relay, as the caller writes it everywhere.
    pub relay: String,
    /// The event's sequence number; the queue is in this order, which is that of sealing.
    pub seq: u64,
    /// The event.
    pub id: EventId,
    /// How far it is.
    pub state: DeliveryState,
    /// Since when, Unix seconds; 0 when that is not known.
    pub at: u64,
    /// How often it was sent.
    pub attempts: u32,
    /// Not before this, Unix seconds.
    pub next_try: u64,
    /// What the relay said last; cut at 500 bytes when stored.
    pub reason: Option<String>,
    /// How often the relay said yes and did not hold the event when asked; counted up to 15.
    pub absent: u8,
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeliveryState {
    /// To be sent.
    Waiting,
    /// Sent, no answer yet. After a restart the same as waiting.
    Sent,
    /// The relay said yes; not proven to be there.
    Accepted,
    /// The relay showed it when it was asked for it by its id. An agreement that covers it says the same, and takes the
    /// row away.
    Verified,
    /// Not tried again before its time or a person's word.
    Parked,
}

impl DeliveryState {
    /// Whether there is nothing left to send.
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Accepted | Self::Verified)
    }
}

impl Delivery {
    /// Puts the delivery into a state it has from `unix` on; nothing changes when it was in that state.
    pub fn turn(&mut self, state: DeliveryState, unix: u64) {
        if self.state != state {
            (self.state, self.at) = (state, unix);
        }
    }
}

impl Store {
    /// Queues events for a relay: held ids without a row there get one, and accepted ones wait again, because the
    /// relay turned out not to have them. Those on their way or parked stay as they are, and ids that are not held
    /// (any more) are passed over. Returns how many wait now that did not. One transaction.
    pub fn enqueue(&self, relay: &str, ids: &[EventId]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let tag = writer.keys.relay_tag(relay);
            let mut queued = 0;
            let ids: &[EventId] = if self.retired.has(relay) { &[] } else { ids };
            for id in ids {
                let Some(seq) = writer.held_seq(id)? else { continue };
                let row = match writer.delivery(&tag, seq)? {
                    None => Row::new(*id, DeliveryState::Waiting),
                    Some(row) if row.state.is_settled() => Row {
                        state: DeliveryState::Waiting,
                        at: 0,
                        next_try: 0,
                        ..row
                    },
                    Some(_) => continue,
                };
                writer.put_delivery(&tag, seq, &row)?;
                queued += 1;
            }
            if queued == 0 {
                writer.nothing_changed();
            }
            Ok(queued)
        })
    }

    /// The first `max` deliveries to a relay with a sequence number above `after_seq`, in order, whatever their
    /// state.
    pub fn deliveries(&self, relay: &str, after_seq: u64, max: usize) -> Result<Vec<Delivery>, IndexError> {
        let transaction = self.read()?;
        let rows = transaction.open_table(DELIVERIES)?;
        let tag = self.keys.relay_tag(relay);
        let mut found = Vec::new();
        // Numbers end below u64::MAX, so the end is not one of them.
        for row in rows
            .range((&tag, after_seq.saturating_add(1))..(&tag, u64::MAX))?
            .take(max)
        {
            let (key, bytes) = self.scan(row)?;
            let seq = key.value().1;
            // Only the words of a refusal are sealed; without them the row is as good.
            let row = Row::decode(&tag, seq, bytes.value(), Some(&self.keys))
                .or_else(|_| Row::decode(&tag, seq, bytes.value(), None))?;
            let Row {
                id,
                state,
                at,
                attempts,
                next_try,
                reason,
                absent,
            } = row;
            found.push(Delivery {
                relay: relay.to_owned(),
                seq,
                id,
                state,
                at,
                attempts,
                next_try,
                reason,
                absent,
            });
        }
        Ok(found)
    }

    /// Writes deliveries as given, in one transaction. Those of events that are not held any more are passed over:
    /// a deletion wins over a late answer.
    pub fn set_deliveries(&self, deliveries: Vec<Delivery>) -> Result<(), IndexError> {
        self.write(|writer| {
            let mut written = false;
            for delivery in deliveries {
                let Delivery {
                    relay,
                    seq,
                    id,
                    state,
                    at,
                    attempts,
                    next_try,
                    reason,
                    absent,
                } = delivery;
                if writer.held_seq(&id)? != Some(seq) || self.retired.has(&relay) {
                    continue;
                }
                let tag = writer.keys.relay_tag(&relay);
                let row = Row {
                    id,
                    state,
                    at,
                    attempts,
                    next_try,
                    reason: reason.map(|reason| shorten(&reason)),
                    absent,
                };
                writer.put_delivery(&tag, seq, &row)?;
                written = true;
            }
            if !written {
                writer.nothing_changed();
            }
            Ok(())
        })
    }
}

fn shorten(reason: &str) -> String {
    let whole = |(start, char): &(usize, char)| start + char.len_utf8() <= REASON_BYTES_MAX;
    reason
        .char_indices()
        .take_while(whole)
        .map(|(_, char)| char)
        .collect()
}
