//! Turning drafts into envelopes, one batch at a time: parents first, parent ids rewritten to outer ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chat_model::{Message, MessageId, Parent, Tombstone};
use event_index::{Draft, DraftPage, EventIndex, IndexError, LocalId, SealedDraft, Store};
use nostr::prelude::{Event, EventId};
use pns_keys::keeper::{SealBatch, ToSeal, WriteKey};
use relay_link::RelayUrl;
use supervision::{Env, Outlet};

use crate::messages::SealedMessage;
use crate::sealing::{NotNow, SEAL_WINDOW, SealingTimes};

/// Drafts sealed in one commit: at 40 KB each they are 10 MB in memory.
const BATCH: usize = 256;

/// Deleted drafts in a row above one that is not: more were not written between two connections by hand.
const DELETED_ABOVE_MAX: usize = 10_000;

/// What one batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Drafts that became envelopes.
    pub(crate) sealed: Vec<SealedMessage>,
    /// Continue behind this draft; `None` when this was the last one.
    pub(crate) next: Option<u64>,
    /// Why drafts were left, and whether the next second helps.
    pub(crate) held: Option<NotNow>,
}

/// Why a batch could not be done; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealFailed {
    #[error("the store failed while drafts were being sealed")]
    Store(#[from] IndexError),
    #[error("no key to seal with: {0}")]
    Keys(String),
}

/// Everything needed to seal.
#[derive(Clone)]
pub(crate) struct Sealer {
    pub(crate) env: Env,
    pub(crate) index: EventIndex,
    pub(crate) keeper: Outlet<SealBatch>,
    /// Every configured relay, whether a link to it was heard of or not: each gets a delivery.
    pub(crate) relays: Vec<RelayUrl>,
}

impl Sealer {
    /// Seals the drafts behind `after`, commits them with a waiting delivery for each configured relay, and returns them.
    /// A draft that can't be read or sealed is left where it is and logged by its local id; it stops no other.
    pub(crate) async fn seal_batch(&self, after: u64, write: WriteKey) -> Result<Batch, SealFailed> {
        let unix = self.env.clock.unix();
        let store = Arc::clone(self.index.store());
        let read = self
            .env
            .workers
            .run(move || Pending::read(&store, after, unix))
            .await?;
        let Some(mut pending) = read else {
            return Ok(Batch::default());
        };

        let times = SealingTimes::new(
            unix,
            write.not_before,
            pending.expected,
            pending.seconds.iter().copied(),
        );
        let mut times = match times {
            Ok(times) => times,
            Err(held) => {
                return Ok(Batch {
                    held: Some(held),
                    ..Batch::default()
                });
            }
        };
        let mut batch = Batch {
            next: pending.next,
            ..Batch::default()
        };
        let mut drafts = Vec::new();
        while !pending.drafts.is_empty() {
            let level = pending.take_level(&mut times);
            if let Some(held) = level.held {
                batch.held = Some(held);
                batch.next = None;
            }
            let (asked, messages) = Self::ask(&write.rumor_author.to_hex(), level.ready);
            let stop = batch.held.is_some();
            for (result, (local, message)) in self.seal(asked).await?.into_iter().zip(messages) {
                match result {
                    Ok(event) => {
                        pending
                            .known
                            .insert(local, (event.id, event.created_at.as_secs()));
                        batch.sealed.push(SealedMessage {
                            local,
                            id: event.id,
                            sealed_at: event.created_at.as_secs(),
                            message,
                        });
                        drafts.push(SealedDraft { local, event });
                    }
                    Err(error) => {
                        tracing::warn!(draft = %local, %error, "a draft could not be sealed and stays");
                    }
                }
            }
            if stop {
                break;
            }
        }
        if !drafts.is_empty() {
            let relays = self.relays.iter().map(ToString::to_string).collect();
            let committed: BTreeSet<EventId> = self
                .index
                .commit_sealed(drafts, relays)
                .await?
                .into_iter()
                .collect();
            // A draft that was sealed before, by an uploader that died before it could say so, keeps that envelope.
            batch.sealed.retain(|sealed| committed.contains(&sealed.id));
        }
        Ok(batch)
    }

    fn ask(author: &str, ready: Vec<(LocalId, Message, u64)>) -> (Vec<ToSeal>, Vec<(LocalId, Message)>) {
        let mut asked = Vec::with_capacity(ready.len());
        let mut messages = Vec::with_capacity(ready.len());
        for (local, message, created_at) in ready {
            match message.to_rumor(author) {
                Ok(rumor) => {
                    asked.push(ToSeal {
                        local,
                        rumor,
                        created_at,
                    });
                    messages.push((local, message));
                }
                Err(error) => tracing::warn!(draft = %local, %error, "a draft has no wire form and stays"),
            }
        }
        (asked, messages)
    }

    async fn seal(&self, asked: Vec<ToSeal>) -> Result<Vec<Result<Event, pns_keys::SealError>>, SealFailed> {
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        match self.keeper.send(SealBatch(asked)).await {
            Ok(Ok(results)) => Ok(results),
            Ok(Err(locked)) => Err(SealFailed::Keys(locked.why)),
            Err(error) => Err(SealFailed::Keys(error.to_string())),
        }
    }
}

/// A batch of drafts and what is needed to place them.
struct Pending {
    drafts: Vec<(LocalId, Message)>,
    next: Option<u64>,
    /// How many drafts wait in all, this batch included.
    expected: u64,
    /// Outer times of held items within the sealing window, one per item.
    seconds: Vec<u64>,
    /// Parents that have an outer id, and their outer time.
    known: BTreeMap<LocalId, (EventId, u64)>,
    /// Outer times of parents that are named by outer id already.
    outer: BTreeMap<[u8; 32], u64>,
}

/// Drafts whose parents are sealed, with the time each one gets.
struct Level {
    ready: Vec<(LocalId, Message, u64)>,
    held: Option<NotNow>,
}

/// Replies to a draft that was deleted hang off what it replied to. It never had a name that others know.
fn live_parent(store: &Store, mut parent: Parent) -> Result<Parent, IndexError> {
    // Deleted drafts that name each other in a circle cannot come from a person.
    for _ in 0..DELETED_ABOVE_MAX {
        let Parent::Message(MessageId::Local(local)) = &parent else {
            break;
        };
        let record = store.draft_tombstone(&LocalId::from_bytes(*local))?;
        match record.and_then(|record| Tombstone::from_record(&record)) {
            Some(tombstone) => parent = tombstone.parent,
            None => break,
        }
    }
    Ok(parent)
}

impl Pending {
    fn read(store: &Store, after: u64, unix: u64) -> Result<Option<Self>, IndexError> {
        let DraftPage { drafts: rows, last } = store.drafts(after, BATCH)?;
        if last.is_none() {
            return Ok(None);
        }
        let mut pending = Self {
            drafts: Vec::with_capacity(rows.len()),
            next: last,
            expected: store.counts()?.drafts,
            seconds: store.seconds_since(unix.saturating_sub(SEAL_WINDOW))?,
            known: BTreeMap::new(),
            outer: BTreeMap::new(),
        };
        for Draft { local, body, .. } in rows {
            match Message::from_draft(&body) {
                Ok(mut message) => {
                    message.parent = live_parent(store, message.parent)?;
                    pending.drafts.push((local, message));
                }
                Err(error) => tracing::error!(draft = %local, %error, "a draft can't be read and stays"),
            }
        }
        for (_, message) in &pending.drafts {
            let parent = match &message.parent {
                Parent::Message(MessageId::Event(id)) => EventId::from_byte_array(*id),
                Parent::Message(MessageId::Local(local)) => {
                    match store.resolve(&LocalId::from_bytes(*local))? {
                        Some(id) => id,
                        None => continue,
                    }
                }
                Parent::Absent | Parent::Top | Parent::Foreign(_) => continue,
            };
            // A parent that is not held (yet, or any more), or damaged, sets no floor.
            let outer = match store.event(&parent) {
                Ok(event) => event.map_or(0, |event| event.created_at.as_secs()),
                Err(IndexError::Corrupt { .. }) => 0,
                Err(error) => return Err(error),
            };
            pending.outer.insert(parent.to_bytes(), outer);
            if let Parent::Message(MessageId::Local(local)) = &message.parent {
                pending.known.insert(LocalId::from_bytes(*local), (parent, outer));
            }
        }
        Ok(Some(pending))
    }

    /// Takes the drafts that can be sealed now. A draft whose parent waits in this batch waits with it; one whose
    /// parent is nowhere is placed by the order, like a message that came without a parent.
    fn take_level(&mut self, times: &mut SealingTimes) -> Level {
        let waiting: BTreeSet<LocalId> = self.drafts.iter().map(|(local, _)| *local).collect();
        let blocked = |message: &Message| match &message.parent {
            Parent::Message(MessageId::Local(parent)) => {
                let parent = LocalId::from_bytes(*parent);
                !self.known.contains_key(&parent) && waiting.contains(&parent)
            }
            _ => false,
        };
        let (mut later, mut now): (Vec<_>, Vec<_>) = std::mem::take(&mut self.drafts)
            .into_iter()
            .partition(|(_, message)| blocked(message));
        if now.is_empty() {
            // Parents in a circle cannot come from a person; cut it rather than wait for ever.
            now = std::mem::take(&mut later);
        }
        let mut level = Level {
            ready: Vec::with_capacity(now.len()),
            held: None,
        };
        for (local, mut message) in now {
            let mut floor = None;
            match &message.parent {
                Parent::Message(MessageId::Local(parent)) => {
                    match self.known.get(&LocalId::from_bytes(*parent)) {
                        Some((id, outer)) => {
                            message.parent = Parent::Message(MessageId::Event(id.to_bytes()));
                            floor = Some(*outer);
                        }
                        None => message.parent = Parent::Absent,
                    }
                }
                Parent::Message(MessageId::Event(id)) => floor = self.outer.get(id).copied(),
                Parent::Absent | Parent::Top | Parent::Foreign(_) => {}
            }
            match times.next(floor) {
                Ok(second) => level.ready.push((local, message, second)),
                // What is left keeps its place in the drafts table and goes with a later batch.
                Err(held) => {
                    level.held = Some(held);
                    break;
                }
            }
        }
        self.drafts = later;
        level
    }
}
