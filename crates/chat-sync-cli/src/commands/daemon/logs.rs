//! `daemon logs`: what a daemon in the background said.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::background::LOG;
use crate::cli::Logs;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::printable;

/// Between two looks at a file that grows.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// The end of a log that is read for its last lines.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;
/// What is read at once.
const READ_BYTES_MAX: u64 = 1024 * 1024;

pub(super) async fn logs(context: &Context, args: &Logs) -> Result<(), Failure> {
    let root = context.data_dir.root();
    let path = newest(&root.join("logs")).unwrap_or_else(|| root.join(LOG));
    let unreadable = |error: std::io::Error| {
        Failure::Failed(format!(
            "{} could not be read: {error}; a daemon that a service manager started logs there (`journalctl --user -u \
             chat-sync`)",
            path.display()
        ))
    };
    let mut file = File::open(&path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let start = length.saturating_sub(TAIL_BYTES);
    let (mut at, text) = read(&mut file, start, TAIL_BYTES).map_err(unreadable)?;
    let mut lines: Vec<&str> = text.lines().collect();
    if start > 0 && !lines.is_empty() {
        // Half a line.
        lines.remove(0);
    }
    for line in &lines[lines.len().saturating_sub(args.lines)..] {
        context.output.line(&printable(line))?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let (end, text) = read(&mut file, at, READ_BYTES_MAX).map_err(unreadable)?;
        // What has no end yet is read again with it.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole].lines() {
            context.output.line(&printable(line))?;
        }
        at = end - (text.len() - whole) as u64;
    }
}

/// The log of the last day there is one of; their names sort by date.
fn newest(folder: &Path) -> Option<PathBuf> {
    let files = std::fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .max()
}

fn read(file: &mut File, start: u64, most: u64) -> std::io::Result<(u64, String)> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(most).read_to_end(&mut bytes)?;
    let end = start + bytes.len() as u64;
    Ok((end, String::from_utf8_lossy(&bytes).into_owned()))
}
