//! What flows into realtime beside relay frames, and what it says.

use std::sync::Weak;

use actix::prelude::*;
use chat_model::{ConversationSummary, Doomed, FindError, MessageId, Role, Snippet, Wanted};
use nostr::prelude::EventId;
use relay_link::RelayUrl;

use crate::excerpt::Excerpt;

/// Command: the list of conversations, newest activity first. Answered once what is on disk has been read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<ConversationSummary>, NotReady>")]
pub struct ListConversations;

/// Command: how many conversations there are. Answered as [`ListConversations`] is.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<u64, NotReady>")]
pub struct CountConversations;

/// Command: one conversation by what a person typed. See [`chat_model::Library::find`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Result<ConversationView, FindError>, NotReady>")]
pub struct ShowConversation {
    /// Id, unique beginning of one, part of a title, or `latest`.
    pub selector: String,
    /// What of it.
    pub page: Excerpt,
}

/// Command: look for words in every message. Whoever asked keeps the other end of `asked` alive as long as the answer is
/// wanted.
#[derive(Debug, Message)]
#[rtype(result = "Result<Found, NotReady>")]
pub struct SearchMessages {
    /// What to look for.
    pub wanted: Wanted,
    /// The most messages to find.
    pub limit: usize,
    /// Nobody waits any more when this cannot be upgraded.
    pub asked: Weak<()>,
}

/// Messages that have the words somebody looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Newest first, by when they were said.
    pub hits: Vec<FoundMessage>,
    /// There are more.
    pub more: bool,
}

/// A message that has the words. `Debug` prints none of them.
#[derive(Clone, PartialEq, Eq)]
pub struct FoundMessage {
    /// Its conversation.
    pub conversation: String,
    /// What that is called.
    pub title: String,
    /// What the message is called.
    pub message: MessageId,
    /// Who speaks.
    pub role: Role,
    /// When it was said, unix seconds.
    pub created_at: u64,
    /// The words, with what stands around them.
    pub snippet: Snippet,
}

impl std::fmt::Debug for FoundMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FoundMessage")
            .field("message", &self.message)
            .field("snippet", &self.snippet)
            .finish_non_exhaustive()
    }
}

/// Command: show this version from now on, and everything above it. Answers with the conversation's id, or `None` when
/// there is no such message.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Option<String>, NotReady>")]
pub struct PickVersion(pub MessageId);

/// Command: everything in this conversation was read on this device. Answers whether anything was not.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<bool, NotReady>")]
pub struct ReadConversation(pub String);

/// Command: open this conversation, so that what comes into it from now on is told.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<(), NotReady>")]
pub struct WatchConversation(pub String);

/// Command: put on disk what of the list is in memory only. Otherwise that happens a moment after things are quiet.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), NotReady>")]
pub struct KeepList;

/// Command: what a message that was composed as a draft, or a copy of one, or a piece of one, is called now.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Option<MessageId>, NotReady>")]
pub struct ResolveMessage(pub MessageId);

/// Command: what a deletion of this would take. See [`chat_model::Library::doomed`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Result<Doomed, FindError>, NotReady>")]
pub struct ShowDoomed {
    /// As in [`ShowConversation`], or the whole id of a message.
    pub selector: String,
}

/// Fact: these messages were dropped from this device, and that is on disk. They come back like any others.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Dropped(pub Vec<MessageId>);

/// Those ids that a relay serves, or why that is not known.
pub type Served = Result<Vec<EventId>, String>;

/// Command: ask a relay which of these ids it serves. What it serves is taken in like anything else; what is deleted here
/// is remembered as that relay's extra. Answered when it has said so, or cannot be asked.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Served")]
pub struct Inquire {
    /// The relay.
    pub relay: RelayUrl,
    /// What to ask for.
    pub ids: Vec<EventId>,
}

/// Command: the pieces of each of these messages, in order, as [`chat_model::Library::pieces_of`] names them; none for a
/// stranger.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Vec<Vec<MessageId>>, NotReady>")]
pub struct PiecesOf(pub Vec<MessageId>);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The part that answers is being started; ask again in a moment.
    #[error("the conversations are being opened; try again in a moment")]
    Starting,
    /// What is on disk could not be read, or not for half a minute.
    #[error("the history on this device could not be read in time; try again; `-v` logs why")]
    Unread,
}

/// A conversation as a person reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationView {
    /// Its line in the list.
    pub summary: ConversationSummary,
    /// How many messages the shown branch has.
    pub total: usize,
    /// There are messages of the branch before these.
    pub more: bool,
    /// There are messages of the branch after these.
    pub later: bool,
    /// A person chose versions here.
    pub picked: bool,
    /// The shown branch from the top, or the page of it that was asked for.
    pub branch: Vec<MessageView>,
}

/// A message with its place. `Debug` leaves its words out.
#[derive(Clone, PartialEq)]
pub struct MessageView {
    /// What it is called now.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: String,
    /// What it hangs off; `None` at the top.
    pub parent: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// The text as it was sent; JSON when it consists of parts.
    pub content: String,
    /// When it was said, unix seconds.
    pub created_at: u64,
    /// The model that answered.
    pub model: Option<String>,
    /// Which version it is at its place, from 1.
    pub version: usize,
    /// How many versions there are.
    pub versions: usize,
    /// All of them, oldest first.
    pub version_ids: Vec<MessageId>,
}

impl std::fmt::Debug for MessageView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MessageView")
            .field("id", &self.id)
            .field("role", &self.role)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// What changed in the conversations. Everything in one update became visible together.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatUpdate {
    /// Messages that were not here before, in their order.
    Landed(Vec<MessageView>),
    /// A draft is called by its event id from now on; the local id stays an alias.
    Renamed {
        /// What it was called.
        local: MessageId,
        /// What it is called.
        id: MessageId,
    },
    /// What landed before as messages of their own are pieces of a longer one, which lands in this moment.
    Joined {
        /// What the whole message is called.
        id: MessageId,
        /// Those of its pieces that landed before.
        pieces: Vec<MessageId>,
    },
    /// Messages were deleted.
    Removed(Vec<MessageId>),
    /// The history was read anew: what was shown may be out of date.
    Reloaded,
}

/// Fact: how far downloads from a relay are. A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct DownloadsChanged {
    /// The relay.
    pub relay: RelayUrl,
    /// The live subscription is open and past its stored events.
    pub live: bool,
    /// Need ids accounted for.
    pub done: u64,
    /// Need ids named.
    pub total: u64,
}

/// Fact: how many conversations there are. A snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ConversationsCounted(pub u64);
