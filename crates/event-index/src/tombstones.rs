//! What is remembered of deleted messages beside their ids, in their owner's words.

use nostr::event::EventId;
use redb::ReadableTable;

use crate::tables::{DRAFT_TOMBSTONES, TOMBSTONE_RECORDS, TOMBSTONES};
use crate::writer::Writer;
use crate::{IndexError, LocalId, Store};

const RECORDS: &str = "tombstone-records-1";
const DRAFTS: &str = "draft-tombstones-1";

/// A deleted id, and the owner's bytes about it, if there are any.
pub type Remembered = (EventId, Option<Vec<u8>>);

impl Store {
    /// Remembers something of events that are deleted, or that a deletion is about to take, in one transaction. What is
    /// known of one already stays.
    pub fn keep_records(&self, records: &[(EventId, Vec<u8>)]) -> Result<(), IndexError> {
        self.write(|writer| {
            let mut changed = false;
            for (id, record) in records {
                changed |= writer.keep_record(id, record)?;
            }
            if !changed {
                writer.nothing_changed();
            }
            Ok(())
        })
    }

    /// The first `max` deleted ids after this one, in order, with what is remembered of each. A record that does not
    /// open any more is logged and left out; its id stays deleted.
    pub fn tombstones(&self, after: Option<EventId>, max: usize) -> Result<Vec<Remembered>, IndexError> {
        let transaction = self.read()?;
        let records = transaction.open_table(TOMBSTONE_RECORDS)?;
        let first = after.map_or([0; 32], EventId::to_bytes);
        let mut found = Vec::new();
        for row in transaction.open_table(TOMBSTONES)?.range::<&[u8; 32]>(&first..)? {
            let id = EventId::from_byte_array(*row?.0.value());
            if Some(id) == after {
                continue;
            }
            if found.len() == max {
                break;
            }
            let sealed = records.get(id.as_bytes())?;
            let record = sealed.and_then(|sealed| self.open_record(RECORDS, id.as_bytes(), sealed.value()));
            found.push((id, record));
        }
        Ok(found)
    }

    /// What is remembered of drafts that were deleted, in the order of their ids.
    pub fn draft_tombstones(&self) -> Result<Vec<(LocalId, Vec<u8>)>, IndexError> {
        let mut found = Vec::new();
        for row in self.read()?.open_table(DRAFT_TOMBSTONES)?.iter()? {
            let (local, sealed) = row?;
            let local = LocalId::from_bytes(*local.value());
            let record = self.open_record(DRAFTS, local.as_bytes(), sealed.value());
            found.extend(record.map(|record| (local, record)));
        }
        Ok(found)
    }

    /// What is remembered of one deleted draft.
    pub fn draft_tombstone(&self, local: &LocalId) -> Result<Option<Vec<u8>>, IndexError> {
        let table = self.read()?.open_table(DRAFT_TOMBSTONES)?;
        let sealed = table.get(local.as_bytes())?;
        Ok(sealed.and_then(|sealed| self.open_record(DRAFTS, local.as_bytes(), sealed.value())))
    }

    fn open_record(&self, table: &str, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        match self.keys.open(table, key, sealed) {
            Ok(plain) => Some(plain.to_vec()),
            Err(error) => {
                tracing::error!(%error, "what was remembered of a deleted message is lost");
                None
            }
        }
    }
}

impl Writer<'_> {
    /// Keeps a record unless there is one; whether it was written.
    pub(crate) fn keep_record(&mut self, id: &EventId, record: &[u8]) -> Result<bool, IndexError> {
        if self.records.get(id.as_bytes())?.is_some() {
            return Ok(false);
        }
        let sealed = self.keys.seal(self.entropy, RECORDS, id.as_bytes(), record);
        self.records.insert(id.as_bytes(), sealed.as_slice())?;
        self.model_remembered(id.as_bytes(), record)?;
        Ok(true)
    }

    pub(crate) fn keep_draft_tombstone(&mut self, local: LocalId, record: &[u8]) -> Result<(), IndexError> {
        let sealed = self.keys.seal(self.entropy, DRAFTS, local.as_bytes(), record);
        self.draft_tombstones
            .insert(local.as_bytes(), sealed.as_slice())?;
        self.model_remembered(local.as_bytes(), record)
    }
}
