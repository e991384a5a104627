//! What the parts tell each other.

use std::io::Write;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use supervision::{Entropy, SeededEntropy};

use crate::Outcome;

/// What is measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    /// Messages of each device.
    pub(crate) each: u64,
    /// Milliseconds between two messages of a device, on average.
    pub(crate) mean_ms: u64,
    pub(crate) seed: u64,
}

/// What one device did and saw. Times are nanoseconds of the machine's clock.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) name: String,
    /// By number: when `send` was called, when it returned, and what the message is called in the end (hex).
    pub(crate) sent: Vec<(u64, u64, String)>,
    /// The other device's messages, in the order in which they landed: number, when.
    pub(crate) seen: Vec<(u64, u64)>,
}

/// What the plain websocket did and saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plain {
    /// Event id (hex), and when its frame was there.
    pub(crate) seen: Vec<(String, u64)>,
    /// Events of its own: id, when they were written, and when they were there.
    pub(crate) own: Vec<(String, u64, u64)>,
}

/// Nanoseconds of the one clock that all processes share.
pub(crate) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The pauses before each message: as they are between things that happen at random.
pub(crate) fn pauses(run: &Run, who: u64) -> impl Iterator<Item = Duration> {
    let entropy = SeededEntropy::new(run.seed * 1_000 + who);
    let mean = Duration::from_millis(run.mean_ms).as_secs_f64();
    (0..run.each).map(move |_| {
        let chance = entropy.draw_fraction().clamp(1e-9, 1.0);
        Duration::from_secs_f64(-chance.ln() * mean)
    })
}

/// The words of message `n`, of one to six hundred characters.
pub(crate) fn text(name: &str, n: u64) -> String {
    let words = "the quick brown fox asks a language model about set reconciliation ";
    let length = 100 + (n * 37 % 500) as usize;
    let filling: String = words.chars().cycle().take(length).collect();
    format!("{name} {n} {filling}")
}

/// Says one line.
pub(crate) fn say(line: &str) -> Outcome<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Waits for a line.
pub(crate) fn wait() -> Outcome<()> {
    let mut line = String::new();
    if std::io::stdin().read_line(&mut line)? == 0 {
        return Err("the run has ended".into());
    }
    Ok(())
}
