//! Why the engine could not do what it was asked.

use chat_model::{FindError, SplitError};
use event_index::IndexError;

/// What an embedder handles.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed; what was asked did not happen.
    #[error(transparent)]
    Store(#[from] IndexError),
    /// The engine's thread could not be started.
    #[error("the engine's thread could not be started; close other programs and try again")]
    Thread(#[source] std::io::Error),
    /// The engine has stopped.
    #[error("the engine has stopped; start another one")]
    Stopped,
    /// No conversation is meant by a selector.
    #[error(transparent)]
    Find(#[from] FindError),
    /// A message cannot be sent in any number of envelopes.
    #[error(transparent)]
    TooLong(#[from] SplitError),
    /// A message id names no message of the conversation.
    #[error("`{0}` names no message of this conversation; `chats show --json` lists their ids")]
    NoSuchParent(String),
    /// A new conversation cannot be called that.
    #[error(
        "`{0}` can't name a conversation: an id has 1 to 256 bytes, not only blanks, and no control characters"
    )]
    BadConversation(String),
    /// Nothing was said.
    #[error("the message is empty; write something")]
    Empty,
    /// What is on this device could not be read in time.
    #[error("the history on this device could not be read in time; try again")]
    NotReady,
}
