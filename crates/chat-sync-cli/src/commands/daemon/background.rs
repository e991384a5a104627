//! `daemon start`, `daemon stop`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::saved_relays_are_meant;
use crate::context::Context;
use crate::daemon::{Lock, Record};
use crate::exit::Failure;
use crate::service::Daemon;

/// A keyring of the desktop may ask a person for a minute before the store opens.
const START_PATIENCE: Duration = Duration::from_secs(90);
/// An engine has five seconds to stop, and what is being answered three.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Of what a daemon said before it ended: its last line is the reason.
const SAID_BYTES_MAX: u64 = 16 * 1024;
/// What is said to nobody goes here.
pub(super) const LOG: &str = "daemon.log";
/// A log that has grown beyond this begins anew.
const LOG_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Starts a daemon beside this process, or finds the one that runs.
pub(super) async fn start(context: &Context, port: Option<u16>) -> Result<(), Failure> {
    let (daemon, started) = running(context, port).await?;
    let (output, record) = (context.output, daemon.record());
    if output.is_json() {
        return output.json(&json!({
            "started": started,
            "pid": record.pid,
            "url": record.address(),
        }));
    }
    let how = if started { "started" } else { "runs already" };
    output.line(&format!("{how}: process {}, {}", record.pid, record.address()))
}

/// A daemon that answers, and whether it was started for that.
pub(super) async fn running(context: &Context, port: Option<u16>) -> Result<(Daemon, bool), Failure> {
    let root = context.data_dir.root();
    if let Some(daemon) = Daemon::find(root).await? {
        return Ok((daemon, false));
    }
    saved_relays_are_meant(context)?;
    context.data_dir.create()?;
    let log = root.join(LOG);
    if log.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        let _ = std::fs::remove_file(&log);
    }
    let mut log_file = open_log(&log)?;
    let before = log_file.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut child = spawn(context, port, log_file)?;
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        if let Ok(Some(ended)) = child.try_wait() {
            let exit = ended.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
            return Err(Failure::Told {
                exit: exit.max(1),
                error: last_words(&log, before),
            });
        }
        let found = Daemon::find(root).await?;
        if let Some(daemon) = found.filter(|daemon| daemon.record().pid == child.id()) {
            return Ok((daemon, true));
        }
        if Instant::now() > deadline {
            return Err(Failure::Failed(format!(
                "the daemon (process {}) does not answer; {} says what it does",
                child.id(),
                log.display()
            )));
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn spawn(context: &Context, port: Option<u16>, log: File) -> Result<Child, Failure> {
    let failed = |error: io::Error| Failure::Failed(format!("the daemon could not be started: {error}"));
    let root = std::path::absolute(context.data_dir.root()).map_err(failed)?;
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("--data-dir").arg(root);
    if let Some(account) = context.data_dir.chosen() {
        command.arg("--account").arg(chat_sync::npub(&account));
    }
    command.args(context.settings.flags.to_args());
    if context.verbose > 0 {
        command.arg(format!("-{}", "v".repeat(context.verbose.into())));
    }
    command.args(["daemon", "run", "--detached"]);
    if let Some(port) = port {
        command.arg("--port").arg(port.to_string());
    }
    // It is not to keep a directory busy that somebody works in.
    #[cfg(unix)]
    command.current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    command.spawn().map_err(failed)
}

/// In a session of its own, a closed terminal does not end it.
pub(super) fn leave_terminal() {
    // Refused only to who leads a session already.
    #[cfg(unix)]
    let _ = rustix::process::setsid();
}

fn open_log(path: &PathBuf) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        Failure::Failed(format!(
            "{} could not be written: {error}; check the path and its permissions",
            path.display()
        ))
    })
}

/// The last line that was said after the beginning of the log.
fn last_words(path: &Path, before: u64) -> String {
    let mut said = String::new();
    let read = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(before))?;
        file.take(SAID_BYTES_MAX).read_to_string(&mut said)
    });
    let last = said.lines().last().filter(|_| read.is_ok());
    let last = last.map(|line| line.trim_start_matches("chat-sync: "));
    last.unwrap_or("the daemon ended at once; `chat-sync daemon run` shows why")
        .to_owned()
}

/// Asks the daemon to stop, and waits until it has.
pub(super) async fn stop(context: &Context) -> Result<(), Failure> {
    let root = context.data_dir.root();
    let runs = Lock::is_held(root);
    if runs {
        match Daemon::find(root).await {
            Ok(Some(daemon)) => daemon.stop().await?,
            Ok(None) | Err(_) => terminate(root)?,
        }
        gone(root).await?;
    } else {
        // What a daemon that died left behind.
        Record::remove(root);
    }
    if context.output.is_json() {
        return context.output.json(&json!({ "stopped": runs }));
    }
    context
        .output
        .line(if runs { "stopped" } else { "no daemon was running" })
}

async fn gone(root: &Path) -> Result<(), Failure> {
    let deadline = Instant::now() + STOP_PATIENCE;
    while Lock::is_held(root) {
        if Instant::now() > deadline {
            return Err(Failure::Failed(
                "the daemon was asked to stop and has not; end its process".to_owned(),
            ));
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}

/// For one that holds the lock and does not answer.
#[cfg(unix)]
fn terminate(root: &Path) -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};
    let record = Record::read(root)?;
    let pid = record.and_then(|record| Pid::from_raw(i32::try_from(record.pid).ok()?));
    let Some(pid) = pid else {
        // It begins, or it ends.
        return Ok(());
    };
    kill_process(pid, Signal::TERM)
        .map_err(|error| Failure::Failed(format!("the daemon's process could not be ended: {error}")))
}

#[cfg(not(unix))]
fn terminate(root: &Path) -> Result<(), Failure> {
    let record = Record::read(root)?;
    match record {
        Some(record) => Err(Failure::Failed(format!(
            "the daemon does not answer; end process {}",
            record.pid
        ))),
        None => Ok(()),
    }
}
