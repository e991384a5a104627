//! What a handle offers to whoever shows conversations: pages, searches, versions, what was read, and news of one
//! conversation at a time.

use chat_model::{ConversationSummary, FindError, MessageId, Wanted};
use futures_util::stream::{self, Stream};
use realtime::{ChatUpdate, ConversationView, Excerpt, Found};
use tokio::sync::broadcast::error::RecvError;

use crate::{EngineError, Handle};

/// The most messages one search returns: more are no answer to a person.
const FOUND_MAX: usize = 500;

impl Handle {
    /// A page of a conversation: the last messages of the shown branch, or those before, after or around one of it.
    /// `selector` is one of [`Handle::conversation`]. Cost: as the conversation is long, once; then as the page.
    ///
    /// # Errors
    /// [`EngineError::Find`] also when the message that tells the place is not in the shown branch.
    pub async fn conversation_page(
        &self,
        selector: &str,
        page: Excerpt,
    ) -> Result<ConversationView, EngineError> {
        Ok(self
            .patiently(|| self.realtime.conversation(selector, page))
            .await??)
    }

    /// How many conversations there are. Cost: a lookup.
    pub async fn conversation_count(&self) -> Result<u64, EngineError> {
        self.patiently(|| self.realtime.conversation_count()).await
    }

    /// Messages that have these words, in either case, newest first; at most `limit`, and at most 500. Nothing is found
    /// for a text without letters. Dropping the future ends the search.
    /// Cost: every message is looked at, about 0.5 s for 100,000.
    pub async fn search(&self, text: &str, limit: usize) -> Result<Found, EngineError> {
        let Some(wanted) = Wanted::new(text) else {
            return Ok(Found::default());
        };
        let limit = limit.min(FOUND_MAX);
        self.patiently(|| self.realtime.search(wanted.clone(), limit))
            .await
    }

    /// Shows this version at its place from now on, and everything above it, on this device. Returns the conversation
    /// as it shows then. It is on disk when this returns.
    pub async fn pick_version(&self, message: MessageId) -> Result<ConversationView, EngineError> {
        let conversation = self.patiently(|| self.realtime.pick_version(message)).await?;
        let conversation = conversation.ok_or(FindError::NotFound)?;
        self.conversation(&conversation).await
    }

    /// Counts everything that is in a conversation now as read on this device. It is on disk when this returns.
    /// `conversation` is an exact id; a stranger changes nothing.
    pub async fn mark_read(&self, conversation: &str) -> Result<(), EngineError> {
        self.patiently(|| self.realtime.mark_read(conversation)).await?;
        Ok(())
    }

    /// Which conversation a person looks at, by its exact id: what is in it, and what comes into it from now on, is read.
    /// The engine has one; setting it again replaces it.
    pub async fn set_active(&self, conversation: Option<String>) -> Result<(), EngineError> {
        self.realtime.set_active(conversation.clone());
        match conversation {
            Some(conversation) => self.mark_read(&conversation).await,
            None => Ok(()),
        }
    }

    /// Changes to one conversation, by its exact id, from now on; it may not exist yet. A reader too slow for 256 of them
    /// is told [`ChatUpdate::Reloaded`] once and goes on.
    pub async fn watch_conversation(
        &self,
        id: &str,
    ) -> Result<impl Stream<Item = ChatUpdate> + Send + 'static + use<>, EngineError> {
        let receiver = self.patiently(|| self.realtime.watch_conversation(id)).await?;
        Ok(stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(update) => Some((update, receiver)),
                Err(RecvError::Lagged(_)) => Some((ChatUpdate::Reloaded, receiver)),
                Err(RecvError::Closed) => None,
            }
        }))
    }

    /// Lines of the list of conversations that changed, from now on. One with no messages and
    /// `updated_at` 0 is gone. An empty list says
    /// that the reader was too slow or the history was read anew, and [`Handle::conversations`] has to be read again.
    pub fn watch_counts(&self) -> impl Stream<Item = Vec<ConversationSummary>> + Send + 'static + use<> {
        stream::unfold(self.realtime.watch_counts(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(changed) => Some((changed, receiver)),
                Err(RecvError::Lagged(_)) => Some((Vec::new(), receiver)),
                Err(RecvError::Closed) => None,
            }
        })
    }

    /// Puts the list of conversations on disk, so that the next start need not make it. The engine does so itself a moment
    /// after things are quiet.
    pub async fn keep_list(&self) -> Result<(), EngineError> {
        self.patiently(|| self.realtime.keep_list()).await
    }
}
