//! Events that came in: stored once, deleted when their author says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_model::Message;
use nostr::event::{Event, EventId, Kind};

use crate::event_json::encode_event;
use crate::read_model::Arrived;
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

/// An arrival with the message that was opened, written down as it is going to be kept: whoever makes many of them does so
/// on all cores, and nothing of it is left to the one who writes.
#[derive(Debug, Clone)]
pub struct OpenedArrival {
    /// Without its content: `json` has it, and thousands of these may be on their way.
    arrival: Arrival,
    json: Vec<u8>,
    message: Option<Arc<Message>>,
    arrived: Option<Arrived>,
    unread: bool,
}

impl OpenedArrival {
    /// On its way into `store`. `message` is `None` when the envelope stays closed for now, or holds none.
    pub fn new(store: &Store, mut arrival: Arrival, message: Option<Arc<Message>>) -> Self {
        let json = encode_event(&arrival.event);
        arrival.event.content = String::new();
        let arrived = message.as_deref();
        let arrived = arrived.map(|message| Arrived::new(&store.keys, &arrival.event, message));
        Self {
            arrival,
            json,
            message,
            arrived,
            unread: false,
        }
    }

    /// Whether the message counts as unread on a device that knows what is history. See [`Store::ingest_opened`].
    #[must_use]
    pub fn unread(self, unread: bool) -> Self {
        Self { unread, ..self }
    }

    /// The event without its content.
    pub fn event(&self) -> &Event {
        &self.arrival.event
    }

    /// What was in it.
    pub fn message(&self) -> Option<&Arc<Message>> {
        self.message.as_ref()
    }
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
        let arrivals = arrivals
            .into_iter()
            .map(|arrival| OpenedArrival::new(self, arrival, None));
        self.ingest_opened(arrivals.collect(), 0)
    }

    /// As [`Store::ingest`], with the messages that were opened: they are in the model in the same transaction. Those that
    /// are [`unread`](OpenedArrival::unread) count as such on a device that ever agreed with a relay about `authors`
    /// ([`Agreement::authors`](crate::Agreement::authors)): what comes before that is history.
    pub fn ingest_opened(&self, arrivals: Vec<OpenedArrival>, authors: u32) -> Result<Ingested, IndexError> {
        self.write(|writer| ingest(writer, arrivals, authors))
    }
}

/// What [`Store::ingest_opened`] does in its transaction.
fn ingest(
    writer: &mut Writer<'_>,
    arrivals: Vec<OpenedArrival>,
    authors: u32,
) -> Result<Ingested, IndexError> {
    let mut ingested = Ingested::default();
    let mut opened = Vec::new();
    for arrival in arrivals {
        let Arrival { event, source } = arrival.arrival;
        if event.created_at.as_secs() == u64::MAX {
            ingested.refused.push(event.id);
            continue;
        }
        let mut arrived = arrival.arrived;
        if let Some(arrived) = &mut arrived {
            arrived.unread = arrival.unread.then_some(authors);
        }
        writer.ingest_one(&event, arrival.json, arrived.as_ref(), &mut ingested)?;
        opened.extend(source.map(|source| (source, event)));
    }
    // Conversations are random numbers: in their order each page is found in memory, not read and written many times.
    opened.sort_unstable_by_key(|(source, event)| (*source, event.id));
    let mut sources = false;
    for (source, event) in opened {
        sources |= writer.record_source(source, &event)?;
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
    /// Stores one event, written down as `json`, and what is known of its message.
    pub(crate) fn ingest_one(
        &mut self,
        event: &Event,
        json: Vec<u8>,
        arrived: Option<&Arrived>,
        ingested: &mut Ingested,
    ) -> Result<(), IndexError> {
        // No held event has a tombstone.
        if self.deleted_by_its_author(event)? {
            ingested.tombstoned.push(event.id);
        } else if self.insert_event(event, json, arrived)?.is_none() {
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
