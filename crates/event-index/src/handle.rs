//! What other crates hold of the store.

use std::fmt;
use std::sync::Arc;

use actix::prelude::*;
use chat_model::Picks;
use nostr::event::{Event, EventId};
use supervision::Outlet;

use crate::actor::EventIndexActor;
use crate::messages::{
    AddDrafts, Build, Bury, Command, CommitDeletions, CommitSealed, DropBodies, Enqueue, Forget,
    ForgetAgreement, ForgetRelay, Ingest, IngestOpened, KeepRecords, MarkRead, Place, PlaceKeyrings,
    PutKeyring, PutMeta, PutPicks, PutRelayProfile, PutSummaries, QueueMissing, Recall, RecordAgreement,
    RecordSources, RemoveDrafts, RemoveExtra, RetireRelay, SetDeliveries, SetRelays,
};
use crate::{
    Agreement, Arrival, Built, Burial, Buried, Delivery, DraftOutcome, Extra, IndexError, Ingested,
    KeyringPlace, KeyringRow, LocalId, NewDraft, OpenedArrival, OpenedEnvelope, Placed, QueuedMissing,
    SealedDraft, SourceId, Store, SummaryRow,
};

/// Reaches the store from other crates: reads go to it directly, writes through its one writer, which may die and
/// come back. Clones are cheap. Every write is on disk when its future yields `Ok`, and may be sent again after
/// [`IndexError::Unavailable`]: repeating one changes nothing.
#[derive(Clone)]
pub struct EventIndex {
    store: Arc<Store>,
    outlets: Arc<Outlets>,
}

macro_rules! outlets {
    ($($field:ident: $command:ty),* $(,)?) => {
        struct Outlets {
            $($field: Outlet<$command>,)*
        }

        impl Outlets {
            fn empty() -> Self {
                Self { $($field: Outlet::empty(),)* }
            }

            fn fill(&self, writer: &Addr<EventIndexActor>) {
                $(self.$field.fill(writer.clone().recipient());)*
            }
        }
    };
}

outlets! {
    ingest: Ingest,
    record_sources: RecordSources,
    add_drafts: AddDrafts,
    remove_drafts: RemoveDrafts,
    commit_sealed: CommitSealed,
    enqueue: Enqueue,
    queue_missing: QueueMissing,
    set_deliveries: SetDeliveries,
    record_agreement: RecordAgreement,
    place: Place,
    remove_extra: RemoveExtra,
    forget_agreement: ForgetAgreement,
    bury: Bury,
    commit_deletions: CommitDeletions,
    keep_records: KeepRecords,
    drop_bodies: DropBodies,
    forget: Forget,
    recall: Recall,
    put_keyring: PutKeyring,
    place_keyrings: PlaceKeyrings,
    set_relays: SetRelays,
    forget_relay: ForgetRelay,
    retire_relay: RetireRelay,
    put_relay_profile: PutRelayProfile,
    put_meta: PutMeta,
    ingest_opened: IngestOpened,
    build: Build,
    put_summaries: PutSummaries,
    mark_read: MarkRead,
    put_picks: PutPicks,
}

async fn ask<C: Command>(outlet: &Outlet<C>, command: C) -> Result<C::Done, IndexError> {
    outlet.send(command).await.unwrap_or(Err(IndexError::Unavailable))
}

impl EventIndex {
    /// A handle whose writes answer [`IndexError::Unavailable`] until [`EventIndex::fill`].
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            outlets: Arc::new(Outlets::empty()),
        }
    }

    /// Points every clone at this incarnation of the writer.
    pub fn fill(&self, writer: &Addr<EventIndexActor>) {
        self.outlets.fill(writer);
    }

    /// The store, for reading.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// See [`Store::ingest`].
    pub async fn ingest(&self, arrivals: Vec<Arrival>) -> Result<Ingested, IndexError> {
        ask(&self.outlets.ingest, Ingest { arrivals }).await
    }

    /// See [`Store::ingest_opened`].
    pub async fn ingest_opened(
        &self,
        arrivals: Vec<OpenedArrival>,
        authors: u32,
    ) -> Result<Ingested, IndexError> {
        let command = IngestOpened { arrivals, authors };
        ask(&self.outlets.ingest_opened, command).await
    }

    /// See [`Store::build`].
    pub async fn build(
        &self,
        envelopes: Vec<OpenedEnvelope>,
        to: Option<u64>,
        news: Option<u32>,
    ) -> Result<Built, IndexError> {
        ask(&self.outlets.build, Build { envelopes, to, news }).await
    }

    /// See [`Store::put_summaries`].
    pub async fn put_summaries(&self, rows: Vec<SummaryRow>) -> Result<(), IndexError> {
        ask(&self.outlets.put_summaries, PutSummaries { rows }).await
    }

    /// See [`Store::mark_read`].
    pub async fn mark_read(&self, conversation: String) -> Result<usize, IndexError> {
        ask(&self.outlets.mark_read, MarkRead { conversation }).await
    }

    /// See [`Store::put_picks`].
    pub async fn put_picks(&self, conversation: String, picks: Picks) -> Result<(), IndexError> {
        ask(&self.outlets.put_picks, PutPicks { conversation, picks }).await
    }

    /// See [`Store::record_sources`].
    pub async fn record_sources(&self, sources: Vec<(SourceId, EventId)>) -> Result<(), IndexError> {
        ask(&self.outlets.record_sources, RecordSources { sources }).await
    }

    /// See [`Store::add_drafts`].
    pub async fn add_drafts(&self, drafts: Vec<NewDraft>) -> Result<Vec<DraftOutcome>, IndexError> {
        ask(&self.outlets.add_drafts, AddDrafts { drafts }).await
    }

    /// See [`Store::remove_drafts`].
    pub async fn remove_drafts(&self, locals: Vec<LocalId>) -> Result<usize, IndexError> {
        ask(&self.outlets.remove_drafts, RemoveDrafts { locals }).await
    }

    /// See [`Store::commit_sealed`].
    pub async fn commit_sealed(
        &self,
        sealed: Vec<SealedDraft>,
        relays: Vec<String>,
    ) -> Result<Vec<EventId>, IndexError> {
        ask(&self.outlets.commit_sealed, CommitSealed { sealed, relays }).await
    }

    /// See [`Store::enqueue`].
    pub async fn enqueue(&self, relay: String, ids: Vec<EventId>) -> Result<usize, IndexError> {
        ask(&self.outlets.enqueue, Enqueue { relay, ids }).await
    }

    /// See [`Store::queue_missing`].
    pub async fn queue_missing(
        &self,
        relay: String,
        ids: Vec<EventId>,
        unix: u64,
        lost_pause: u64,
        next_lost: u64,
    ) -> Result<QueuedMissing, IndexError> {
        let command = QueueMissing {
            relay,
            ids,
            unix,
            lost_pause,
            next_lost,
        };
        ask(&self.outlets.queue_missing, command).await
    }

    /// See [`Store::set_deliveries`].
    pub async fn set_deliveries(&self, deliveries: Vec<Delivery>) -> Result<(), IndexError> {
        ask(&self.outlets.set_deliveries, SetDeliveries { deliveries }).await
    }

    /// See [`Store::record_agreement_without`].
    pub async fn record_agreement(
        &self,
        relay: String,
        agreement: Agreement,
        absent: Vec<u64>,
    ) -> Result<(), IndexError> {
        let command = RecordAgreement {
            relay,
            agreement,
            absent,
        };
        ask(&self.outlets.record_agreement, command).await
    }

    /// See [`Store::place`].
    pub async fn place(
        &self,
        relay: String,
        extra: Vec<Extra>,
        found: Vec<EventId>,
    ) -> Result<Placed, IndexError> {
        ask(&self.outlets.place, Place { relay, extra, found }).await
    }

    /// See [`Store::remove_extra`].
    pub async fn remove_extra(&self, relay: String, ids: Vec<EventId>) -> Result<usize, IndexError> {
        ask(&self.outlets.remove_extra, RemoveExtra { relay, ids }).await
    }

    /// See [`Store::forget_agreement`].
    pub async fn forget_agreement(&self, relay: String) -> Result<(), IndexError> {
        ask(&self.outlets.forget_agreement, ForgetAgreement { relay }).await
    }

    /// See [`Store::bury`].
    pub async fn bury(&self, burials: Vec<Burial>) -> Result<Buried, IndexError> {
        ask(&self.outlets.bury, Bury { burials }).await
    }

    /// See [`Store::commit_deletions`].
    pub async fn commit_deletions(
        &self,
        deletions: Vec<Event>,
        relays: Vec<String>,
    ) -> Result<usize, IndexError> {
        ask(
            &self.outlets.commit_deletions,
            CommitDeletions { deletions, relays },
        )
        .await
    }

    /// See [`Store::keep_records`].
    pub async fn keep_records(&self, records: Vec<(EventId, Vec<u8>)>) -> Result<(), IndexError> {
        ask(&self.outlets.keep_records, KeepRecords { records }).await
    }

    /// See [`Store::drop_bodies`].
    pub async fn drop_bodies(&self, ids: Vec<EventId>) -> Result<usize, IndexError> {
        ask(&self.outlets.drop_bodies, DropBodies { ids }).await
    }

    /// See [`Store::forget`].
    pub async fn forget(
        &self,
        ids: Vec<EventId>,
        before: u64,
        relays: Vec<String>,
    ) -> Result<Vec<EventId>, IndexError> {
        ask(&self.outlets.forget, Forget { ids, before, relays }).await
    }

    /// See [`Store::recall`].
    pub async fn recall(&self, ids: Vec<EventId>) -> Result<usize, IndexError> {
        ask(&self.outlets.recall, Recall { ids }).await
    }

    /// See [`Store::put_keyring`].
    pub async fn put_keyring(&self, row: KeyringRow) -> Result<(), IndexError> {
        ask(&self.outlets.put_keyring, PutKeyring { row }).await
    }

    /// See [`Store::place_keyrings`].
    pub async fn place_keyrings(&self, places: Vec<KeyringPlace>) -> Result<(), IndexError> {
        ask(&self.outlets.place_keyrings, PlaceKeyrings { places }).await
    }

    /// See [`Store::set_relays`].
    pub async fn set_relays(&self, relays: Vec<String>) -> Result<(), IndexError> {
        ask(&self.outlets.set_relays, SetRelays { relays }).await
    }

    /// See [`Store::forget_relay`].
    pub async fn forget_relay(&self, relay: String) -> Result<usize, IndexError> {
        ask(&self.outlets.forget_relay, ForgetRelay { relay }).await
    }

    /// See [`Store::retire_relay`].
    pub async fn retire_relay(&self, relay: String) -> Result<usize, IndexError> {
        ask(&self.outlets.retire_relay, RetireRelay { relay }).await
    }

    /// See [`Store::put_relay_profile`].
    pub async fn put_relay_profile(&self, relay: String, profile: String) -> Result<(), IndexError> {
        ask(
            &self.outlets.put_relay_profile,
            PutRelayProfile { relay, profile },
        )
        .await
    }

    /// See [`Store::put_meta`].
    pub async fn put_meta(&self, name: String, value: Vec<u8>) -> Result<(), IndexError> {
        ask(&self.outlets.put_meta, PutMeta { name, value }).await
    }
}

impl fmt::Debug for EventIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventIndex")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}
