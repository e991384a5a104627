//! One batch on its way in: checked on all cores, opened, stored in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_model::{Message, MessageId};
use event_index::{Arrival, EventIndex, ExtraReason, IndexError, Item};
use nostr::prelude::{Event, EventId, PublicKey};
use pns_keys::keeper::OpenBatch;
use reconciler::author_set;
use relay_link::RelayUrl;
use supervision::{Env, Outlet};

use crate::opening::{self, KeeperGone};
use crate::placing::Placing;
use crate::remembering::named_by;
use crate::turn::Turn;
use crate::verify::{Rejection, Verifier};
use crate::watching::Watchers;

/// Signatures checked together by one core, where there are as many: fewer cost more each.
const TOGETHER_MIN: usize = 64;
/// More of them cost no less each, and another core may have nothing to do.
const TOGETHER_MAX: usize = 1024;

/// Why a batch was not stored. Its events come again with the next comparison.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailed {
    #[error("the store did not take a batch")]
    Store(#[from] IndexError),
    #[error(transparent)]
    Keeper(#[from] KeeperGone),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Events stored, by the relay that sent them first.
    pub(crate) stored: BTreeMap<RelayUrl, u64>,
    /// Events that failed their checks, by relay.
    pub(crate) rejected: BTreeMap<RelayUrl, u32>,
    /// Messages were stored or deleted.
    pub(crate) changed: bool,
    /// Messages that were here and are deleted.
    pub(crate) removed: Vec<MessageId>,
}

/// What storing needs.
#[derive(Clone)]
pub(crate) struct Intaker {
    pub(crate) env: Env,
    pub(crate) index: EventIndex,
    pub(crate) keeper: Outlet<OpenBatch>,
    pub(crate) watchers: Watchers,
}

impl Intaker {
    /// Checks and opens a batch, and stores it when it is its turn. An event that fails a check is counted against its
    /// relay and stops no other.
    pub(crate) async fn store(
        &self,
        batch: Vec<(RelayUrl, Event)>,
        read_keys: BTreeSet<PublicKey>,
        rumor_authors: &BTreeSet<PublicKey>,
        turn: &mut Turn,
    ) -> Result<Outcome, StoreFailed> {
        let mut outcome = Outcome::default();
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let authors = author_set(&read_keys);
        let checked = workers
            .run(move || -> Result<Vec<_>, IndexError> {
                let mut fresh = Vec::with_capacity(batch.len());
                let mut seen = BTreeSet::new();
                let ids: BTreeSet<EventId> = batch.iter().map(|(_, event)| event.id).collect();
                let held = store.held_among(ids)?;
                for (relay, event) in batch {
                    // Held means that its signature was checked before. Among the new ones, equal ids may still
                    // differ in their signatures, so the pair of both decides what is checked twice.
                    if !held.contains(&event.id) && seen.insert((event.id, event.sig.to_bytes())) {
                        fresh.push((relay, event));
                    }
                }
                let verifier = Verifier::new(&read_keys);
                let together = fresh
                    .len()
                    .div_ceil(workers.width())
                    .clamp(TOGETHER_MIN, TOGETHER_MAX);
                let verdicts = workers.map(fresh.chunks(together).collect(), |part| {
                    let events: Vec<&Event> = part.iter().map(|(_, event)| event).collect();
                    verifier.verify_all(&events)
                });
                Ok(fresh.into_iter().zip(verdicts.into_iter().flatten()).collect())
            })
            .await?;

        let mut placing = Placing::default();
        let mut sent_by = BTreeMap::new();
        let mut events = Vec::with_capacity(checked.len());
        for ((relay, event), verdict) in checked {
            match verdict {
                Ok(()) => {
                    sent_by.entry(event.id).or_insert(relay);
                    events.push(event);
                }
                Err(rejection) => {
                    reject(&relay, event.id, rejection);
                    if rejection == Rejection::BadSignature {
                        placing.add(&relay, Item::of(&event), ExtraReason::Forged);
                    }
                    *outcome.rejected.entry(relay).or_default() += 1;
                }
            }
        }
        if events.is_empty() {
            placing.place(&self.index).await;
            return Ok(outcome);
        }

        // The store writes a batch fastest in this order.
        events.sort_unstable_by_key(|event| event.id);
        let read = opening::open(&self.keeper, events, rumor_authors).await?;
        let targets = named_by(read.iter().map(|read| &read.event));
        let store = self.index.store();
        // The store takes the events: what follows needs to know no more of them than where they are.
        let mut arrivals = Vec::with_capacity(read.len());
        let mut messages = Vec::with_capacity(read.len());
        for read in read {
            let source = read.source(|conversation, source| store.source_id(conversation, source));
            messages.push((Item::of(&read.event), read.message));
            let event = read.event;
            arrivals.push(Arrival { event, source });
        }
        turn.comes().await;
        self.remember_targets(targets, messages.iter().filter_map(named), rumor_authors)
            .await?;
        let active = self.watchers.active();
        let unread = messages.iter().filter(|(_, message)| {
            let message = message.as_ref();
            message.is_some_and(|message| Some(&message.conversation) != active.as_ref())
        });
        let unread = unread.map(|(item, _)| item.id).collect();
        let opened = messages
            .iter()
            .filter_map(|(item, message)| Some((item.id, message.clone()?)));
        let ingested = self
            .index
            .ingest_opened(arrivals, opened.collect(), unread, authors)
            .await?;

        for id in &ingested.stored {
            if let Some(relay) = sent_by.get(id) {
                *outcome.stored.entry(relay.clone()).or_default() += 1;
            }
        }
        let deleted: BTreeSet<EventId> = ingested.tombstoned.iter().copied().collect();
        for (item, _) in messages.iter().filter(|(item, _)| deleted.contains(&item.id)) {
            if let Some(relay) = sent_by.get(&item.id) {
                placing.add(relay, *item, ExtraReason::Tombstoned);
            }
        }
        let late = messages.iter().filter_map(named);
        if let Err(error) = self.remember(late.filter(|(id, _)| deleted.contains(id))).await {
            // What was stored is to be shown all the same.
            tracing::warn!(%error, "replies to deleted messages are placed by their order after a restart");
        }
        placing.place(&self.index).await;
        outcome.changed = !(ingested.stored.is_empty() && ingested.deleted.is_empty() && deleted.is_empty());
        let removed = ingested.deleted.iter();
        outcome.removed = removed.map(|id| MessageId::Event(id.to_bytes())).collect();
        Ok(outcome)
    }
}

/// What can be remembered of an event, should it be deleted.
fn named((item, message): &(Item, Option<Message>)) -> Option<(EventId, &Message)> {
    Some((item.id, message.as_ref()?))
}

fn reject(relay: &RelayUrl, id: EventId, rejection: Rejection) {
    tracing::warn!(%relay, event = %id, %rejection, "not stored");
}
