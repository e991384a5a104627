//! `sync`: one full comparison with every relay.

use chat_sync::{Account, AccountState, Config, Handle, RelayReport, RelayUrl, Status, SyncReport, refusals};
use event_index::Basis;
use futures_util::StreamExt;
use indicatif::HumanBytes;
use reconciler::Method;

use crate::cli::SyncArgs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Output, Table, one_line, plural, refused_lines};
use crate::progress::RelayBars;
use crate::service::{Comparing, Daemon, Seen};
use crate::shapes;
use crate::signer_notice::SignerNotice;

pub(crate) async fn run(context: &Context, args: &SyncArgs) -> Result<(), Failure> {
    if let Some(daemon) = context.daemon().await? {
        return through(context, daemon, args).await;
    }
    let mut account = context.account()?;
    if !account.switches.sync {
        return Err(Failure::Offline(format!(
            "synchronising is switched off ({}); `--switch sync=on` turns it on for one run",
            context.settings.origin_of("sync")
        )));
    }
    if args.full {
        account.forget_comparisons()?;
    }
    let (mut report, mut status) = once(context, &account, args).await?;
    let listed = account.newly_listed()?;
    if !listed.is_empty() {
        let names: Vec<&str> = listed.iter().map(RelayUrl::as_str).collect();
        context.output.talk(&format!(
            "your relay list names {} as well; `chat-sync relays follow off` leaves such relays out",
            names.join(", ")
        ));
        let compared = |url: &RelayUrl| report.relays.iter().any(|relay| relay.url == *url);
        let all = listed.iter().all(compared);
        account.relays.extend(listed);
        // The engine uses them as soon as it has read the list; that may have come after the comparison.
        if !all {
            context.close().await;
            (report, status) = once(context, &account, args).await?;
        }
    }
    if context.output.is_json() {
        context.output.json(&shapes::Sync::from(&report))?;
    } else {
        print(context.output, &report)?;
        for line in refused_lines(&refusals(&account.store, &account.relays)?) {
            context.output.line(&line)?;
        }
    }
    conclusion(context, args, &report, &status)
}

fn conclusion(
    context: &Context,
    args: &SyncArgs,
    report: &SyncReport,
    status: &Status,
) -> Result<(), Failure> {
    if args.dry_run && !report.offline() && report.locked.is_none() {
        return dry_verdict(context.output, report);
    }
    verdict(report, status)
}

/// One comparison by the daemon, which is online anyhow. What it is not to move, it does not move meanwhile.
async fn through(context: &Context, daemon: Daemon, args: &SyncArgs) -> Result<(), Failure> {
    let known = daemon.status().await?;
    let relays: Vec<RelayUrl> = known
        .status
        .relays
        .iter()
        .map(|relay| relay.url.clone())
        .collect();
    if !known.status.switches.sync {
        return Err(Failure::Offline(
            "synchronising is switched off at the daemon; the page (`chat-sync ui`) turns it on".to_owned(),
        ));
    }
    let mut bars = context.output.moves().then(|| RelayBars::new(&relays));
    let mut following = daemon.follow(None).await?;
    let report = {
        let mut sync = std::pin::pin!(daemon.sync(comparing(args)));
        loop {
            tokio::select! {
                biased;
                report = &mut sync => break report?,
                seen = following.next() => if let (Seen::Status(known), Some(bars)) = (seen?, &mut bars) {
                    bars.show(&known.status);
                },
            }
        }
    };
    drop(bars);
    let known = daemon.status().await?;
    if context.output.is_json() {
        context.output.json(&shapes::Sync::from(&report))?;
    } else {
        print(context.output, &report)?;
        for line in refused_lines(&known.refused) {
            context.output.line(&line)?;
        }
    }
    conclusion(context, args, &report, &known.status)
}

fn comparing(args: &SyncArgs) -> Comparing {
    Comparing {
        dry_run: args.dry_run,
        up: args.up,
        down: args.down,
        full: args.full,
    }
}

/// One comparison with every relay of the account.
async fn once(
    context: &Context,
    account: &Account,
    args: &SyncArgs,
) -> Result<(SyncReport, Status), Failure> {
    let engine = context.engine_with(Config {
        switches: account.switches.and(comparing(args).most()),
        ..account.config(true)
    })?;
    let bars = context.output.moves().then(|| RelayBars::new(&account.relays));
    let notice = SignerNotice::new(context.output, account.remote.is_some());
    let report = compare(&engine, bars, notice).await?;
    Ok((report, engine.status()))
}

/// Done when every relay was compared; equal or not is what was asked.
fn dry_verdict(output: Output, report: &SyncReport) -> Result<(), Failure> {
    if let Some(failed) = report.relays.iter().find(|relay| relay.error.is_some()) {
        return Err(Failure::Partly(format!(
            "{} was not compared: {}",
            failed.url,
            one_line(failed.error.as_deref().unwrap_or_default())
        )));
    }
    if !output.is_json() {
        let most = |count: fn(&RelayReport) -> u64| report.relays.iter().map(count).max().unwrap_or(0);
        output.line(&format!(
            "Would send {} and fetch {}.",
            plural(report.counts.drafts + most(|relay| relay.have), "message"),
            plural(most(|relay| relay.need), "message")
        ))?;
    }
    Ok(())
}

async fn compare(
    engine: &Handle,
    mut bars: Option<RelayBars>,
    mut notice: SignerNotice,
) -> Result<SyncReport, Failure> {
    let mut statuses = std::pin::pin!(engine.watch_status());
    let mut sync = std::pin::pin!(engine.sync());
    let report = loop {
        tokio::select! {
            biased;
            report = &mut sync => break report,
            Some(status) = statuses.next() => {
                notice.show(&status)?;
                if let Some(bars) = &mut bars {
                    bars.show(&status);
                }
            }
        }
    };
    Ok(report?)
}

fn print(output: Output, report: &SyncReport) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "relay",
        "method",
        ">rounds",
        ">have",
        ">need",
        ">sent",
        ">received",
        ">bytes",
        "result",
    ]);
    for relay in &report.relays {
        let number = |number: u64| {
            if relay.method.is_some() {
                number.to_string()
            } else {
                "-".to_owned()
            }
        };
        table.row(vec![
            relay.url.to_string(),
            relay.method.map_or("-", shapes::method_word).to_owned(),
            number(relay.rounds.into()),
            number(relay.have),
            number(relay.need),
            number(relay.sent),
            number(relay.received),
            number(relay.bytes_in + relay.bytes_out),
            outcome(relay),
        ]);
    }
    for line in table.lines() {
        output.line(&line)?;
    }
    if report.complete {
        let messages = plural(report.counts.messages, "message");
        let claimed = report
            .relays
            .iter()
            .any(|relay| relay.basis == Some(Basis::Pages));
        let how = if claimed {
            "as far as pages show"
        } else {
            "every relay holds the same set"
        };
        output.line(&format!("In sync: {messages}, {how}."))?;
        traffic(report).map_or(Ok(()), |line| output.line(&line))?;
    }
    Ok(())
}

/// What moved, beside what it would have been without comparing; `None` when comparing spared nothing.
fn traffic(report: &SyncReport) -> Option<String> {
    let moved: u64 = report
        .relays
        .iter()
        .map(|relay| relay.bytes_in + relay.bytes_out)
        .sum();
    let full = report.counts.full_download_bytes() * report.relays.len() as u64;
    let line = format!(
        "{} moved; fetching everything would have been {}.",
        HumanBytes(moved),
        HumanBytes(full)
    );
    (moved < full).then_some(line)
}

/// What the comparison with one relay came to, in words.
fn outcome(relay: &RelayReport) -> String {
    match (&relay.error, relay.complete, relay.method) {
        (Some(why), _, _) if relay.offline => format!("offline: {}", one_line(why)),
        (Some(why), _, _) => one_line(why),
        (None, true, Some(Method::Paging)) => "equal, by pages: the relay does not compare sets".to_owned(),
        (None, true, _) => "equal".to_owned(),
        (None, false, Some(Method::Paging)) => {
            "by pages: the relay does not compare sets; not equal yet".to_owned()
        }
        (None, false, _) => "not equal yet".to_owned(),
    }
}

/// The exit code, and the one line that goes with it.
fn verdict(report: &SyncReport, status: &Status) -> Result<(), Failure> {
    let waiting = report.counts.waiting;
    let kept = match waiting {
        0 => String::new(),
        n => format!("; {} on this device and will be sent with the next sync", stay(n)),
    };
    if let AccountState::Locked(why) = &status.account.state {
        return Err(Failure::Locked(format!("the history key is locked: {why}{kept}")));
    }
    if report.complete {
        return Ok(());
    }
    if report.offline() {
        let relays: Vec<&str> = report.relays.iter().map(|relay| relay.url.as_str()).collect();
        return Err(Failure::Offline(format!(
            "no relay could be reached ({}){kept}",
            relays.join(", ")
        )));
    }
    let level = report.relays.iter().filter(|relay| relay.complete).count();
    let relays = report.relays.len();
    let verb = if level == 1 || relays == 1 { "is" } else { "are" };
    let mut reason = format!("{level} of {} {verb} level", plural(relays as u64, "relay"));
    for why in report.locked.iter().chain(&report.held) {
        reason = format!("{reason}; {why}");
    }
    Err(Failure::Partly(format!("{reason}{kept}")))
}

fn stay(count: u64) -> String {
    if count == 1 {
        "1 message stays".to_owned()
    } else {
        format!("{count} messages stay")
    }
}
