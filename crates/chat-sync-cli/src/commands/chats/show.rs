//! `chats show`: one conversation.

use console::style;

use super::{receipt, transcript};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::one_line;
use crate::service::Part;
use crate::shapes::Conversation;

/// Deliveries are shown with `receipts` only: they are three lines, or 400 bytes of JSON, for each message.
pub(crate) async fn run(context: &Context, selector: &str, receipts: bool) -> Result<(), Failure> {
    let part = Part {
        receipts,
        ..Part::default()
    };
    let service = context.service(false).await?;
    let shown = service.conversation(selector, part).await?;
    print(context, &shown, receipts)?;
    service.mark_read(&shown.id).await
}

/// A conversation, as a person or a program reads it.
pub(super) fn print(context: &Context, shown: &Conversation, receipts: bool) -> Result<(), Failure> {
    let output = context.output;
    if output.is_json() {
        return output.json(shown);
    }
    let title = style(one_line(&shown.title)).bold().underlined();
    output.line(&format!("{title}  {}", style(one_line(&shown.id)).dim()))?;
    for message in &shown.messages {
        output.line("")?;
        for line in transcript::lines(message) {
            output.line(&line)?;
        }
        if receipts {
            for line in receipt::lines(message) {
                output.line(&style(line).dim().to_string())?;
            }
        }
    }
    Ok(())
}
