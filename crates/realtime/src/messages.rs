//! What flows into realtime beside relay frames, and what it says.

use actix::prelude::*;
use chat_model::{ConversationSummary, Doomed, FindError, MessageId, Role};
use nostr::prelude::EventId;
use relay_link::RelayUrl;

/// Command: the list of conversations, newest activity first. Answered once what is on disk has been read.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<Vec<ConversationSummary>, NotReady>")]
pub struct ListConversations;

/// Command: one conversation by what a person typed. See [`chat_model::Library::find`].
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Result<ConversationView, FindError>, NotReady>")]
pub struct ShowConversation {
    /// Id, unique beginning of one, part of a title, or `latest`.
    pub selector: String,
}

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
    /// What is on disk could not be read for half a minute.
    #[error("the history on this device could not be read in time; try again; `-v` logs why")]
    Unread,
}

/// A conversation as a person reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationView {
    /// Its line in the list.
    pub summary: ConversationSummary,
    /// The shown branch from the top.
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
