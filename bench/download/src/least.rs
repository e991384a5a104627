//! What an envelope has to cost on this machine: one parse and one signature check, as processor time of one thread.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use nostr::prelude::Event;
use serde::{Deserialize, Serialize};

use bench_download::{Outcome, usage};

/// Envelopes that are measured, at most; more of them give the same number.
const SAMPLE: usize = 10_000;

/// The least an envelope costs, on average over the history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Least {
    /// JSON text to event.
    pub(crate) parse: Duration,
    /// BIP-340 alone; hashing for the id is not in it.
    pub(crate) check: Duration,
    /// Length of the JSON texts, on average.
    pub(crate) bytes: u64,
}

pub(crate) fn measure(file: &Path) -> Outcome<Least> {
    let text = std::fs::read_to_string(file)?;
    let lines: Vec<&str> = text.lines().take(SAMPLE).collect();
    let count = u32::try_from(lines.len())?;
    let begin = usage::cpu();
    let events = lines
        .iter()
        .map(|line| Event::from_json(black_box(line)))
        .collect::<Result<Vec<_>, _>>()?;
    let parse = (usage::cpu() - begin) / count;
    let begin = usage::cpu();
    if !events.iter().all(|event| black_box(event).verify_signature()) {
        return Err("an envelope of the history is not signed by its author".into());
    }
    let check = (usage::cpu() - begin) / count;
    let bytes = lines.iter().map(|line| line.len() as u64).sum::<u64>() / u64::from(count);
    Ok(Least { parse, check, bytes })
}
