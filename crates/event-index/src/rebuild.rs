//! Computing everything again that follows from the envelopes.

use std::collections::BTreeSet;

use redb::ReadableTable;

use crate::counts::count_bytes;
use crate::envelopes::decode_event;
use crate::tables::ENVELOPES;
use crate::writer::Writer;
use crate::{IndexError, Item, MESSAGE_KIND, Store};

/// What [`Store::rebuild`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Events that are held now.
    pub events: u64,
    /// Damaged envelopes that were dropped.
    pub dropped: u64,
    /// Rows of the lists of events that were missing or wrong, and are right now.
    pub mended: u64,
}

/// The bytes of an envelope, as they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEnvelope {
    /// Its sequence number.
    pub seq: u64,
    /// Its bytes, of which some may be damaged.
    pub bytes: Vec<u8>,
}

impl Store {
    /// An envelope's bytes, checked by nothing: to set a damaged one aside before it is dropped.
    pub fn raw_envelope(&self, seq: u64) -> Result<Option<RawEnvelope>, IndexError> {
        let envelopes = self.read()?.open_table(ENVELOPES)?;
        Ok(envelopes.get(seq)?.map(|bytes| RawEnvelope {
            seq,
            bytes: bytes.value().to_vec(),
        }))
    }

    /// Drops the envelopes in `damaged` with their deliveries, and computes the lists of events and the fingerprint
    /// index again from the others and from what stays of forgotten ones, all in one transaction. A dropped event is fetched again by the next comparison with
    /// a relay that has it. Agreements with relays are taken back when an event was dropped: they covered it.
    /// Cost: the whole file is read, and what was wrong is written.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] names a damaged envelope that is not in `damaged`; nothing is changed then.
    pub fn rebuild(&self, damaged: &BTreeSet<u64>) -> Result<Rebuilt, IndexError> {
        self.write(|writer| rebuild(writer, damaged))
    }
}

fn rebuild(writer: &mut Writer<'_>, damaged: &BTreeSet<u64>) -> Result<Rebuilt, IndexError> {
    let mut done = Rebuilt::default();
    writer.prove_again();
    let mut seqs = Vec::new();
    for row in writer.envelopes.table()?.iter()? {
        seqs.push(row?.0.value());
    }
    for seq in &seqs {
        if damaged.contains(seq) {
            writer.envelopes.table()?.remove(seq)?;
            done.dropped += 1;
        } else {
            done.events += 1;
            done.mended += mend(writer, *seq)?;
        }
    }
    done.mended += writer.mend_forgotten()?;
    let stray = drop_listed_without_envelope(writer)?;
    done.mended += stray.difference(damaged).count() as u64;
    if !stray.is_empty() {
        writer.agreements.retain(|_, _| false)?;
    }
    count_bytes(writer)?;
    writer.rebuild_index()?;
    writer.model_reset()?;
    Ok(done)
}

/// Makes the lists name one whole envelope; returns how many rows were wrong.
fn mend(writer: &mut Writer<'_>, seq: u64) -> Result<u64, IndexError> {
    let bytes = writer.envelopes.table()?.get(seq)?;
    let event = decode_event(seq, None, bytes.as_ref().map(redb::AccessGuard::value))?;
    drop(bytes);
    let mut mended = 0;
    let item = Item::of(&event);
    if writer.items().get(item.key())?.map(|seq| seq.value()) != Some(seq) {
        writer.set_item(item, Some(seq))?;
        mended += 1;
    }
    if writer.seq_of(&event.id)? != Some(seq) {
        writer.ids.insert(event.id.as_bytes(), seq)?;
        mended += 1;
    }
    let kind = Some(u16::from(event.kind)).filter(|kind| *kind != MESSAGE_KIND);
    let listed = writer.others.get(seq)?.map(|kind| kind.value());
    if listed != kind {
        match kind {
            Some(kind) => drop(writer.others.insert(seq, kind)?),
            None => drop(writer.others.remove(seq)?),
        }
        mended += 1;
    }
    Ok(mended)
}

/// Takes what has no envelope off the lists, and off the queues. Returns the numbers it was listed under.
fn drop_listed_without_envelope(writer: &mut Writer<'_>) -> Result<BTreeSet<u64>, IndexError> {
    writer.envelopes.settle()?;
    let is_kept = |writer: &Writer<'_>, seq: u64| {
        let here = writer.envelopes.written().get(seq)?.is_some();
        Ok::<_, IndexError>(here || writer.forgotten.get(seq)?.is_some())
    };
    let mut stray = BTreeSet::new();
    let mut items = Vec::new();
    for row in writer.items().iter()? {
        let (key, seq) = row?;
        if !is_kept(writer, seq.value())? {
            items.push(Item::at(key.value()));
            stray.insert(seq.value());
        }
    }
    let mut ids = Vec::new();
    for row in writer.ids.iter()? {
        let (id, seq) = row?;
        if !is_kept(writer, seq.value())? {
            ids.push(*id.value());
            stray.insert(seq.value());
        }
    }
    for item in items {
        writer.set_item(item, None)?;
    }
    for id in &ids {
        writer.ids.remove(id)?;
    }
    for seq in &stray {
        writer.others.remove(seq)?;
        writer.remove_deliveries_of(*seq)?;
    }
    Ok(stray)
}
