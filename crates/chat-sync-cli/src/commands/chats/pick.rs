//! `chats pick`: which version of a message shows.

use chat_sync::MessageId;

use super::show;
use crate::context::Context;
use crate::exit::Failure;

/// Prints the conversation as it shows then.
pub(crate) async fn run(context: &Context, message: MessageId) -> Result<(), Failure> {
    let shown = context.service(false).await?.pick(message).await?;
    show::print(context, &shown, false)
}
