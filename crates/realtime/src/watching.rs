//! Who is told what: everything, one conversation, or only how much there is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chat_model::ConversationSummary;
use tokio::sync::broadcast;

use crate::messages::ChatUpdate;

/// What a slow reader of one conversation may be behind before it is told to read it anew: a few screens.
const CONVERSATION_BEHIND: usize = 256;
/// The same for counts, which a newer one replaces.
const COUNTS_BEHIND: usize = 64;

/// Outlives every incarnation of the actor: the receivers stay what they are. Clones share it.
#[derive(Clone)]
pub(crate) struct Watchers(Arc<Shared>);

struct Shared {
    counts: broadcast::Sender<Vec<ConversationSummary>>,
    conversations: Mutex<BTreeMap<String, broadcast::Sender<ChatUpdate>>>,
    active: Mutex<Option<String>>,
    /// An actor has worked for them before.
    served: AtomicBool,
}

impl Watchers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            counts: broadcast::Sender::new(COUNTS_BEHIND),
            conversations: Mutex::default(),
            active: Mutex::default(),
            served: AtomicBool::new(false),
        }))
    }

    /// Lines of the list that changed, from now on.
    pub(crate) fn counts(&self) -> broadcast::Receiver<Vec<ConversationSummary>> {
        self.0.counts.subscribe()
    }

    pub(crate) fn tell_counts(&self, changed: Vec<ConversationSummary>) {
        if !changed.is_empty() {
            // Nobody watches: then nobody misses it.
            let _ = self.0.counts.send(changed);
        }
    }

    /// Updates of one conversation, from now on.
    pub(crate) fn conversation(&self, id: &str) -> broadcast::Receiver<ChatUpdate> {
        let mut watched = self.watched();
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched
            .entry(id.to_owned())
            .or_insert_with(|| broadcast::Sender::new(CONVERSATION_BEHIND))
            .subscribe()
    }

    /// Whom to tell of this conversation, if anybody.
    pub(crate) fn of(&self, id: &str) -> Option<broadcast::Sender<ChatUpdate>> {
        let watched = self.watched();
        watched
            .get(id)
            .filter(|sender| sender.receiver_count() > 0)
            .cloned()
    }

    /// The conversations somebody watches.
    pub(crate) fn ids(&self) -> Vec<String> {
        let watched = self.watched();
        let live = watched.iter().filter(|(_, sender)| sender.receiver_count() > 0);
        live.map(|(id, _)| id.clone()).collect()
    }

    /// Tells every watcher of a conversation, and of counts, that what they were told may be out of date.
    pub(crate) fn tell_reloaded(&self) {
        for sender in self.watched().values() {
            let _ = sender.send(ChatUpdate::Reloaded);
        }
        let _ = self.0.counts.send(Vec::new());
    }

    /// The conversation a person looks at: what comes into it is read.
    pub(crate) fn active(&self) -> Option<String> {
        self.0
            .active
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_active(&self, conversation: Option<String>) {
        *self.0.active.lock().unwrap_or_else(PoisonError::into_inner) = conversation;
    }

    /// True for every actor but the first.
    pub(crate) fn serve(&self) -> bool {
        self.0.served.swap(true, Ordering::AcqRel)
    }

    fn watched(&self) -> MutexGuard<'_, BTreeMap<String, broadcast::Sender<ChatUpdate>>> {
        // What is in the map stays whole whatever panics beside it.
        self.0
            .conversations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watchers").finish_non_exhaustive()
    }
}
