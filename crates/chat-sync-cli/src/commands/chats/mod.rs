//! `chats`: conversations.

mod delete;
mod list;
mod pick;
mod receipt;
mod search;
mod send;
mod show;
mod transcript;
mod watch;

use crate::cli::Chats;
use crate::context::Context;
use crate::exit::Failure;

pub(crate) async fn run(context: &Context, chats: Chats) -> Result<(), Failure> {
    match chats {
        Chats::List => list::run(context).await,
        Chats::Show { selector, receipts } => show::run(context, &selector, receipts).await,
        Chats::Search(args) => search::run(context, &args).await,
        Chats::Pick { message } => pick::run(context, message).await,
        Chats::Send(args) => send::run(context, args).await,
        Chats::Delete(args) => delete::run(context, &args).await,
        Chats::Watch { selector } => watch::run(context, selector).await,
    }
}
