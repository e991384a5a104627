//! What is written: questions of a line or two, and answers of some paragraphs.

use bench_download::history::text;
use chat_model::{Content, Message, Role};

/// Messages of one conversation.
const CONVERSATION: u64 = 50;

/// The conversation of this message.
pub(crate) fn conversation(n: u64) -> String {
    format!("chat-{}", n / CONVERSATION)
}

/// A message of an export.
pub(crate) fn message(n: u64) -> Message {
    let (role, text) = text(n);
    let mut message = Message::new(conversation(n), role, Content::new(text), 1_789_000_000 + n);
    message.parent = chat_model::Parent::Absent;
    message.source = Some(format!("bench:{n}"));
    message
}

/// Its words alone.
pub(crate) fn words(n: u64) -> (Role, String) {
    text(n)
}
