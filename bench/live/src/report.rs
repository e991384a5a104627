//! What was measured, as a table for people or one object for programs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Outcome;
use crate::telling::{Device, Plain, Run};

/// Times of one way, in milliseconds.
#[derive(Debug, Serialize)]
struct Row {
    way: &'static str,
    n: usize,
    p50_ms: f64,
    p90_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    messages: u64,
    mean_pause_ms: u64,
    seed: u64,
    seen_once: usize,
    seen_twice: usize,
    missing: usize,
    rows: Vec<Row>,
}

impl Report {
    pub(crate) fn of(run: &Run, devices: &[Device], plain: &Plain) -> Self {
        let (mut once, mut twice, mut missing) = (0, 0, 0);
        let (mut to_device, mut to_plain, mut sending) = (Vec::new(), Vec::new(), Vec::new());
        let on_the_wire: BTreeMap<&str, u64> = plain.seen.iter().map(|(id, at)| (&**id, *at)).collect();
        for (from, to) in [(0, 1), (1, 0)] {
            let mut landed: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
            for (n, at) in &devices[to].seen {
                landed.entry(*n).or_default().push(*at);
            }
            for (n, (called, returned, id)) in (0..).zip(&devices[from].sent) {
                match landed.get(&n).map_or(&[][..], Vec::as_slice) {
                    [] => missing += 1,
                    [at] => {
                        once += 1;
                        to_device.push(between(*returned, *at));
                    }
                    [at, ..] => {
                        twice += 1;
                        to_device.push(between(*returned, *at));
                    }
                }
                to_plain.extend(on_the_wire.get(&**id).map(|at| between(*returned, *at)));
                sending.push(between(*called, *returned));
            }
        }
        let bare = plain.own.iter().map(|(_, written, at)| between(*written, *at));
        Self {
            messages: 2 * run.each,
            mean_pause_ms: run.mean_ms,
            seed: run.seed,
            seen_once: once,
            seen_twice: twice,
            missing,
            rows: vec![
                row("send returned -> update on the other device", to_device),
                row("send returned -> frame on a plain websocket", to_plain),
                row("plain websocket -> plain websocket", bare.collect()),
                row("send called -> send returned (on disk)", sending),
            ],
        }
    }

    /// Whether a message was not seen exactly once.
    pub(crate) fn lost(&self) -> bool {
        self.seen_once as u64 != self.messages
    }

    pub(crate) fn print(&self, json: bool) -> Outcome<()> {
        if json {
            println!("{}", serde_json::to_string(self)?);
            return Ok(());
        }
        println!(
            "{} messages, {} ms apart on average on each of two devices, seed {}: {} seen exactly once, {} more often, {} missing",
            self.messages, self.mean_pause_ms, self.seed, self.seen_once, self.seen_twice, self.missing
        );
        println!();
        println!("| way | n | p50 | p90 | p99 | slowest |");
        println!("|---|---:|---:|---:|---:|---:|");
        for row in &self.rows {
            println!(
                "| {} | {} | {:.2} ms | {:.2} ms | {:.2} ms | {:.2} ms |",
                row.way, row.n, row.p50_ms, row.p90_ms, row.p99_ms, row.max_ms
            );
        }
        Ok(())
    }
}

/// Milliseconds. What came before `send` returned took none.
fn between(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}

fn row(way: &'static str, mut times: Vec<f64>) -> Row {
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (times.len() as f64 * share).ceil() as usize;
        times.get(place.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    Row {
        way,
        n: times.len(),
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    }
}
