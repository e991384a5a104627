//! `relays`: which relays the account uses, what is known of them, and trying them out.

mod filling;
mod listing;
mod testing;
mod words;

use chat_sync::RelayListError;

use crate::cli::{AddRelays, Relays, RemoveRelays, Switch};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::plural;
use crate::service::{RelayNames, Service};

pub(crate) async fn run(context: &Context, relays: Relays) -> Result<(), Failure> {
    match relays {
        Relays::List => listing::run(context).await,
        Relays::Add(args) => add(context, &args).await,
        Relays::Follow { switch } => follow(context, switch).await,
        Relays::Remove(args) => remove(context, &args).await,
        Relays::Test { urls } => testing::run(context, &urls).await,
    }
}

async fn add(context: &Context, args: &AddRelays) -> Result<(), Failure> {
    saved_list_is_meant(context)?;
    let service = context.service(true).await?;
    let names = service.add_relays(&args.urls).await?;
    show(context, &names)?;
    if args.no_wait {
        context
            .output
            .talk("`chat-sync sync` compares with it; `chat-sync relays test` tells what it can do");
        return Ok(());
    }
    filling::run(context, &service, &names.relays, &args.urls).await
}

async fn follow(context: &Context, switch: Switch) -> Result<(), Failure> {
    saved_list_is_meant(context)?;
    let service = context.service(false).await?;
    let names = service.follow_relay_list(switch == Switch::On).await?;
    if switch == Switch::On {
        context.output.talk(match service {
            Service::Here(_) => {
                "`chat-sync sync` reads your relay list, and uses the relays it names for writing"
            }
            Service::Daemon(_) => {
                "your relay list is being read, and the relays it names for writing are used"
            }
        });
    }
    show(context, &names)
}

async fn remove(context: &Context, args: &RemoveRelays) -> Result<(), Failure> {
    saved_list_is_meant(context)?;
    let service = context.service(false).await?;
    let names = service.remove_relays(&args.urls, args.force).await?;
    let only_here = names.only_here.unwrap_or(0);
    if only_here > 0 {
        let what = plural(only_here, "message");
        let next = if names.relays.is_empty() {
            "add a relay to send them to"
        } else {
            "run `chat-sync sync` to send them to the others"
        };
        context.output.talk(&format!(
            "{what} here {} not known to be on any relay that is left; {next}",
            if only_here == 1 { "is" } else { "are" }
        ));
    }
    show(context, &names)
}

/// `--relay` is for one run, and this changes what all runs use.
fn saved_list_is_meant(context: &Context) -> Result<(), Failure> {
    if context.relays.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(
        "--relay is for one run and changes nothing; give the address as an argument instead".to_owned(),
    ))
}

/// The list as it is now.
fn show(context: &Context, names: &RelayNames) -> Result<(), Failure> {
    if context.output.is_json() {
        return context.output.json(names);
    }
    names
        .relays
        .iter()
        .try_for_each(|relay| context.output.line(relay.as_str()))
}

impl From<RelayListError> for Failure {
    fn from(error: RelayListError) -> Self {
        match error {
            RelayListError::Known(_) | RelayListError::Unknown(_) => Self::Usage(error.to_string()),
            RelayListError::Last | RelayListError::OnlyThere { .. } => Self::Failed(error.to_string()),
            RelayListError::Store(error) => error.into(),
        }
    }
}
