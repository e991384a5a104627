//! A message as a person reads it.

use chat_model::Content;
use chat_sync::{MessageState, MessageView};
use console::style;

use crate::output::{one_line, printable, utc};

/// Who, which version, when and how far; then the words.
pub(crate) fn lines(message: &MessageView, state: MessageState) -> [String; 2] {
    let mut head = style(one_line(message.role.as_str())).bold().to_string();
    if message.versions > 1 {
        head = format!("{head} ({}/{})", message.version, message.versions);
    }
    let mut details = vec![utc(message.created_at)];
    details.extend(message.model.as_deref().map(one_line));
    // Where it stands is worth a word only while it is not settled.
    if state != MessageState::Verified {
        details.push(state.word().to_owned());
    }
    let details = style(format!("· {}", details.join(" · "))).dim();
    [
        format!("{head} {details}"),
        printable(&Content::new(message.content.as_str()).plain()),
    ]
}
