//! Reading events back, with their id as the checksum.

use std::collections::BTreeSet;

use nostr::event::{Event, EventId};
use redb::{ReadableTable, ReadableTableMetadata};

use crate::event_json::computed_id;
use crate::tables::{ENVELOPES, FORGOTTEN, IDS, ITEMS, TOMBSTONES};
use crate::{IndexError, Store};
use crate::{absent, extra, forgotten, index_check};

/// The event in `bytes`. Reads from redb verify no checksums (field guide L-3), so the id is computed again; the
/// signature was checked before the event was stored, and the id covers everything but itself.
pub(crate) fn decode_event(
    seq: u64,
    id: Option<&EventId>,
    bytes: Option<&[u8]>,
) -> Result<Event, IndexError> {
    let name = || {
        id.map_or_else(
            || format!("the event with number {seq}"),
            |id| format!("the event {id}"),
        )
    };
    let damaged = || IndexError::Corrupt {
        what: name(),
        seq: Some(seq),
    };
    let event: Event = serde_json::from_slice(bytes.ok_or_else(damaged)?).map_err(|_| damaged())?;
    if computed_id(&event) != event.id || id.is_some_and(|id| *id != event.id) {
        return Err(damaged());
    }
    Ok(event)
}

impl Store {
    /// A held event; `None` as well for one that was forgotten.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] names the id when the stored bytes are not that event any more.
    pub fn event(&self, id: &EventId) -> Result<Option<Event>, IndexError> {
        let transaction = self.read()?;
        let Some(seq) = transaction
            .open_table(IDS)?
            .get(id.as_bytes())?
            .map(|seq| seq.value())
        else {
            return Ok(None);
        };
        let envelopes = transaction.open_table(ENVELOPES)?;
        let bytes = envelopes.get(seq)?;
        if bytes.is_none() && transaction.open_table(FORGOTTEN)?.get(seq)?.is_some() {
            return Ok(None);
        }
        decode_event(seq, Some(id), bytes.as_ref().map(redb::AccessGuard::value)).map(Some)
    }

    /// The first `max` held events with a sequence number above `seq`, in the order they were stored. Numbers start
    /// at 1 and are never used twice, so the last one returned is where to go on.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] carries the number of a damaged event; the caller may go on behind it.
    pub fn events_after(&self, seq: u64, max: usize) -> Result<Vec<(u64, Event)>, IndexError> {
        let transaction = self.read()?;
        let envelopes = transaction.open_table(ENVELOPES)?;
        let mut events = Vec::new();
        for row in envelopes.range(seq.saturating_add(1)..)?.take(max) {
            let (seq, bytes) = row?;
            events.push((seq.value(), decode_event(seq.value(), None, Some(bytes.value()))?));
        }
        Ok(events)
    }

    /// Whether the event is held, or was and is forgotten: it is not to be fetched.
    pub fn contains(&self, id: &EventId) -> Result<bool, IndexError> {
        Ok(self.read()?.open_table(IDS)?.get(id.as_bytes())?.is_some())
    }

    /// Those of `ids` that are held or forgotten, out of one read. Cost: a lookup each, least when `ids` are in order.
    pub fn held_among(
        &self,
        ids: impl IntoIterator<Item = EventId>,
    ) -> Result<BTreeSet<EventId>, IndexError> {
        let table = self.read()?.open_table(IDS)?;
        let mut held = BTreeSet::new();
        for id in ids {
            if table.get(id.as_bytes())?.is_some() {
                held.insert(id);
            }
        }
        Ok(held)
    }

    /// Whether one of the ingested deletions names the id: it is not to be shown, fetched or uploaded.
    pub fn is_tombstoned(&self, id: &EventId) -> Result<bool, IndexError> {
        Ok(self.read()?.open_table(TOMBSTONES)?.get(id.as_bytes())?.is_some())
    }

    /// Reads everything and checks that items, ids and envelopes name the same events, that each envelope is intact,
    /// that the fingerprint index is that of the items, that what relays refused is held, and that
    /// nothing held is also among what they serve beyond. A forgotten event has no envelope. Returns how many envelopes
    /// there are. Cost: the whole file.
    pub fn verify(&self) -> Result<u64, IndexError> {
        let transaction = self.read()?;
        let items = transaction.open_table(ITEMS)?;
        let ids = transaction.open_table(IDS)?;
        let envelopes = transaction.open_table(ENVELOPES)?;
        let gone = transaction.open_table(FORGOTTEN)?;
        for row in items.iter()? {
            let (key, seq) = row?;
            let ((created_at, id), seq) = (key.value(), seq.value());
            if gone.get(seq)?.is_some() {
                continue;
            }
            let id = EventId::from_byte_array(*id);
            let bytes = envelopes.get(seq)?;
            let event = decode_event(seq, Some(&id), bytes.as_ref().map(redb::AccessGuard::value))?;
            let known_as = ids.get(id.as_bytes())?.map(|seq| seq.value());
            if event.created_at.as_secs() != created_at || known_as != Some(seq) {
                return Err(IndexError::Corrupt {
                    what: format!("the event {id}"),
                    seq: Some(seq),
                });
            }
        }
        let count = envelopes.len()?;
        if ids.len()? != items.len()? || items.len()? != count + gone.len()? {
            return Err(IndexError::corrupt(
                "the list of events (items, ids and envelopes differ in number)",
            ));
        }
        let mut damage = None;
        forgotten::check(&transaction, &self.keys, &mut |found| {
            damage.get_or_insert(found);
        })?;
        if let Some(damage) = damage {
            return Err(damage);
        }
        index_check::check(&transaction)?;
        extra::check(&transaction)?;
        absent::check(&transaction)?;
        Ok(count)
    }
}
