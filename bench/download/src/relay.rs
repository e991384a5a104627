//! The relay's part: filled before anybody connects, and asked how much processor time it used.

use std::io::{BufRead, Write};
use std::path::Path;

use futures_executor::block_on;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::{Outcome, history, usage};

/// Says its address, then answers each line with the nanoseconds of processor time so far, until stdin ends.
pub fn serve(file: &Path) -> Outcome<()> {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default())?;
    for events in history::read(file)?.chunks(1_000) {
        block_on(relay.put(events))?;
    }
    let mut out = std::io::stdout();
    writeln!(out, "{}", relay.url())?;
    for question in std::io::stdin().lock().lines() {
        question?;
        writeln!(out, "{}", usage::cpu().as_nanos())?;
        out.flush()?;
    }
    Ok(())
}
