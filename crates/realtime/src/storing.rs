//! One batch on its way in: checked on all cores, opened, stored in one commit.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use chat_model::{Message, MessageId};
use event_index::{Arrival, EventIndex, ExtraReason, IndexError, Item, OpenedArrival};
use nostr::prelude::{Event, EventId, PublicKey};
use pns_keys::keeper::OpenBatch;
use reconciler::author_set;
use relay_link::RelayUrl;
use supervision::{Env, Outlet};
use tokio::sync::Mutex;

use crate::opening::{self, KeeperGone};
use crate::placing::Placing;
use crate::remembering::named_by;
use crate::turn::Turn;
use crate::verify::{Rejection, Verifier};
use crate::watching::Watchers;

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
    /// Held by the batch that is checked and opened: side by side, all of them would be ready late.
    pub(crate) checking: Arc<Mutex<()>>,
}

impl Intaker {
    /// Checks and opens a batch, and hands it to the store when it is its turn. An event that fails a check is counted against its
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
        let checking = self.checking.lock().await;
        let checked = workers
            .run(move || -> Result<Vec<_>, IndexError> {
                let mut fresh = batch;
                // The store reads and writes a batch fastest in this order. Equal ids may still differ in their
                // signatures, so the pair of both decides what is checked twice.
                fresh.sort_unstable_by(|(_, one), (_, other)| {
                    (&one.id, &one.sig).cmp(&(&other.id, &other.sig))
                });
                fresh.dedup_by(|(_, one), (_, other)| (one.id, one.sig) == (other.id, other.sig));
                let held = store.held_among(fresh.iter().map(|(_, event)| event.id))?;
                // Held means that its signature was checked before.
                fresh.retain(|(_, event)| !held.contains(&event.id));
                let verifier = Verifier::new(&read_keys);
                let events: Vec<&Event> = fresh.iter().map(|(_, event)| event).collect();
                let verdicts = verifier.verify_all(&events, workers);
                Ok(fresh.into_iter().zip(verdicts).collect())
            })
            .await?;

        let mut placing = Placing::default();
        let mut sent_by = Vec::with_capacity(checked.len());
        let mut events = Vec::with_capacity(checked.len());
        for ((relay, event), verdict) in checked {
            match verdict {
                Ok(()) => {
                    sent_by.push((event.id, relay));
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

        let sender_of = |id: &EventId| {
            let place = sent_by.binary_search_by(|(sent, _)| sent.cmp(id)).ok()?;
            sent_by.get(place).map(|(_, relay)| relay)
        };
        let hasher = Arc::clone(self.index.store());
        let arrivals = opening::open(&self.keeper, workers, events, rumor_authors, move |read| {
            let source = read.message.as_ref().and_then(|message| {
                let source = message.source.as_deref()?;
                Some(hasher.source_id(&message.conversation, source))
            });
            let event = read.event;
            OpenedArrival::new(&hasher, Arrival { event, source }, read.message.map(Arc::new))
        })
        .await?;
        drop(checking);
        let targets = named_by(arrivals.iter().map(OpenedArrival::event));
        // The store takes the events: what follows needs to know no more of them than where they are.
        let messages: Vec<_> = arrivals
            .iter()
            .map(|arrival| (Item::of(arrival.event()), arrival.message().cloned()))
            .collect();
        if targets.is_empty() {
            turn.is_next().await;
        } else {
            // What is deleted may be in the batch before.
            turn.comes().await;
        }
        self.remember_targets(targets, messages.iter().filter_map(named), rumor_authors)
            .await?;
        let active = self.watchers.active();
        let arrivals = arrivals.into_iter().map(|arrival| {
            let unread = arrival
                .message()
                .is_some_and(|message| Some(&message.conversation) != active.as_ref());
            arrival.unread(unread)
        });
        let mut storing = pin!(self.index.ingest_opened(arrivals.collect(), authors));
        // Asked once, it lies with the store, and the batch behind it may follow.
        let asked = poll_fn(|task| Poll::Ready(storing.as_mut().poll(task))).await;
        turn.handed();
        let ingested = match asked {
            Poll::Ready(ingested) => ingested,
            Poll::Pending => storing.await,
        }?;

        let mut stored: BTreeMap<&RelayUrl, u64> = BTreeMap::new();
        for relay in ingested.stored.iter().filter_map(sender_of) {
            *stored.entry(relay).or_default() += 1;
        }
        let stored = stored.into_iter();
        outcome.stored = stored.map(|(relay, count)| (relay.clone(), count)).collect();
        let deleted: BTreeSet<EventId> = ingested.tombstoned.iter().copied().collect();
        for (item, _) in messages.iter().filter(|(item, _)| deleted.contains(&item.id)) {
            if let Some(relay) = sender_of(&item.id) {
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
fn named((item, message): &(Item, Option<Arc<Message>>)) -> Option<(EventId, &Message)> {
    Some((item.id, message.as_ref()?))
}

fn reject(relay: &RelayUrl, id: EventId, rejection: Rejection) {
    tracing::warn!(%relay, event = %id, %rejection, "not stored");
}
