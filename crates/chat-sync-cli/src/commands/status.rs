//! `status`: the last known state. Never dials, unless it is to be watched.

use std::time::Duration;

use chat_sync::{
    Account, AccountState, Handle, Refusal, RelayState, Status, keyring_copies, npub, refusals, summary,
};
use console::{Term, style, truncate_str};
use futures_util::StreamExt;
use status::basis_word;

use crate::cli::StatusArgs;
use crate::context::{Context, settled_status};
use crate::exit::Failure;
use crate::output::{Table, one_line, plural, refused_lines, utc};
use crate::progress::state_words;
use crate::shapes::StatusShape;

/// How long the number of conversations may take to reach the status once they were read.
const COUNT_PATIENCE: Duration = Duration::from_secs(5);
/// As often as a person can follow.
const REDRAW: Duration = Duration::from_millis(100);

pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let account = context.account()?;
    let engine = context.engine(&account, args.watch)?;
    if args.watch {
        return watch(context, &account, &engine).await;
    }
    let mut status = settled_status(&engine).await;
    // The list waits until everything was read; the count in the status comes a moment later.
    status.conversations = engine.conversations().await?.len() as u64;
    let refused = refusals(&account.store, &account.relays)?;
    if context.output.is_json() {
        return context.output.json(&StatusShape::new(&status, &refused));
    }
    lines(
        &status,
        &refused,
        keyring_copies(&account.store, &account.relays)?,
    )
    .iter()
    .try_for_each(|line| context.output.line(line))
}

/// Runs until somebody ends the program.
async fn watch(context: &Context, account: &Account, engine: &Handle) -> Result<(), Failure> {
    // Before everything was read, the first value would say that there is nothing.
    let read = engine.conversations().await?.len() as u64;
    counted(engine, read).await;
    let mut statuses = std::pin::pin!(engine.watch_status());
    let term = Term::stdout();
    let (mut drawn, mut printed) = (0, Vec::new());
    while let Some(status) = statuses.next().await {
        let refused = refusals(&account.store, &account.relays)?;
        if context.output.is_json() {
            context.output.json(&StatusShape::new(&status, &refused))?;
            continue;
        }
        let lines = lines(
            &status,
            &refused,
            keyring_copies(&account.store, &account.relays)?,
        );
        if term.is_term() {
            let (height, width) = term.size();
            term.clear_last_lines(drawn)?;
            // More lines than the screen has could not be cleared again, nor could a line that wraps.
            drawn = lines.len().min(usize::from(height).saturating_sub(1));
            for line in &lines[..drawn] {
                term.write_line(&truncate_str(line, width.into(), "…"))?;
            }
            tokio::time::sleep(REDRAW).await;
        } else if lines != printed {
            for line in lines.iter().map(String::as_str).chain([""]) {
                context.output.line(line)?;
            }
            printed = lines;
        }
    }
    Err(Failure::Failed(
        "the engine has stopped; run the command again".to_owned(),
    ))
}

/// Returns once the status counts the conversations that were read.
async fn counted(engine: &Handle, read: u64) {
    let reached = async {
        let mut statuses = std::pin::pin!(engine.watch_status());
        while let Some(status) = statuses.next().await {
            if status.conversations >= read {
                return;
            }
        }
    };
    // A count that does not come is shown late, and nothing else.
    let _ = tokio::time::timeout(COUNT_PATIENCE, reached).await;
}

/// `copies` of the history key: how many there are, and how many there should be.
fn lines(status: &Status, refused: &[Refusal], copies: Option<(usize, usize)>) -> Vec<String> {
    let counts = &status.counts;
    let state = account_words(status);
    let waiting = match counts.drafts {
        0 => counts.waiting.to_string(),
        drafts => format!("{} ({} of them not sealed yet)", counts.waiting, drafts),
    };
    let mut lines = vec![
        style(summary(status, refused)).bold().to_string(),
        String::new(),
        format!("account   {}", npub(&status.account.account)),
        format!("state     {state}"),
        format!("in sync   {}", in_sync(status)),
        format!(
            "messages  {} in {}",
            counts.messages,
            plural(status.conversations, "conversation")
        ),
        format!("waiting   {waiting}"),
        format!("safe      {}", status.safe),
    ];
    let page = status.account.page.iter();
    lines.extend(page.map(|url| format!("open      {}", one_line(url))));
    if let Some((copies, wanted)) = copies.filter(|(copies, wanted)| copies < wanted) {
        lines.push(format!(
            "key       on {copies} of {}: nothing is safe before the history key is on {wanted}",
            plural(status.relays.len() as u64, "relay")
        ));
    }
    if counts.parked > 0 {
        lines.push(format!("parked    {}", counts.parked));
    }
    lines.extend(
        status
            .held
            .iter()
            .map(|why| format!("held      {}", one_line(why))),
    );
    lines.extend(
        status
            .failed
            .iter()
            .map(|why| format!("failed    {}", style(one_line(why)).red())),
    );
    lines.extend(
        status
            .warning
            .iter()
            .map(|why| format!("warning   {}", style(one_line(why)).yellow())),
    );
    lines.push(String::new());
    let mut table = Table::new(&["relay", "last equal (UTC)", "by", "state"]);
    for relay in &status.relays {
        table.row(vec![
            relay.url.to_string(),
            relay.agreed_at.map_or("never".to_owned(), utc),
            relay.basis.map_or("-", basis_word).to_owned(),
            state_words(&relay.state),
        ]);
    }
    lines.extend(table.lines());
    lines.extend(refused_lines(refused));
    lines
}

/// The state of the account in words.
fn account_words(status: &Status) -> String {
    let account = &status.account;
    let dialled = status.relays.iter().any(|relay| relay.state != RelayState::Off);
    match &account.state {
        // Nobody was asked, so that nobody is connected says nothing.
        AccountState::Offline(_) if account.write_key.is_none() && !dialled && !status.relays.is_empty() => {
            "no history key yet; run `chat-sync sync`".to_owned()
        }
        state => match state.why() {
            Some(why) => format!("{}: {}", state.word(), one_line(why)),
            None => state.word().to_owned(),
        },
    }
}

fn in_sync(status: &Status) -> String {
    let when = status.agreed_at.map(|at| format!("{} UTC", utc(at)));
    match (status.complete, when) {
        (true, Some(when)) => style(format!("yes, as of {when}")).green().to_string(),
        (true, None) => style("yes").green().to_string(),
        (false, _) if status.counts.waiting > 0 => {
            format!("no: {} to be sent", plural(status.counts.waiting, "message"))
        }
        (false, Some(when)) => format!("not known; last time {when}"),
        (false, None) => "not known: not every relay was compared yet".to_owned(),
    }
}
