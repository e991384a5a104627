//! `login`: whose history it is.

mod key;
mod page;
mod signer;

pub(crate) use signer::meeting_points;

use chat_sync::{Login, npub};
use pns_keys::{AccountKey, KEY_CARD_PREFIX};

use super::whoami;
use crate::cli;
use crate::context::Context;
use crate::exit::Failure;
use crate::service::Daemon;

pub(crate) async fn run(context: &Context, args: cli::Login) -> Result<(), Failure> {
    if !args.misplaced.is_empty() {
        return Err(Failure::Usage(
            "a secret key does not go on the command line, where other programs can see it; run `chat-sync login` and \
             paste it, or pipe it in"
                .to_owned(),
        ));
    }
    if args.extension {
        return page::by_extension(context).await;
    }
    // Nothing is opened or made before there is something to log in with.
    let (mut login, made) = if let Some(address) = &args.bunker {
        (signer::by_address(context, address).await?, None)
    } else if args.qr {
        (signer::by_scan(context, &args.signer_relay).await?, None)
    } else if args.new {
        let secret = key::draw(context.entropy());
        let login = Login::with_key(secret.clone(), chat_sync::LoginMethod::RawKey);
        (login, Some(secret))
    } else {
        (key::by_key(&args).await?, None)
    };
    login.profile = args.profile.map(Into::into);
    expect_account(context, &login)?;
    let before = context.data_dir.accounts().unwrap_or_default();
    if let Some(secret) = made {
        // Before anything is kept under it: a key that nobody saw could never be used elsewhere.
        context.output.insist(&format!(
            "Your secret key, shown this once: {}  (keep it in a password manager; it is the only way to log in \
             elsewhere, and whoever has it can read everything)",
            secret.to_nsec().as_str()
        ))?;
    }
    let account = context
        .data_dir
        .login(&login, &context.relays, context.entropy())
        .map_err(|error| context.explained(error))?;
    for other in before.iter().filter(|other| **other != account.public_key) {
        context.output.talk(&format!(
            "{} is logged in too; use it with --account",
            npub(other)
        ));
    }
    context.output.talk("logged in");
    whoami::show(context, account).await?;
    tell_daemon(context).await
}

/// A daemon that runs while nobody is logged in takes up the account. The store is let go of first.
async fn tell_daemon(context: &Context) -> Result<(), Failure> {
    let Some(daemon) = Daemon::find(context.data_dir.root()).await? else {
        return Ok(());
    };
    context.close().await;
    match daemon.account().await? {
        None => daemon.open_account().await.map(drop),
        Some(other) => {
            context.output.talk(&format!(
                "the daemon keeps the history of {}; restart it to use another account",
                other.npub
            ));
            Ok(())
        }
    }
}

/// `--account` beside `login` says whose login it is to be.
fn expect_account(context: &Context, login: &Login) -> Result<(), Failure> {
    match context.data_dir.chosen() {
        Some(wanted) if wanted != login.account() => Err(Failure::WrongKey(format!(
            "this logs in {}, and --account names {}; nothing was changed",
            npub(&login.account()),
            npub(&wanted)
        ))),
        _ => Ok(()),
    }
}

/// Reads a pasted key in any of its forms.
fn recognise(text: &str) -> Result<AccountKey, Failure> {
    AccountKey::recognise(text).map_err(|error| {
        Failure::Usage(meant_elsewhere(text).map_or_else(|| error.to_string(), str::to_owned))
    })
}

/// Where something goes that is pasted here and is no key.
fn meant_elsewhere(text: &str) -> Option<&'static str> {
    let text = text.trim().to_ascii_lowercase();
    if text.starts_with(KEY_CARD_PREFIX) {
        Some("this is a key card, not a secret key; run `chat-sync key restore`")
    } else if text.starts_with("bunker://") {
        Some("this is a signer's address, not a secret key; run `chat-sync login --bunker -` and paste it")
    } else if text.starts_with("nostrconnect://") {
        Some(
            "a nostrconnect:// address is for the signer: paste it there, or scan the code of `chat-sync login --qr`",
        )
    } else {
        None
    }
}
