//! What flows into the uploader and what it says.

use actix::prelude::*;
use chat_model::{Message as ChatMessage, MessageId, Removed, SplitError};
use event_index::{Buried, IndexError, LocalId};
use nostr::prelude::EventId;
use relay_link::RelayUrl;

/// Command: keep these messages and get them out. Answered once all are on disk, in order; a message whose
/// (conversation, src) is known already is not kept again.
#[derive(Debug, Message)]
#[rtype(result = "Result<Vec<Composed>, ComposeError>")]
pub struct Compose {
    /// The messages; callers with many send [`Compose::BATCH`] at a time.
    pub messages: Vec<ChatMessage>,
}

impl Compose {
    /// Messages a command should hold: they are one commit, and one mailbox slot in memory.
    pub const BATCH: usize = 1000;
}

/// What became of one composed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Composed {
    /// It is on disk as a draft, or as several that are shown as one: this is the name of the last, and of the whole.
    Kept(LocalId),
    /// The same message, by its source, was here before; this is what it is called.
    Known(MessageId),
    /// It can't be sent in any number of envelopes and was not kept.
    Refused(SplitError),
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// Nothing was written; the same command can be sent again.
    #[error("the messages could not be written to the store; none was kept")]
    Store(#[source] IndexError),
    /// The engine is stopping or restarting the store; the same command can be sent again.
    #[error("the store is not running; none was kept, try again")]
    Stopped,
}

/// Command: the relays configured from now on. Nothing is kept of one that is not among them.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct UseRelays(pub Vec<RelayUrl>);

/// Command: rows of the queue were changed on disk by somebody else, as a person does who has deliveries tried now. The
/// queue of every relay is read again. May repeat.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "()")]
pub struct LookAgain;

/// Command: delete these messages for good. Answered once that is on disk; their kind 5s are signed and sent as relays
/// can be reached, by this engine or the next.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<Buried, DeleteFailed>")]
pub struct Delete {
    /// The messages, each with all its ids. Those that are gone already are passed over.
    pub removed: Vec<Removed>,
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteFailed {
    /// Nothing was written; the same command can be sent again.
    #[error("the deletion could not be written to the store; nothing was deleted")]
    Store(#[source] IndexError),
    /// The engine is stopping or restarting the store; the same command can be sent again.
    #[error("the store is not running; nothing was deleted, try again")]
    Stopped,
}

/// Fact: these messages were deleted on this device, and that is on disk. Never repeated; after a restart tombstones are
/// read from disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Deleted(pub Vec<Removed>);

/// Fact: these messages are on disk as drafts. Never repeated; after a restart drafts are read from disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Drafted(pub Vec<(LocalId, ChatMessage)>);

/// Fact: these drafts became envelopes. Never repeated; after a restart envelopes are read from disk.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct Sealed(pub Vec<SealedMessage>);

/// One draft that became an envelope.
#[derive(Debug, Clone)]
pub struct SealedMessage {
    /// What it was called; stays valid as an alias.
    pub local: LocalId,
    /// What it is called now.
    pub id: EventId,
    /// The envelope's outer time.
    pub sealed_at: u64,
    /// The message, its parent named by an outer id.
    pub message: ChatMessage,
}

/// Fact: how far uploads to a relay are. A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct UploadsChanged {
    /// The relay.
    pub relay: RelayUrl,
    /// Accepted since the queue was last empty.
    pub done: u64,
    /// Accepted, on the wire, and ready to go.
    pub total: u64,
}

/// Fact: how many messages a relay does not take, and why. A snapshot; also sent when there are none any more.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct ParkedChanged {
    /// The relay.
    pub relay: RelayUrl,
    /// Messages that are parked there.
    pub parked: u64,
    /// Why one of them is: the relay's words, or ours.
    pub why: Option<String>,
}

/// Fact: why drafts stay drafts, or `None` when nothing keeps them. A snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct SealingHeld(pub Option<String>);
