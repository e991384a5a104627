//! What was measured, as tables for people or one object for programs.

use bench_download::Outcome;
use serde::Serialize;

use crate::queue::Waited;

/// Ours beside something else.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    what: &'static str,
    n: u64,
    /// A second.
    ours: f64,
    against: &'static str,
    theirs: f64,
    /// How many times as fast ours is.
    ratio: f64,
}

impl Row {
    pub(crate) fn rate(what: &'static str, n: u64, ours: f64, against: &'static str, theirs: f64) -> Self {
        Self {
            what,
            n,
            ours,
            against,
            theirs,
            ratio: ours / theirs,
        }
    }
}

/// A long queue.
#[derive(Debug, Serialize)]
struct Queue {
    /// Envelopes, or drafts that are not sealed yet.
    of: &'static str,
    waiting: u64,
    first_byte_ms: f64,
    peak_mb: f64,
    /// The same history, with nothing to send.
    held_peak_mb: f64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    rows: Vec<Row>,
    queues: Vec<Queue>,
}

impl Report {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores,
            rows: Vec::new(),
            queues: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    pub(crate) fn wait(&mut self, of: &'static str, waiting: u64, held: &Waited, first: &Waited) {
        let megabytes = |kib: u64| kib as f64 * 1024.0 / 1e6;
        self.queues.push(Queue {
            of,
            waiting,
            first_byte_ms: first.first_ms,
            peak_mb: megabytes(first.peak_kib),
            held_peak_mb: megabytes(held.peak_kib),
        });
    }

    pub(crate) fn print(&self, json: bool) -> Outcome<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!("{} cores; the relay is a process of its own\n", self.cores);
        println!("| what | n | ours, a second | against | theirs, a second | ours is faster by |");
        println!("|---|---:|---:|---|---:|---:|");
        for row in &self.rows {
            let Row {
                what,
                n,
                ours,
                against,
                theirs,
                ratio,
            } = row;
            println!("| {what} | {n} | {ours:.0} | {against} | {theirs:.0} | {ratio:.1} |");
        }
        println!("\n| waiting | of | first byte | peak memory | the same history, nothing waiting |");
        println!("|---:|---|---:|---:|---:|");
        for queue in &self.queues {
            let Queue {
                of,
                waiting,
                first_byte_ms,
                peak_mb,
                held_peak_mb,
            } = queue;
            println!("| {waiting} | {of} | {first_byte_ms:.0} ms | {peak_mb:.0} MB | {held_peak_mb:.0} MB |");
        }
        Ok(())
    }
}
