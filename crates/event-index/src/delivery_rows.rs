//! One row of the delivery table, and the totals that spare everybody a scan.

use nostr::event::EventId;
use redb::ReadableTable;

use crate::sealing::Keys;
use crate::writer::Writer;
use crate::{DeliveryState, IndexError};

/// state, and in its upper four bits how often the relay turned out not to hold the event (1) ‖ attempts (4) ‖ next try (8) ‖ event id (32), before the reason.
const FIXED_BYTES: usize = 45;

/// What is kept of a delivery beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: EventId,
    pub(crate) state: DeliveryState,
    pub(crate) attempts: u32,
    pub(crate) next_try: u64,
    pub(crate) reason: Option<String>,
    pub(crate) absent: u8,
}

/// Bits of the first byte that hold the state.
const STATE_BITS: u32 = 4;
/// How far absences are counted.
const ABSENT_MAX: u8 = 15;

impl Row {
    pub(crate) fn new(id: EventId, state: DeliveryState) -> Self {
        Self {
            id,
            state,
            attempts: 0,
            next_try: 0,
            reason: None,
            absent: 0,
        }
    }

    /// Reads a row; its reason only if `keys` are given, because opening it costs more than the rest.
    pub(crate) fn decode(
        tag: &[u8; 16],
        seq: u64,
        bytes: &[u8],
        keys: Option<&Keys>,
    ) -> Result<Self, IndexError> {
        let damaged =
            || IndexError::corrupt(format!("deliveries-1 {}", crate::sealing::hex(&place(tag, seq))));
        let (fixed, reason) = bytes.split_first_chunk::<FIXED_BYTES>().ok_or_else(damaged)?;
        let (state, rest) = fixed.split_first().ok_or_else(damaged)?;
        let (attempts, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let (next_try, id) = rest.split_first_chunk().ok_or_else(damaged)?;
        let reason = match keys {
            Some(keys) if !reason.is_empty() => {
                let plain = keys.open("deliveries-1", &place(tag, seq), reason)?;
                Some(String::from_utf8(plain.to_vec()).map_err(|_| damaged())?)
            }
            _ => None,
        };
        Ok(Self {
            id: EventId::from_byte_array(id.try_into().map_err(|_| damaged())?),
            state: decode_state(*state).ok_or_else(damaged)?,
            attempts: u32::from_le_bytes(*attempts),
            next_try: u64::from_le_bytes(*next_try),
            reason,
            absent: state >> STATE_BITS,
        })
    }
}

fn place(tag: &[u8; 16], seq: u64) -> Vec<u8> {
    [&tag[..], &seq.to_be_bytes()].concat()
}

fn encode_state(state: DeliveryState) -> u8 {
    match state {
        DeliveryState::Waiting => 0,
        DeliveryState::Sent => 1,
        DeliveryState::Accepted => 2,
        DeliveryState::Parked => 3,
    }
}

fn decode_state(byte: u8) -> Option<DeliveryState> {
    let byte = byte & ((1 << STATE_BITS) - 1);
    [
        DeliveryState::Waiting,
        DeliveryState::Sent,
        DeliveryState::Accepted,
        DeliveryState::Parked,
    ]
    .into_iter()
    .find(|state| encode_state(*state) == byte)
}

/// The state in a row's bytes, without reading the rest.
pub(crate) fn state_of(bytes: &[u8]) -> Option<DeliveryState> {
    decode_state(*bytes.first()?)
}

impl Writer<'_> {
    pub(crate) fn delivery(&self, tag: &[u8; 16], seq: u64) -> Result<Option<Row>, IndexError> {
        let row = self.deliveries.get((tag, seq))?;
        row.map(|bytes| Row::decode(tag, seq, bytes.value(), Some(self.keys)))
            .transpose()
    }

    /// Writes a row of a held event. Totals and counters follow in the same transaction.
    pub(crate) fn put_delivery(&mut self, tag: &[u8; 16], seq: u64, row: &Row) -> Result<(), IndexError> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES);
        bytes.push(encode_state(row.state) | row.absent.min(ABSENT_MAX) << STATE_BITS);
        bytes.extend(row.attempts.to_le_bytes());
        bytes.extend(row.next_try.to_le_bytes());
        bytes.extend(row.id.as_bytes());
        if let Some(reason) = &row.reason {
            bytes.extend(
                self.keys
                    .seal(self.entropy, "deliveries-1", &place(tag, seq), reason.as_bytes()),
            );
        }
        let before = self
            .deliveries
            .insert((tag, seq), bytes.as_slice())?
            .map(|old| state_of(old.value()));
        // No agreement covers an event of this very transaction.
        if before.is_none() && self.was_here(seq) {
            self.prove_again();
        }
        let before = before.flatten();
        self.follow_refusal(tag, seq, before, Some((row.state, row.id)))?;
        self.count_change(seq, before, Some(row.state))
    }

    pub(crate) fn remove_delivery(&mut self, tag: &[u8; 16], seq: u64) -> Result<(), IndexError> {
        self.prove_again();
        let before = self
            .deliveries
            .remove((tag, seq))?
            .and_then(|old| state_of(old.value()));
        self.follow_refusal(tag, seq, before, None)?;
        self.count_change(seq, before, None)
    }

    /// Removes the rows of one event at every relay. Cost: one search per relay that has rows, none when the event
    /// has none.
    pub(crate) fn remove_deliveries_of(&mut self, seq: u64) -> Result<(), IndexError> {
        if self.delivery_totals.get(seq)?.is_none() {
            return Ok(());
        }
        for tag in self.relays_with_deliveries()? {
            self.remove_delivery(&tag, seq)?;
        }
        Ok(())
    }

    /// Steps from relay to relay through the keys.
    fn relays_with_deliveries(&self) -> Result<Vec<[u8; 16]>, IndexError> {
        let mut tags: Vec<[u8; 16]> = Vec::new();
        let mut next = self.deliveries.first()?.map(|(key, _)| *key.value().0);
        while let Some(tag) = next {
            tags.push(tag);
            // No row has the last number, so this is the next relay's first.
            let mut behind = self.deliveries.range((&tag, u64::MAX)..)?;
            next = behind.next().transpose()?.map(|(key, _)| *key.value().0);
        }
        Ok(tags)
    }

    fn count_change(
        &mut self,
        seq: u64,
        before: Option<DeliveryState>,
        after: Option<DeliveryState>,
    ) -> Result<(), IndexError> {
        if before == after {
            return Ok(());
        }
        let old = self
            .delivery_totals
            .get(seq)?
            .map_or((0, 0, 0), |totals| totals.value());
        let mut new = old;
        if let Some(state) = before {
            let total = total_of(&mut new, state);
            *total = total.saturating_sub(1);
        }
        if let Some(state) = after {
            *total_of(&mut new, state) += 1;
        }
        if new == (0, 0, 0) {
            self.delivery_totals.remove(seq)?;
        } else {
            self.delivery_totals.insert(seq, new)?;
        }
        let counted = self.counted();
        adjust(&mut counted.waiting, old.0, new.0);
        adjust(&mut counted.parked, old.1, new.1);
        Ok(())
    }
}

fn total_of(totals: &mut (u32, u32, u32), state: DeliveryState) -> &mut u32 {
    match state {
        DeliveryState::Waiting | DeliveryState::Sent => &mut totals.0,
        DeliveryState::Parked => &mut totals.1,
        DeliveryState::Accepted => &mut totals.2,
    }
}

/// Counts an event once, however many of its rows there are.
fn adjust(counter: &mut u64, before: u32, after: u32) {
    match (before, after) {
        (0, 1..) => *counter += 1,
        (1.., 0) => *counter = counter.saturating_sub(1),
        _ => {}
    }
}
