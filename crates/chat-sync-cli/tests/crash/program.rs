//! The real program on one data directory: run to its end, or to the crash point where it dies.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use chat_sync::{Account, DataDir, DataDirError};
use serde_json::Value;
use supervision::{Entropy, SystemEntropy};

/// `abort`, which is how a process ends at a crash point.
const ABORTED: i32 = 6;

/// One device.
pub(crate) struct Device {
    folder: PathBuf,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// At the crash point.
    Died,
    /// By itself: exit code, and the object on the last line of stdout.
    Came(i32, Value, String),
}

impl Device {
    /// A device that keeps everything in `folder`, which need not exist.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("points.log")
    }

    /// Runs the program. With a crash point it may die there.
    pub(crate) fn run(&self, args: &[&str], stdin: &str, crash_at: Option<&str>) -> Ended {
        std::fs::create_dir_all(&self.folder).unwrap();
        let _ = std::fs::remove_file(self.log());
        let mut command = Command::new(env!("CARGO_BIN_EXE_chat-sync"));
        command
            .env_clear()
            .env("HOME", &self.folder)
            .env("CHAT_SYNC_DATA_DIR", self.data())
            .env("CHAT_SYNC_CRASH_LOG", self.log())
            .args(args)
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(point) = crash_at {
            command.env("CHAT_SYNC_CRASH_AT", point);
        }
        let mut child = command.spawn().unwrap();
        // One that dies early has closed its end.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let ended = child.wait_with_output().unwrap();
        let stdout = String::from_utf8_lossy(&ended.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&ended.stderr).into_owned();
        match (ended.status.signal(), crash_at) {
            (Some(ABORTED), Some(_)) => Ended::Died,
            (None, _) => {
                let last = stdout.lines().last().unwrap_or_default();
                let value = serde_json::from_str(last).unwrap_or(Value::Null);
                Ended::Came(ended.status.code().unwrap(), value, stderr)
            }
            (signal, _) => panic!("{args:?} ended with signal {signal:?}: {stdout} {stderr}"),
        }
    }

    /// Runs the program to its end, which must be a good one.
    #[track_caller]
    pub(crate) fn must(&self, args: &[&str], stdin: &str) -> Value {
        match self.run(args, stdin, None) {
            Ended::Came(0, value, _) => value,
            other => panic!("{args:?} on {}: {other:?}", self.folder.display()),
        }
    }

    /// How often each point was reached by the last run.
    pub(crate) fn points(&self) -> BTreeMap<String, u64> {
        let mut reached = BTreeMap::new();
        for line in std::fs::read_to_string(self.log()).unwrap_or_default().lines() {
            *reached.entry(line.to_owned()).or_default() += 1;
        }
        reached
    }

    /// Opens what is on disk, as the next program will. `None` before a login is complete.
    pub(crate) fn open(&self) -> Option<Account> {
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        match DataDir::new(self.data()).open(&entropy) {
            Ok(account) => Some(account),
            Err(DataDirError::NotLoggedIn | DataDirError::BadLogin) => None,
            Err(error) => panic!("{}: {error}", self.folder.display()),
        }
    }

    /// A device that begins where this one stands.
    pub(crate) fn copied_to(&self, folder: PathBuf) -> Self {
        copy(&self.data(), &folder.join("data"));
        Self { folder }
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (from, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if from.is_dir() {
            copy(&from, &to);
        } else {
            std::fs::copy(&from, &to).unwrap();
        }
    }
}
