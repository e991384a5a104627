//! `store`: is the file whole, how large is it, and what makes it whole or smaller.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chat_sync::{Account, DataDirError, Examination, examine_store, rebuild_store};
use event_index::{Sizes, Store};
use indicatif::HumanBytes;
use serde_json::json;

use crate::cli;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, Table, plural};
use crate::progress::counter;

/// Damaged records that a person is shown; `--json` has more of them.
const SHOWN_MAX: usize = 20;

pub(crate) async fn run(context: &Context, command: cli::Store) -> Result<(), Failure> {
    let account = context.account()?;
    let file = context.data_dir.store_file(&account.public_key);
    let output = context.output;
    match command {
        cli::Store::Verify => verify(output, account).await,
        cli::Store::Stats => stats(output, account, &file).await,
        cli::Store::Rebuild => {
            // Only its owner reads this directory; a name with the time in it is free.
            let name = format!("damaged-{}.txt", context.clock().unix());
            rebuild(output, account, file.with_file_name(name)).await
        }
        cli::Store::Compact => compact(output, account, &file).await,
    }
}

async fn verify(output: Output, account: Account) -> Result<(), Failure> {
    let store = account.store;
    let found = with_progress(output, store, |store, seen| Ok(examine_store(store, seen)?)).await?;
    let Examination { events, damage, more } = found;
    if output.is_json() {
        let one =
            |record: &event_index::Damage| json!({ "what": record.what, "event": record.envelope.is_some() });
        let damage: Vec<_> = damage.iter().map(one).collect();
        output
            .json(&json!({ "whole": damage.is_empty(), "events": events, "damage": damage, "more": more }))?;
    } else {
        for record in damage.iter().take(SHOWN_MAX) {
            output.line(&format!("damaged: {}", record.what))?;
        }
        output.line(&format!("{} whole", plural(events, "event")))?;
    }
    let damaged = damage.len() as u64 + more;
    if damaged == 0 {
        return Ok(());
    }
    Err(Failure::Failed(format!(
        "{} damaged; `chat-sync store rebuild` sets damaged events aside and mends the rest, then `chat-sync sync` \
         fetches what relays have",
        plural(damaged, "record")
    )))
}

async fn rebuild(output: Output, account: Account, set_aside: PathBuf) -> Result<(), Failure> {
    let done = with_progress(output, account.store, move |store, seen| {
        rebuild_store(store, &set_aside, seen)
    })
    .await?;
    let (rebuilt, path) = (done.rebuilt, done.set_aside);
    if output.is_json() {
        return output.json(&json!({
            "events": rebuilt.events,
            "dropped": rebuilt.dropped,
            "mended": rebuilt.mended,
            "set_aside": path,
        }));
    }
    let mended = match rebuilt.mended {
        0 => String::new(),
        rows => format!(", {} of their lists mended", plural(rows, "row")),
    };
    let events = plural(rebuilt.events, "event");
    output.line(&format!("{events} whole{mended}; every sum is computed again"))?;
    if let Some(path) = path {
        output.line(&format!(
            "{} damaged: set aside in {}; run `chat-sync sync` to fetch what relays have of them",
            plural(rebuilt.dropped, "event"),
            path.display()
        ))?;
    }
    Ok(())
}

async fn stats(output: Output, account: Account, file: &Path) -> Result<(), Failure> {
    let store = account.store;
    let on_disk = length(file)?;
    let counts = store.counts()?;
    let Sizes { tables, used } = blocking(move || Ok(store.sizes()?)).await?;
    let free = on_disk.saturating_sub(used);
    if output.is_json() {
        let tables = tables.iter().map(|table| {
            json!({ "name": table.name, "rows": table.rows, "bytes": table.stored, "around": table.around })
        });
        return output.json(&json!({
            "file": file,
            "file_bytes": on_disk,
            "free_bytes": free,
            "messages": counts.messages,
            "events": counts.items,
            "drafts": counts.drafts,
            "deleted": counts.tombstones,
            "tables": tables.collect::<Vec<_>>(),
        }));
    }
    let mut shown = Table::new(&["table", ">rows", ">data", ">around it"]);
    for table in tables.iter().filter(|table| table.rows > 0) {
        shown.row(vec![
            table.name.clone(),
            table.rows.to_string(),
            HumanBytes(table.stored).to_string(),
            HumanBytes(table.around).to_string(),
        ]);
    }
    shown.lines().iter().try_for_each(|line| output.line(line))?;
    output.line(&format!(
        "{} in {}, of which {} are free",
        HumanBytes(on_disk),
        file.display(),
        HumanBytes(free)
    ))
}

async fn compact(output: Output, account: Account, file: &Path) -> Result<(), Failure> {
    let before = length(file)?;
    let Account { store, .. } = account;
    let mut store = Arc::into_inner(store).ok_or_else(|| {
        Failure::Failed("the store is being read; run the command again in a moment".to_owned())
    })?;
    blocking(move || Ok(store.compact()?)).await?;
    let after = length(file)?;
    if output.is_json() {
        return output.json(&json!({ "before_bytes": before, "after_bytes": after }));
    }
    output.line(&format!(
        "{} before, {} now",
        HumanBytes(before),
        HumanBytes(after)
    ))
}

fn length(file: &Path) -> Result<u64, Failure> {
    let found = fs::metadata(file).map_err(|source| DataDirError::Io {
        place: file.to_owned(),
        source,
    })?;
    Ok(found.len())
}

/// Runs work that reads every event, with a bar for whoever watches.
async fn with_progress<T: Send + 'static>(
    output: Output,
    store: Arc<Store>,
    work: impl FnOnce(&Store, &mut dyn FnMut(u64)) -> Result<T, DataDirError> + Send + 'static,
) -> Result<T, Failure> {
    let total = usize::try_from(store.counts()?.items).unwrap_or(usize::MAX);
    let bar = output.moves().then(|| counter(total, "reading"));
    blocking(move || {
        let done = work(&store, &mut |seen| {
            if let Some(bar) = &bar {
                bar.set_position(seen);
            }
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        Ok(done?)
    })
    .await
}

/// Off the thread that hears Ctrl-C.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| {
        Err(Failure::Failed(
            "the store could not be read; run it again".to_owned(),
        ))
    })
}
