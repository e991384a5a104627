//! `chats pick`: which version of a message shows.

use chat_sync::MessageId;

use super::show;
use crate::context::Context;
use crate::exit::Failure;
use crate::service::Part;

/// Prints the conversation as it shows then. Needs the store for itself.
pub(crate) async fn run(context: &Context, message: MessageId) -> Result<(), Failure> {
    let here = context.here(context.account()?, false);
    let view = here.engine()?.pick_version(message).await?;
    let shown = here.conversation(&view.summary.id, Part::default()).await?;
    show::print(context, &shown.conversation, false)
}
