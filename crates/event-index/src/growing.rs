//! A table of a write transaction that grows at its end.

use std::ops::Bound;

use redb::{CursorError, Table, TableDefinition, WriteTransaction};

use crate::IndexError;
use crate::tables::Blob;

/// Rows by number, nearly all of them behind those that are there. What was put in is written when anybody looks, and at the
/// end: a run of rows fills page after page, where each by itself would be a way through the tree.
pub(crate) struct Growing<'t> {
    table: Table<'t, u64, Blob>,
    /// Not written yet. As much as the caller holds in memory anyway: what a batch brought.
    run: Vec<(u64, Vec<u8>)>,
}

impl<'t> Growing<'t> {
    pub(crate) fn open(
        transaction: &'t WriteTransaction,
        definition: TableDefinition<u64, Blob>,
    ) -> Result<Self, IndexError> {
        Ok(Self {
            table: transaction.open_table(definition)?,
            run: Vec::new(),
        })
    }

    /// Puts a row in, over one that is there. It is written at the latest by [`Self::settle`].
    pub(crate) fn put(&mut self, number: u64, value: Vec<u8>) {
        self.run.push((number, value));
    }

    /// The table, with everything in it that was put in.
    pub(crate) fn table(&mut self) -> Result<&mut Table<'t, u64, Blob>, IndexError> {
        self.settle()?;
        Ok(&mut self.table)
    }

    /// The table without what was put in since it was last settled.
    pub(crate) fn written(&self) -> &Table<'t, u64, Blob> {
        &self.table
    }

    /// Writes what was put in.
    pub(crate) fn settle(&mut self) -> Result<(), IndexError> {
        let mut run = std::mem::take(&mut self.run).into_iter();
        // One row alone is written faster without a cursor.
        if run.len() > 1 {
            let mut end = self.table.upper_bound_mut(Bound::<u64>::Unbounded)?;
            let amid = run.by_ref().find_map(|(number, value)| {
                let put = end.insert_before(number, value.as_slice());
                put.err().map(|error| (error, number, value))
            });
            end.close()?;
            match amid {
                None => {}
                Some((CursorError::Storage(error), ..)) => return Err(error.into()),
                // It is not behind all others.
                Some((_, number, value)) => drop(self.table.insert(number, value.as_slice())?),
            }
        }
        for (number, value) in run {
            self.table.insert(number, value.as_slice())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use redb::backends::InMemoryBackend;
    use redb::{Database, ReadableTable as _};

    use super::*;

    const TABLE: TableDefinition<u64, Blob> = TableDefinition::new("table");

    #[derive(Debug, Clone)]
    enum Step {
        Put(u64, Vec<u8>),
        Look,
        Remove(u64),
        Commit,
    }

    fn step() -> impl Strategy<Value = Step> {
        let value = prop::collection::vec(any::<u8>(), 0..900);
        prop_oneof![
            9 => (0..200_u64, value).prop_map(|(number, value)| Step::Put(number, value)),
            1 => Just(Step::Look),
            1 => (0..200_u64).prop_map(Step::Remove),
            1 => Just(Step::Commit),
        ]
    }

    /// Steps whose numbers grow but for a few.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let steps = prop::collection::vec((step(), prop::bool::weighted(0.1)), 0..150);
        steps.prop_map(|steps| {
            let grown = steps.into_iter().zip(0..).map(|((step, astray), at)| match step {
                Step::Put(_, value) if !astray => Step::Put(at, value),
                other => other,
            });
            grown.collect()
        })
    }

    proptest! {
        #[test]
        fn it_holds_what_was_put_in_in_any_order(steps in steps()) {
            let database = Database::builder().create_with_backend(InMemoryBackend::new()).unwrap();
            let mut model = BTreeMap::new();
            let mut steps = steps.into_iter().peekable();
            while steps.peek().is_some() {
                let transaction = database.begin_write().unwrap();
                let mut growing = Growing::open(&transaction, TABLE).unwrap();
                for step in steps.by_ref() {
                    match step {
                        Step::Put(number, value) => {
                            growing.put(number, value.clone());
                            model.insert(number, value);
                        }
                        Step::Look => {
                            let rows = growing.table().unwrap().iter().unwrap();
                            let rows = rows.map(|row| row.map(|(number, value)| (number.value(), value.value().to_vec())));
                            prop_assert_eq!(rows.collect::<Result<BTreeMap<_, _>, _>>().unwrap(), model.clone());
                        }
                        Step::Remove(number) => {
                            let removed = growing.table().unwrap().remove(number).unwrap().is_some();
                            prop_assert_eq!(removed, model.remove(&number).is_some());
                        }
                        Step::Commit => break,
                    }
                }
                growing.settle().unwrap();
                drop(growing);
                transaction.commit().unwrap();
            }
            let transaction = database.begin_write().unwrap();
            let table = transaction.open_table(TABLE).unwrap();
            let rows = table.iter().unwrap();
            let rows = rows.map(|row| row.map(|(number, value)| (number.value(), value.value().to_vec())));
            prop_assert_eq!(rows.collect::<Result<BTreeMap<_, _>, _>>().unwrap(), model);
        }
    }
}
