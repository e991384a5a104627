//! One write transaction with every table open: what a step may do to the store, each piece keeping its invariant.

use nostr::event::{Event, EventId, Kind};
use nostr::key::PublicKey;
use redb::{ReadableTable, Table, WriteTransaction};
use supervision::Entropy;

use crate::envelopes::decode_event;
use crate::fingerprint_index::FingerprintIndex;
use crate::growing::Growing;
use crate::read_model::{Arrived, ModelWriter};
use crate::sealing::Keys;
use crate::tables::{
    ABSENT, AGREEMENTS, ALIASES, Blob, Bytes16, Bytes32, COUNTERS, DELIVERIES, DELIVERY_TOTALS, DRAFT_IDS,
    DRAFT_TOMBSTONES, DRAFTS, ENVELOPES, EXTRA, FORGOTTEN, FORGOTTEN_OF, IDS, ITEMS, KEYRING_PLACES,
    KEYRINGS, LOCALS, META, OLD_SOURCES, OTHERS, RECALLED, RELAYS, SOURCES, TOMBSTONE_RECORDS,
    TOMBSTONE_TIMES, TOMBSTONES, UNSIGNED, VALUES,
};
use crate::{IndexError, Item, MESSAGE_KIND};

/// The tables of one write transaction.
pub(crate) struct Writer<'t> {
    pub(crate) keys: &'t Keys,
    pub(crate) entropy: &'t dyn Entropy,
    items: Table<'t, (u64, Bytes32), u64>,
    pub(crate) ids: Table<'t, Bytes32, u64>,
    pub(crate) envelopes: Growing<'t>,
    pub(crate) others: Table<'t, u64, u16>,
    pub(crate) forgotten: Table<'t, u64, Blob>,
    pub(crate) forgotten_of: Table<'t, (Bytes16, u64), ()>,
    pub(crate) recalled: Table<'t, Bytes32, ()>,
    pub(crate) drafts: Table<'t, u64, Blob>,
    pub(crate) draft_ids: Table<'t, Bytes16, u64>,
    pub(crate) aliases: Table<'t, Bytes16, Bytes32>,
    pub(crate) locals: Table<'t, Bytes32, Bytes16>,
    pub(crate) sources: Table<'t, (Bytes16, Bytes16), Blob>,
    pub(crate) old_sources: Table<'t, Bytes32, Blob>,
    pub(crate) deliveries: Table<'t, (Bytes16, u64), Blob>,
    pub(crate) absent: Table<'t, (Bytes16, u64), &'static [u8; 40]>,
    pub(crate) delivery_totals: Table<'t, u64, (u32, u32, u32)>,
    pub(crate) tombstones: Table<'t, Bytes32, Blob>,
    pub(crate) tombstone_times: Table<'t, Bytes32, u64>,
    pub(crate) records: Table<'t, Bytes32, Blob>,
    pub(crate) draft_tombstones: Table<'t, Bytes16, Blob>,
    pub(crate) unsigned: Table<'t, Bytes32, &'static [u8; 40]>,
    pub(crate) extra: Table<'t, (Bytes16, u64, Bytes32), u8>,
    pub(crate) keyrings: Table<'t, Bytes32, Blob>,
    pub(crate) keyring_places: Table<'t, (Bytes32, Bytes16), u64>,
    pub(crate) relays: Table<'t, Bytes16, Blob>,
    pub(crate) agreements: Table<'t, Bytes16, Blob>,
    pub(crate) meta: Table<'t, &'static str, Blob>,
    pub(crate) values: Table<'t, &'static str, Blob>,
    pub(crate) index: FingerprintIndex<'t>,
    pub(crate) model: ModelWriter<'t>,
    counters: Table<'t, &'static str, u64>,
    counted: Counted,
    counted_before: Counted,
    changed: bool,
    reproved: bool,
}

/// What is kept in [`COUNTERS`], so that nobody has to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Last sequence number given out.
    pub(crate) seq: u64,
    /// Last draft number given out.
    pub(crate) draft: u64,
    /// Events with a delivery waiting or sent.
    pub(crate) waiting: u64,
    /// Events with a parked delivery.
    pub(crate) parked: u64,
    /// Bytes in [`ENVELOPES`].
    pub(crate) event_bytes: u64,
}

impl Counted {
    pub(crate) fn load(table: &impl ReadableTable<&'static str, u64>) -> Result<Self, IndexError> {
        let value = |name| Ok::<_, IndexError>(table.get(name)?.map_or(0, |value| value.value()));
        Ok(Self {
            seq: value("seq")?,
            draft: value("draft")?,
            waiting: value("waiting")?,
            parked: value("parked")?,
            event_bytes: value("bytes")?,
        })
    }
}

impl<'t> Writer<'t> {
    pub(crate) fn new(
        transaction: &'t WriteTransaction,
        keys: &'t Keys,
        entropy: &'t dyn Entropy,
    ) -> Result<Self, IndexError> {
        let counters = transaction.open_table(COUNTERS)?;
        let counted = Counted::load(&counters)?;
        Ok(Self {
            keys,
            entropy,
            items: transaction.open_table(ITEMS)?,
            ids: transaction.open_table(IDS)?,
            envelopes: Growing::open(transaction, ENVELOPES)?,
            others: transaction.open_table(OTHERS)?,
            forgotten: transaction.open_table(FORGOTTEN)?,
            forgotten_of: transaction.open_table(FORGOTTEN_OF)?,
            recalled: transaction.open_table(RECALLED)?,
            drafts: transaction.open_table(DRAFTS)?,
            draft_ids: transaction.open_table(DRAFT_IDS)?,
            aliases: transaction.open_table(ALIASES)?,
            locals: transaction.open_table(LOCALS)?,
            sources: transaction.open_table(SOURCES)?,
            old_sources: transaction.open_table(OLD_SOURCES)?,
            deliveries: transaction.open_table(DELIVERIES)?,
            absent: transaction.open_table(ABSENT)?,
            delivery_totals: transaction.open_table(DELIVERY_TOTALS)?,
            tombstones: transaction.open_table(TOMBSTONES)?,
            tombstone_times: transaction.open_table(TOMBSTONE_TIMES)?,
            records: transaction.open_table(TOMBSTONE_RECORDS)?,
            draft_tombstones: transaction.open_table(DRAFT_TOMBSTONES)?,
            unsigned: transaction.open_table(UNSIGNED)?,
            extra: transaction.open_table(EXTRA)?,
            keyrings: transaction.open_table(KEYRINGS)?,
            keyring_places: transaction.open_table(KEYRING_PLACES)?,
            relays: transaction.open_table(RELAYS)?,
            agreements: transaction.open_table(AGREEMENTS)?,
            meta: transaction.open_table(META)?,
            values: transaction.open_table(VALUES)?,
            index: FingerprintIndex::open(transaction)?,
            model: ModelWriter::open(transaction)?,
            counters,
            counted,
            counted_before: counted,
            changed: true,
            reproved: false,
        })
    }

    /// Declares that this step changed nothing, which spares the commit. Forgetting to say so costs a wait for the
    /// disk, never data.
    pub(crate) fn nothing_changed(&mut self) {
        self.changed = false;
    }

    /// Declares that other messages may be verified than before: an agreement came or went, or a row of an event that one
    /// may cover.
    pub(crate) fn prove_again(&mut self) {
        self.reproved = true;
    }

    /// The last sequence number given out before this transaction.
    pub(crate) fn seq_before(&self) -> u64 {
        self.counted_before.seq
    }

    pub(crate) fn reproved(&self) -> bool {
        self.reproved
    }

    /// Writes the fingerprint index and the counters and closes the tables; true when there is something to commit.
    pub(crate) fn finish(mut self) -> Result<bool, IndexError> {
        self.envelopes.settle()?;
        if self.changed {
            self.index.settle(self.counted.seq)?;
            self.model.settle()?;
        }
        if self.changed && self.counted != self.counted_before {
            let Counted {
                seq,
                draft,
                waiting,
                parked,
                event_bytes,
            } = self.counted;
            for (name, value) in [
                ("seq", seq),
                ("draft", draft),
                ("waiting", waiting),
                ("parked", parked),
                ("bytes", event_bytes),
            ] {
                self.counters.insert(name, value)?;
            }
        }
        Ok(self.changed)
    }

    /// Whether the event with this number was stored before this transaction.
    pub(crate) fn was_here(&self, seq: u64) -> bool {
        seq <= self.counted_before.seq
    }

    pub(crate) fn counted(&mut self) -> &mut Counted {
        &mut self.counted
    }

    /// The sequence number of an item, its envelope here or forgotten.
    pub(crate) fn seq_of(&self, id: &EventId) -> Result<Option<u64>, IndexError> {
        Ok(self.ids.get(id.as_bytes())?.map(|seq| seq.value()))
    }

    /// A held event; an absent or damaged envelope is an error, because its id was found.
    pub(crate) fn held(&mut self, id: &EventId, seq: u64) -> Result<Event, IndexError> {
        let bytes = self.envelopes.table()?.get(seq)?;
        decode_event(seq, Some(id), bytes.as_ref().map(redb::AccessGuard::value))
    }

    /// Makes an event, written down as `json`, an item with what is known of its message, and returns its number; `None`, and
    /// nothing done, when it is held. It must not be tombstoned.
    pub(crate) fn insert_event(
        &mut self,
        event: &Event,
        json: Vec<u8>,
        arrived: Option<&Arrived>,
    ) -> Result<Option<u64>, IndexError> {
        let seq = self.counted.seq + 1;
        // Looking first would walk the tree twice for every new event; held ones are few here.
        let held = self
            .ids
            .insert(event.id.as_bytes(), seq)?
            .map(|held| held.value());
        if let Some(held) = held {
            self.ids.insert(event.id.as_bytes(), held)?;
            return Ok(None);
        }
        self.counted.seq = seq;
        self.set_item(Item::of(event), Some(seq))?;
        self.held_now(&Item::of(event))?;
        self.counted.event_bytes += json.len() as u64;
        self.envelopes.put(seq, json);
        let kind = u16::from(event.kind);
        if kind != MESSAGE_KIND {
            self.others.insert(seq, kind)?;
        }
        self.model_stored(seq, event, arrived)?;
        Ok(Some(seq))
    }

    /// Removes a held event with its deliveries. Aliases and sources stay: replies and imports still name it.
    pub(crate) fn remove_event(&mut self, event: &Event, seq: u64) -> Result<(), IndexError> {
        self.set_item(Item::of(event), None)?;
        self.ids.remove(event.id.as_bytes())?;
        self.drop_body(seq)
    }

    /// Removes an envelope, what was read from it, and its deliveries.
    pub(crate) fn drop_body(&mut self, seq: u64) -> Result<(), IndexError> {
        self.prove_again();
        let removed = self
            .envelopes
            .table()?
            .remove(seq)?
            .map_or(0, |bytes| bytes.value().len());
        self.counted.event_bytes = self.counted.event_bytes.saturating_sub(removed as u64);
        self.others.remove(seq)?;
        self.model_removed(seq)?;
        self.remove_deliveries_of(seq)
    }

    /// The items, to be read.
    pub(crate) fn items(&self) -> &impl ReadableTable<(u64, Bytes32), u64> {
        &self.items
    }

    /// The number of an item.
    pub(crate) fn number_of(&self, item: &Item) -> Result<Option<u64>, IndexError> {
        Ok(self.items.get(item.key())?.map(|seq| seq.value()))
    }

    /// Puts an item in, under its number, or takes it out. Nothing else writes `items`: the fingerprint index follows
    /// from here.
    pub(crate) fn set_item(&mut self, item: Item, seq: Option<u64>) -> Result<(), IndexError> {
        let before = match seq {
            Some(seq) => self.items.insert(item.key(), seq)?.is_some(),
            None => self.items.remove(item.key())?.is_some(),
        };
        match (before, seq.is_some()) {
            (false, true) => self.index.added(item),
            (true, false) => self.index.removed(item),
            _ => {}
        }
        Ok(())
    }

    /// Computes the fingerprint index again from the items.
    pub(crate) fn rebuild_index(&mut self) -> Result<(), IndexError> {
        self.index.rebuild(&self.items, self.counted.seq)
    }

    /// Who deleted `id`; empty when nobody did.
    pub(crate) fn deleters(&self, id: &EventId) -> Result<Vec<PublicKey>, IndexError> {
        let Some(sealed) = self.tombstones.get(id.as_bytes())? else {
            return Ok(Vec::new());
        };
        let plain = self.keys.open("tombstones-1", id.as_bytes(), sealed.value())?;
        let (authors, rest) = plain.as_chunks::<32>();
        if !rest.is_empty() || authors.is_empty() {
            return Err(IndexError::corrupt(format!("tombstones-1 {id}")));
        }
        Ok(authors
            .iter()
            .map(|author| PublicKey::from_byte_array(*author))
            .collect())
    }

    /// Remembers that `author` deleted `id`, which is not held (any more).
    pub(crate) fn add_tombstone(&mut self, id: &EventId, author: &PublicKey) -> Result<(), IndexError> {
        let mut authors = self.deleters(id)?;
        if authors.contains(author) {
            return Ok(());
        }
        authors.push(*author);
        let plain: Vec<u8> = authors.iter().flat_map(|author| author.to_bytes()).collect();
        let sealed = self
            .keys
            .seal(self.entropy, "tombstones-1", id.as_bytes(), &plain);
        self.tombstones.insert(id.as_bytes(), sealed.as_slice())?;
        self.is_back(id)?;
        self.model_deleted(id)
    }

    /// Whether `event` is deleted by its author. Claims of others are void once the event is here to show whose it
    /// is, and so is any claim on a deletion (NIP-09): they are dropped.
    pub(crate) fn deleted_by_its_author(&mut self, event: &Event) -> Result<bool, IndexError> {
        let deleters = self.deleters(&event.id)?;
        if deleters.is_empty() {
            return Ok(false);
        }
        if event.kind != Kind::EventDeletion && deleters.contains(&event.pubkey) {
            return Ok(true);
        }
        self.model_deleted(&event.id)?;
        self.tombstones.remove(event.id.as_bytes())?;
        self.tombstone_times.remove(event.id.as_bytes())?;
        self.records.remove(event.id.as_bytes())?;
        Ok(false)
    }
}
