//! One row of the delivery table, and the totals that spare everybody a scan.

use nostr::event::EventId;
use redb::ReadableTable;

use crate::sealing::Keys;
use crate::writer::Writer;
use crate::{DeliveryState, IndexError};

/// State (3 bits), whether a time follows (1 bit) and how often the relay turned out not to hold the event (4 bits) (1) ‖ attempts (4) ‖ next try (8) ‖ event id (32), before the time and the reason.
const FIXED_BYTES: usize = 45;

/// What is kept of a delivery beside its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: EventId,
    pub(crate) state: DeliveryState,
    /// Since when; 0 when not known.
    pub(crate) at: u64,
    pub(crate) attempts: u32,
    pub(crate) next_try: u64,
    pub(crate) reason: Option<String>,
    pub(crate) absent: u8,
}

/// Bits of the first byte that hold the state.
const STATE_MASK: u8 = 0b0111;
/// Set in the first byte when the state's time follows the event id. Rows of programs that did not keep it lack it.
const TIMED: u8 = 0b1000;
/// Where the count of absences begins in the first byte.
const ABSENT_SHIFT: u32 = 4;
/// How far absences are counted.
const ABSENT_MAX: u8 = 15;

impl Row {
    pub(crate) fn new(id: EventId, state: DeliveryState) -> Self {
        Self {
            id,
            state,
            at: 0,
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
        let (at, reason) = if *state & TIMED == 0 {
            (0, reason)
        } else {
            let (at, reason) = reason.split_first_chunk().ok_or_else(damaged)?;
            (u64::from_le_bytes(*at), reason)
        };
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
            at,
            attempts: u32::from_le_bytes(*attempts),
            next_try: u64::from_le_bytes(*next_try),
            reason,
            absent: state >> ABSENT_SHIFT,
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
        DeliveryState::Verified => 4,
    }
}

fn decode_state(byte: u8) -> Option<DeliveryState> {
    let byte = byte & STATE_MASK;
    [
        DeliveryState::Waiting,
        DeliveryState::Sent,
        DeliveryState::Accepted,
        DeliveryState::Parked,
        DeliveryState::Verified,
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
        let mut bytes = Vec::with_capacity(FIXED_BYTES + 8);
        let timed = if row.at > 0 { TIMED } else { 0 };
        bytes.push(encode_state(row.state) | timed | row.absent.min(ABSENT_MAX) << ABSENT_SHIFT);
        bytes.extend(row.attempts.to_le_bytes());
        bytes.extend(row.next_try.to_le_bytes());
        bytes.extend(row.id.as_bytes());
        if row.at > 0 {
            bytes.extend(row.at.to_le_bytes());
        }
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
        let queued = before.is_none() && self.was_here(seq);
        let before = before.flatten();
        let shown = [before, Some(row.state)].contains(&Some(DeliveryState::Verified));
        if queued || (shown && before != Some(row.state)) {
            self.prove_again();
        }
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

    /// What a relay showed is to be proven again; returns how many rows that is about.
    pub(crate) fn doubt(&mut self, tag: &[u8; 16]) -> Result<usize, IndexError> {
        let mut shown = Vec::new();
        for row in self.deliveries.range((tag, 0)..(tag, u64::MAX))? {
            let (key, bytes) = row?;
            if state_of(bytes.value()) == Some(DeliveryState::Verified) {
                shown.push(key.value().1);
            }
        }
        for seq in &shown {
            if let Some(row) = self.delivery(tag, *seq)? {
                let state = DeliveryState::Accepted;
                self.put_delivery(tag, *seq, &Row { state, at: 0, ..row })?;
            }
        }
        Ok(shown.len())
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
        let old = Totals::of(self.delivery_totals.get(seq)?.map(|totals| totals.value()));
        let mut new = old;
        if let Some(state) = before {
            let total = new.of_state(state);
            *total = total.saturating_sub(1);
        }
        if let Some(state) = after {
            *new.of_state(state) += 1;
        }
        if new == Totals::default() {
            self.delivery_totals.remove(seq)?;
        } else {
            self.delivery_totals.insert(seq, new.value())?;
        }
        let counted = self.counted();
        adjust(&mut counted.waiting, old.open, new.open);
        adjust(&mut counted.parked, old.parked, new.parked);
        Ok(())
    }
}

/// How many rows an event has, by what they say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Waiting or sent.
    pub(crate) open: u32,
    pub(crate) parked: u32,
    pub(crate) accepted: u32,
    /// Read back by id.
    pub(crate) verified: u32,
}

/// A row of an event is at one relay, and nobody has that many.
const ACCEPTED_BITS: u32 = 16;

impl Totals {
    /// The totals of a row of the table, or of no row.
    pub(crate) fn of(value: Option<(u32, u32, u32)>) -> Self {
        let (open, parked, settled) = value.unwrap_or_default();
        Self {
            open,
            parked,
            accepted: settled & ((1 << ACCEPTED_BITS) - 1),
            verified: settled >> ACCEPTED_BITS,
        }
    }

    fn value(self) -> (u32, u32, u32) {
        (
            self.open,
            self.parked,
            self.accepted | self.verified << ACCEPTED_BITS,
        )
    }

    fn of_state(&mut self, state: DeliveryState) -> &mut u32 {
        match state {
            DeliveryState::Waiting | DeliveryState::Sent => &mut self.open,
            DeliveryState::Parked => &mut self.parked,
            DeliveryState::Accepted => &mut self.accepted,
            DeliveryState::Verified => &mut self.verified,
        }
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
