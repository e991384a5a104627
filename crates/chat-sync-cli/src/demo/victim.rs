//! A `sync` in a process of its own, to be killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::exit::Failure;

/// Killed at the latest when this is dropped.
pub(super) struct Victim(Child);

impl Victim {
    /// Runs this very program with `sync` over a data directory.
    pub(super) fn sync(data_dir: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::Failed(format!("a second process could not be started: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(["sync", "--quiet", "--json", "--data-dir"])
            .arg(data_dir);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.spawn().map(Self).map_err(failed)
    }

    /// Whether it ended by itself.
    pub(super) fn ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }

    /// Ends it without a warning (SIGKILL), and returns when its files are let go.
    pub(super) fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // One that ended by itself cannot be killed, only collected.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.end();
    }
}
