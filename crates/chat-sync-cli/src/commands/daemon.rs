//! `daemon`, `ui`: the process that holds the store, and its page.

mod background;
mod installing;
mod logs;
mod opening;
mod service_file;

use serde_json::json;

use crate::cli;
use crate::context::Context;
use crate::daemon::{KeptSwitches, Record, serve};
use crate::exit::Failure;
use crate::output::{Output, utc};
use crate::service::Daemon;

pub(crate) use opening::{show_page, ui};

pub(crate) async fn run(context: &Context, command: cli::Daemon) -> Result<(), Failure> {
    match command {
        cli::Daemon::Run(args) => here(context, &args).await,
        cli::Daemon::Start(args) => background::start(context, args.port).await,
        cli::Daemon::Stop => background::stop(context).await,
        cli::Daemon::Status => status(context).await,
        cli::Daemon::Install(args) => installing::install(context, &args),
        cli::Daemon::Logs(args) => logs::logs(context, &args).await,
    }
}

/// A daemon that answers, started for that if need be.
pub(crate) async fn running(context: &Context, port: Option<u16>) -> Result<Daemon, Failure> {
    Ok(background::running(context, port).await?.0)
}

/// Serves from this process.
async fn here(context: &Context, args: &cli::DaemonRun) -> Result<(), Failure> {
    if args.detached {
        background::leave_terminal();
    }
    saved_relays_are_meant(context)?;
    let (data_dir, env) = (context.data_dir.clone(), context.env().clone());
    serve(data_dir, env, kept_switches(context), args.port.port, |record| {
        tell(context.output, record)
    })
    .await
}

/// How switches stand, and the file that says so for the next start.
fn kept_switches(context: &Context) -> KeptSwitches {
    let settings = &context.settings;
    KeptSwitches::new(settings.file.clone(), settings.switches)
}

/// Where it listens, without the token: this may go to a log.
fn tell(output: Output, record: &Record) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(&json!({ "url": record.address(), "pid": record.pid }));
    }
    output.line(&format!("listening on {}", record.address()))
}

/// A daemon lives longer than one run.
fn saved_relays_are_meant(context: &Context) -> Result<(), Failure> {
    if context.relays.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(
        "--relay is for one run, and a daemon uses the account's relays; `chat-sync relays add` adds to them"
            .to_owned(),
    ))
}

async fn status(context: &Context) -> Result<(), Failure> {
    let found = Daemon::find(context.data_dir.root()).await?;
    let output = context.output;
    let Some(daemon) = found else {
        if output.is_json() {
            return output.json(&json!({ "running": false }));
        }
        return output.line("not running; `chat-sync daemon start` starts it");
    };
    let (record, account) = (daemon.record(), daemon.account().await?);
    if output.is_json() {
        return output.json(&json!({
            "running": true,
            "pid": record.pid,
            "url": record.address(),
            "version": record.version,
            "started_at": record.started_at,
            "account": account.map(|account| account.npub),
        }));
    }
    output.line(&format!(
        "running since {} UTC, process {}, version {}",
        utc(record.started_at),
        record.pid,
        record.version
    ))?;
    output.line(&format!(
        "account  {}",
        account.map_or("nobody is logged in".to_owned(), |account| account.npub)
    ))?;
    output.line(&format!(
        "page     {} (`chat-sync ui` opens it)",
        record.address()
    ))
}
