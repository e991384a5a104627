//! `opening`: where the time goes when a file is opened and its first message made, step by step.
//!
//! The steps are those of `ours` in `reconcile`, over the histories that it left in a directory (`--dir`). Each is the
//! median of a few runs in this process, with the file's pages in the operating system's cache.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_index::{Item, Storage, Store, View};
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, Strategy};
use redb::Database;

use crate::Outcome;
use crate::meter::Meter;
use crate::reconcile::{CACHE_BYTES, key};

const RUNS: usize = 9;

const USAGE: &str = "\
cargo xtask bench opening FILE...

  FILE          a history that `bench reconcile --dir` made
";

/// What one run of the steps took: wall and CPU nanoseconds each.
type Steps = Vec<(&'static str, u64, u64)>;

/// All files, one after the other.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    if arguments.is_empty() {
        return Err(USAGE.into());
    }
    for path in arguments.iter().map(PathBuf::from) {
        let runs = (0..RUNS).map(|_| steps(&path)).collect::<Result<Vec<_>, _>>()?;
        println!(
            "{} ({} MB)",
            path.display(),
            std::fs::metadata(&path)?.len() / 1_000_000
        );
        for (number, (name, ..)) in runs[0].iter().enumerate() {
            let median = |part: fn(&(&'static str, u64, u64)) -> u64| {
                let mut all: Vec<u64> = runs.iter().map(|run| part(&run[number])).collect();
                all.sort_unstable();
                all[RUNS / 2] as f64 / 1e3
            };
            println!(
                "  {name:<40} {:>9.0} us wall {:>9.0} us CPU",
                median(|it| it.1),
                median(|it| it.2)
            );
        }
    }
    Ok(())
}

fn steps(path: &Path) -> Result<Steps, Box<dyn Error>> {
    let mut steps = Vec::new();
    let database = step(&mut steps, "redb alone: the file", || {
        Database::builder().set_cache_size(CACHE_BYTES).open(path)
    })?;
    drop(database);
    let store = step(&mut steps, "store: redb, header, totals", || {
        Store::open(Storage::File(path.to_owned()), &key())
    })?;
    let view = Arc::new(step(&mut steps, "view: the superblocks", || store.view())?);
    let last = view.item(view.len() - 1)?;
    let agreed = Item {
        created_at: last.created_at + 1,
        id: EventId::from_byte_array([0; 32]),
    };
    let strategy = Strategy::RecentFirst { agreed: Some(agreed) };
    step(&mut steps, "first message", || {
        Initiator::open(view, strategy, FrameLimit::NONE)
    })?;
    Ok(steps)
}

fn step<T>(steps: &mut Steps, name: &'static str, work: impl FnOnce() -> T) -> T {
    let mut meter = Meter::new();
    let done = meter.stretch(work);
    let spent = meter.spent();
    steps.push((name, spent.wall, spent.cpu));
    done
}
