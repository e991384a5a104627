//! The program itself over the same store: commands from their start to their end.

use std::env;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use super::{RUNS, Row, daemon};
use crate::Outcome;

/// Where `cargo xtask bench read` says that the program is.
const BINARY: &str = "CHAT_SYNC_BINARY";

/// A row for each command, and those of a daemon; none where no program was named.
pub(super) fn rows(data: &Path) -> Result<Vec<Row>, Box<dyn std::error::Error>> {
    let Some(binary) = env::var_os(BINARY) else {
        eprintln!("{BINARY} names no program: `cargo xtask bench read` builds one");
        return Ok(Vec::new());
    };
    let binary = Path::new(&binary);
    let mut rows = Vec::new();
    for (title, words) in [
        ("`chat-sync chats list`", ["chats", "list"].as_slice()),
        ("`chat-sync status`", &["status"]),
        ("`chat-sync chats show latest`", &["chats", "show", "latest"]),
    ] {
        let mut walls = Vec::new();
        for _ in 0..RUNS {
            let began = Instant::now();
            ask(binary, data, words)?;
            walls.push(began.elapsed().as_secs_f64() * 1e3);
        }
        walls.sort_by(f64::total_cmp);
        rows.push((title, walls[0], walls[RUNS / 2], None));
    }
    rows.extend(daemon::rows(binary, data)?);
    Ok(rows)
}

pub(super) fn command(binary: &Path, data: &Path) -> Command {
    let mut command = Command::new(binary);
    command.arg("--data-dir").arg(data).arg("--quiet");
    command
}

pub(super) fn ask(binary: &Path, data: &Path, words: &[&str]) -> Outcome {
    let output = command(binary, data).arg("--json").args(words).output()?;
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
