//! Log files: one a day, kept for a number of days, readable by their owner only.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use supervision::Clock;
use tracing_subscriber::fmt::MakeWriter;

use super::utc;

/// What one day may take: a part that repeats itself must not fill the disk. At `info` a busy day takes some 100 KB.
const DAY_BYTES_MAX: u64 = 64 * 1024 * 1024;
const BEGINS: &str = "chat-sync-";
const ENDS: &str = ".log";

/// Where log lines go: the file of the day. Clones share it.
#[derive(Clone)]
pub(crate) struct LogFiles(Arc<Mutex<Today>>);

struct Today {
    directory: PathBuf,
    days: u32,
    clock: Arc<dyn Clock>,
    name: String,
    file: File,
    bytes: u64,
}

impl LogFiles {
    /// Opens the file of today in `directory`, which is made if need be, and removes those that are older than `days`.
    pub(crate) fn open(directory: PathBuf, days: u32, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&directory)?;
        let name = name_of(clock.unix());
        let (file, bytes) = open(&directory.join(&name))?;
        let today = Today {
            directory,
            days,
            clock,
            name,
            file,
            bytes,
        };
        today.remove_old();
        Ok(Self(Arc::new(Mutex::new(today))))
    }

    /// The newest log file in `directory`.
    #[cfg(test)]
    fn newest(directory: &Path) -> Option<PathBuf> {
        let names = fs::read_dir(directory).ok()?.filter_map(|entry| {
            let name = entry.ok()?.file_name().into_string().ok()?;
            is_log(&name).then_some(name)
        });
        // Dates sort as they follow each other.
        names.max().map(|name| directory.join(name))
    }
}

impl Today {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        let name = name_of(self.clock.unix());
        if name != self.name {
            (self.file, self.bytes) = open(&self.directory.join(&name))?;
            self.name = name;
            self.remove_old();
        }
        let length = line.len() as u64;
        if self.bytes + length <= DAY_BYTES_MAX {
            self.file.write_all(line)?;
        } else if self.bytes <= DAY_BYTES_MAX {
            self.file
                .write_all(b"the log of this day is full; lines are left out until tomorrow\n")?;
        }
        self.bytes = self.bytes.saturating_add(length);
        Ok(())
    }

    /// One that cannot be removed is tried again tomorrow.
    fn remove_old(&self) {
        let oldest = name_of(self.clock.unix().saturating_sub(u64::from(self.days) * 86_400));
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.flatten() {
            let old = entry
                .file_name()
                .to_str()
                .is_some_and(|name| is_log(name) && *name < *oldest);
            if old {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn name_of(unix: u64) -> String {
    let day: String = utc(unix).chars().take(10).collect();
    format!("{BEGINS}{day}{ENDS}")
}

fn is_log(name: &str) -> bool {
    let day = name.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(ENDS));
    day.is_some_and(|day| day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

/// One line on its way.
pub(crate) struct Line(LogFiles);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogFiles {
    type Writer = Line;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use supervision::SimulatedClock;

    use super::*;

    const NOW: u64 = 1_789_000_000;
    const DAY: i64 = 86_400;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_a_day_is_kept_for_as_many_days_as_asked() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("logs");
        let clock = Arc::new(SimulatedClock::starting_at(NOW));
        let files = LogFiles::open(directory.clone(), 2, clock.clone()).unwrap();
        fs::write(directory.join("notes.txt"), "a person's").unwrap();
        for day in 0..5 {
            writeln!(files.make_writer(), "day {day}").unwrap();
            clock.shift(DAY);
        }
        let kept = names(&directory);
        assert_eq!(kept.len(), 4, "three days and what is not ours: {kept:?}");
        assert!(kept.contains(&"notes.txt".to_owned()));
        let newest = LogFiles::newest(&directory).unwrap();
        assert_eq!(fs::read_to_string(newest).unwrap(), "day 4\n");
        #[cfg(unix)]
        for (path, mode) in [(directory.clone(), 0o700), (directory.join(&kept[0]), 0o600)] {
            let found = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions());
            assert_eq!(found & 0o777, mode);
        }
    }

    #[test]
    fn a_day_that_is_full_says_so_once() {
        let home = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::starting_at(NOW));
        let files = LogFiles::open(home.path().to_owned(), 2, clock).unwrap();
        files.0.lock().unwrap().bytes = DAY_BYTES_MAX - 3;
        for _ in 0..3 {
            writeln!(files.make_writer(), "more").unwrap();
        }
        let text = fs::read_to_string(LogFiles::newest(home.path()).unwrap()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("full"), "{text}");
    }
}
