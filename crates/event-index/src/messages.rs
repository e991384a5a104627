//! Commands to the one writer, and the fact it reports. Each command is one transaction and is answered once that is
//! on disk; commands are carried out one at a time, in the order they came.

use actix::prelude::*;
use chat_model::Picks;
use nostr::event::{Event, EventId};

use crate::{
    Agreement, Arrival, Built, Burial, Buried, Counts, Delivery, DraftOutcome, Extra, IndexError, Ingested,
    KeyringPlace, KeyringRow, LocalId, NewDraft, OpenedArrival, OpenedEnvelope, Placed, QueuedMissing,
    SealedDraft, SourceId, Store, SummaryRow,
};

/// Fact: how much there is now. A snapshot, sent after every command that changed it; two quick ones may arrive as
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct CountsChanged(pub Counts);

/// What the writer carries out: a message that knows its call on the store.
pub trait Command: Message<Result = Result<Self::Done, IndexError>> + Send + 'static {
    /// What the answer holds.
    type Done: Send + 'static;

    /// Makes the call. Blocks on the disk.
    fn run(self, store: &Store) -> Result<Self::Done, IndexError>;
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? } -> $done:ty
        = $store:ident.$call:ident($($argument:expr),*);)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $name {
                $($(#[$field_doc])* pub $field: $type,)*
            }

            impl Message for $name {
                type Result = Result<$done, IndexError>;
            }

            impl Command for $name {
                type Done = $done;

                fn run(self, $store: &Store) -> Result<$done, IndexError> {
                    let Self { $($field),* } = self;
                    $store.$call($($argument),*)
                }
            }
        )*
    };
}

commands! {
    /// Command: store verified events. See [`Store::ingest`].
    Ingest {
        /// The events.
        arrivals: Vec<Arrival>,
    } -> Ingested = store.ingest(arrivals);

    /// Command: store verified events with what is in them. See [`Store::ingest_opened`].
    IngestOpened {
        /// The events.
        arrivals: Vec<OpenedArrival>,
        /// Unread ones count as such on a device that was level about these.
        authors: u32,
    } -> Ingested = store.ingest_opened(arrivals, authors);

    /// Command: take what envelopes hold into the read model. See [`Store::build`].
    Build {
        /// The envelopes, and what is in them.
        envelopes: Vec<OpenedEnvelope>,
        /// How far the model reaches then.
        to: Option<u64>,
        /// What is opened counts as unread on a device that was level about these authors.
        news: Option<u32>,
    } -> Built = store.build(&envelopes, to, news);

    /// Command: keep lines of the list. See [`Store::put_summaries`].
    PutSummaries {
        /// The lines.
        rows: Vec<SummaryRow>,
    } -> () = store.put_summaries(&rows);

    /// Command: a person read a conversation. See [`Store::mark_read`].
    MarkRead {
        /// Its id.
        conversation: String,
    } -> usize = store.mark_read(&conversation);

    /// Command: a person chose versions. See [`Store::put_picks`].
    PutPicks {
        /// The conversation.
        conversation: String,
        /// What is chosen.
        picks: Picks,
    } -> () = store.put_picks(&conversation, &picks);

    /// Command: remember which events carry which sources. See [`Store::record_sources`].
    RecordSources {
        /// The pairs.
        sources: Vec<(SourceId, EventId)>,
    } -> () = store.record_sources(sources);

    /// Command: keep messages until they can be sealed. See [`Store::add_drafts`].
    AddDrafts {
        /// The messages.
        drafts: Vec<NewDraft>,
    } -> Vec<DraftOutcome> = store.add_drafts(drafts);

    /// Command: drop drafts a person deleted. See [`Store::remove_drafts`].
    RemoveDrafts {
        /// Their names.
        locals: Vec<LocalId>,
    } -> usize = store.remove_drafts(&locals);

    /// Command: turn drafts into items. See [`Store::commit_sealed`].
    CommitSealed {
        /// The drafts and their envelopes.
        sealed: Vec<SealedDraft>,
        /// Where they are to go.
        relays: Vec<String>,
    } -> Vec<EventId> = store.commit_sealed(sealed, &relays);

    /// Command: queue events for a relay. See [`Store::enqueue`].
    Enqueue {
        /// The relay.
        relay: String,
        /// The events.
        ids: Vec<EventId>,
    } -> usize = store.enqueue(&relay, &ids);

    /// Command: queue what a relay turned out not to hold. See [`Store::queue_missing`].
    QueueMissing {
        /// The relay.
        relay: String,
        /// The events.
        ids: Vec<EventId>,
        /// When they were found missing, Unix seconds.
        unix: u64,
        /// Milliseconds between events that were there and are lost.
        lost_pause: u64,
        /// No lost event is due before this Unix second.
        next_lost: u64,
    } -> QueuedMissing = store.queue_missing(&relay, &ids, unix, lost_pause, next_lost);

    /// Command: write how far deliveries are. See [`Store::set_deliveries`].
    SetDeliveries {
        /// The deliveries, as they are from now on.
        deliveries: Vec<Delivery>,
    } -> () = store.set_deliveries(deliveries);

    /// Command: a comparison matched. See [`Store::record_agreement`].
    RecordAgreement {
        /// The relay.
        relay: String,
        /// What was agreed.
        agreement: Agreement,
        /// What it does not cover. See [`Store::record_agreement_without`].
        absent: Vec<u64>,
    } -> () = store.record_agreement_without(&relay, agreement, &absent);

    /// Command: remember what a relay was found to serve. See [`Store::place`].
    Place {
        /// The relay.
        relay: String,
        /// What it serves that is not taken.
        extra: Vec<Extra>,
        /// What it holds although it refused it.
        found: Vec<EventId>,
    } -> Placed = store.place(&relay, &extra, &found);

    /// Command: a relay does not serve these any more. See [`Store::remove_extra`].
    RemoveExtra {
        /// The relay.
        relay: String,
        /// What is gone.
        ids: Vec<EventId>,
    } -> usize = store.remove_extra(&relay, &ids);

    /// Command: take an agreement back. See [`Store::forget_agreement`].
    ForgetAgreement {
        /// The relay.
        relay: String,
    } -> () = store.forget_agreement(&relay);

    /// Command: delete messages for good. See [`Store::bury`].
    Bury {
        /// The messages, by each of their names.
        burials: Vec<Burial>,
    } -> Buried = store.bury(burials);

    /// Command: keep deletions of what was buried, and queue them. See [`Store::commit_deletions`].
    CommitDeletions {
        /// Events of kind 5, signed.
        deletions: Vec<Event>,
        /// Where they are to go.
        relays: Vec<String>,
    } -> usize = store.commit_deletions(&deletions, &relays);

    /// Command: remember something of events that are deleted, or are about to be. See [`Store::keep_records`].
    KeepRecords {
        /// The events, and the owner's bytes.
        records: Vec<(EventId, Vec<u8>)>,
    } -> () = store.keep_records(&records);

    /// Command: drop messages here that relays have. See [`Store::drop_bodies`].
    DropBodies {
        /// Their events.
        ids: Vec<EventId>,
    } -> usize = store.drop_bodies(&ids);

    /// Command: forget old messages here. See [`Store::forget`].
    Forget {
        /// Their events.
        ids: Vec<EventId>,
        /// When they were sealed at the latest, Unix seconds.
        before: u64,
        /// The relays in use.
        relays: Vec<String>,
    } -> Vec<EventId> = store.forget(&ids, before, &relays);

    /// Command: have forgotten messages come again. See [`Store::recall`].
    Recall {
        /// Their events.
        ids: Vec<EventId>,
    } -> usize = store.recall(&ids);

    /// Command: keep a keyring. See [`Store::put_keyring`].
    PutKeyring {
        /// The keyring.
        row: KeyringRow,
    } -> () = store.put_keyring(row);

    /// Command: remember which relays hold which keyrings. See [`Store::place_keyrings`].
    PlaceKeyrings {
        /// What was seen.
        places: Vec<KeyringPlace>,
    } -> () = store.place_keyrings(&places);

    /// Command: replace the list of relays. See [`Store::set_relays`].
    SetRelays {
        /// Their URLs, in order.
        relays: Vec<String>,
    } -> () = store.set_relays(&relays);

    /// Command: drop everything kept about a relay. See [`Store::forget_relay`].
    ForgetRelay {
        /// The relay.
        relay: String,
    } -> usize = store.forget_relay(&relay);

    /// Command: drop everything kept about a relay, and what is still to come. See [`Store::retire_relay`].
    RetireRelay {
        /// The relay.
        relay: String,
    } -> usize = store.retire_relay(&relay);

    /// Command: replace what was learned about a relay. See [`Store::put_relay_profile`].
    PutRelayProfile {
        /// The relay.
        relay: String,
        /// The profile, JSON.
        profile: String,
    } -> () = store.put_relay_profile(&relay, &profile);

    /// Command: keep a value under a name. See [`Store::put_meta`].
    PutMeta {
        /// The name.
        name: String,
        /// The value.
        value: Vec<u8>,
    } -> () = store.put_meta(&name, &value);
}
