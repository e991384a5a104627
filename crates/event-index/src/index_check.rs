//! Whether the fingerprint index is that of the items, and what is done when it is not.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableError};

use crate::block_items::{self, load_items};
use crate::blocks::{BLOCK_ITEMS_MAX, Block};
use crate::fingerprint::Sum;
use crate::fingerprint_index::{Total, read_blocks};
use crate::superblocks::{SUPERBLOCK_BLOCKS_MAX, Superblock};
use crate::tables::{BLOCK_ITEMS, BLOCKS, Bytes32, COUNTERS, ITEMS, SUPERBLOCKS, TOTALS};
use crate::writer::{Counted, Writer};
use crate::{IndexError, Item, Store};

impl Store {
    /// Computes the fingerprint index again from the items, and what relays refused of them from the deliveries, in one
    /// transaction. Cost: all items are read.
    pub fn rebuild_index(&self) -> Result<(), IndexError> {
        self.write(rebuild)
    }

    /// Proves that the fingerprint index is that of the items. Cost: all items are read, no envelopes.
    ///
    /// # Errors
    /// [`IndexError::Index`] names the first block, superblock or total that is not.
    pub fn verify_index(&self) -> Result<(), IndexError> {
        check(&self.read()?)
    }

    /// Brings the index up to date when the file was last written by a program that does not know it. Cost when it
    /// was not: three lookups.
    pub(crate) fn update_index(&self) -> Result<(), IndexError> {
        let transaction = self.read()?;
        let items = match transaction.open_table(ITEMS) {
            Ok(items) => items.len()?,
            Err(TableError::TableDoesNotExist(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let seq = Counted::load(&transaction.open_table(COUNTERS)?)?.seq;
        // Every new item takes a number, and every other change leaves fewer of them.
        let current = |total: Total| total.sum.count() == items && total.seq == seq;
        if written_total(&transaction)?.is_some_and(current) {
            return Ok(());
        }
        drop(transaction);
        tracing::info!(items, "the fingerprint index is computed anew");
        self.rebuild_index()
    }
}

fn rebuild(writer: &mut Writer<'_>) -> Result<(), IndexError> {
    writer.rebuild_index()?;
    writer.rebuild_absent()
}

/// The total, when all tables of the index are there and it is whole.
fn written_total(transaction: &ReadTransaction) -> Result<Option<Total>, IndexError> {
    let tables = transaction.open_table(TOTALS).and_then(|totals| {
        transaction.open_table(BLOCKS)?;
        transaction.open_table(BLOCK_ITEMS)?;
        transaction.open_table(SUPERBLOCKS)?;
        Ok(totals)
    });
    match tables {
        Ok(totals) => match Total::load(&totals) {
            Err(IndexError::Index { what }) => {
                tracing::warn!(what, "damaged");
                Ok(None)
            }
            loaded => loaded.map(Some),
        },
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Proves the index in this transaction.
pub(crate) fn check(transaction: &ReadTransaction) -> Result<(), IndexError> {
    let items = transaction.open_table(ITEMS)?;
    let blocks = transaction.open_table(BLOCKS)?;
    let packed = transaction.open_table(BLOCK_ITEMS)?;
    let mut superblocks = Vec::new();
    for row in transaction.open_table(SUPERBLOCKS)?.iter()? {
        let (key, value) = row?;
        superblocks.push(Superblock::from_row(key.value(), value.value()));
    }
    // Every block in order, so that none lies outside its superblock.
    let mut firsts = Vec::new();
    for row in blocks.iter()? {
        firsts.push(Item::at(row?.0.value()));
    }
    let (mut start, mut number, mut sum) = (Item::LOWEST, 0, Sum::default());
    for superblock in &superblocks {
        let within = (1..=SUPERBLOCK_BLOCKS_MAX).contains(&(superblock.blocks as usize));
        if !within || firsts.get(number) != Some(&superblock.first) {
            return Err(superblock.damaged());
        }
        let rows = read_blocks(&blocks, superblock)?;
        for block in &rows {
            number += 1;
            let end = firsts.get(number).copied();
            let found = items_between(&items, start, end)?;
            check_block(block, &found)?;
            if load_items::<Vec<Item>>(&packed, block)? != found {
                return Err(block_items::damaged(block));
            }
            sum.merge(&block.sum);
            start = end.unwrap_or(start);
        }
        if Superblock::of(&rows) != Some(*superblock) {
            return Err(superblock.damaged());
        }
    }
    if let Some(first) = firsts.get(number) {
        return Err(Block::of(&[*first]).damaged());
    }
    // Each block has its row there, so that a row more is no block's.
    if packed.len()? != firsts.len() as u64 {
        return Err(IndexError::Index {
            what: "block-items-1".to_owned(),
        });
    }
    let total = Total::load(&transaction.open_table(TOTALS)?)?;
    let seq = Counted::load(&transaction.open_table(COUNTERS)?)?.seq;
    let expected = Total { sum, seq };
    if total != expected || sum.count() != items.len()? {
        return Err(Total::damaged());
    }
    Ok(())
}

fn check_block(block: &Block, found: &[Item]) -> Result<(), IndexError> {
    let within = (1..=BLOCK_ITEMS_MAX).contains(&(found.len() as u64));
    if within && Block::of(found) == *block {
        return Ok(());
    }
    Err(block.damaged())
}

/// The items from `start` up to `end`.
fn items_between(
    items: &impl ReadableTable<(u64, Bytes32), u64>,
    start: Item,
    end: Option<Item>,
) -> Result<Vec<Item>, IndexError> {
    let mut found = Vec::new();
    for row in items.range(start.key()..)? {
        let item = Item::at(row?.0.value());
        if end.is_some_and(|end| item >= end) {
            break;
        }
        found.push(item);
    }
    Ok(found)
}
