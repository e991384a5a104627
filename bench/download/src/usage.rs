//! What a process used: time, processor, memory.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// What one download took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Usage {
    /// Envelopes held at the end, on disk where the store has one.
    pub held: u64,
    /// From the first dial to the end.
    pub wall: Duration,
    /// Processor time of every thread meanwhile.
    pub cpu: Duration,
    /// The most memory that was resident in the life of the process (VmHWM), in KiB.
    pub peak_kib: u64,
}

/// A running measurement.
pub struct Stopwatch {
    begin: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts it.
    pub fn start() -> Self {
        Self {
            begin: Instant::now(),
            cpu: cpu(),
        }
    }

    /// What was used since then, with so many envelopes held at the end.
    pub fn stop(&self, held: u64) -> Outcome<Usage> {
        Ok(Usage {
            held,
            wall: self.begin.elapsed(),
            cpu: cpu() - self.cpu,
            peak_kib: peak_kib()?,
        })
    }
}

/// Processor time of this process since it began, with every thread that ever was.
pub fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    // Neither part is ever negative for this clock.
    Duration::new(
        spent.tv_sec.unsigned_abs(),
        u32::try_from(spent.tv_nsec).unwrap_or(0),
    )
}

/// The most memory that was resident in the life of this process so far (VmHWM), in KiB.
pub fn peak_kib() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = line.ok_or("the kernel does not say how much memory was used")?;
    Ok(peak.trim().trim_end_matches(" kB").parse()?)
}

/// The last thing a child says: one line of JSON.
pub fn print(outcome: Outcome<impl Serialize>) -> Outcome<()> {
    println!("{}", serde_json::to_string(&outcome?)?);
    Ok(())
}
