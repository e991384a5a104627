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
    let folder = root.join("logs");
    let path = newest(&folder).unwrap_or_else(|| root.join(LOG));
    let mut log = Reader::open(path)?;
    let start = log.length()?.saturating_sub(TAIL_BYTES);
    let text = log.read_from(start, TAIL_BYTES)?;
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
        // Before the file is read: what was written to it before the next one was begun is read first.
        let next = next(&folder, &log.path);
        log.show_more(context)?;
        if let Some(next) = next {
            log.show_rest(context)?;
            log = Reader::open(next)?;
            log.show_more(context)?;
        }
    }
}

/// A log that is read while it grows.
struct Reader {
    path: PathBuf,
    file: File,
    /// What lies before was shown.
    at: u64,
}

impl Reader {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file, at: 0 }),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    fn length(&self) -> Result<u64, Failure> {
        let found = self.file.metadata();
        Ok(found.map_err(|error| unreadable(&self.path, &error))?.len())
    }

    /// What lies there, at most so much; reading goes on behind it.
    fn read_from(&mut self, start: u64, most: u64) -> Result<String, Failure> {
        let (end, text) =
            read(&mut self.file, start, most).map_err(|error| unreadable(&self.path, &error))?;
        self.at = end;
        Ok(text)
    }

    /// Shows every whole line that there is.
    fn show_more(&mut self, context: &Context) -> Result<(), Failure> {
        loop {
            let begin = self.at;
            let text = self.read_from(begin, READ_BYTES_MAX)?;
            // What has no end yet is read again with it; a line that is longer than what is read at once is cut.
            let whole = match text.rfind('\n') {
                Some(end) => end + 1,
                None if self.at - begin == READ_BYTES_MAX => text.len(),
                None => 0,
            };
            for line in text[..whole].lines() {
                context.output.line(&printable(line))?;
            }
            if whole < text.len() {
                self.at = begin + whole as u64;
            }
            if whole == 0 {
                return Ok(());
            }
        }
    }

    /// Shows what has no end, and gets none any more.
    fn show_rest(&mut self, context: &Context) -> Result<(), Failure> {
        self.show_more(context)?;
        let text = self.read_from(self.at, READ_BYTES_MAX)?;
        text.lines()
            .try_for_each(|line| context.output.line(&printable(line)))
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Failed(format!(
        "{} could not be read: {error}; a daemon that a service manager started logs there (`journalctl --user -u \
         chat-sync`)",
        path.display()
    ))
}

/// The log of the day after this one, or of the next day there is one of: a file a day. Also the first one, where there was
/// none but what the daemon said before it logged.
fn next(folder: &Path, shown: &Path) -> Option<PathBuf> {
    logs_in(folder)
        .filter(|path| path.parent() != shown.parent() || path.as_path() > shown)
        .min()
}

/// The log of the last day there is one of; their names sort by date.
fn newest(folder: &Path) -> Option<PathBuf> {
    logs_in(folder).max()
}

fn logs_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten();
    let files = files.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|path| path.extension().is_some_and(|end| end == "log"))
}

fn read(file: &mut File, start: u64, most: u64) -> std::io::Result<(u64, String)> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(most).read_to_end(&mut bytes)?;
    let end = start + bytes.len() as u64;
    Ok((end, String::from_utf8_lossy(&bytes).into_owned()))
}
