//! `chats show`: one conversation.

use console::style;

use super::{receipt, transcript};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::one_line;
use crate::shapes::{Conversation, MessageShape};

/// Deliveries are shown with `receipts` only: they are three lines, or 400 bytes of JSON, for each message.
pub(crate) async fn run(context: &Context, selector: &str, receipts: bool) -> Result<(), Failure> {
    let account = context.account()?;
    let engine = context.engine(&account, false)?;
    let view = engine.conversation(selector).await?;
    let known = engine
        .receipts(view.branch.iter().map(|message| message.id).collect())
        .await?;
    let messages = view.branch.iter().zip(&known);
    let output = context.output;
    if output.is_json() {
        return output.json(&Conversation {
            id: &view.summary.id,
            title: &view.summary.title,
            messages: messages
                .map(|(message, known)| {
                    let shape = MessageShape::new(message, known.state);
                    if receipts {
                        shape.with_receipt(known)
                    } else {
                        shape
                    }
                })
                .collect(),
        });
    }
    let title = style(one_line(&view.summary.title)).bold().underlined();
    output.line(&format!("{title}  {}", style(one_line(&view.summary.id)).dim()))?;
    for (message, known) in messages {
        output.line("")?;
        for line in transcript::lines(message, known.state) {
            output.line(&line)?;
        }
        if receipts {
            for line in receipt::lines(known) {
                output.line(&style(line).dim().to_string())?;
            }
        }
    }
    Ok(())
}
