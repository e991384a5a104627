//! `doctor`: looks at everything that has to be right, and says what to do about what is not.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use chat_sync::{AccountState, RelayState, Status, examine_store};
use console::style;
use indicatif::ProgressBar;
use relay_link::CLOCK_SKEW_MAX;
use serde::Serialize;

use crate::cli::DoctorArgs;
use crate::commands::status::probed;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{one_line, plural};
use crate::progress::spinner;
use crate::shapes::store::Verified;

/// How one thing is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: Verdict,
    found: String,
    /// What to do next; null when nothing is to be done.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct Report<'a> {
    healthy: bool,
    checks: &'a [Check],
}

/// Collects them.
#[derive(Debug, Default)]
struct Checks(Vec<Check>);

impl Checks {
    fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.add(name, Verdict::Ok, found, None);
    }

    fn skipped(&mut self, name: &'static str, found: impl Into<String>) {
        self.add(name, Verdict::Skipped, found, None);
    }

    fn warn(&mut self, name: &'static str, found: impl Into<String>, next: &str) {
        self.add(name, Verdict::Warning, found, Some(next));
    }

    fn fail(&mut self, name: &'static str, found: impl Into<String>, next: &str) {
        self.add(name, Verdict::Failed, found, Some(next));
    }

    fn add(&mut self, name: &'static str, state: Verdict, found: impl Into<String>, next: Option<&str>) {
        self.0.push(Check {
            name,
            state,
            found: one_line(&found.into()),
            next: next.map(str::to_owned),
        });
    }
}

pub(crate) async fn run(context: &Context, args: &DoctorArgs) -> Result<(), Failure> {
    let mut checks = Checks::default();
    configuration(context, &mut checks);
    files(context.data_dir.root(), &mut checks);
    account(context, args, &mut checks).await?;
    let Checks(checks) = checks;
    let failed: Vec<&Check> = checks
        .iter()
        .filter(|check| check.state == Verdict::Failed)
        .collect();
    if context.output.is_json() {
        context.output.json(&Report {
            healthy: failed.is_empty(),
            checks: &checks,
        })?;
    } else {
        for check in &checks {
            let state = match check.state {
                Verdict::Ok => style("ok     ").green(),
                Verdict::Warning => style("warning").yellow(),
                Verdict::Failed => style("failed ").red(),
                Verdict::Skipped => style("skipped").dim(),
            };
            context
                .output
                .line(&format!("{state}  {:13}  {}", check.name, check.found))?;
            if let Some(next) = &check.next {
                context.output.line(&format!("{:24}-> {next}", ""))?;
            }
        }
    }
    match failed.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Failure::Failed(format!(
            "{} failed, first {}: {}; {}",
            plural(failed.len() as u64, "check"),
            first.name,
            first.found,
            first.next.as_deref().unwrap_or_default()
        ))),
    }
}

fn configuration(context: &Context, checks: &mut Checks) {
    let file = context.settings.file.as_ref().filter(|file| file.exists());
    let off: Vec<&str> = context.settings.switches.off().collect();
    let read = file.map_or("no configuration file".to_owned(), |file| {
        file.display().to_string()
    });
    if off.is_empty() {
        checks.ok("configuration", format!("{read}; everything is on"));
    } else {
        checks.warn(
            "configuration",
            format!("{read}; switched off: {}", off.join(", ")),
            "`chat-sync config show` says who switched them off",
        );
    }
}

/// Nobody else reads what is in the data directory.
fn files(root: &Path, checks: &mut Checks) {
    if !root.exists() {
        return checks.skipped("files", format!("{} is not there yet", root.display()));
    }
    let mut open = Vec::new();
    let mut looked = 0;
    let mut todo = vec![root.to_owned()];
    while let Some(directory) = todo.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            let next = "make it readable for you: `chmod -R u+rwX` on it";
            return checks.fail("files", format!("{} cannot be read", directory.display()), next);
        };
        for entry in entries.flatten() {
            let Ok(kind) = entry.metadata() else { continue };
            if kind.is_dir() {
                todo.push(entry.path());
            } else {
                looked += 1;
                if others_read(&kind) {
                    open.push(entry.path().display().to_string());
                }
            }
        }
    }
    open.sort();
    match open.first() {
        None => checks.ok(
            "files",
            format!(
                "{} in {}, all yours alone",
                plural(looked, "file"),
                root.display()
            ),
        ),
        Some(first) => checks.fail(
            "files",
            format!(
                "others can read {} here, such as {first}",
                plural(open.len() as u64, "file")
            ),
            "`chmod 600` on them",
        ),
    }
}

#[cfg(unix)]
fn others_read(file: &fs::Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&file.permissions()) & 0o077 != 0
}

#[cfg(not(unix))]
fn others_read(_: &fs::Metadata) -> bool {
    false
}

async fn account(context: &Context, args: &DoctorArgs, checks: &mut Checks) -> Result<(), Failure> {
    let daemon = match context.daemon().await {
        Ok(daemon) => daemon,
        Err(error) => {
            checks.fail(
                "daemon",
                error.to_string(),
                "`chat-sync daemon stop`, then `chat-sync daemon start`",
            );
            return Ok(());
        }
    };
    if let Some(daemon) = daemon {
        checks.ok("daemon", "runs, and holds the store");
        let bar = context.output.moves().then(|| spinner(0));
        let found = daemon.verify(|seen, _| examined(bar.as_ref(), seen)).await;
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        store(&found?, checks);
    } else {
        let account = match context.account() {
            Ok(account) => account,
            Err(error) => {
                // What is wrong, then what to do, as every error of this program.
                let error = error.to_string();
                let (found, next) = error.split_once("; ").unwrap_or((&error, "`chat-sync whoami`"));
                checks.fail("account", found, next);
                return Ok(());
            }
        };
        checks.ok(
            "account",
            format!("{}, its store key in reach", chat_sync::npub(&account.public_key)),
        );
        let bar = context.output.moves().then(|| spinner(0));
        let found = examine_store(&account.store, &mut |seen| {
            examined(bar.as_ref(), seen);
            ControlFlow::Continue(())
        });
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        store(&found.map_err(chat_sync::DataDirError::from)?.into(), checks);
    }
    if args.offline || !context.settings.switches.sync {
        checks.skipped("relays", "not dialled");
        return Ok(());
    }
    let status = probed(context).await?.status;
    relays(&status, checks);
    Ok(())
}

fn examined(bar: Option<&ProgressBar>, seen: u64) {
    if let Some(bar) = bar {
        bar.set_message(format!("{} examined", plural(seen, "event")));
    }
}

fn store(found: &Verified, checks: &mut Checks) {
    let damaged = found.damaged();
    if damaged == 0 {
        checks.ok("store", format!("{} whole", plural(found.events, "event")));
    } else {
        checks.fail(
            "store",
            format!("{} damaged", plural(damaged, "record")),
            "`chat-sync store rebuild`, then `chat-sync sync`",
        );
    }
}

fn relays(status: &Status, checks: &mut Checks) {
    match &status.account.state {
        AccountState::Ready => checks.ok("history key", "open"),
        AccountState::Locked(why) => checks.fail(
            "history key",
            why.clone(),
            "approve it in your signer, then `chat-sync sync`",
        ),
        AccountState::Failed(why) => checks.fail(
            "history key",
            why.clone(),
            "run the command again with -v and look at what failed",
        ),
        AccountState::Loading => checks.warn("history key", "still being read", "run this again"),
        AccountState::Offline(why) => checks.warn(
            "history key",
            why.clone(),
            "`chat-sync sync` once a relay can be reached",
        ),
    }
    match status.clock_skew {
        None => checks.skipped("clock", "no relay says what time it is"),
        Some(skew) if skew.unsigned_abs() <= CLOCK_SKEW_MAX => {
            checks.ok("clock", format!("{skew} s from the relays'"));
        }
        Some(skew) => checks.fail(
            "clock",
            relay_link::clock_words(skew),
            "set the clock, or have it set (NTP)",
        ),
    }
    if status.relays.is_empty() {
        checks.fail(
            "relays",
            "there is none, so messages are on this device only",
            "`chat-sync relays add wss://…`",
        );
    }
    let mut reached = 0;
    for relay in &status.relays {
        let url = relay.url.as_str();
        match (&relay.state, &relay.trouble) {
            (RelayState::Waiting { why, .. }, _) => checks.warn(
                "relay",
                format!("{url}: {why}"),
                "check its address and the network; `chat-sync relays test` tells more",
            ),
            (RelayState::Refused { why }, _) => {
                checks.warn("relay", format!("{url}: {why}"), "`chat-sync relays test`");
            }
            (_, Some(why)) => {
                reached += 1;
                checks.warn(
                    "relay",
                    format!("{url} {why}"),
                    "`chat-sync queue list` says what and why",
                );
            }
            (_, None) => {
                reached += 1;
                let equal = relay.report.as_ref().is_some_and(|report| report.complete);
                let found = if equal { "holds the same" } else { "differs" };
                if equal {
                    checks.ok("relay", format!("{url} {found}"));
                } else {
                    checks.warn("relay", format!("{url} {found}"), "`chat-sync sync`");
                }
            }
        }
    }
    if reached == 1 && status.relays.len() == 1 {
        checks.warn(
            "relays",
            "only one keeps your messages",
            "`chat-sync relays add` another one",
        );
    } else if reached == 0 && !status.relays.is_empty() {
        checks.fail(
            "relays",
            "none can be reached",
            "check the network; what waits is sent later",
        );
    }
}
