//! What was measured, as a table for people or one object for programs.

use std::time::Duration;

use serde::Serialize;

use bench_download::Outcome;
use bench_download::usage::Usage;

use crate::least::Least;

/// One client against one relay.
pub(crate) struct Measured {
    pub(crate) usage: Usage,
    pub(crate) relay_cpu: Duration,
}

/// One row. Times of one envelope are in microseconds.
#[derive(Debug, Serialize)]
struct Row {
    n: u64,
    client: String,
    held: u64,
    wall_ms: f64,
    per_second: f64,
    /// The slowest and the fastest of all runs.
    per_second_range: [f64; 2],
    cpu_us: f64,
    least_us: f64,
    cpu_over_least: f64,
    relay_cpu_us: f64,
    wall_over_cpu: f64,
    peak_mb: f64,
    times_slower: f64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    envelopes: Vec<Envelopes>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Envelopes {
    n: u64,
    bytes: u64,
    parse_us: f64,
    check_us: f64,
}

impl Report {
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            cores,
            envelopes: Vec::new(),
            rows: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self, n: u64, least: Least) {
        self.envelopes.push(Envelopes {
            n,
            bytes: least.bytes,
            parse_us: micros(least.parse),
            check_us: micros(least.check),
        });
    }

    /// All runs of a client, of which the row shows the one in the middle. Our row of a size comes first; the others are compared
    /// with it.
    pub(crate) fn add(&mut self, who: &str, mut runs: Vec<Measured>) {
        runs.sort_unstable_by_key(|run| run.usage.wall);
        let rate = |run: &Measured| run.usage.held as f64 / run.usage.wall.as_secs_f64();
        let (Some(fastest), Some(slowest)) = (runs.first().map(rate), runs.last().map(rate)) else {
            return;
        };
        let Some(envelopes) = self.envelopes.last() else {
            return;
        };
        let (n, least_us) = (envelopes.n, envelopes.parse_us + envelopes.check_us);
        let Measured { usage, relay_cpu } = &runs[runs.len() / 2];
        let held = usage.held.max(1) as f64;
        let per_second = usage.held as f64 / usage.wall.as_secs_f64();
        let cpu_us = micros(usage.cpu) / held;
        let busy = (usage.cpu + *relay_cpu).as_secs_f64() / self.cores as f64;
        let ours = self.rows.iter().find(|row| row.n == n);
        self.rows.push(Row {
            n,
            client: who.to_owned(),
            held: usage.held,
            wall_ms: usage.wall.as_secs_f64() * 1e3,
            per_second,
            per_second_range: [slowest, fastest],
            cpu_us,
            least_us,
            cpu_over_least: cpu_us / least_us,
            relay_cpu_us: micros(*relay_cpu) / held,
            wall_over_cpu: usage.wall.as_secs_f64() / busy,
            peak_mb: usage.peak_kib as f64 * 1024.0 / 1e6,
            times_slower: ours.map_or(1.0, |ours| ours.per_second / per_second),
        });
    }

    pub(crate) fn print(&self, json: bool) -> Outcome<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!(
            "{} cores; both ends TCP_NODELAY; the relay is a process of its own",
            self.cores
        );
        for one in &self.envelopes {
            println!(
                "{} envelopes of {} bytes: one parse {:.1} us, one signature check {:.1} us",
                one.n, one.bytes, one.parse_us, one.check_us
            );
        }
        println!();
        println!(
            "| envelopes | client | held | wall | envelopes/s | slowest, fastest | CPU an envelope | of parse + check | relay CPU an envelope | wall / ((CPU + relay CPU) / cores) | peak memory | ours is faster by |"
        );
        println!("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        for row in &self.rows {
            println!(
                "| {} | {} | {} | {:.2} s | {:.0} | {:.0}, {:.0} | {:.1} us | {:.2} | {:.1} us | {:.2} | {:.0} MB | {:.2} |",
                row.n,
                row.client,
                row.held,
                row.wall_ms / 1e3,
                row.per_second,
                row.per_second_range[0],
                row.per_second_range[1],
                row.cpu_us,
                row.cpu_over_least,
                row.relay_cpu_us,
                row.wall_over_cpu,
                row.peak_mb,
                row.times_slower,
            );
        }
        Ok(())
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
