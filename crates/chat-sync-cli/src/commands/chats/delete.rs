//! `chats delete`: for good and everywhere, or from this device only.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::cli::DeleteArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, Table, one_line, plural};
use crate::progress::with_bars;
use crate::shapes::deletion::{Deleted, FromHere, Known, Preview, Relay, Took};

pub(crate) async fn run(context: &Context, args: &DeleteArgs) -> Result<(), Failure> {
    let service = context.service(!args.dry_run && !args.here_only).await?;
    let preview = service.delete_preview(&args.selector).await?;
    let output = context.output;
    if args.dry_run {
        return foresee(output, &preview, args.here_only);
    }
    confirm(output, &preview.took, args).await?;
    // By its exact name: what `latest` or a part of a title means may have changed while somebody thought about it.
    let target = preview.took.message.as_ref().unwrap_or(&preview.took.id);
    if args.here_only {
        return report_drop(output, &service.drop_here(target).await?);
    }
    let deleted = with_bars(output, &service, service.delete(target)).await?;
    if output.is_json() {
        output.json(&deleted)?;
    } else {
        print(output, &deleted)?;
    }
    verdict(&deleted)
}

/// What goes, in words.
fn what(took: &Took) -> String {
    let conversation = format!("\"{}\" ({})", one_line(&took.title), one_line(&took.id));
    let whose = match took.message {
        Some(_) => format!("1 message of {conversation}"),
        None => format!("{conversation}: {}", plural(took.messages as u64, "message")),
    };
    let parts = [
        (took.versions, "older version"),
        (took.drafts, "draft that was never sent"),
        (took.aliases, "copy under another id"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| match (count, name) {
            (1, name) => format!("1 {name}"),
            (count, "copy under another id") => format!("{count} copies under other ids"),
            (count, "draft that was never sent") => format!("{count} drafts that were never sent"),
            (count, name) => format!("{count} {name}s"),
        })
        .collect();
    if parts.is_empty() {
        whose
    } else {
        format!("{whose}, with {}", parts.join(", "))
    }
}

fn foresee(output: Output, preview: &Preview, here_only: bool) -> Result<(), Failure> {
    if output.is_json() {
        return output.json(preview);
    }
    output.line(&format!("would delete {}", what(&preview.took)))?;
    if here_only {
        return output.line("from this device only; the next sync brings it back");
    }
    for Known { url, known } in &preview.relays {
        output.line(&format!(
            "{url}  {known} of {} known to be there",
            preview.took.events
        ))?;
    }
    Ok(())
}

/// Asks whoever sits at the terminal, unless they said so before.
async fn confirm(output: Output, took: &Took, args: &DeleteArgs) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let effect = if args.here_only {
        "would be dropped from this device; the next sync brings it back"
    } else {
        "would be deleted on every device and relay"
    };
    if output.is_json() || !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "{} {effect}; add --yes to do it",
            what(took)
        )));
    }
    let question = format!("{} {effect}. Do it? [y/N] ", what(took));
    let _ = io::stderr().write_all(question.as_bytes());
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    match answer.await {
        Ok(Ok(line)) if matches!(line.trim(), "y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::Failed("nothing was deleted".to_owned())),
    }
}

fn report_drop(output: Output, dropped: &FromHere) -> Result<(), Failure> {
    if output.is_json() {
        output.json(dropped)?;
    } else {
        output.line(&format!(
            "{} dropped from this device; the next sync brings them back",
            plural(dropped.dropped as u64, "message")
        ))?;
    }
    if dropped.kept == 0 {
        return Ok(());
    }
    Err(Failure::Partly(format!(
        "{} stayed, because no relay is known to hold {}; `chat-sync sync` sends and proves",
        plural(dropped.kept as u64, "message"),
        if dropped.kept == 1 { "it" } else { "them" }
    )))
}

fn print(output: Output, report: &Deleted) -> Result<(), Failure> {
    output.line(&format!("deleted {}", what(&report.took)))?;
    if report.relays.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["relay", "deletions", "still serves"]);
    for relay in &report.relays {
        table.row(vec![
            relay.url.clone(),
            relay.deletions.clone(),
            match relay.serves {
                Some(0) => "nothing".to_owned(),
                Some(serves) => format!("{serves} of {}", report.took.events),
                None => format!(
                    "not known: {}",
                    one_line(relay.error.as_deref().unwrap_or_default())
                ),
            },
        ]);
    }
    table.lines().iter().try_for_each(|line| output.line(line))
}

/// Done when every relay was told and serves nothing any more; otherwise who is left, and what follows.
fn verdict(report: &Deleted) -> Result<(), Failure> {
    let left: Vec<String> = report
        .relays
        .iter()
        .filter(|relay| !relay.is_done())
        .map(|relay| shortcoming(relay, report.took.events))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::Partly(format!(
        "deleted here, not everywhere: {}; what relays still serve is not shown again",
        left.join("; ")
    )))
}

fn shortcoming(relay: &Relay, events: usize) -> String {
    let name = relay.url.as_str();
    let name = name.split_once("://").map_or(name, |(_, name)| name);
    let serves = match relay.serves {
        Some(0) => None,
        Some(serves) => Some(format!("still serves {serves} of {events}")),
        None => Some("could not be asked".to_owned()),
    };
    let told = match (relay.deletions.as_str(), &relay.reason) {
        ("accepted", _) => None,
        ("waiting", _) => Some("is told when it can be reached".to_owned()),
        (_, Some(reason)) => Some(format!("did not take the deletion ({})", one_line(reason))),
        (_, None) => Some("did not take the deletion".to_owned()),
    };
    let both: Vec<String> = serves.into_iter().chain(told).collect();
    format!("{name} {}", both.join(" and "))
}
