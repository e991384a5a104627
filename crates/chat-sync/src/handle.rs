//! What an embedder holds of a running engine.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chat_model::{
    Content, ConversationSummary, Doomed, FindError, Message, MessageId, Parent, Removed, Role, SplitError,
};
use event_index::{ForgottenMessage, LocalId};
use futures_util::stream::{self, Stream};
use realtime::{ChatUpdate, ConversationView, Excerpt, NotReady, Realtime};
use reconciler::Teach;
use relay_link::{Lesson, RelayProfile, RelayUrl};
use status::Status;
use supervision::{Clock, Entropy, Switchboard, Switches};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use uploader::messages::LookAgain;
use uploader::{Compose, ComposeError, Composed, DeleteFailed, Uploader};

use crate::deletion::{DeletionPreview, DeletionReport, DroppedHere, events_of};
use crate::desk::Request;
use crate::error::EngineError;
use crate::receipts::MessageReceipt;
use crate::report::{SyncOptions, SyncReport};
use crate::states::MessageState;

/// The program named in the `client` tag of messages composed through a handle.
pub const CLIENT: &str = "chat-sync";

/// Tries before a part that does not come back is an error: with the pauses between them, longer than the guardian
/// takes for the four restarts it allows in a minute.
const TRIES_MAX: usize = 30;

/// A running engine. Clones share it; any async runtime can drive its futures and streams. The engine stops with
/// [`Handle::shutdown`], or when the last clone is dropped.
#[derive(Clone)]
pub struct Handle {
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) status: watch::Receiver<Status>,
    pub(crate) updates: Arc<broadcast::Sender<ChatUpdate>>,
    pub(crate) uploader: Uploader,
    pub(crate) realtime: Realtime,
    pub(crate) switches: Switchboard,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
}

/// A message to compose. `Debug` leaves its words out.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// A conversation's id, the unique beginning of one, or `latest`. Anything else is the id of a new conversation.
    pub conversation: String,
    /// What is said.
    pub text: String,
    /// Who says it.
    pub role: Role,
    /// The model, for an assistant's message.
    pub model: Option<String>,
    /// What it replies to, by message id; the last shown message when `None`.
    pub parent: Option<MessageId>,
}

impl NewMessage {
    /// A person's message at the end of a conversation.
    pub fn user(conversation: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            conversation: conversation.into(),
            text: text.into(),
            role: Role::User,
            model: None,
            parent: None,
        }
    }
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("role", &self.role)
            .field("bytes", &self.text.len())
            .finish_non_exhaustive()
    }
}

/// A message that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// What it is called until it is sealed, and for ever after as an alias.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: String,
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Messages that are on disk now and were not before.
    pub added: usize,
    /// Messages that were here before.
    pub known: usize,
    /// Messages that no number of envelopes can carry; they were not taken.
    pub refused: Vec<RefusedMessage>,
}

/// A message that was not taken, by what it is called where it came from, and why. `Debug` leaves its names out.
#[derive(Clone, PartialEq, Eq)]
pub struct RefusedMessage {
    /// Its conversation.
    pub conversation: String,
    /// Its stable id.
    pub source: String,
    /// Why it was not taken.
    pub why: SplitError,
}

impl fmt::Debug for RefusedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefusedMessage")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

impl Handle {
    /// The newest status.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// The status now, and every time it changes. A slow reader skips to the newest.
    pub fn watch_status(&self) -> impl Stream<Item = Status> + Send + 'static {
        let mut receiver = self.status.clone();
        receiver.mark_changed();
        stream::unfold(receiver, |mut receiver| async move {
            receiver.changed().await.ok()?;
            let status = receiver.borrow_and_update().clone();
            Some((status, receiver))
        })
    }

    /// What the engine may do, as it was turned. What [`Handle::sync_with`] keeps off for a while shows in
    /// [`Status::switches`] only.
    pub fn switches(&self) -> Switches {
        self.switches.turned_to()
    }

    /// Turns the switches, with effect at once: what is off is not begun any more, and a connection is let go of when
    /// [`Switches::sync`] is off. What was left out meanwhile follows when a switch is on again. They stand until they
    /// are turned again or the engine ends; an engine that was started with `online: false` never dials.
    pub fn set_switches(&self, switches: Switches) {
        self.switches.set(switches);
    }

    /// Changes to conversations from now on. A reader too slow for 4,096 of them is told
    /// [`ChatUpdate::Reloaded`] once and goes on.
    pub fn updates(&self) -> impl Stream<Item = ChatUpdate> + Send + 'static {
        let receiver = self.updates.subscribe();
        stream::unfold(receiver, |mut receiver| async move {
            match receiver.recv().await {
                Ok(update) => Some((update, receiver)),
                Err(RecvError::Lagged(_)) => Some((ChatUpdate::Reloaded, receiver)),
                Err(RecvError::Closed) => None,
            }
        })
    }

    /// One full comparison with every relay, with the transfers that follow from it. What could not be done is in
    /// the report; this is an error only when the engine has stopped.
    pub async fn sync(&self) -> Result<SyncReport, EngineError> {
        self.sync_with(SyncOptions::default()).await
    }

    /// [`Handle::sync`], with what is to be done otherwise.
    pub async fn sync_with(&self, options: SyncOptions) -> Result<SyncReport, EngineError> {
        Ok(self.ask(|answer| Request::Sync(options, answer)).await??)
    }

    /// Keeps a message and gets it out. It is on disk when this returns.
    pub async fn send(&self, new: NewMessage) -> Result<SentMessage, EngineError> {
        if new.text.trim().is_empty() {
            return Err(EngineError::Empty);
        }
        let found = self.target(&new.conversation).await?;
        if found.is_none() && !names_a_conversation(&new.conversation) {
            return Err(EngineError::BadConversation(
                new.conversation.escape_debug().take(40).collect(),
            ));
        }
        let is_version = new.parent.is_some();
        let conversation = found
            .as_ref()
            .map_or(new.conversation, |view| view.summary.id.clone());
        let last = found.as_ref().and_then(|view| view.branch.last());
        let parent = match new.parent {
            Some(id) => {
                let current = self.current_name(id).await?;
                Parent::Message(current.ok_or_else(|| EngineError::NoSuchParent(id.to_string()))?)
            }
            None => match last {
                Some(last) => Parent::Message(last.id),
                None => self.forgotten_end(&conversation).await?,
            },
        };
        let mut message = Message::new(
            conversation.clone(),
            new.role,
            Content::new(new.text),
            self.clock.unix(),
        );
        // A clock that was set back must not put an answer before its question, and of two versions written within a
        // second the later one is to be shown (field guide L-12).
        let newest = found.as_ref().map_or(0, |view| view.summary.updated_at);
        let floor = match new.parent {
            Some(_) => newest + 1,
            None => last.map_or(0, |last| last.created_at),
        };
        message.created_at = message.created_at.max(floor);
        message.parent = parent;
        message.model = new.model;
        message.client = Some(CLIENT.to_owned());
        message.source = Some(hex(&self.entropy.draw_16()));
        match self.compose(vec![message]).await?.as_slice() {
            [Composed::Kept(local)] => {
                let id = MessageId::Local(*local.as_bytes());
                if is_version && found.as_ref().is_some_and(|view| view.picked) {
                    // What a person wrote just now is what they want to see.
                    self.patiently(|| self.realtime.pick_version(id)).await?;
                }
                Ok(SentMessage { id, conversation })
            }
            [Composed::Known(id)] => Ok(SentMessage {
                id: *id,
                conversation,
            }),
            [Composed::Refused(why)] => Err(why.clone().into()),
            _ => Err(EngineError::Stopped),
        }
    }

    /// Keeps messages of an export and gets them out. A message is one by its conversation and source, so importing
    /// again adds nothing. What was taken when an error ends it stays taken; import again for the rest.
    pub async fn import(
        &self,
        messages: Vec<Message>,
        mut progress: impl FnMut(usize),
    ) -> Result<ImportReport, EngineError> {
        let mut report = ImportReport::default();
        // Drawn once: a message that is taken in twice, because the answer to the first try was lost, is one.
        let sourced = messages.into_iter().map(|mut message| {
            message.source.get_or_insert_with(|| hex(&self.entropy.draw_16()));
            message
        });
        let mut messages = sourced.peekable();
        while messages.peek().is_some() {
            let batch: Vec<Message> = messages.by_ref().take(Compose::BATCH).collect();
            let taken = batch.len();
            let names: Vec<_> = batch
                .iter()
                .map(|message| {
                    (
                        message.conversation.clone(),
                        message.source.clone().unwrap_or_default(),
                    )
                })
                .collect();
            for (composed, (conversation, source)) in self.compose(batch).await?.into_iter().zip(names) {
                match composed {
                    Composed::Kept(_) => report.added += 1,
                    Composed::Known(_) => report.known += 1,
                    Composed::Refused(why) => report.refused.push(RefusedMessage {
                        conversation,
                        source,
                        why,
                    }),
                }
            }
            progress(taken);
        }
        Ok(report)
    }

    /// Waits until nothing waits to be sent, no relay can be reached, or `patience` is over.
    pub async fn flush(&self, patience: Duration) -> Result<(), EngineError> {
        self.ask(|answer| Request::Sent(patience, answer)).await
    }

    /// Acts on what [`retry_now`](crate::retry_now) and [`give_up`](crate::give_up) have changed on disk, without waiting
    /// for the next connection.
    pub async fn look_at_queue(&self) {
        // An uploader that is just being restarted reads the disk anyway.
        let _ = self.uploader.look_again.send(LookAgain).await;
    }

    /// Uses these relays and no others from now on: new ones are dialled, compared with and filled, and what was known of
    /// those that are not among them is forgotten, agreements and queues included. Returns once nothing is sent to those
    /// any more; dialling takes its time. Nothing is saved by this: an account's own list is
    /// [`Account::add_relays`](crate::Account::add_relays) and
    /// [`Account::remove_relays`](crate::Account::remove_relays), whose [`Account::relays`](crate::Account::relays) are
    /// then handed here.
    pub async fn set_relays(&self, relays: Vec<RelayUrl>) -> Result<(), EngineError> {
        self.ask(|answer| Request::UseRelays(relays, answer)).await
    }

    /// Reads the account's relay list (NIP-65) from now on, or no longer. Nothing is saved by this, and no relay comes or
    /// goes: that is [`Account::follow_relay_list`](crate::Account::follow_relay_list), whose
    /// [`Account::relays`](crate::Account::relays) are handed to [`Handle::set_relays`] as well. A newer list that is read
    /// changes the relays by itself.
    pub async fn read_relay_list(&self, reads: bool) -> Result<(), EngineError> {
        self.ask(|answer| Request::ReadRelayList(reads, answer)).await
    }

    /// Keeps what trying a relay out has shown. Returns all that is known of the relay.
    pub(crate) async fn teach(
        &self,
        relay: &RelayUrl,
        lessons: &[Lesson],
    ) -> Result<RelayProfile, EngineError> {
        let teach = || Teach {
            relay: relay.clone(),
            lessons: lessons.to_vec(),
        };
        Ok(self.ask(|answer| Request::Teach(teach(), answer)).await??)
    }

    /// Every conversation, newest activity first.
    pub async fn conversations(&self) -> Result<Vec<ConversationSummary>, EngineError> {
        self.patiently(|| self.realtime.conversations()).await
    }

    /// One conversation by id, unique beginning of an id, part of a title, or `latest`.
    pub async fn conversation(&self, selector: &str) -> Result<ConversationView, EngineError> {
        self.conversation_page(selector, Excerpt::default()).await
    }

    /// What [`Handle::delete`] would take. Nothing changes. `selector` is one of [`Handle::conversation`], or the whole id
    /// of one message.
    pub async fn delete_preview(&self, selector: &str) -> Result<DeletionPreview, EngineError> {
        let doomed = Box::new(self.doomed_everywhere(selector).await?);
        Ok(self.ask(|answer| Request::Preview(doomed, answer)).await??)
    }

    /// Deletes a conversation, or one message, for good: on this device at once, and on disk before anything else. Then
    /// waits until the relays that can be reached took the deletions, and asks each what it still serves. The others are
    /// told whenever they can be reached, by this engine or the next; nothing of it is shown again, whoever serves it. What
    /// is forgotten here of a conversation (`forget_after_days`) is deleted with it; of one message, only copies that are
    /// here.
    pub async fn delete(&self, selector: &str) -> Result<DeletionReport, EngineError> {
        let doomed = self.doomed_everywhere(selector).await?;
        let (ids, removed, weighed) = (events_of(&doomed), doomed.removed.clone(), Box::new(doomed));
        let took = self.ask(|answer| Request::Preview(weighed, answer)).await??;
        let buried = self.patiently(|| self.uploader.delete(removed.clone())).await?;
        let relays = self.ask(|answer| Request::Deleted(buried, ids, answer)).await??;
        Ok(DeletionReport { took, relays })
    }

    /// Drops a conversation, or one message, from this device only, as far as relays are known to hold it. The next
    /// comparison brings it back; an engine that is online may compare at any time.
    pub async fn drop_here(&self, selector: &str) -> Result<DroppedHere, EngineError> {
        let doomed = Box::new(self.doomed(selector).await?);
        Ok(self.ask(|answer| Request::DropHere(doomed, answer)).await??)
    }

    /// How far each of these messages is, in the same order. A message in pieces is as far as the piece that is least.
    pub async fn states(&self, ids: Vec<MessageId>) -> Result<Vec<MessageState>, EngineError> {
        let receipts = self.receipts(ids).await?;
        Ok(receipts.into_iter().map(|receipt| receipt.state).collect())
    }

    /// Where each of these messages is, in the same order, and whether it is safe; a message in pieces is where all of
    /// them are. Cost: a few lookups per message and relay.
    pub async fn receipts(&self, ids: Vec<MessageId>) -> Result<Vec<MessageReceipt>, EngineError> {
        let mut pieces = self.patiently(|| self.realtime.pieces(ids.clone())).await?;
        for (pieces, id) in pieces.iter_mut().zip(&ids) {
            if pieces.len() <= 1 {
                // Also one that is not shown any more has a state on disk.
                *pieces = vec![*id];
            }
        }
        let all = pieces.concat();
        let receipts = self.ask(|answer| Request::Receipts(all, answer)).await??;
        let mut receipts = receipts.into_iter();
        let least = |pieces: &Vec<MessageId>| {
            let all = receipts.by_ref().take(pieces.len());
            all.reduce(MessageReceipt::and)
        };
        Ok(pieces.iter().filter_map(least).collect())
    }

    /// What a message is called now: its event id once it is sealed. `None` for a stranger.
    pub async fn current_name(&self, id: MessageId) -> Result<Option<MessageId>, EngineError> {
        let id = match id {
            MessageId::Local(bytes) => {
                let local = LocalId::from_bytes(bytes);
                let event = self.ask(|answer| Request::Resolve(local, answer)).await??;
                event.map_or(id, |event| MessageId::Event(event.to_bytes()))
            }
            MessageId::Event(_) => id,
        };
        self.patiently(|| self.realtime.resolve(id)).await
    }

    /// Stops the engine and waits until it has. What was not sent is sent by the next one.
    pub async fn shutdown(self) {
        // One that has stopped already needs no telling.
        let _ = self.ask(Request::Shutdown).await;
    }

    /// The conversation a new message belongs to, when there is one: a part of a title is not enough to write to it.
    async fn target(&self, selector: &str) -> Result<Option<ConversationView>, EngineError> {
        // Only its end is needed.
        let end = Excerpt::last(1);
        match self
            .patiently(|| self.realtime.conversation(selector, end))
            .await?
        {
            Ok(view) if selector == "latest" || view.summary.id.starts_with(selector) => Ok(Some(view)),
            Err(FindError::NotFound) if selector == "latest" => Err(FindError::NotFound.into()),
            Ok(_) | Err(FindError::NotFound) => Ok(None),
            Err(ambiguous @ FindError::Ambiguous { .. }) => {
                let by_id = |candidates: &[ConversationSummary]| {
                    candidates
                        .iter()
                        .any(|candidate| candidate.id.starts_with(selector))
                };
                match &ambiguous {
                    FindError::Ambiguous { candidates } if by_id(candidates) => Err(ambiguous.into()),
                    _ => Ok(None),
                }
            }
        }
    }

    async fn doomed(&self, selector: &str) -> Result<Doomed, EngineError> {
        Ok(self.patiently(|| self.realtime.doomed(selector)).await??)
    }

    /// The same with what is forgotten here: it goes everywhere else.
    async fn doomed_everywhere(&self, selector: &str) -> Result<Doomed, EngineError> {
        let mut doomed = match self.doomed(selector).await {
            Err(EngineError::Find(FindError::NotFound)) => Doomed {
                conversation: ConversationSummary {
                    id: selector.to_owned(),
                    title: selector.to_owned(),
                    messages: 0,
                    updated_at: 0,
                    unread: 0,
                },
                message: None,
                removed: Vec::new(),
                messages: 0,
                versions: 0,
            },
            known => known?,
        };
        if doomed.message.is_none() {
            let forgotten = self.forgotten(&doomed.conversation.id).await?;
            doomed.messages += forgotten.len();
            doomed
                .removed
                .extend(forgotten.into_iter().map(|message| Removed {
                    ids: vec![message.name()],
                    parents: vec![message.tombstone.parent.clone()],
                    tombstone: message.tombstone,
                }));
        }
        if doomed.removed.is_empty() {
            return Err(FindError::NotFound.into());
        }
        Ok(doomed)
    }

    async fn forgotten(&self, conversation: &str) -> Result<Vec<ForgottenMessage>, EngineError> {
        let conversation = conversation.to_owned();
        Ok(self
            .ask(|answer| Request::Forgotten(conversation, answer))
            .await??)
    }

    /// What a message replies to in a conversation of which nothing is here: the newest that was forgotten, so that it is
    /// no second beginning on other devices.
    async fn forgotten_end(&self, conversation: &str) -> Result<Parent, EngineError> {
        let forgotten = self.forgotten(conversation).await?;
        let parents = forgotten
            .iter()
            .filter_map(|message| match &message.tombstone.parent {
                Parent::Message(parent) => Some(*parent),
                Parent::Absent | Parent::Top | Parent::Foreign(_) => None,
            });
        let parents: BTreeSet<MessageId> = parents.collect();
        let ends = forgotten
            .iter()
            .filter(|message| !parents.contains(&message.name()));
        let newest = ends.max_by_key(|message| (message.created_at, message.id));
        Ok(newest.map_or(Parent::Top, |newest| Parent::Message(newest.name())))
    }

    /// Composes; a second try after a restart is about the same messages, because sources say so.
    async fn compose(&self, messages: Vec<Message>) -> Result<Vec<Composed>, EngineError> {
        self.patiently(|| self.uploader.compose(messages.clone())).await
    }

    /// Asks again while the part that answers is being started again.
    pub(crate) async fn patiently<T, E, F>(&self, question: impl Fn() -> F) -> Result<T, EngineError>
    where
        E: Starting + Into<EngineError>,
        F: Future<Output = Result<T, E>>,
    {
        for _ in 0..TRIES_MAX {
            match question().await {
                Err(error) if error.starting() => self.ask(Request::Breathe).await?,
                answer => return answer.map_err(Into::into),
            }
        }
        question().await.map_err(Into::into)
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, EngineError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(request(answer))
            .await
            .map_err(|_| EngineError::Stopped)?;
        answered.await.map_err(|_| EngineError::Stopped)
    }
}

/// An answer that can be "not just now".
pub(crate) trait Starting {
    fn starting(&self) -> bool;
}

impl Starting for NotReady {
    fn starting(&self) -> bool {
        *self == Self::Starting
    }
}

impl Starting for ComposeError {
    fn starting(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

impl Starting for DeleteFailed {
    fn starting(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

impl From<DeleteFailed> for EngineError {
    fn from(error: DeleteFailed) -> Self {
        match error {
            DeleteFailed::Store(error) => Self::Store(error),
            DeleteFailed::Stopped => Self::Stopped,
        }
    }
}

impl From<NotReady> for EngineError {
    fn from(_: NotReady) -> Self {
        Self::NotReady
    }
}

impl From<ComposeError> for EngineError {
    fn from(error: ComposeError) -> Self {
        match error {
            ComposeError::Store(error) => Self::Store(error),
            ComposeError::Stopped => Self::Stopped,
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("stopped", &self.requests.is_closed())
            .finish_non_exhaustive()
    }
}

/// Every client shows ids somewhere, and keeps them in a tag.
const CONVERSATION_BYTES_MAX: usize = 256;

fn names_a_conversation(id: &str) -> bool {
    id.len() <= CONVERSATION_BYTES_MAX && !id.trim().is_empty() && !id.chars().any(char::is_control)
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
