//! `store`: is the file whole, how large is it, and what makes it whole or smaller.

use std::ops::ControlFlow;
use std::sync::Arc;

use chat_sync::Account;
use indicatif::HumanBytes;

use crate::cli;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, Table, plural};
use crate::progress::counter;
use crate::service::{self, Service, blocking, set_aside};

/// Damaged records that a person is shown; `--json` has more of them.
const SHOWN_MAX: usize = 20;

pub(crate) async fn run(context: &Context, command: cli::Store) -> Result<(), Failure> {
    match command {
        cli::Store::Verify => verify(context).await,
        cli::Store::Stats => stats(context).await,
        cli::Store::Rebuild => rebuild(context).await,
        cli::Store::Compact => compact(context).await,
    }
}

async fn verify(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let found = match context.service(false).await? {
        Service::Daemon(daemon) => {
            let mut bar = None;
            let found = daemon.verify(|seen, of| {
                let total = usize::try_from(of).unwrap_or(usize::MAX);
                let bar = bar.get_or_insert_with(|| output.moves().then(|| counter(total, "reading")));
                if let Some(bar) = bar {
                    bar.set_position(seen);
                }
            });
            let found = found.await;
            if let Some(bar) = bar.flatten() {
                bar.finish_and_clear();
            }
            found?
        }
        Service::Here(here) => {
            let total = here.events()?;
            with_progress(output, total, move |seen| {
                here.verify(&mut |count| {
                    seen(count);
                    ControlFlow::Continue(())
                })
            })
            .await?
        }
    };
    if output.is_json() {
        output.json(&found)?;
    } else {
        for record in found.damage.iter().take(SHOWN_MAX) {
            output.line(&format!("damaged: {}", record.what))?;
        }
        output.line(&format!("{} whole", plural(found.events, "event")))?;
    }
    if found.damaged() == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} damaged; `chat-sync store rebuild` sets damaged events aside and mends the rest, then `chat-sync sync` \
         fetches what relays have",
        plural(found.damaged(), "record")
    )))
}

async fn rebuild(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let rebuilt = match context.service(false).await? {
        Service::Daemon(daemon) => daemon.rebuild().await?,
        Service::Here(here) => {
            let store = Arc::clone(&here.account.store);
            let file = context.data_dir.store_file(&here.account.public_key);
            let aside = set_aside(&file, context.clock().unix());
            with_progress(output, here.events()?, move |seen| {
                service::rebuild(&store, &aside, seen)
            })
            .await?
        }
    };
    if output.is_json() {
        return output.json(&rebuilt);
    }
    let mended = match rebuilt.mended {
        0 => String::new(),
        rows => format!(", {} of their lists mended", plural(rows, "row")),
    };
    let events = plural(rebuilt.events, "event");
    output.line(&format!("{events} whole{mended}; every sum is computed again"))?;
    if let Some(path) = &rebuilt.set_aside {
        output.line(&format!(
            "{} damaged: set aside in {}; run `chat-sync sync` to fetch what relays have of them",
            plural(rebuilt.dropped, "event"),
            path.display()
        ))?;
    }
    Ok(())
}

async fn stats(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let stats = match context.service(false).await? {
        Service::Daemon(daemon) => daemon.store_stats().await?,
        Service::Here(here) => {
            let file = context.data_dir.store_file(&here.account.public_key);
            blocking(move || here.stats(file)).await?
        }
    };
    if output.is_json() {
        return output.json(&stats);
    }
    let mut shown = Table::new(&["table", ">rows", ">data", ">around it"]);
    for table in stats.tables.iter().filter(|table| table.rows > 0) {
        shown.row(vec![
            table.name.clone(),
            table.rows.to_string(),
            HumanBytes(table.bytes).to_string(),
            HumanBytes(table.around).to_string(),
        ]);
    }
    shown.lines().iter().try_for_each(|line| output.line(line))?;
    output.line(&format!(
        "{} in {}, of which {} are free",
        HumanBytes(stats.file_bytes),
        stats.file.display(),
        HumanBytes(stats.free_bytes)
    ))
}

async fn compact(context: &Context) -> Result<(), Failure> {
    let output = context.output;
    let compacted = if let Some(daemon) = context.daemon().await? {
        daemon.compact().await?
    } else {
        let Account {
            store, public_key, ..
        } = context.account()?;
        let file = context.data_dir.store_file(&public_key);
        let mut store = Arc::into_inner(store).ok_or_else(|| {
            Failure::Failed("the store is being read; run the command again in a moment".to_owned())
        })?;
        blocking(move || service::compact(&mut store, &file)).await?
    };
    if output.is_json() {
        return output.json(&compacted);
    }
    output.line(&format!(
        "{} before, {} now",
        HumanBytes(compacted.before_bytes),
        HumanBytes(compacted.after_bytes)
    ))
}

/// Runs work that reads every event, with a bar for whoever watches.
async fn with_progress<T: Send + 'static>(
    output: Output,
    events: u64,
    work: impl FnOnce(&mut dyn FnMut(u64)) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let total = usize::try_from(events).unwrap_or(usize::MAX);
    let bar = output.moves().then(|| counter(total, "reading"));
    blocking(move || {
        let done = work(&mut |seen| {
            if let Some(bar) = &bar {
                bar.set_position(seen);
            }
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        done
    })
    .await
}
