//! One row of the table, for people and as JSON.

use serde_json::{Value, json};

use super::client::Cost;
use crate::meter::Spent;

/// One comparison of one client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison {
    pub(super) cost: Cost,
    pub(super) rounds: u32,
    /// Message bytes; on the wire they are hex, and twice as many.
    pub(super) up: usize,
    pub(super) down: usize,
}

/// Ours and the crate's, in the same run.
pub(super) struct Row {
    pub(super) n: u64,
    pub(super) diff: &'static str,
    pub(super) ours: Comparison,
    pub(super) theirs: Comparison,
}

fn millis(nanos: u64) -> f64 {
    (nanos as f64 / 1e3).round() / 1e3
}

fn ratio(theirs: u64, ours: u64) -> f64 {
    (theirs as f64 / ours.max(1) as f64 * 10.0).round() / 10.0
}

/// In MB of 10^6 bytes, as DESIGN 9 counts; 0 where the system does not tell.
fn megabytes(bytes: Option<u64>) -> f64 {
    (bytes.unwrap_or(0) as f64 / 1e5).round() / 10.0
}

fn counted(spent: Spent) -> String {
    let mega = |count: u64| format!("{:.1}", count as f64 / 1e6);
    spent.instructions.map_or_else(|| "-".to_owned(), mega)
}

impl Row {
    pub(super) fn print_head() {
        println!(
            "{:>8}  {:<13} {:<5} {:>10} {:>9} {:>10} {:>7} {:>6} {:>8} {:>8} {:>8}",
            "items",
            "differs",
            "who",
            "wall ms",
            "first ms",
            "CPU ms",
            "Minstr",
            "rounds",
            "B up",
            "B down",
            "peak MB"
        );
    }

    pub(super) fn print(&self) {
        for (who, it) in [("ours", &self.ours), ("crate", &self.theirs)] {
            let Cost {
                first_message,
                whole,
                peak_bytes,
            } = it.cost;
            println!(
                "{:>8}  {:<13} {who:<5} {:>10.3} {:>9.3} {:>10.3} {:>7} {:>6} {:>8} {:>8} {:>8.1}",
                self.n,
                self.diff,
                millis(whole.wall),
                millis(first_message.wall),
                millis(whole.cpu),
                counted(whole),
                it.rounds,
                it.up,
                it.down,
                megabytes(peak_bytes),
            );
        }
        let (ours, theirs) = (self.ours.cost.whole, self.theirs.cost.whole);
        println!(
            "{:>8}  {:<13} {:<5} {:>9.1}x {:>9} {:>9.1}x",
            "",
            "",
            "ratio",
            ratio(theirs.wall, ours.wall),
            "",
            ratio(theirs.cpu, ours.cpu),
        );
    }

    /// DESIGN 9, and what else was measured.
    pub(super) fn to_json(&self) -> Value {
        let (ours, theirs) = (&self.ours, &self.theirs);
        json!({
            "n": self.n,
            "diff": self.diff,
            "ours_ms": millis(ours.cost.whole.wall),
            "crate_ms": millis(theirs.cost.whole.wall),
            "wall_ratio": ratio(theirs.cost.whole.wall, ours.cost.whole.wall),
            "ours_first_ms": millis(ours.cost.first_message.wall),
            "crate_first_ms": millis(theirs.cost.first_message.wall),
            "ours_cpu_ms": millis(ours.cost.whole.cpu),
            "crate_cpu_ms": millis(theirs.cost.whole.cpu),
            "cpu_ratio": ratio(theirs.cost.whole.cpu, ours.cost.whole.cpu),
            "ours_instructions": ours.cost.whole.instructions,
            "crate_instructions": theirs.cost.whole.instructions,
            "rounds": ours.rounds,
            "crate_rounds": theirs.rounds,
            "bytes_up": ours.up,
            "bytes_down": ours.down,
            "crate_bytes_up": theirs.up,
            "crate_bytes_down": theirs.down,
            "peak_mb": megabytes(ours.cost.peak_bytes),
            "crate_peak_mb": megabytes(theirs.cost.peak_bytes),
        })
    }
}
