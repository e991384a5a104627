//! What other crates hold of realtime.

use std::fmt;
use std::sync::Arc;

use actix::prelude::*;
use chat_model::{ConversationSummary, Doomed, FindError, MessageId, Wanted};
use nostr::prelude::EventId;
use pns_keys::keeper::KeysChanged;
use reconciler::messages::{NeedIds, PageArrived, Settle};
use relay_link::{FrameArrived, LinkChanged, RelayUrl};
use supervision::{Outlet, Restarted};
use tokio::sync::broadcast;
use uploader::{Deleted, Drafted, Sealed};

use crate::RealtimeActor;
use crate::excerpt::Excerpt;
use crate::messages::{
    ChatUpdate, ConversationView, CountConversations, Dropped, Found, Inquire, KeepList, ListConversations,
    NotReady, PickVersion, PiecesOf, ReadConversation, ResolveMessage, SearchMessages, Served,
    ShowConversation, ShowDoomed, WatchConversation,
};
use crate::watching::Watchers;

/// Reaches realtime from other crates. Clones are cheap and reach every later incarnation.
#[derive(Clone)]
pub struct Realtime {
    /// Which keys to read with.
    pub keys_changed: Outlet<KeysChanged>,
    /// Which relays there are.
    pub link_changed: Outlet<LinkChanged>,
    /// What to fetch.
    pub need_ids: Outlet<NeedIds>,
    /// What paging brought.
    pub page_arrived: Outlet<PageArrived>,
    /// Passes that wait for downloads.
    pub settle: Outlet<Settle>,
    /// Messages composed here.
    pub drafted: Outlet<Drafted>,
    /// Drafts that became envelopes.
    pub sealed: Outlet<Sealed>,
    /// Messages deleted here.
    pub deleted: Outlet<Deleted>,
    /// Messages dropped here.
    pub dropped: Outlet<Dropped>,
    /// Who came back.
    pub restarted: Outlet<Restarted>,
    /// Answers to what was asked.
    pub(crate) frames: Outlet<FrameArrived>,
    list: Outlet<ListConversations>,
    show: Outlet<ShowConversation>,
    resolve: Outlet<ResolveMessage>,
    doomed: Outlet<ShowDoomed>,
    inquire: Outlet<Inquire>,
    pieces: Outlet<PiecesOf>,
    count: Outlet<CountConversations>,
    search: Outlet<SearchMessages>,
    pick: Outlet<PickVersion>,
    read: Outlet<ReadConversation>,
    watch: Outlet<WatchConversation>,
    keep: Outlet<KeepList>,
    pub(crate) watchers: Watchers,
}

impl Realtime {
    /// A handle that leads nowhere until [`Realtime::fill`].
    pub fn new() -> Self {
        Self {
            keys_changed: Outlet::empty(),
            link_changed: Outlet::empty(),
            need_ids: Outlet::empty(),
            page_arrived: Outlet::empty(),
            settle: Outlet::empty(),
            drafted: Outlet::empty(),
            sealed: Outlet::empty(),
            deleted: Outlet::empty(),
            dropped: Outlet::empty(),
            restarted: Outlet::empty(),
            frames: Outlet::empty(),
            list: Outlet::empty(),
            show: Outlet::empty(),
            resolve: Outlet::empty(),
            doomed: Outlet::empty(),
            inquire: Outlet::empty(),
            pieces: Outlet::empty(),
            count: Outlet::empty(),
            search: Outlet::empty(),
            pick: Outlet::empty(),
            read: Outlet::empty(),
            watch: Outlet::empty(),
            keep: Outlet::empty(),
            watchers: Watchers::new(),
        }
    }

    /// Points every clone at this incarnation of the actor.
    pub fn fill(&self, actor: &Addr<RealtimeActor>) {
        self.keys_changed.fill(actor.clone().recipient());
        self.link_changed.fill(actor.clone().recipient());
        self.need_ids.fill(actor.clone().recipient());
        self.page_arrived.fill(actor.clone().recipient());
        self.settle.fill(actor.clone().recipient());
        self.drafted.fill(actor.clone().recipient());
        self.sealed.fill(actor.clone().recipient());
        self.deleted.fill(actor.clone().recipient());
        self.dropped.fill(actor.clone().recipient());
        self.restarted.fill(actor.clone().recipient());
        self.frames.fill(actor.clone().recipient());
        self.list.fill(actor.clone().recipient());
        self.show.fill(actor.clone().recipient());
        self.resolve.fill(actor.clone().recipient());
        self.doomed.fill(actor.clone().recipient());
        self.inquire.fill(actor.clone().recipient());
        self.pieces.fill(actor.clone().recipient());
        self.count.fill(actor.clone().recipient());
        self.search.fill(actor.clone().recipient());
        self.pick.fill(actor.clone().recipient());
        self.read.fill(actor.clone().recipient());
        self.watch.fill(actor.clone().recipient());
        self.keep.fill(actor.clone().recipient());
    }

    /// Every conversation, newest activity first.
    pub async fn conversations(&self) -> Result<Vec<ConversationSummary>, NotReady> {
        self.list
            .send(ListConversations)
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// How many conversations there are.
    pub async fn conversation_count(&self) -> Result<u64, NotReady> {
        self.count
            .send(CountConversations)
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// One conversation. See [`ShowConversation`].
    pub async fn conversation(
        &self,
        selector: &str,
        page: Excerpt,
    ) -> Result<Result<ConversationView, FindError>, NotReady> {
        self.show
            .send(ShowConversation {
                selector: selector.to_owned(),
                page,
            })
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// Looks for words in every message. Dropping the future ends the search.
    pub async fn search(&self, wanted: Wanted, limit: usize) -> Result<Found, NotReady> {
        let asking = Arc::new(());
        let search = SearchMessages {
            wanted,
            limit,
            asked: Arc::downgrade(&asking),
        };
        self.search.send(search).await.unwrap_or(Err(NotReady::Starting))
    }

    /// Shows a version from now on. See [`PickVersion`].
    pub async fn pick_version(&self, id: MessageId) -> Result<Option<String>, NotReady> {
        self.pick
            .send(PickVersion(id))
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// Counts everything in a conversation as read. See [`ReadConversation`].
    pub async fn mark_read(&self, conversation: &str) -> Result<bool, NotReady> {
        self.read
            .send(ReadConversation(conversation.to_owned()))
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// Which conversation a person looks at: what comes into it from now on is read.
    pub fn set_active(&self, conversation: Option<String>) {
        self.watchers.set_active(conversation);
    }

    /// Updates of one conversation, by its exact id, from now on.
    pub async fn watch_conversation(&self, id: &str) -> Result<broadcast::Receiver<ChatUpdate>, NotReady> {
        // Before it is opened: otherwise what comes in between would be news to nobody.
        let receiver = self.watchers.conversation(id);
        let opened = self.watch.send(WatchConversation(id.to_owned())).await;
        opened.unwrap_or(Err(NotReady::Starting)).map(|()| receiver)
    }

    /// Lines of the list that changed, from now on. One with `updated_at` 0 is gone.
    pub fn watch_counts(&self) -> broadcast::Receiver<Vec<ConversationSummary>> {
        self.watchers.counts()
    }

    /// Puts the list on disk. See [`KeepList`].
    pub async fn keep_list(&self) -> Result<(), NotReady> {
        self.keep.send(KeepList).await.unwrap_or(Err(NotReady::Starting))
    }

    /// What a deletion would take. See [`ShowDoomed`].
    pub async fn doomed(&self, selector: &str) -> Result<Result<Doomed, FindError>, NotReady> {
        self.doomed
            .send(ShowDoomed {
                selector: selector.to_owned(),
            })
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// Which of these ids a relay serves. See [`Inquire`].
    pub async fn served(&self, relay: RelayUrl, ids: Vec<EventId>) -> Served {
        self.inquire
            .send(Inquire { relay, ids })
            .await
            .unwrap_or_else(|_| Err("the part that asks is being started; ask again".to_owned()))
    }

    /// What a message is called now. See [`ResolveMessage`].
    pub async fn resolve(&self, id: MessageId) -> Result<Option<MessageId>, NotReady> {
        self.resolve
            .send(ResolveMessage(id))
            .await
            .unwrap_or(Err(NotReady::Starting))
    }

    /// The pieces of each message. See [`PiecesOf`].
    pub async fn pieces(&self, ids: Vec<MessageId>) -> Result<Vec<Vec<MessageId>>, NotReady> {
        self.pieces
            .send(PiecesOf(ids))
            .await
            .unwrap_or(Err(NotReady::Starting))
    }
}

impl Default for Realtime {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realtime").finish_non_exhaustive()
    }
}
