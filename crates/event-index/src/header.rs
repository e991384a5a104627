//! Whose store a file is, and of which format.

use redb::{ReadTransaction, TableError};

use crate::IndexError;
use crate::sealing::Keys;
use crate::tables::META;
use crate::writer::Writer;

/// The format of the whole file; every table carries its own version as well.
const FORMAT: u32 = 1;

/// Writes the header of a new store.
pub(crate) fn write(writer: &mut Writer<'_>) -> Result<(), IndexError> {
    writer.meta.insert("schema", FORMAT.to_le_bytes().as_slice())?;
    writer.meta.insert("check", writer.keys.check().as_slice())?;
    writer.model.begin();
    Ok(())
}

/// Checks format and key. False when the database is new and has no header yet.
pub(crate) fn examine(transaction: &ReadTransaction, keys: &Keys, place: &str) -> Result<bool, IndexError> {
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(TableError::TableDoesNotExist(_)) if transaction.list_tables()?.next().is_none() => {
            return Ok(false);
        }
        Err(TableError::TableDoesNotExist(_)) => {
            return Err(IndexError::corrupt(format!(
                "{place} is not a store of chat-sync, or its header"
            )));
        }
        Err(error) => return Err(error.into()),
    };
    let damaged = || IndexError::corrupt(format!("the header of {place}"));
    let format = meta.get("schema")?.ok_or_else(damaged)?;
    let check = meta.get("check")?.ok_or_else(damaged)?;
    match format
        .value()
        .try_into()
        .map(u32::from_le_bytes)
        .map_err(|_| damaged())?
    {
        FORMAT if check.value() == keys.check() => Ok(true),
        FORMAT => Err(IndexError::WrongKey {
            place: place.to_owned(),
        }),
        found => Err(IndexError::NewerFormat { found, known: FORMAT }),
    }
}
