//! Ends the program on purpose, where a test says so in its environment. Release builds have no such thing.

use std::fs::OpenOptions;

use supervision::CrashPlan;

use crate::exit::Failure;

/// Where to end: `before:<step>:<number>` or `after:<step>:<number>`.
const AT: &str = "CHAT_SYNC_CRASH_AT";
/// The file that gets a line for each point that is reached.
const LOG: &str = "CHAT_SYNC_CRASH_LOG";

/// Takes the plan from the environment; without one, nothing is armed.
pub(crate) fn arm() -> Result<(), Failure> {
    let (at, log) = (std::env::var(AT).ok(), std::env::var_os(LOG));
    if at.is_none() && log.is_none() {
        return Ok(());
    }
    let plan = at
        .map(|text| text.parse())
        .transpose()
        .map_err(|error| Failure::Usage(format!("{AT}: {error}")))?;
    let log = log
        .map(|path| OpenOptions::new().create(true).append(true).open(path))
        .transpose()
        .map_err(|error| Failure::Usage(format!("{LOG}: {error}")))?;
    CrashPlan::arm(plan, log);
    Ok(())
}
