//! A message as a person reads it.

use chat_model::Content;
use console::style;

use crate::output::{one_line, printable, utc};
use crate::shapes::MessageShape;

/// Who, which version, when and how far; then the words.
pub(crate) fn lines(message: &MessageShape) -> [String; 2] {
    let mut head = style(one_line(&message.role)).bold().to_string();
    if message.versions > 1 {
        head = format!("{head} ({}/{})", message.version, message.versions);
    }
    let mut details = vec![utc(message.created_at)];
    details.extend(message.model.as_deref().map(one_line));
    // Where it stands is worth a word only while it is not settled.
    if message.state != "verified" {
        details.push(message.state.clone());
    }
    let details = style(format!("· {}", details.join(" · "))).dim();
    [
        format!("{head} {details}"),
        printable(&Content::new(message.content.as_str()).plain()),
    ]
}
