//! `status`: the last known state. Never dials, unless it is to be watched or probed.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::{AccountState, Config, Refusal, RelayState, Status, Switches, npub, summary};
use console::{Term, style, truncate_str};
use indicatif::HumanBytes;
use status::basis_word;

use crate::cli::StatusArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line, plural, refused_lines, utc};
use crate::progress::{speed_words, state_words, with_bars};
use crate::service::{Comparing, Known, Seen, Service};

/// As often as a person can follow.
const REDRAW: Duration = Duration::from_millis(100);

pub(crate) async fn run(context: &Context, args: &StatusArgs) -> Result<(), Failure> {
    let known = if args.probe {
        probed(context).await?
    } else {
        let service = context.service(args.watch).await?;
        if args.watch {
            return watch(context, &service).await;
        }
        service.status().await?
    };
    if context.output.is_json() {
        return context.output.json(&known.shape());
    }
    lines(&known.status, &known.refused, known.copies)
        .iter()
        .try_for_each(|line| context.output.line(line))
}

/// Who probes: the daemon, which is connected anyhow, or an engine that compares and moves nothing.
async fn probing(context: &Context) -> Result<Service, Failure> {
    if let Some(daemon) = context.daemon().await? {
        return Ok(Service::Daemon(daemon));
    }
    let account = context.account()?;
    let config = Config {
        switches: account.switches.and(Switches {
            uploads: false,
            downloads: false,
            ..Switches::ON
        }),
        ..account.config(true)
    };
    Ok(Service::Here(Arc::new(context.here_with(account, config))))
}

/// The state once every relay was dialled and compared with, as far as it can be.
pub(super) async fn probed(context: &Context) -> Result<Known, Failure> {
    let service = probing(context).await?;
    probe(context, &service).await
}

async fn probe(context: &Context, service: &Service) -> Result<Known, Failure> {
    if let Service::Here(here) = service {
        with_bars(context.output, service, here.sync(Comparing::default())).await?;
    }
    let mut known = service.status().await?;
    if let Service::Here(here) = service {
        // What an engine may do that does not only look.
        known.status.switches = here.account.switches;
    }
    Ok(known)
}

/// Runs until somebody ends the program.
async fn watch(context: &Context, service: &Service) -> Result<(), Failure> {
    let mut following = service.follow(None).await?;
    let term = Term::stdout();
    let (mut drawn, mut printed) = (0, Vec::new());
    loop {
        let Seen::Status(known) = following.next().await? else {
            continue;
        };
        if context.output.is_json() {
            context.output.json(&known.shape())?;
            continue;
        }
        let lines = lines(&known.status, &known.refused, known.copies);
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
    lines.extend(kept(status));
    let off: Vec<&str> = status.switches.off().collect();
    if !off.is_empty() {
        lines.push(format!("off       {}", style(off.join(", ")).yellow()));
    }
    let page = status.account.page.iter();
    lines.extend(page.map(|url| format!("open      {}", one_line(url))));
    if let Some((copies, wanted)) = copies.filter(|(copies, wanted)| copies < wanted) {
        lines.push(format!(
            "key       on {copies} of {}: nothing is safe before the history key is on {wanted}",
            plural(status.relays.len() as u64, "relay")
        ));
    }
    if status.unproven > 0 {
        lines.push(format!(
            "unproven  {} too full for a page of a relay",
            plural(status.unproven, "second")
        ));
    }
    lines.extend(traffic(status));
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
            match &relay.speed {
                Some(speed) => format!("{}, {}", state_words(&relay.state), speed_words(speed)),
                None => state_words(&relay.state),
            },
        ]);
    }
    lines.extend(table.lines());
    lines.extend(refused_lines(refused));
    lines
}

/// How long messages are kept here, where that is not for ever.
fn kept(status: &Status) -> Option<String> {
    let forgotten = status.counts.forgotten;
    match (status.switches.forget_after_days, forgotten) {
        (None, 0) => None,
        (None, _) => Some(format!(
            "kept      for ever: {} to come again",
            plural(forgotten, "forgotten message")
        )),
        (Some(days), _) => Some(format!(
            "kept      for {days}; {} on relays only",
            plural(forgotten, "older message")
        )),
    }
}

/// What went over connections in this run, beside what fetching everything would have cost.
fn traffic(status: &Status) -> Option<String> {
    let of = |bytes: fn(&status::RelayStatus) -> u64| status.relays.iter().map(bytes).sum::<u64>();
    let (received, sent) = (
        of(|relay| relay.traffic.bytes_in),
        of(|relay| relay.traffic.bytes_out),
    );
    let full = status.counts.full_download_bytes() * status.relays.len() as u64;
    (received + sent > 0).then(|| {
        format!(
            "traffic   {} in, {} out; fetching everything would be {}",
            HumanBytes(received),
            HumanBytes(sent),
            HumanBytes(full)
        )
    })
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
