//! Cold download: how fast a history comes from a relay onto this device, against what it has to cost.
//!
//! `cargo xtask bench download [--json] [--n 10000,50000]`. Every party is a process of its own, so that processor time
//! and peak memory are each one's: the relay (`relay-lab`'s, its database filled beforehand), our engine, and `nostr-sdk`
//! over its memory store and over LMDB. Nobody waits for delayed acknowledgements: both ends set TCP_NODELAY.
//!
//! What has to be paid for an envelope is one parse and one signature check; both are measured on one thread over the
//! same envelopes, in the same run.

mod least;
mod ours;
mod report;
mod sdk;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bench_download::child::{Child, client};
use bench_download::usage::{self, Usage};
use bench_download::{Outcome, history, relay};

use crate::report::{Measured, Report};

/// The client that is run once.
const SLOW: &str = "sdk-lmdb";

const USAGE: &str = "cargo xtask bench download [--json] [--n 10000,50000] [--runs 1] [--ours]

  --n      how many envelopes, one table row a client for each number
  --runs   how often each is run, one client after the other, LMDB once; the row is the run whose time is the median
  --ours   leave out the other client
  --json   print one object instead of the table
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The first word names the part a child process plays.
    let done = match words.as_slice() {
        ["relay", history] => relay::serve(Path::new(history)),
        ["least", history] => usage::print(least::measure(Path::new(history))),
        ["ours", url, folder, count] => play(ours::download, url, folder, count),
        ["sdk-memory", url, folder, count] => play(sdk::download_to_memory, url, folder, count),
        ["sdk-lmdb", url, folder, count] => play(sdk::download_to_lmdb, url, folder, count),
        options => match Options::read(options) {
            Ok(options) => run(&options),
            Err(wrong) => {
                eprintln!("{wrong}\n\n{USAGE}");
                return ExitCode::from(2);
            }
        },
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench download: {error}");
            ExitCode::FAILURE
        }
    }
}

type Download = fn(&str, &Path, u64) -> Outcome<Usage>;

fn play(download: Download, url: &str, folder: &str, count: &str) -> Outcome<()> {
    usage::print(download(url, Path::new(folder), count.parse()?))
}

struct Options {
    counts: Vec<u64>,
    runs: usize,
    json: bool,
    ours_only: bool,
}

impl Options {
    fn read(words: &[&str]) -> Outcome<Self> {
        let mut options = Self {
            counts: vec![10_000, 50_000],
            runs: 1,
            json: false,
            ours_only: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "--json" => options.json = true,
                "--ours" => options.ours_only = true,
                "--n" => {
                    let counts = words.next().ok_or("--n needs a number of envelopes")?;
                    options.counts = counts.split(',').map(str::parse).collect::<Result<_, _>>()?;
                }
                "--runs" => {
                    let runs = words.next().ok_or("--runs needs a number")?;
                    options.runs = runs.parse::<usize>()?.max(1);
                }
                other => return Err(format!("what is {other}?").into()),
            }
        }
        Ok(options)
    }
}

/// One download by one client, from a relay of its own into an empty place.
fn measure(who: &str, history: &Path, folder: &Path, count: u64) -> Outcome<Measured> {
    let place: PathBuf = folder.join(who);
    std::fs::create_dir(&place)?;
    // What another client left to be written is nothing that this one waits for.
    rustix::fs::sync();
    let mut relay = Child::relay(history)?;
    let before = relay.cpu()?;
    let usage: Usage = client(&[&who, &relay.url(), &place, &count.to_string()])?;
    let relay_cpu = relay.cpu()? - before;
    std::fs::remove_dir_all(&place)?;
    Ok(Measured { usage, relay_cpu })
}

fn run(options: &Options) -> Outcome<()> {
    let cores = std::thread::available_parallelism()?.get();
    let mut report = Report::new(cores);
    for &count in &options.counts {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("history.jsonl");
        history::write(&file, count)?;
        let least: least::Least = client(&[&"least", &file])?;
        report.begin(count, least);
        let others: &[&str] = if options.ours_only {
            &[]
        } else {
            &["sdk-memory", SLOW]
        };
        let clients: Vec<&str> = ["ours"].iter().chain(others).copied().collect();
        let mut runs: Vec<Vec<Measured>> = clients.iter().map(|_| Vec::new()).collect();
        for round in 0..options.runs {
            // One after the other: what a machine has to spare changes from minute to minute, for all of them.
            for (who, runs) in clients.iter().zip(&mut runs) {
                // Once is enough of what takes ten times as long.
                if round == 0 || *who != SLOW {
                    runs.push(measure(who, &file, folder.path(), count)?);
                }
            }
        }
        for (who, runs) in clients.into_iter().zip(runs) {
            report.add(who, runs);
        }
    }
    report.print(options.json)
}
