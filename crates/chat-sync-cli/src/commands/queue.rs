//! `queue`: what is still to reach relays, why it has not, and a person's word about it. Never dials.

use crate::cli::{DropArgs, Queue, QueueList, RetryArgs};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line, plural, utc};
use crate::service::Chosen;
use crate::shapes::queue::{Group, QueueShape};

pub(crate) async fn run(context: &Context, queue: Queue) -> Result<(), Failure> {
    match queue {
        Queue::List(args) => list(context, &args).await,
        Queue::Retry(args) => retry(context, &args).await,
        Queue::Drop(args) => give_up(context, &args).await,
    }
}

async fn list(context: &Context, args: &QueueList) -> Result<(), Failure> {
    let waiting = context.service(false).await?.queue(args.all).await?;
    if context.output.is_json() {
        return context.output.json(&waiting);
    }
    text(context, &waiting)
}

fn text(context: &Context, waiting: &QueueShape) -> Result<(), Failure> {
    let output = context.output;
    let QueueShape { groups, drafts, .. } = waiting;
    if groups.is_empty() && *drafts == 0 {
        return output.line("nothing waits");
    }
    if *drafts > 0 {
        output.line(&format!("{} not sealed yet", plural(*drafts, "message")))?;
    }
    if groups.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["relay", "state", ">count", "next try (UTC)", "first"]);
    for group in groups {
        table.row(vec![
            group.relay.clone(),
            group.state.clone(),
            group.count.to_string(),
            match (group.next_try, group.state.as_str()) {
                (Some(at), _) => utc(at),
                (None, "waiting" | "sent") => "when online".to_owned(),
                (None, _) => "never".to_owned(),
            },
            group.ids.first().map_or("", |id| &id[..12]).to_owned(),
        ]);
    }
    let lines = table.lines();
    let mut lines = lines.iter();
    lines.next().map_or(Ok(()), |heads| output.line(heads))?;
    for (line, Group { meaning, reason, .. }) in lines.zip(groups) {
        output.line(line)?;
        if let Some(meaning) = meaning {
            output.line(&format!("  {meaning}"))?;
        }
        if let Some(reason) = reason {
            output.line(&format!("  reason: {}", one_line(reason)))?;
        }
    }
    if waiting.more_groups > 0 {
        output.line(&format!(
            "{} more; `--all` shows them",
            plural(waiting.more_groups as u64, "group")
        ))?;
    }
    Ok(())
}

async fn retry(context: &Context, args: &RetryArgs) -> Result<(), Failure> {
    if args.id.is_none() && !args.all && context.relays.is_empty() {
        return Err(Failure::Usage(
            "say what to retry: the beginning of an id, --relay URL, or --all".to_owned(),
        ));
    }
    let done = context
        .service_of_all_relays()
        .await?
        .retry(chosen(context, args.id.as_ref()))
        .await?;
    if context.output.is_json() {
        return context.output.json(&done);
    }
    context
        .output
        .line(&format!("{} due now", of_deliveries(done.retried)))?;
    if done.retried > 0 {
        context
            .output
            .talk("`chat-sync sync` sends them, and so does a daemon");
    }
    Ok(())
}

async fn give_up(context: &Context, args: &DropArgs) -> Result<(), Failure> {
    if args.id.is_none() && context.relays.is_empty() {
        return Err(Failure::Usage(
            "say what to give up: the beginning of an id, or --relay URL".to_owned(),
        ));
    }
    let service = context.service_of_all_relays().await?;
    let chosen = chosen(context, args.id.as_ref());
    if !args.yes {
        let preview = service.give_up_preview(chosen.clone()).await?;
        if preview.dropped > 0 {
            return Err(Failure::Usage(format!(
                "{} would be given up; the messages stay here; add --yes to do it",
                of_deliveries(preview.dropped)
            )));
        }
    }
    let done = service.give_up(chosen, args.force).await?;
    if context.output.is_json() {
        return context.output.json(&done);
    }
    context.output.line(&format!(
        "{} given up; the messages stay here",
        of_deliveries(done.dropped)
    ))?;
    if done.on_no_relay > 0 {
        context.output.talk(&format!(
            "{} on no relay that is known of",
            plural(done.on_no_relay, "message")
        ));
    }
    Ok(())
}

/// Here `--relay` chooses deliveries; the account keeps its relays.
fn chosen(context: &Context, id: Option<&String>) -> Chosen {
    Chosen {
        id: id.cloned(),
        relays: context.relays.clone(),
    }
}

fn of_deliveries(count: u64) -> String {
    if count == 1 {
        "1 delivery".to_owned()
    } else {
        format!("{count} deliveries")
    }
}
