//! `chats show`: one conversation.

use console::style;

use super::transcript;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::one_line;
use crate::shapes::{Conversation, MessageShape};

pub(crate) async fn run(context: &Context, selector: &str) -> Result<(), Failure> {
    let account = context.account()?;
    let engine = context.engine(&account, false)?;
    let view = engine.conversation(selector).await?;
    let states = engine
        .states(view.branch.iter().map(|message| message.id).collect())
        .await?;
    let messages = view.branch.iter().zip(states);
    let output = context.output;
    if output.is_json() {
        return output.json(&Conversation {
            id: &view.summary.id,
            title: &view.summary.title,
            messages: messages
                .map(|(message, state)| MessageShape::new(message, state))
                .collect(),
        });
    }
    let title = style(one_line(&view.summary.title)).bold().underlined();
    output.line(&format!("{title}  {}", style(one_line(&view.summary.id)).dim()))?;
    for (message, state) in messages {
        output.line("")?;
        for line in transcript::lines(message, state) {
            output.line(&line)?;
        }
    }
    Ok(())
}
