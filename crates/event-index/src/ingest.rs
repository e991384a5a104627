//! Events that came in: stored once, deleted when their author says so.

use std::collections::BTreeSet;

use nostr::event::{Event, EventId, Kind};

use crate::writer::Writer;
use crate::{IndexError, SourceId, Store};

/// An event on its way into the store. The caller has checked id, signature and that it was asked for.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The event.
    pub event: Event,
    /// Where the message inside came from, when that is known.
    pub source: Option<SourceId>,
}

/// What became of a batch; every arrival puts its id into one list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    /// Now held, and not before.
    pub stored: Vec<EventId>,
    /// Held already, or forgotten.
    pub known: Vec<EventId>,
    /// Deleted by their author before they came; not stored.
    pub tombstoned: Vec<EventId>,
    /// Impossible: their outer time is the one NIP-77 reserves for infinity.
    pub refused: Vec<EventId>,
    /// Held until a deletion in this batch, and not any more. They are not among `stored` and `known`.
    pub deleted: Vec<EventId>,
}

impl Store {
    /// Stores a batch in one transaction. A kind 5 is an item like any other; it also deletes what its `e` tags name,
    /// when that has the same author and is no kind 5 itself, held or not. The outcome does not depend on the order
    /// in which events and deletions come.
    ///
    /// Cost: every batch rewrites the pages of `ids` and `sources` that it touches, so large batches are cheaper, and
    /// arrivals in the order of their ids touch each page once.
    pub fn ingest(&self, arrivals: Vec<Arrival>) -> Result<Ingested, IndexError> {
        self.write(|writer| ingest(writer, &arrivals))
    }
}

/// What [`Store::ingest`] does in its transaction.
pub(crate) fn ingest(writer: &mut Writer<'_>, arrivals: &[Arrival]) -> Result<Ingested, IndexError> {
    let mut ingested = Ingested::default();
    let mut opened = Vec::new();
    for Arrival { event, source } in arrivals {
        if event.created_at.as_secs() == u64::MAX {
            ingested.refused.push(event.id);
            continue;
        }
        writer.ingest_one(event, &mut ingested)?;
        opened.extend(source.map(|source| (source, event)));
    }
    // Sources are random numbers: in their order each page is found in memory, not read and written many times.
    opened.sort_unstable_by_key(|(source, event)| (*source, event.id));
    let mut sources = false;
    for (source, event) in opened {
        sources |= writer.record_source(source, event)?;
    }
    let unchanged = ingested.stored.is_empty() && ingested.deleted.is_empty() && !sources;
    let deleted: BTreeSet<EventId> = ingested.deleted.iter().copied().collect();
    ingested.stored.retain(|id| !deleted.contains(id));
    ingested.known.retain(|id| !deleted.contains(id));
    if unchanged {
        writer.nothing_changed();
    }
    Ok(ingested)
}

impl Writer<'_> {
    pub(crate) fn ingest_one(&mut self, event: &Event, ingested: &mut Ingested) -> Result<(), IndexError> {
        // No held event has a tombstone.
        if self.deleted_by_its_author(event)? {
            ingested.tombstoned.push(event.id);
        } else if self.insert_event(event)?.is_none() {
            ingested.known.push(event.id);
        } else {
            ingested.stored.push(event.id);
            if event.kind == Kind::EventDeletion {
                self.delete_targets(event, &mut ingested.deleted)?;
            }
        }
        Ok(())
    }

    fn delete_targets(&mut self, deletion: &Event, deleted: &mut Vec<EventId>) -> Result<(), IndexError> {
        for id in deletion.tags.event_ids() {
            if let Some((seq, forgotten)) = self.forgotten_by(&id)? {
                if forgotten.author != deletion.pubkey {
                    continue;
                }
                self.remove_forgotten(seq, &forgotten)?;
                self.tombstone_times
                    .insert(id.as_bytes(), forgotten.item.created_at)?;
                // Nobody can read it any more, but what its replies need to know is here.
                if let Ok(Some(tombstone)) = forgotten.tombstone(self.keys, seq) {
                    self.keep_record(&id, &tombstone.to_record())?;
                }
                deleted.push(id);
            } else if let Some(seq) = self.seq_of(&id)? {
                let target = self.held(&id, seq)?;
                if target.pubkey != deletion.pubkey || target.kind == Kind::EventDeletion {
                    continue;
                }
                self.remove_event(&target, seq)?;
                self.tombstone_times
                    .insert(id.as_bytes(), target.created_at.as_secs())?;
                deleted.push(id);
            }
            self.add_tombstone(&id, &deletion.pubkey)?;
            self.signed(&id, &deletion.pubkey)?;
        }
        Ok(())
    }
}
