//! The program itself over the same store: commands from their start to their end, and the memory of a daemon that was asked.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use super::{RUNS, Row};
use crate::Outcome;

/// Where `cargo xtask bench read` says that the program is.
const BINARY: &str = "CHAT_SYNC_BINARY";
/// A daemon answers once it has read its keys.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// A row for each command, and one for a daemon; none where no program was named.
pub(super) fn rows(folder: &Path) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let Some(binary) = env::var_os(BINARY) else {
        eprintln!("{BINARY} names no program: `cargo xtask bench read` builds one");
        return Ok(Vec::new());
    };
    let binary = Path::new(&binary);
    let mut rows = Vec::new();
    for (title, words) in [
        ("chat-sync chats list", ["chats", "list"].as_slice()),
        ("chat-sync status", &["status"]),
        ("chat-sync chats show latest", &["chats", "show", "latest"]),
    ] {
        let mut walls = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            ask(binary, folder, words)?;
            walls.push(began.elapsed().as_secs_f64() * 1e3);
        }
        walls.sort_by(f64::total_cmp);
        rows.push((title, walls[0], walls[RUNS / 2], None));
    }
    rows.push(daemon(binary, folder)?);
    Ok(rows)
}

/// The time until a daemon answers, and the peak of its memory after it listed, searched and showed.
fn daemon(binary: &Path, folder: &Path) -> Result<Row, Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut daemon = command(binary, folder)
        .args(["daemon", "run", "--port", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let measured = asked(&mut daemon, binary, folder, began);
    let stopped = ask(binary, folder, &["daemon", "stop"]);
    if stopped.is_err() {
        daemon.kill()?;
    }
    daemon.wait()?;
    stopped?;
    measured
}

fn asked(
    daemon: &mut Child,
    binary: &Path,
    folder: &Path,
    began: Instant,
) -> Result<Row, Box<dyn std::error::Error>> {
    while ask(binary, folder, &["daemon", "status"]).is_err() || !folder.join("daemon.json").exists() {
        if began.elapsed() > START_PATIENCE || daemon.try_wait()?.is_some() {
            return Err("the daemon does not answer".into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    let wall = began.elapsed().as_secs_f64() * 1e3;
    for words in [
        ["chats", "list"].as_slice(),
        &["chats", "search", "NEEDLE"],
        &["chats", "show", "latest"],
        &["status"],
        &["queue", "list"],
    ] {
        ask(binary, folder, words)?;
    }
    let peak = peak_kib(daemon.id())?;
    Ok((
        "chat-sync daemon, asked for everything",
        wall,
        wall,
        Some(peak / 1024),
    ))
}

fn command(binary: &Path, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("--data-dir").arg(folder).arg("--quiet");
    command
}

fn ask(binary: &Path, folder: &Path, words: &[&str]) -> Outcome {
    let output = command(binary, folder).arg("--json").args(words).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "chat-sync {}: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr)
    )
    .into())
}

/// The most memory that a process held at once (`VmHWM`; Linux).
fn peak_kib(process: u32) -> Result<u64, Box<dyn std::error::Error>> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().next());
    Ok(digits
        .ok_or("the system does not say how much memory it took")?
        .parse()?)
}
