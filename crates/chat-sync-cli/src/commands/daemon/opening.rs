//! `ui`: the page, with the token where no server and no log sees it.

use std::process::{Command, Stdio};

use serde_json::json;

use super::background;
use crate::cli::Ui;
use crate::context::Context;
use crate::daemon::{Record, serve};
use crate::exit::Failure;

/// Opens the page of the daemon that runs, of one that is started, or of one in this process where none can be started.
pub(crate) async fn ui(context: &Context, args: &Ui) -> Result<(), Failure> {
    match background::running(context, None).await {
        Ok((daemon, _)) => show(context, args, daemon.record()),
        // There is a reason, and it would hold here as well.
        Err(failure) if failure.code() != 1 => Err(failure),
        Err(failure) => {
            context
                .output
                .talk(&format!("{failure}; serving from here, Ctrl-C ends it"));
            let (data_dir, env) = (context.data_dir.clone(), context.env().clone());
            serve(data_dir, env, super::kept_switches(context), None, |record| {
                show(context, args, record)
            })
            .await
        }
    }
}

fn show(context: &Context, args: &Ui, record: &Record) -> Result<(), Failure> {
    let address = record.address_with_token();
    if context.output.is_json() {
        context.output.json(&json!({ "url": address.as_str() }))?;
    } else {
        context.output.line(&address)?;
    }
    open(context, record, !args.no_open);
    Ok(())
}

/// The same beside another command, whose data this is not.
pub(crate) fn show_page(context: &Context, record: &Record, opens: bool) -> Result<(), Failure> {
    context.output.insist(&record.address_with_token())?;
    open(context, record, opens);
    Ok(())
}

fn open(context: &Context, record: &Record, wanted: bool) {
    if wanted && !opened(context, record) {
        context
            .output
            .talk("no browser could be started; open the address in one");
    }
}

/// Hands the address to the desktop.
fn opened(context: &Context, record: &Record) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    // Everybody on this machine sees what a program is started with, so the browser is sent to a file that leads on.
    let Ok(path) = record.write_door(context.data_dir.root()) else {
        return false;
    };
    let child = Command::new(opener)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    child.is_ok()
}
