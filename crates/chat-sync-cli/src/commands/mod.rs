//! One file per command.

mod chats;
mod config;
mod daemon;
mod demo;
mod doctor;
mod import;
mod key;
mod login;
mod logout;
mod manual;
mod queue;
mod relay;
mod relays;
mod status;
mod store;
mod sync;
mod whoami;

pub(crate) use key::no_keys;
pub(crate) use login::meeting_points;

use crate::cli::Command;
use crate::context::Context;
use crate::exit::Failure;

/// Carries a command out.
pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Demo(args) => demo::run(context, args).await,
        Command::Login(args) => login::run(context, args).await,
        Command::Whoami => whoami::run(context).await,
        Command::Logout(args) => logout::run(context, &args),
        Command::Sync(args) => sync::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::Chats(chats) => chats::run(context, chats).await,
        Command::Key(key) => key::run(context, key).await,
        Command::Import(args) => import::run(context, &args).await,
        Command::Store(command) => store::run(context, command).await,
        Command::Relays(relays) => relays::run(context, relays).await,
        Command::Queue(command) => queue::run(context, command).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Completions { shell } => manual::completions(context, shell),
        Command::Man { output } => manual::pages(context, output.as_deref()),
        Command::Config(command) => config::run(context, command),
        Command::Daemon(command) => daemon::run(context, command).await,
        Command::Ui(args) => daemon::ui(context, &args).await,
        Command::Relay(args) => relay::run(context, args).await,
    }
}
