//! Tables that a file of an earlier program may lack, and that are read before anything is written.

use redb::TableError;

use crate::tables::{FORGOTTEN, FORGOTTEN_OF, OLD_SOURCES, RECALLED, SOURCES, TITLES};
use crate::{IndexError, Store};

impl Store {
    /// Makes those that are not there. Cost when all are: a look-up each.
    pub(crate) fn make_later_tables(&self) -> Result<(), IndexError> {
        let transaction = self.read()?;
        let known = transaction
            .open_table(FORGOTTEN)
            .and_then(|_| transaction.open_table(FORGOTTEN_OF))
            .and_then(|_| transaction.open_table(RECALLED))
            .and_then(|_| transaction.open_table(TITLES))
            .and_then(|_| transaction.open_table(SOURCES))
            .and_then(|_| transaction.open_table(OLD_SOURCES).map(drop));
        match known {
            Ok(()) => Ok(()),
            // A writer opens every table, which makes it.
            Err(TableError::TableDoesNotExist(_)) => self.write(|_| Ok(())),
            Err(error) => Err(error.into()),
        }
    }
}
