//! `reconcile`: one comparison with a relay from a cold file, ours against a client that loads the `negentropy` crate.
//!
//! - A *cold file* was made before, and is opened for the first time in a process that does nothing else. Its pages
//!   are in the operating system's cache for both sides.
//! - *Ours* is `Store::open`, a view of the fingerprint index and the recent-first opening. *The crate's* is what a
//!   client without the index does: open the file, read every item into the crate's list, seal, initiate.
//! - The relay is the same for both: the crate's own list, here in the parent process, with frames of at most 60,000
//!   bytes both ways. Its time is not counted, nor is the waiting for it.
//! - `none-exceptions` compares what the relay is *expected* to hold ([`exceptions`]): it serves 1,000 events that were
//!   deleted here, and refused 500 that are held. The crate's client knows nothing of that, and names them all; its
//!   time to the first message is the load, the seal and the initiate.
//! - Each row is the quickest of a few runs, as other programs may run beside. What was named is checked in every run.

mod client;
mod exceptions;
mod history;
mod pipe;
mod row;

use std::collections::BTreeSet;
use std::env;
use std::error::Error;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use negentropy::Negentropy;
use nostr::event::EventId;

use crate::Outcome;
use client::{Cost, Who};
pub(crate) use history::key;
use history::{DIFFERENCES, Expected, Relay};
use row::{Comparison, Row};

/// The name under which this program starts itself as a client.
pub(crate) const CLIENT: &str = "reconcile-client";

/// Message bytes, as strfry's default frames hold them in hex.
const FRAME_BYTES_MAX: u64 = 60_000;
/// The store's own, so that neither side has more memory for pages.
pub(crate) const CACHE_BYTES: usize = 16 << 20;
/// The quickest of as many runs counts.
const RUNS: usize = 5;

const USAGE: &str = "\
cargo xtask bench reconcile [options]

  --json        the last line is {\"rows\":[...]}
  --n LIST      sizes, as 10k,1m (default 10k,100k,1m)
  --big         10m as well: a file of some gigabytes, made in minutes
  --diff NAME   only none, 10-recent, 10-anywhere, 1000-anywhere or none-exceptions (up to 1m)
  --runs N      the quickest of N runs counts (default 5)
  --dir PATH    keep the histories there, and use those that are there
";

struct Options {
    json: bool,
    sizes: Vec<u64>,
    difference: Option<String>,
    runs: usize,
    directory: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            json: false,
            sizes: vec![10_000, 100_000, 1_000_000],
            difference: None,
            runs: RUNS,
            directory: None,
        };
        let mut big = false;
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or(USAGE);
            match argument.as_str() {
                "--json" => options.json = true,
                "--big" => big = true,
                "--n" => options.sizes = value()?.split(',').map(size).collect::<Result<_, _>>()?,
                "--diff" => options.difference = Some(value()?.clone()),
                "--runs" => options.runs = value()?.parse::<usize>()?.max(1),
                "--dir" => options.directory = Some(value()?.into()),
                _ => return Err(USAGE.into()),
            }
        }
        if big {
            options.sizes.push(10_000_000);
        }
        Ok(options)
    }
}

impl Options {
    fn wants(&self, difference: &str) -> bool {
        self.difference.as_ref().is_none_or(|name| name == difference)
    }
}

/// `10k` and `1m` as numbers.
fn size(text: &str) -> Result<u64, Box<dyn Error>> {
    let (digits, unit) = match text.strip_suffix(['k', 'm']) {
        Some(digits) if text.ends_with('k') => (digits, 1_000),
        Some(digits) => (digits, 1_000_000),
        None => (text, 1),
    };
    match digits.parse::<u64>()?.checked_mul(unit) {
        // The recent ten have to be there.
        Some(count) if count >= 10_000 => Ok(count),
        _ => Err(format!("{text} is no size from 10k on").into()),
    }
}

/// The whole table.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::parse(arguments)?;
    let temporary = tempfile::tempdir()?;
    let directory = options.directory.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(directory)?;
    Row::print_head();
    let mut rows = Vec::new();
    for &count in &options.sizes {
        let path = history::file(directory, count)?;
        // Neither side is to be the one that waits for the disk.
        std::io::copy(&mut std::fs::File::open(&path)?, &mut std::io::sink())?;
        for difference in DIFFERENCES {
            if options.wants(difference.name) {
                let relay = difference.relay(count)?;
                rows.push(measured(
                    &options,
                    count,
                    difference.name,
                    Who::Ours,
                    &path,
                    &relay,
                )?);
            }
        }
        if count <= exceptions::ITEMS_MAX && options.wants(exceptions::NAME) {
            let path = exceptions::file(directory, count, &path)?;
            std::io::copy(&mut std::fs::File::open(&path)?, &mut std::io::sink())?;
            let relay = exceptions::relay(count)?;
            rows.push(measured(
                &options,
                count,
                exceptions::NAME,
                Who::OursAtRelay,
                &path,
                &relay,
            )?);
            if options.directory.is_none() {
                std::fs::remove_file(path)?;
            }
        }
        if options.directory.is_none() {
            std::fs::remove_file(path)?;
        }
    }
    if options.json {
        println!("{}", serde_json::json!({ "rows": rows }));
    }
    Ok(())
}

/// One row, printed.
fn measured(
    options: &Options,
    count: u64,
    name: &'static str,
    ours: Who,
    path: &Path,
    relay: &Relay,
) -> Result<serde_json::Value, Box<dyn Error>> {
    let row = Row {
        n: count,
        diff: name,
        ours: quickest(options.runs, ours, path, relay, &relay.ours)?,
        theirs: quickest(options.runs, Who::Crate, path, relay, &relay.theirs)?,
    };
    row.print();
    Ok(row.to_json())
}

/// The process that [`run`] starts for one comparison.
pub(crate) fn client(arguments: &[String]) -> Outcome {
    let [who, path, agreed] = arguments else {
        return Err("a client is started by `bench reconcile` alone".into());
    };
    let who = [Who::Ours, Who::OursAtRelay, Who::Crate]
        .into_iter()
        .find(|known| known.name() == who)
        .ok_or("there is no such client")?;
    client::run(who, Path::new(path), agreed.parse()?)
}

fn quickest(
    runs: usize,
    who: Who,
    path: &Path,
    relay: &Relay,
    expected: &Expected,
) -> Result<Comparison, Box<dyn Error>> {
    let mut best: Option<Comparison> = None;
    for _ in 0..runs {
        let run = compare(who, path, relay, expected)?;
        if best.is_none_or(|best| run.cost.whole.wall < best.cost.whole.wall) {
            best = Some(run);
        }
    }
    best.ok_or_else(|| "nothing was run".into())
}

/// One comparison with a client in a process of its own.
fn compare(who: Who, path: &Path, relay: &Relay, expected: &Expected) -> Result<Comparison, Box<dyn Error>> {
    let mut child = Command::new(env::current_exe()?)
        .arg(CLIENT)
        .arg(who.name())
        .arg(path)
        .arg(relay.agreed.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = BufWriter::new(child.stdin.take().ok_or("the client has no input")?);
    let mut from = BufReader::new(child.stdout.take().ok_or("the client has no output")?);
    let (mut rounds, mut up, mut down) = (0, 0, 0);
    let mut named = Expected::default();
    let cost: Cost = loop {
        match pipe::read(&mut from)? {
            (pipe::FRAME, message) => {
                let reply = Negentropy::borrowed(&relay.set, FRAME_BYTES_MAX)?.reconcile(&message)?;
                rounds += 1;
                up += message.len();
                down += reply.len();
                pipe::write(&mut to, pipe::FRAME, &reply)?;
            }
            (pipe::HAVE, ids) => named.have = ids_of(&ids),
            (pipe::NEED, ids) => named.need = ids_of(&ids),
            (_, json) => break serde_json::from_slice(&json)?,
        }
    };
    child.wait()?;
    if named != *expected {
        return Err(format!("{who:?} named something else than what differs").into());
    }
    Ok(Comparison {
        cost,
        rounds,
        up,
        down,
    })
}

fn ids_of(bytes: &[u8]) -> BTreeSet<EventId> {
    let (ids, _) = bytes.as_chunks();
    ids.iter().copied().map(EventId::from_byte_array).collect()
}
