//! `chats list`: every conversation, newest first.

use console::truncate_str;

use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line, short_id, utc};

/// Titles have at most 50 UTF-16 units; wide ones would break the columns.
const TITLE_COLUMNS: usize = 50;

pub(crate) async fn run(context: &Context) -> Result<(), Failure> {
    let known = context.service(false).await?.conversations().await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&known);
    }
    let conversations = known.conversations;
    if conversations.is_empty() {
        output.talk("no conversations yet; `chat-sync import FILE` or `chat-sync sync` brings some");
        return Ok(());
    }
    // A column of nothing helps nobody.
    let unread = conversations.iter().any(|conversation| conversation.unread > 0);
    let mut columns = vec!["id", "title", ">messages", "updated (UTC)"];
    if unread {
        columns.insert(3, ">unread");
    }
    let mut table = Table::new(&columns);
    for conversation in &conversations {
        let mut row = vec![
            short_id(&conversation.id),
            truncate_str(&one_line(&conversation.title), TITLE_COLUMNS, "…").into_owned(),
            conversation.messages.to_string(),
            utc(conversation.updated_at),
        ];
        if unread {
            let count = Some(conversation.unread).filter(|count| *count > 0);
            row.insert(3, count.map_or_else(String::new, |count| count.to_string()));
        }
        table.row(row);
    }
    table.lines().iter().try_for_each(|line| output.line(line))
}
