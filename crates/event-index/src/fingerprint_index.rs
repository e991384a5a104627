//! The fingerprint index in a write transaction: what changed is gathered, and applied block by block at its end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound::{Excluded, Unbounded};

use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};
use sha2::{Digest, Sha256};

use crate::block_items;
use crate::blocks::{BLOCK_ITEMS_MAX, Block, Change, Changed, changed_blocks, parts};
use crate::fingerprint::Sum;
use crate::superblocks::{SUPERBLOCK_BLOCKS_MAX, Superblock};
use crate::tables::{BLOCK_ITEMS, BLOCKS, Blob, Bytes32, OLD_INDEX, SUPERBLOCKS, TOTALS};
use crate::{IndexError, Item};

/// The tables of the index, and what the transaction has changed so far.
pub(crate) struct FingerprintIndex<'t> {
    transaction: &'t WriteTransaction,
    blocks: Table<'t, (u64, Bytes32), &'static [u8; 80]>,
    block_items: Table<'t, (u64, Bytes32), Blob>,
    superblocks: Table<'t, (u64, Bytes32), &'static [u8; 44]>,
    totals: Table<'t, &'static str, &'static [u8; 56]>,
    changes: BTreeMap<Item, Change>,
}

/// The row of `totals-3`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Total {
    /// Of all items.
    pub(crate) sum: Sum,
    /// The last sequence number given out when it was written.
    pub(crate) seq: u64,
}

impl Total {
    pub(crate) fn load(
        table: &impl ReadableTable<&'static str, &'static [u8; 56]>,
    ) -> Result<Self, IndexError> {
        let Some(row) = table.get("items")? else {
            return Ok(Self::default());
        };
        let row = row.value();
        let mut sum = [0; 40];
        sum.copy_from_slice(&row[..40]);
        let total = Self {
            sum: Sum::from_bytes(&sum),
            seq: u64::from_le_bytes(std::array::from_fn(|n| row[40 + n])),
        };
        if total.to_bytes() == *row {
            Ok(total)
        } else {
            Err(Self::damaged())
        }
    }

    fn to_bytes(self) -> [u8; 56] {
        let mut row = [0; 56];
        row[..40].copy_from_slice(&self.sum.to_bytes());
        row[40..48].copy_from_slice(&self.seq.to_le_bytes());
        let check = Sha256::digest(&row[..48]);
        row[48..].copy_from_slice(&check[..8]);
        row
    }

    pub(crate) fn damaged() -> IndexError {
        IndexError::Index {
            what: "totals-3".to_owned(),
        }
    }
}

impl<'t> FingerprintIndex<'t> {
    pub(crate) fn open(transaction: &'t WriteTransaction) -> Result<Self, IndexError> {
        Ok(Self {
            transaction,
            blocks: transaction.open_table(BLOCKS)?,
            block_items: transaction.open_table(BLOCK_ITEMS)?,
            superblocks: transaction.open_table(SUPERBLOCKS)?,
            totals: transaction.open_table(TOTALS)?,
            changes: BTreeMap::new(),
        })
    }

    /// Notes that `item`, which was none, is an item now.
    pub(crate) fn added(&mut self, item: Item) {
        self.note(item, Change::Added);
    }

    /// Notes that `item` is none any more.
    pub(crate) fn removed(&mut self, item: Item) {
        self.note(item, Change::Removed);
    }

    fn note(&mut self, item: Item, change: Change) {
        match self.changes.entry(item) {
            Entry::Vacant(none) => {
                none.insert(change);
            }
            // What comes and goes, or goes and comes, within one transaction is no change.
            Entry::Occupied(noted) => {
                noted.remove();
            }
        }
    }

    /// Applies what was noted. Cost: the blocks of the superblocks with changes are read once, and each changed row is
    /// written once, however many changes it has.
    pub(crate) fn settle(&mut self, seq: u64) -> Result<(), IndexError> {
        let changes: Vec<(Item, Change)> = std::mem::take(&mut self.changes).into_iter().collect();
        let before = Total::load(&self.totals)?;
        let mut total = Total { seq, ..before };
        for (item, change) in &changes {
            match change {
                Change::Added => total.sum.add(item.id.as_bytes()),
                Change::Removed => total.sum.remove(item.id.as_bytes()).ok_or_else(Total::damaged)?,
            }
        }
        let mut rest = changes.as_slice();
        while let Some((item, _)) = rest.first() {
            let row = self.superblock_of(item)?;
            let end = row.map(|row| self.superblock_after(&row)).transpose()?.flatten();
            let end = end.map(|next| next.first);
            let here = rest.partition_point(|(item, _)| end.is_none_or(|end| *item < end));
            let (here, later) = rest.split_at(here);
            self.settle_superblock(row, end, here)?;
            rest = later;
        }
        if total != before {
            self.totals.insert("items", &total.to_bytes())?;
        }
        Ok(())
    }

    fn settle_superblock(
        &mut self,
        row: Option<Superblock>,
        end: Option<Item>,
        changes: &[(Item, Change)],
    ) -> Result<(), IndexError> {
        let old = row.map_or(Ok(Vec::new()), |row| self.blocks_of(&row))?;
        let new = changed_blocks(&self.block_items, &old, changes, end)?;
        for block in &old {
            let stays = new.binary_search_by_key(&block.first, |new| new.block.first);
            if stays.is_err() {
                self.blocks.remove(block.first.key())?;
                self.block_items.remove(block.first.key())?;
            }
        }
        for Changed { block, items } in &new {
            if let Some(items) = items {
                self.put_block(block, items)?;
            }
        }
        let new: Vec<Block> = new.into_iter().map(|changed| changed.block).collect();
        if let Some(row) = row
            && new.first().is_none_or(|block| block.first != row.first)
        {
            self.superblocks.remove(row.first.key())?;
        }
        let mut rest = new.as_slice();
        let mut last = None;
        for length in parts(new.len(), SUPERBLOCK_BLOCKS_MAX, end.is_none()) {
            let (here, later) = rest.split_at(length);
            rest = later;
            last = Superblock::of(here);
            last.map_or(Ok(()), |row| self.put_superblock(&row))?;
        }
        match last {
            Some(last) if last.is_low() => self.join(&last),
            _ => Ok(()),
        }
    }

    /// Joins a superblock with a neighbour that has room for it, if there is one.
    fn join(&mut self, row: &Superblock) -> Result<(), IndexError> {
        let before = self
            .superblocks
            .range(..row.first.key())?
            .next_back()
            .transpose()?;
        let before = before.map(|(key, value)| Superblock::from_row(key.value(), value.value()));
        let pairs = [
            before.zip(Some(*row)),
            Some(*row).zip(self.superblock_after(row)?),
        ];
        for (left, right) in pairs.into_iter().flatten() {
            if let Some(both) = left.joined(&right) {
                self.superblocks.remove(right.first.key())?;
                return self.put_superblock(&both);
            }
        }
        Ok(())
    }

    fn put_block(&mut self, block: &Block, items: &[Item]) -> Result<(), IndexError> {
        self.blocks.insert(block.first.key(), &block.to_bytes())?;
        self.block_items
            .insert(block.first.key(), block_items::to_bytes(items).as_slice())?;
        Ok(())
    }

    fn put_superblock(&mut self, row: &Superblock) -> Result<(), IndexError> {
        self.superblocks.insert(row.first.key(), &row.to_bytes())?;
        Ok(())
    }

    /// The superblock that `item` belongs to: the last that does not begin behind it, else the first.
    fn superblock_of(&self, item: &Item) -> Result<Option<Superblock>, IndexError> {
        let row = match self.superblocks.range(..=item.key())?.next_back().transpose()? {
            Some(row) => Some(row),
            None => self.superblocks.first()?,
        };
        Ok(row.map(|(key, value)| Superblock::from_row(key.value(), value.value())))
    }

    fn superblock_after(&self, row: &Superblock) -> Result<Option<Superblock>, IndexError> {
        let mut after = self
            .superblocks
            .range::<(u64, &[u8; 32])>((Excluded(row.first.key()), Unbounded))?;
        let next = after.next().transpose()?;
        Ok(next.map(|(key, value)| Superblock::from_row(key.value(), value.value())))
    }

    fn blocks_of(&self, row: &Superblock) -> Result<Vec<Block>, IndexError> {
        load_blocks(&self.blocks, row)
    }

    /// Computes all of it again from `items`, and removes what earlier programs kept.
    pub(crate) fn rebuild(
        &mut self,
        items: &impl ReadableTable<(u64, Bytes32), u64>,
        seq: u64,
    ) -> Result<(), IndexError> {
        self.changes.clear();
        for name in OLD_INDEX {
            // Its rows are not read, so that it does not matter how they look.
            self.transaction
                .delete_table(TableDefinition::<&str, &str>::new(name))?;
        }
        self.blocks.retain(|_, _| false)?;
        self.block_items.retain(|_, _| false)?;
        self.superblocks.retain(|_, _| false)?;
        let mut total = Total {
            sum: Sum::default(),
            seq,
        };
        let mut blocks: Vec<Block> = Vec::with_capacity(SUPERBLOCK_BLOCKS_MAX);
        let mut here: Vec<Item> = Vec::with_capacity(BLOCK_ITEMS_MAX as usize);
        for row in items.iter()? {
            if here.len() as u64 == BLOCK_ITEMS_MAX {
                self.append(&mut blocks, &mut here, &mut total)?;
            }
            here.push(Item::at(row?.0.value()));
        }
        if !here.is_empty() {
            self.append(&mut blocks, &mut here, &mut total)?;
        }
        Superblock::of(&blocks).map_or(Ok(()), |row| self.put_superblock(&row))?;
        self.totals.insert("items", &total.to_bytes())?;
        Ok(())
    }

    /// Writes a block behind those of a superblock, which is written when it is full.
    fn append(
        &mut self,
        blocks: &mut Vec<Block>,
        items: &mut Vec<Item>,
        total: &mut Total,
    ) -> Result<(), IndexError> {
        let block = Block::of(items);
        total.sum.merge(&block.sum);
        self.put_block(&block, items)?;
        items.clear();
        if blocks.len() == SUPERBLOCK_BLOCKS_MAX {
            Superblock::of(blocks).map_or(Ok(()), |row| self.put_superblock(&row))?;
            blocks.clear();
        }
        blocks.push(block);
        Ok(())
    }
}

/// The blocks of a superblock, which add up to it.
pub(crate) fn load_blocks(
    table: &impl ReadableTable<(u64, Bytes32), &'static [u8; 80]>,
    row: &Superblock,
) -> Result<Vec<Block>, IndexError> {
    let blocks = read_blocks(table, row)?;
    if Superblock::of(&blocks) != Some(*row) {
        return Err(row.damaged());
    }
    Ok(blocks)
}

/// The blocks of a superblock as they are.
pub(crate) fn read_blocks(
    table: &impl ReadableTable<(u64, Bytes32), &'static [u8; 80]>,
    row: &Superblock,
) -> Result<Vec<Block>, IndexError> {
    // A damaged number of them asks for no memory.
    let mut blocks = Vec::with_capacity((row.blocks as usize).min(SUPERBLOCK_BLOCKS_MAX));
    for found in table.range(row.first.key()..)?.take(row.blocks as usize) {
        let (key, value) = found?;
        blocks.push(Block::from_row(key.value(), value.value()));
    }
    Ok(blocks)
}
