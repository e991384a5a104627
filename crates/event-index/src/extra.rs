//! What a relay serves that this device will not take: part of what it is expected to hold, so that comparisons match.

use std::collections::BTreeSet;

use nostr::event::EventId;
use redb::{ReadTransaction, ReadableTable, TableError};

use crate::sealing::hex;
use crate::tables::{
    DRAFT_TOMBSTONES, EXTRA, IDS, KEYRING_PLACES, TOMBSTONE_RECORDS, TOMBSTONE_TIMES, UNSIGNED,
};
use crate::writer::Writer;
use crate::{IndexError, Item, Store};

/// Rows kept for one relay: 3 MiB while it is compared with. What lies beyond is not remembered. It differs in every
/// comparison then, which costs bytes and rounds, never an event: a relay that makes up deleted events by the thousand
/// is to fill neither the disk nor the memory.
pub const EXTRA_MAX: usize = 32_768;

/// One event that a relay serves and is not held here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extra {
    /// Where the relay keeps it. The time is that of the event whose hash is the id.
    pub item: Item,
    /// Why it is not taken.
    pub reason: ExtraReason,
}

/// Why an event is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtraReason {
    /// It was deleted by its author.
    Tombstoned,
    /// Its signature is not its author's.
    Forged,
}

impl ExtraReason {
    fn code(self) -> u8 {
        match self {
            Self::Tombstoned => 1,
            Self::Forged => 2,
        }
    }

    fn decode(tag: &[u8; 16], item: &Item, code: u8) -> Result<Self, IndexError> {
        [Self::Tombstoned, Self::Forged]
            .into_iter()
            .find(|reason| reason.code() == code)
            .ok_or_else(|| damaged(tag, item))
    }
}

fn damaged(tag: &[u8; 16], item: &Item) -> IndexError {
    IndexError::corrupt(format!("extra-1 {} {} {}", hex(tag), item.created_at, item.id))
}

/// What [`Writer::add_extra`] wrote that was not there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Added {
    pub(crate) rows: usize,
    /// Times of tombstones.
    pub(crate) times: usize,
}

/// The rows of one relay, in order.
fn span(tag: &[u8; 16]) -> std::ops::RangeInclusive<(&[u8; 16], u64, &'static [u8; 32])> {
    (tag, 0, &[0; 32])..=(tag, u64::MAX, &[0xff; 32])
}

impl Store {
    /// What is known of this relay's extra events, in order.
    pub fn extra(&self, relay: &str) -> Result<Vec<Extra>, IndexError> {
        extra_in(&self.read()?, &self.keys.relay_tag(relay))
    }

    /// Removes rows: the relay serves these no more. Returns how many there were. Cost: the relay's rows.
    pub fn remove_extra(&self, relay: &str, ids: &[EventId]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let tag = writer.keys.relay_tag(relay);
            let ids: BTreeSet<EventId> = ids.iter().copied().collect();
            let mut gone = Vec::new();
            for row in writer.extra.range(span(&tag))? {
                let (key, _) = row?;
                let (_, created_at, id) = key.value();
                let item = Item::at((created_at, id));
                if ids.contains(&item.id) {
                    gone.push(item);
                }
            }
            for item in &gone {
                writer.extra.remove((&tag, item.created_at, item.id.as_bytes()))?;
            }
            if gone.is_empty() {
                writer.nothing_changed();
            }
            Ok(gone.len())
        })
    }

    /// Makes the tables around deletions, and the places of keyrings, in a store that was written before they were known.
    pub(crate) fn make_extra(&self) -> Result<(), IndexError> {
        let transaction = self.read()?;
        let known = transaction
            .open_table(EXTRA)
            .and_then(|_| transaction.open_table(TOMBSTONE_TIMES))
            .and_then(|_| transaction.open_table(TOMBSTONE_RECORDS))
            .and_then(|_| transaction.open_table(DRAFT_TOMBSTONES))
            .and_then(|_| transaction.open_table(UNSIGNED))
            .and_then(|_| transaction.open_table(KEYRING_PLACES).map(drop));
        match known {
            Ok(()) => Ok(()),
            // A writer opens every table, which makes it.
            Err(TableError::TableDoesNotExist(_)) => self.write(|_| Ok(())),
            Err(error) => Err(error.into()),
        }
    }
}

/// The rows of one relay in this transaction.
pub(crate) fn extra_in(transaction: &ReadTransaction, tag: &[u8; 16]) -> Result<Vec<Extra>, IndexError> {
    let mut found = Vec::new();
    for row in transaction.open_table(EXTRA)?.range(span(tag))? {
        let (key, code) = row?;
        let (_, created_at, id) = key.value();
        let item = Item::at((created_at, id));
        let reason = ExtraReason::decode(tag, &item, code.value())?;
        found.push(Extra { item, reason });
    }
    Ok(found)
}

/// Proves that every row is well formed and about an event that is not held.
pub(crate) fn check(transaction: &ReadTransaction) -> Result<(), IndexError> {
    let ids = transaction.open_table(IDS)?;
    for row in transaction.open_table(EXTRA)?.iter()? {
        let (key, code) = row?;
        let (tag, created_at, id) = key.value();
        let item = Item::at((created_at, id));
        ExtraReason::decode(tag, &item, code.value())?;
        if created_at == u64::MAX || ids.get(id)?.is_some() {
            return Err(damaged(tag, &item));
        }
    }
    Ok(())
}

impl Writer<'_> {
    /// Adds rows of one relay; those of held events and those beyond [`EXTRA_MAX`] are left out.
    pub(crate) fn add_extra(&mut self, tag: &[u8; 16], extra: &[Extra]) -> Result<Added, IndexError> {
        let mut times = 0;
        let mut room = EXTRA_MAX.saturating_sub(self.extra.range(span(tag))?.take(EXTRA_MAX).count());
        let before = room;
        for Extra { item, reason } in extra {
            if *reason == ExtraReason::Tombstoned
                && self.tombstones.get(item.id.as_bytes())?.is_some()
                && self.tombstone_times.get(item.id.as_bytes())?.is_none()
            {
                self.tombstone_times.insert(item.id.as_bytes(), item.created_at)?;
                times += 1;
            }
            let key = (tag, item.created_at, item.id.as_bytes());
            let takes = item.created_at < u64::MAX && self.seq_of(&item.id)?.is_none();
            if room == 0 || !takes || self.extra.get(key)?.is_some() {
                continue;
            }
            self.extra.insert(key, reason.code())?;
            room -= 1;
        }
        let rows = before - room;
        Ok(Added { rows, times })
    }

    /// An item is no relay's extra: whoever serves it serves what is held. Cost: one search per relay that has rows.
    pub(crate) fn held_now(&mut self, item: &Item) -> Result<(), IndexError> {
        for tag in self.relays_with_extra()? {
            self.extra.remove((&tag, item.created_at, item.id.as_bytes()))?;
        }
        Ok(())
    }

    /// Removes every row of a relay; returns how many there were.
    pub(crate) fn clear_extra(&mut self, tag: &[u8; 16]) -> Result<usize, IndexError> {
        let mut removed = 0;
        self.extra.retain_in(span(tag), |_, _| {
            removed += 1;
            false
        })?;
        Ok(removed)
    }

    /// Removes the rows of every relay but these; returns how many there were.
    pub(crate) fn keep_extra(&mut self, tags: &[[u8; 16]]) -> Result<usize, IndexError> {
        let mut removed = 0;
        for tag in self.relays_with_extra()? {
            if !tags.contains(&tag) {
                removed += self.clear_extra(&tag)?;
            }
        }
        Ok(removed)
    }

    /// Steps from relay to relay through the keys.
    fn relays_with_extra(&self) -> Result<Vec<[u8; 16]>, IndexError> {
        let mut tags: Vec<[u8; 16]> = Vec::new();
        let mut next = self.extra.first()?.map(|(key, _)| *key.value().0);
        while let Some(tag) = next {
            tags.push(tag);
            // No row has the time that NIP-77 reserves, so this is the next relay's first.
            let mut behind = self.extra.range((&tag, u64::MAX, &[0; 32])..)?;
            next = behind.next().transpose()?.map(|(key, _)| *key.value().0);
        }
        Ok(tags)
    }
}
