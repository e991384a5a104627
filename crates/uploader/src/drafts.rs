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
use crate::sealing::{NotNow, PER_SECOND_MAX, SealingTimes};

/// Drafts sealed in one commit: at 40 KB each they are 10 MB in memory.
const BATCH: usize = 256;

/// Deleted drafts in a row above one that is not: more were not written between two connections by hand.
const DELETED_ABOVE_MAX: usize = 10_000;

/// What one batch did.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Drafts that became envelopes.
    pub(crate) sealed: Vec<SealedMessage>,
    /// Continue here; `None` when this was the last one.
    pub(crate) next: Option<Next>,
    /// Why drafts were left, and whether the next second helps.
    pub(crate) held: Option<NotNow>,
}

/// Where the next batch goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// Behind the draft with this number.
    pub(crate) after: u64,
    /// At this second. What lies before it is full, or was passed over to keep the order; it is not counted again.
    pub(crate) second: u64,
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
    /// Seals drafts from `from` on, commits them with a waiting delivery for each configured relay, and returns them.
    /// A draft that can't be read or sealed is left where it is and logged by its local id; it stops no other.
    pub(crate) async fn seal_batch(&self, from: Next, write: WriteKey) -> Result<Batch, SealFailed> {
        let unix = self.env.clock.unix();
        let store = Arc::clone(self.index.store());
        let not_before = write.not_before.max(from.second.min(unix));
        let read = self
            .env
            .workers
            .run(move || Pending::read(&store, from.after, unix, not_before))
            .await?;
        let Some(mut pending) = read else {
            return Ok(Batch::default());
        };

        let mut times = match pending.times(unix, not_before) {
            Ok(times) => times,
            Err(held) => {
                return Ok(Batch {
                    held: Some(held),
                    ..Batch::default()
                });
            }
        };
        let mut batch = Batch::default();
        let mut drafts = Vec::new();
        while !pending.is_empty() {
            let level = pending.take_level(&mut times);
            batch.held = level.held;
            let (asked, messages) = Self::ask(&write.rumor_author.to_hex(), level.ready);
            let stop = batch.held.is_some();
            for (result, (local, message)) in self.seal(asked).await?.into_iter().zip(messages) {
                match result {
                    Ok(event) => {
                        pending.sealed_as(local, &event);
                        batch.sealed.push(SealedMessage {
                            local,
                            id: event.id,
                            sealed_at: event.created_at.as_secs(),
                            message: message.clone(),
                        });
                        drafts.push(SealedDraft {
                            local,
                            event,
                            message: Some(message),
                        });
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
        batch.next = pending.next(batch.held, &times);
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
                    // As everybody reads it from now on: an answer whose model is not known says so, for one.
                    let message = Message::from_rumor(&rumor, &[author]).unwrap_or(message);
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
pub(crate) struct Pending {
    /// Those whose parents are sealed, or nowhere.
    free: Vec<Placed>,
    /// Those whose parents are drafts of this batch, by parent.
    blocked: BTreeMap<LocalId, Vec<Placed>>,
    /// What was taken last: its replies are free now.
    taken: Vec<LocalId>,
    /// The number of the last one.
    last: Option<u64>,
    /// How many drafts wait in all, this batch included.
    expected: u64,
    /// Outer times of held items from the first second on that these drafts may get, one per item.
    seconds: Vec<u64>,
    /// Parents that have an outer id, and their outer time.
    known: BTreeMap<LocalId, (EventId, u64)>,
    /// Outer times of parents that are named by outer id already.
    outer: BTreeMap<[u8; 32], u64>,
}

/// A draft with its place in the order of adding.
type Placed = (usize, LocalId, Message);

/// Drafts whose parents are sealed, with the time each one gets.
pub(crate) struct Level {
    pub(crate) ready: Vec<(LocalId, Message, u64)>,
    pub(crate) held: Option<NotNow>,
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

/// The outer times that count when so many drafts are placed. A window holds up to 30,000 items, and reading all of them for
/// each message that somebody writes would cost more than sealing it.
fn load(store: &Store, unix: u64, not_before: u64, expected: u64) -> Result<Vec<u64>, IndexError> {
    let first = SealingTimes::first(unix, not_before);
    if SealingTimes::is_writing(expected) && first < unix {
        let here = store.seconds_since(unix)?;
        let held = here.iter().filter(|second| **second == unix).count() as u64;
        if held + expected <= u64::from(PER_SECOND_MAX) {
            return Ok(here);
        }
    }
    store.seconds_since(first)
}

impl Pending {
    /// Reads drafts behind `after` that are to be sealed at `unix`, and not before `not_before`.
    pub(crate) fn read(
        store: &Store,
        after: u64,
        unix: u64,
        not_before: u64,
    ) -> Result<Option<Self>, IndexError> {
        let DraftPage { drafts: rows, last } = store.drafts(after, BATCH)?;
        if last.is_none() {
            return Ok(None);
        }
        let expected = store.counts()?.drafts;
        let mut drafts: Vec<(LocalId, Message)> = Vec::with_capacity(rows.len());
        let mut pending = Self {
            free: Vec::new(),
            blocked: BTreeMap::new(),
            taken: Vec::new(),
            last,
            expected,
            seconds: load(store, unix, not_before, expected)?,
            known: BTreeMap::new(),
            outer: BTreeMap::new(),
        };
        for Draft { local, body, .. } in rows {
            match Message::from_draft(&body) {
                Ok(mut message) => {
                    message.parent = live_parent(store, message.parent)?;
                    drafts.push((local, message));
                }
                Err(error) => tracing::error!(draft = %local, %error, "a draft can't be read and stays"),
            }
        }
        for (_, message) in &drafts {
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
        pending.arrange(drafts);
        Ok(Some(pending))
    }

    /// Sorts drafts by what they wait for.
    fn arrange(&mut self, drafts: Vec<(LocalId, Message)>) {
        let here: BTreeSet<LocalId> = drafts.iter().map(|(local, _)| *local).collect();
        for (place, (local, message)) in drafts.into_iter().enumerate() {
            let parent = match &message.parent {
                Parent::Message(MessageId::Local(parent)) => Some(LocalId::from_bytes(*parent)),
                _ => None,
            };
            match parent.filter(|parent| here.contains(parent) && !self.known.contains_key(parent)) {
                Some(parent) => self
                    .blocked
                    .entry(parent)
                    .or_default()
                    .push((place, local, message)),
                None => self.free.push((place, local, message)),
            }
        }
    }

    /// The times that these drafts get.
    pub(crate) fn times(&mut self, unix: u64, not_before: u64) -> Result<SealingTimes, NotNow> {
        let seconds = std::mem::take(&mut self.seconds);
        SealingTimes::new(unix, not_before, self.expected, seconds)
    }

    /// Whether every draft was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.free.is_empty() && self.blocked.is_empty()
    }

    /// A draft became this envelope, which its replies name.
    pub(crate) fn sealed_as(&mut self, local: LocalId, event: &Event) {
        self.known.insert(local, (event.id, event.created_at.as_secs()));
    }

    /// Where the next batch goes on, when this one ended like this.
    pub(crate) fn next(&self, held: Option<NotNow>, times: &SealingTimes) -> Option<Next> {
        // What is left of these is read again.
        let after = if held.is_some() { Some(0) } else { self.last };
        after.map(|after| Next {
            after,
            second: times.reached(),
        })
    }

    /// Takes the drafts that can be sealed now. A draft whose parent waits in this batch waits with it; one whose
    /// parent is nowhere is placed by the order, like a message that came without a parent.
    pub(crate) fn take_level(&mut self, times: &mut SealingTimes) -> Level {
        let mut now = std::mem::take(&mut self.free);
        for parent in std::mem::take(&mut self.taken) {
            now.extend(self.blocked.remove(&parent).unwrap_or_default());
        }
        if now.is_empty() {
            // Parents in a circle cannot come from a person; cut it rather than wait for ever.
            now = std::mem::take(&mut self.blocked)
                .into_values()
                .flatten()
                .collect();
        }
        now.sort_by_key(|(place, ..)| *place);
        self.taken = now.iter().map(|(_, local, _)| *local).collect();
        let mut level = Level {
            ready: Vec::with_capacity(now.len()),
            held: None,
        };
        for (_, local, mut message) in now {
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
        level
    }
}
