//! How switches are to stand, for the engine that runs and for every one after it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use supervision::Switches;

use crate::exit::Failure;
use crate::settings::{Turn, save_switches};

/// The switches, and the configuration file that keeps them.
#[derive(Debug)]
pub(crate) struct KeptSwitches {
    /// `None` where there is no home directory.
    file: Option<PathBuf>,
    now: Mutex<Switches>,
}

impl KeptSwitches {
    pub(crate) fn new(file: Option<PathBuf>, now: Switches) -> Self {
        Self {
            file,
            now: Mutex::new(now),
        }
    }

    /// How they stand.
    pub(super) fn now(&self) -> Switches {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Turns these. `keep` writes them into the file first, so that what holds now holds after a start as well. Blocks on
    /// the disk.
    pub(super) fn turn(&self, turns: &[Turn], keep: bool) -> Result<Switches, Failure> {
        // Held while the file is written: two who turn switches at once both find theirs in it.
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let mut switches = *now;
        for turn in turns {
            turn.apply(&mut switches);
        }
        if keep && !turns.is_empty() {
            self.save(turns)?;
        }
        *now = switches;
        Ok(switches)
    }

    fn save(&self, turns: &[Turn]) -> Result<(), Failure> {
        let unturned = |why: String| {
            Failure::Failed(format!(
                "{why}; no switch was turned, and with `for_now=true` they are turned until the daemon ends"
            ))
        };
        let file = self.file.as_deref();
        let file =
            file.ok_or_else(|| unturned("there is no home directory for a configuration file".to_owned()))?;
        save_switches(file, turns).map_err(|error| unturned(error.to_string()))
    }
}
