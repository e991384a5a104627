//! `queue`: what is still to reach relays, why it has not, and a person's word about it. Never dials.

use std::collections::BTreeMap;

use chat_sync::{
    Account, RelayUrl, each_open, give_up, is_given_up, nowhere_else, refusal_words, relay_name, retry_now,
};
use event_index::{Delivery, DeliveryState, Standing};
use serde_json::json;

use crate::cli::{DropArgs, Queue, QueueList, RetryArgs};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line, plural, utc};

/// Groups that are shown without `--all`: a screen. Relays that put numbers into their answers make many.
const GROUPS_SHOWN: usize = 20;
/// Groups that are kept apart at all; what is beyond them is counted with the last of its relay and state.
const GROUPS_MAX: usize = 10_000;
/// Ids that are named for each group without `--all`.
const IDS_SHOWN: usize = 3;

pub(crate) fn run(context: &Context, queue: Queue) -> Result<(), Failure> {
    match queue {
        Queue::List(args) => list(context, &args),
        Queue::Retry(args) => retry(context, &args),
        Queue::Drop(args) => give_up_at(context, &args),
    }
}

/// Deliveries to one relay that wait for the same reason.
#[derive(Default)]
struct Group {
    count: u64,
    next_try: Option<u64>,
    ids: Vec<String>,
}

type Key = (String, &'static str, Option<String>);

fn list(context: &Context, args: &QueueList) -> Result<(), Failure> {
    let account = context.account()?;
    let drafts = account.store.counts()?.drafts;
    let ids_max = if args.all { usize::MAX } else { IDS_SHOWN };
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    let (mut waiting, mut parked) = (0, 0);
    each_open(&account.store, &account.relays, |row| {
        let state = state_of(&row);
        match row.state {
            DeliveryState::Parked => parked += 1,
            _ => waiting += 1,
        }
        let next_try = next_try(&row);
        // Nobody refused what a person gave up.
        let reason = row.reason.filter(|_| state != "dropped");
        let mut key = (row.relay, state, reason);
        if groups.len() >= GROUPS_MAX && !groups.contains_key(&key) {
            key.2 = None;
        }
        let group = groups.entry(key).or_default();
        group.count += 1;
        group.next_try = [group.next_try, next_try].into_iter().flatten().min();
        if group.ids.len() < ids_max {
            group.ids.push(row.id.to_hex());
        }
    })?;
    let mut groups: Vec<(Key, Group)> = groups.into_iter().collect();
    // The many first; the sort keeps relays and reasons in order among equals.
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    let shown = if args.all {
        groups.len()
    } else {
        groups.len().min(GROUPS_SHOWN)
    };
    let left = groups.len() - shown;
    if context.output.is_json() {
        let lines: Vec<_> = groups[..shown]
            .iter()
            .map(|(key, group)| shape(key, group))
            .collect();
        return context.output.json(&json!({
            "drafts": drafts, "waiting": waiting, "parked": parked, "groups": lines, "more_groups": left,
        }));
    }
    text(context, &groups[..shown], left, drafts)
}

fn shape((relay, state, reason): &Key, group: &Group) -> serde_json::Value {
    json!({
        "relay": relay,
        "state": state,
        "reason": reason,
        "meaning": meaning(relay, reason.as_deref()),
        "count": group.count,
        "next_try": group.next_try,
        "ids": group.ids,
    })
}

fn text(context: &Context, groups: &[(Key, Group)], left: usize, drafts: u64) -> Result<(), Failure> {
    let output = context.output;
    if groups.is_empty() && drafts == 0 {
        return output.line("nothing waits");
    }
    if drafts > 0 {
        output.line(&format!("{} not sealed yet", plural(drafts, "message")))?;
    }
    if groups.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&["relay", "state", ">count", "next try (UTC)", "first"]);
    for ((relay, state, _), group) in groups {
        table.row(vec![
            relay.clone(),
            (*state).to_owned(),
            group.count.to_string(),
            match (group.next_try, *state) {
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
    for (line, ((relay, _, reason), _)) in lines.zip(groups) {
        output.line(line)?;
        if let Some(meaning) = meaning(relay, reason.as_deref()) {
            output.line(&format!("  {meaning}"))?;
        }
        if let Some(reason) = reason {
            output.line(&format!("  reason: {}", one_line(reason)))?;
        }
    }
    if left > 0 {
        output.line(&format!(
            "{} more; `--all` shows them",
            plural(left as u64, "group")
        ))?;
    }
    Ok(())
}

/// The sentence for a refusal, if there was one.
fn meaning(relay: &str, reason: Option<&str>) -> Option<String> {
    let reason = reason?;
    Some(refusal_words(relay_name(relay), reason))
}

fn state_of(row: &Delivery) -> &'static str {
    match row.state {
        DeliveryState::Parked if is_given_up(row) => "dropped",
        state => Standing::of(Some(state), false).word(),
    }
}

/// `None` for as soon as possible, and for never; the state tells which.
fn next_try(row: &Delivery) -> Option<u64> {
    (row.next_try > 0 && row.next_try < u64::MAX).then_some(row.next_try)
}

fn retry(context: &Context, args: &RetryArgs) -> Result<(), Failure> {
    if args.id.is_none() && !args.all && context.relays.is_empty() {
        return Err(Failure::Usage(
            "say what to retry: the beginning of an id, --relay URL, or --all".to_owned(),
        ));
    }
    let account = context.data_dir.open(context.entropy())?;
    let relays = chosen_relays(context, &account)?;
    found(&account, &relays, args.id.as_deref())?;
    let retried = retry_now(&account.store, &relays, |row| begins(row, args.id.as_deref()))?;
    if context.output.is_json() {
        return context.output.json(&json!({ "retried": retried }));
    }
    context
        .output
        .line(&format!("{} due now", of_deliveries(retried)))?;
    if retried > 0 {
        context.output.talk("`chat-sync sync` sends them");
    }
    Ok(())
}

fn give_up_at(context: &Context, args: &DropArgs) -> Result<(), Failure> {
    if args.id.is_none() && context.relays.is_empty() {
        return Err(Failure::Usage(
            "say what to give up: the beginning of an id, or --relay URL".to_owned(),
        ));
    }
    // The relays that may hold the message are those of the account, whatever this run was given.
    let account = context.data_dir.open(context.entropy())?;
    let relays = chosen_relays(context, &account)?;
    let rows = found(&account, &relays, args.id.as_deref())?;
    if !args.yes && !rows.is_empty() {
        return Err(Failure::Usage(format!(
            "{} would be given up; the messages stay here; add --yes to do it",
            of_deliveries(rows.len() as u64)
        )));
    }
    let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let alone = nowhere_else(&account.store, &ids, &account.relays)?;
    if alone > 0 && !args.force {
        return Err(Failure::Failed(format!(
            "{} would be on no relay as far as is known, only on this device; add --force to give up all the same",
            plural(alone, "message")
        )));
    }
    let dropped = give_up(&account.store, &relays, |row| begins(row, args.id.as_deref()))?;
    if context.output.is_json() {
        return context
            .output
            .json(&json!({ "dropped": dropped, "on_no_relay": alone }));
    }
    context.output.line(&format!(
        "{} given up; the messages stay here",
        of_deliveries(dropped)
    ))?;
    if alone > 0 {
        context.output.talk(&format!(
            "{} on no relay that is known of",
            plural(alone, "message")
        ));
    }
    Ok(())
}

/// The account's relays, or those of them that `--relay` names. One that the account does not use has no queue.
fn chosen_relays(context: &Context, account: &Account) -> Result<Vec<RelayUrl>, Failure> {
    let saved = &account.relays;
    if let Some(stranger) = context.relays.iter().find(|relay| !saved.contains(relay)) {
        return Err(Failure::Usage(format!(
            "{stranger} is none of the account's relays; `chat-sync relays list` shows them"
        )));
    }
    Ok(if context.relays.is_empty() {
        saved.clone()
    } else {
        context.relays.clone()
    })
}

/// The open deliveries that are meant. A beginning of an id that fits none, or several messages, is a mistake.
fn found(account: &Account, relays: &[RelayUrl], id: Option<&str>) -> Result<Vec<Delivery>, Failure> {
    let mut rows = Vec::new();
    each_open(&account.store, relays, |row| {
        if begins(&row, id) {
            rows.push(row);
        }
    })?;
    let Some(id) = id else { return Ok(rows) };
    match rows.first() {
        None => Err(Failure::Usage(format!(
            "no delivery that is open begins with `{}`; `chat-sync queue list --all --json` names them",
            one_line(id)
        ))),
        Some(first) if rows.iter().any(|row| row.id != first.id) => Err(Failure::Usage(format!(
            "several messages begin with `{}`; write more of the id",
            one_line(id)
        ))),
        Some(_) => Ok(rows),
    }
}

fn begins(row: &Delivery, id: Option<&str>) -> bool {
    id.is_none_or(|id| !id.is_empty() && row.id.to_hex().starts_with(&id.to_ascii_lowercase()))
}

fn of_deliveries(count: u64) -> String {
    if count == 1 {
        "1 delivery".to_owned()
    } else {
        format!("{count} deliveries")
    }
}
