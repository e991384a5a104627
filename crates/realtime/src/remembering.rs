//! What stays of messages that a deletion takes: written down while they can still be read.

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_model::{Message, Tombstone};
use event_index::IndexError;
use nostr::prelude::{Event, EventId, PublicKey};
use pns_keys::deletion_targets;

use crate::opening;
use crate::storing::{Intaker, StoreFailed};
use crate::verify::DELETION;

/// What the deletions among these events name, each with who names it.
pub(crate) fn named_by<'e>(events: impl Iterator<Item = &'e Event>) -> BTreeSet<(EventId, PublicKey)> {
    let deletions = events.filter(|event| event.kind == DELETION);
    let named = deletions.flat_map(|event| {
        let targets = deletion_targets(event).into_iter();
        targets.map(|id| (id, event.pubkey))
    });
    named.collect()
}

impl Intaker {
    /// Writes down what stays of the held messages that are named, and of those in the same batch. To be called before the
    /// deletions are stored: a crash must not leave those without this.
    pub(crate) async fn remember_targets<'m>(
        &self,
        named: BTreeSet<(EventId, PublicKey)>,
        batch: impl Iterator<Item = (EventId, &'m Message)>,
        rumor_authors: &BTreeSet<PublicKey>,
    ) -> Result<(), StoreFailed> {
        if named.is_empty() {
            return Ok(());
        }
        let ids: BTreeSet<EventId> = named.iter().map(|(id, _)| *id).collect();
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let held = workers
            .run(move || {
                let mut held = Vec::new();
                for (id, author) in named {
                    match store.event(&id) {
                        Ok(event) => held.extend(event.filter(|event| event.pubkey == author)),
                        // It is deleted all the same; nothing of it can be read.
                        Err(IndexError::Corrupt { what, .. }) => tracing::warn!(what, "deleted unread"),
                        Err(error) => return Err(error),
                    }
                }
                Ok(held)
            })
            .await?;
        let held = opening::open(&self.keeper, workers, held, rumor_authors, |read| read).await?;
        let held = held
            .iter()
            .filter_map(|read| Some((read.event.id, read.message.as_ref()?)));
        self.remember(held).await?;
        self.remember(batch.filter(|(id, _)| ids.contains(id))).await
    }

    /// Writes down what stays of these messages.
    pub(crate) async fn remember<'m>(
        &self,
        gone: impl Iterator<Item = (EventId, &'m Message)>,
    ) -> Result<(), StoreFailed> {
        let records: Vec<(EventId, Vec<u8>)> = gone
            .map(|(id, message)| (id, Tombstone::of(message).to_record()))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        Ok(self.index.keep_records(records).await?)
    }
}
