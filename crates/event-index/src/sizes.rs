//! How large a store is, table by table, and making its file as small as it can be.

use redb::{ReadableTableMetadata, TableHandle};

use crate::{IndexError, Store};

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// Its name, which ends in the version of its format.
    pub name: String,
    /// Rows.
    pub rows: u64,
    /// Bytes of keys and values.
    pub stored: u64,
    /// Bytes that the tree around them takes: inner pages, and what is unused in pages.
    pub around: u64,
}

/// The sizes of a store, all of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Every table, by name.
    pub tables: Vec<TableSize>,
    /// Bytes in use: those of the tables, and of the database's own books.
    pub used: u64,
}

impl Store {
    /// The sizes. Cost: every page of every table is read.
    pub fn sizes(&self) -> Result<Sizes, IndexError> {
        let transaction = self.read()?;
        let mut tables = Vec::new();
        for handle in transaction.list_tables()? {
            let table = transaction.open_untyped_table(handle.clone())?;
            let stats = table.stats()?;
            tables.push(TableSize {
                name: handle.name().to_owned(),
                rows: table.len()?,
                stored: stats.stored_bytes(),
                around: stats.metadata_bytes() + stats.fragmented_bytes(),
            });
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        drop(transaction);
        // The only statistics that know free pages are those of a write transaction, which changes nothing here.
        let transaction = self.file.writer()?.begin_write()?;
        let stats = transaction.stats()?;
        let used = stats.allocated_pages() * stats.page_size() as u64;
        transaction.abort()?;
        Ok(Sizes { tables, used })
    }

    /// Moves everything to the front of the file and cuts the rest off; true when that made it smaller. Cost: up to the
    /// whole file is written again. Cut off in the middle, nothing is lost, and the next opening repairs the file.
    ///
    /// # Errors
    /// [`IndexError::Database`] while a view or another reader is alive.
    pub fn compact(&mut self) -> Result<bool, IndexError> {
        Ok(self.file.writer_alone()?.compact()?)
    }
}
