//! Deleting for good: what would go, that it is gone here, and who still serves it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chat_model::{ConversationSummary, Doomed, MessageId};
use event_index::{Buried, DeliveryState, IndexError, Standing, Store, Unsigned};
use futures_util::future::join_all;
use nostr::event::EventId;
use realtime::Dropped;
use relay_link::RelayUrl;
use uploader::split_deletions;

use crate::desk::{Desk, unreachable};
use crate::receipts::receipts;
use crate::states::MessageState;

/// No relay took a kind 5, and none was signed, for this long: longer than an OK may take, and than a keeper or a store
/// that is started again.
const PROGRESS_PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at what is still under way.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// A relay that took the kind 5 may need a moment to carry it out.
const CARRY_OUT: Duration = Duration::from_secs(2);

/// What a deletion would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionPreview {
    /// The conversation.
    pub conversation: ConversationSummary,
    /// The one message that is meant; `None` for the whole conversation.
    pub message: Option<MessageId>,
    /// Messages that go, all versions and drafts among them.
    pub messages: usize,
    /// Those of them that stand behind a newer version.
    pub versions: usize,
    /// Copies of them under other ids, which go too.
    pub aliases: usize,
    /// Those of them that never left this device: they are dropped.
    pub drafts: usize,
    /// Events that go; notes of other programs are among them.
    pub events: usize,
    /// Kind 5s that it takes.
    pub deletions: usize,
    /// Every relay, with how many of the events it is known to hold.
    pub relays: Vec<(RelayUrl, usize)>,
}

/// What a deletion came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletionReport {
    /// What it took; gone from this device.
    pub took: DeletionPreview,
    /// How it stands at each relay; none when nothing ever left this device.
    pub relays: Vec<RelayDeletion>,
}

impl DeletionReport {
    /// Every relay took the deletions and serves nothing of it any more.
    pub fn complete(&self) -> bool {
        self.relays.iter().all(RelayDeletion::is_done)
    }
}

/// How a deletion stands at one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayDeletion {
    /// The relay.
    pub url: RelayUrl,
    /// Whether it took the kind 5s.
    pub told: Told,
    /// What it still serves, asked by id; or why it could not be asked.
    pub served: Result<Vec<EventId>, String>,
}

impl RelayDeletion {
    /// It was told, and serves nothing of it any more.
    pub fn is_done(&self) -> bool {
        self.told == Told::Accepted && self.served.as_ref().is_ok_and(Vec::is_empty)
    }
}

/// Whether a relay took the kind 5s of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// All of them.
    Accepted,
    /// They are kept here and sent as soon as it takes them.
    Waiting,
    /// It refused one.
    Refused {
        /// In its words, if it used any.
        reason: Option<String>,
    },
}

/// What dropping messages here came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedHere {
    /// Messages that are not here any more. The next comparison fetches them again.
    pub dropped: usize,
    /// Messages that stay, because no relay is known to hold them.
    pub kept: usize,
}

/// The events among the names of what goes.
pub(crate) fn events_of(doomed: &Doomed) -> Vec<EventId> {
    let event = |id| match id {
        MessageId::Event(bytes) => Some(EventId::from_byte_array(bytes)),
        MessageId::Local(_) => None,
    };
    doomed.ids().filter_map(event).collect()
}

impl Desk {
    pub(crate) async fn preview(&self, doomed: Doomed) -> Result<DeletionPreview, IndexError> {
        let (store, relays) = (Arc::clone(&self.store), self.roster.names());
        let urls = self.roster.urls();
        let weigh = move || {
            let ids = events_of(&doomed);
            let standings = store.standings(&ids, &relays)?;
            let held = |url: &RelayUrl| {
                let at = relays.iter().position(|relay| relay == url.as_str());
                let stands = |one: &&Vec<Standing>| {
                    let one = at.and_then(|at| one.get(at));
                    one.is_some_and(|one| *one >= Standing::Accepted)
                };
                standings.iter().filter(stands).count()
            };
            Ok(DeletionPreview {
                message: doomed.message,
                messages: doomed.messages,
                versions: doomed.versions,
                aliases: doomed.aliases(),
                drafts: doomed.drafts(),
                events: ids.len(),
                deletions: split_deletions(&authors(&store, &ids)?, 0).len(),
                relays: urls.iter().map(|url| (url.clone(), held(url))).collect(),
                conversation: doomed.conversation,
            })
        };
        self.env.workers.run(weigh).await
    }

    /// Waits until relays that can be reached were told of what was buried, and asks them what they still serve.
    pub(crate) async fn follow_up(
        &self,
        buried: &Buried,
        ids: Vec<EventId>,
    ) -> Result<Vec<RelayDeletion>, IndexError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.reach().await;
        let deletions = self.tell(buried.last_seq).await?;
        let asked = self.roster.urls().into_iter().map(|url| {
            let ids = ids.clone();
            async move {
                let mut served = self.realtime.served(url.clone(), ids).await;
                if let Ok(still) = &served
                    && !still.is_empty()
                {
                    actix::clock::sleep(CARRY_OUT).await;
                    served = self.realtime.served(url.clone(), still.clone()).await;
                }
                (url, served)
            }
        });
        let mut relays = Vec::new();
        for (url, served) in join_all(asked).await {
            let (store, name, deletions) = (Arc::clone(&self.store), url.to_string(), deletions.clone());
            let last_seq = buried.last_seq;
            let told = self
                .env
                .workers
                .run(move || told(&store, &name, last_seq, &deletions))
                .await?;
            relays.push(RelayDeletion { url, told, served });
        }
        Ok(relays)
    }

    /// Waits until the kind 5s behind `last_seq` are signed and no relay that can be reached is still to take one, as
    /// long as that goes on. Returns them.
    async fn tell(&self, last_seq: u64) -> Result<Vec<EventId>, IndexError> {
        let mut deletions: Option<Vec<EventId>> = None;
        let mut least = u64::MAX;
        let mut progress = self.env.clock.now();
        loop {
            let (store, relays) = (Arc::clone(&self.store), self.reachable());
            let nobody = relays.is_empty();
            let known = deletions.take();
            let look = move || {
                let unsigned = store.counts()?.unsigned;
                let deletions = match known {
                    Some(known) => known,
                    None => store.deletions_after(last_seq)?,
                };
                let standings = store.standings(&deletions, &relays)?;
                let waiting = standings
                    .iter()
                    .flatten()
                    .filter(|one| **one == Standing::Waiting);
                let left = unsigned + waiting.count() as u64;
                Ok::<_, IndexError>((left, deletions, unsigned))
            };
            let (left, found, unsigned) = self.env.workers.run(look).await?;
            let now = self.env.clock.now();
            if left < least {
                (least, progress) = (left, now);
            }
            if left == 0 || nobody || now.saturating_duration_since(progress) >= PROGRESS_PATIENCE {
                return Ok(found);
            }
            // As long as some are being signed there will be more.
            deletions = (unsigned == 0).then_some(found);
            actix::clock::sleep(LOOK_AGAIN).await;
        }
    }

    fn reachable(&self) -> Vec<String> {
        let status = self.status.borrow();
        let relays = status.relays.iter().filter(|relay| !unreachable(relay));
        relays.map(|relay| relay.url.to_string()).collect()
    }

    /// Drops what relays are known to hold, without a trace that would keep it away.
    pub(crate) async fn drop_here(&self, doomed: Doomed) -> Result<DroppedHere, IndexError> {
        let (store, relays) = (Arc::clone(&self.store), self.roster.names());
        let choose = move || {
            let (mut names, mut events, mut kept) = (Vec::new(), Vec::new(), 0);
            for removed in doomed.removed {
                let receipts = receipts(&store, &removed.ids, &relays)?;
                if receipts
                    .iter()
                    .all(|receipt| receipt.state == MessageState::Verified)
                {
                    events.extend(removed.ids.iter().filter_map(|id| match id {
                        MessageId::Event(bytes) => Some(EventId::from_byte_array(*bytes)),
                        MessageId::Local(_) => None,
                    }));
                    names.extend(removed.ids.first().copied());
                } else {
                    kept += 1;
                }
            }
            Ok::<_, IndexError>((names, events, kept))
        };
        let (names, events, kept) = self.env.workers.run(choose).await?;
        self.index.drop_bodies(events).await?;
        let dropped = names.len();
        // A reader that is being started again reads the disk.
        let _ = self.realtime.dropped.send(Dropped(names)).await;
        Ok(DroppedHere { dropped, kept })
    }
}

/// Who wrote each of these, as far as they are held or forgotten.
fn authors(store: &Store, ids: &[EventId]) -> Result<Vec<Unsigned>, IndexError> {
    let mut found = Vec::with_capacity(ids.len());
    for id in ids {
        match store.author_of(id) {
            Err(IndexError::Corrupt { .. }) => {}
            author => found.extend(author?),
        }
    }
    Ok(found)
}

fn told(store: &Store, relay: &str, last_seq: u64, deletions: &[EventId]) -> Result<Told, IndexError> {
    let standings = store.standings(deletions, &[relay.to_owned()])?;
    let all = |wanted: fn(Standing) -> bool| standings.iter().flatten().copied().all(wanted);
    if !deletions.is_empty() && all(|one| one >= Standing::Accepted) {
        return Ok(Told::Accepted);
    }
    if all(|one| one != Standing::Parked) {
        return Ok(Told::Waiting);
    }
    let ids: BTreeSet<&EventId> = deletions.iter().collect();
    let rows = store.deliveries(relay, last_seq, 2 * deletions.len())?;
    let parked = |row: &&event_index::Delivery| row.state == DeliveryState::Parked && ids.contains(&row.id);
    let reason = rows.iter().find(parked).and_then(|row| row.reason.clone());
    Ok(Told::Refused { reason })
}
