//! `store`.

use std::path::PathBuf;

use chat_sync::{Examination, StoreRebuilt};
use event_index::{Counts, Sizes};
use serde::{Deserialize, Serialize};

/// `store stats`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stats {
    pub(crate) file: PathBuf,
    pub(crate) file_bytes: u64,
    pub(crate) free_bytes: u64,
    pub(crate) messages: u64,
    pub(crate) events: u64,
    /// Old messages that relays hold and this device does not any more.
    pub(crate) forgotten: u64,
    pub(crate) drafts: u64,
    pub(crate) deleted: u64,
    pub(crate) tables: Vec<TableShape>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TableShape {
    pub(crate) name: String,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) around: u64,
}

impl Stats {
    pub(crate) fn new(file: PathBuf, file_bytes: u64, counts: &Counts, sizes: Sizes) -> Self {
        let Sizes { tables, used } = sizes;
        let table = |table: event_index::TableSize| TableShape {
            name: table.name,
            rows: table.rows,
            bytes: table.stored,
            around: table.around,
        };
        Self {
            file,
            file_bytes,
            free_bytes: file_bytes.saturating_sub(used),
            messages: counts.messages,
            events: counts.items.saturating_sub(counts.forgotten),
            forgotten: counts.forgotten,
            drafts: counts.drafts,
            deleted: counts.tombstones,
            tables: tables.into_iter().map(table).collect(),
        }
    }
}

/// `store compact`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compacted {
    pub(crate) before_bytes: u64,
    pub(crate) after_bytes: u64,
}

/// `store rebuild`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rebuilt {
    pub(crate) events: u64,
    pub(crate) dropped: u64,
    pub(crate) mended: u64,
    pub(crate) set_aside: Option<PathBuf>,
}

impl From<StoreRebuilt> for Rebuilt {
    fn from(done: StoreRebuilt) -> Self {
        Self {
            events: done.rebuilt.events,
            dropped: done.rebuilt.dropped,
            mended: done.rebuilt.mended,
            set_aside: done.set_aside,
        }
    }
}

/// `store verify`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verified {
    pub(crate) whole: bool,
    pub(crate) events: u64,
    pub(crate) damage: Vec<DamageShape>,
    pub(crate) more: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DamageShape {
    pub(crate) what: String,
    /// It is an event, which a rebuild sets aside.
    pub(crate) event: bool,
}

impl Verified {
    /// How many records are damaged.
    pub(crate) fn damaged(&self) -> u64 {
        self.damage.len() as u64 + self.more
    }
}

impl From<Examination> for Verified {
    fn from(found: Examination) -> Self {
        let Examination { events, damage, more } = found;
        let one = |record: event_index::Damage| DamageShape {
            event: record.envelope.is_some(),
            what: record.what,
        };
        Self {
            whole: damage.is_empty(),
            events,
            damage: damage.into_iter().map(one).collect(),
            more,
        }
    }
}
