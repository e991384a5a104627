//! Writing and sending: how fast messages are on disk, sealed and at a relay, and what a long queue costs.
//!
//! `cargo xtask bench upload [--json] [--n 20000] [--waiting 100000]`. Every party is a process of its own, so that peak
//! memory is each one's: the relay (`relay-lab`'s), our engine, plain redb, and `nostr-sdk`, which sends one event, waits
//! for its OK, and sends the next. What is measured against is measured in the same run, over the same texts.

mod compose;
mod queue;
mod report;
mod sdk;
mod seal;
mod texts;

use std::path::Path;
use std::process::ExitCode;

use bench_download::child::{Child, client};
use bench_download::{Outcome, history, relay, usage};

use crate::queue::{Left, Waited};
use crate::report::{Report, Row};

const USAGE: &str = "cargo xtask bench upload [--json] [--n 20000] [--waiting 100000]

  --n        how many messages are written in batches, sealed, and sent
  --waiting  how long the queue is whose first byte and memory are measured
  --json     print one object instead of the table
";
/// Messages that are written one by one: a commit each.
const BY_HAND: u64 = 2_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The first word names the part a child process plays.
    let done = match words.as_slice() {
        ["relay", history] => relay::serve(Path::new(history)),
        ["compose", folder, by_hand, batched] => number(by_hand)
            .and_then(|by_hand| usage::print(compose::measure(Path::new(folder), by_hand, number(batched)?))),
        ["seal", count] => number(count).and_then(|count| usage::print(seal::alone(count))),
        ["prepare", folder, url, file] => queue::prepare(Path::new(folder), url, Path::new(file)),
        ["prepare-drafts", folder, url, count] => {
            number(count).and_then(|count| queue::prepare_drafts(Path::new(folder), url, count))
        }
        ["held", folder] => usage::print(queue::held(Path::new(folder))),
        ["first", folder, url] => usage::print(queue::first(Path::new(folder), url)),
        ["leave", folder, url] => usage::print(queue::leave(Path::new(folder), url)),
        ["sdk", url, file] => usage::print(sdk::send(url, Path::new(file))),
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
            eprintln!("bench upload: {error}");
            ExitCode::FAILURE
        }
    }
}

fn number(word: &str) -> Outcome<u64> {
    Ok(word.parse()?)
}

struct Options {
    n: u64,
    waiting: u64,
    json: bool,
}

impl Options {
    fn read(words: &[&str]) -> Outcome<Self> {
        let mut options = Self {
            n: 20_000,
            waiting: 100_000,
            json: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || number(words.next().ok_or(format!("{word} needs a number"))?);
            match *word {
                "--json" => options.json = true,
                "--n" => options.n = value()?,
                "--waiting" => options.waiting = value()?,
                other => return Err(format!("what is {other}?").into()),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Outcome<()> {
    let mut report = Report::new(std::thread::available_parallelism()?.get());
    let folder = tempfile::tempdir()?;
    let place = |name: &str| -> Outcome<_> {
        let place = folder.path().join(name);
        std::fs::create_dir(&place)?;
        Ok(place)
    };
    let keyring = folder.path().join("keyring.jsonl");
    history::write(&keyring, 0)?;
    let n = options.n.to_string();

    let composed: compose::Composed = client(&[&"compose", &place("compose")?, &BY_HAND.to_string(), &n])?;
    for row in composed.rows(BY_HAND, options.n) {
        report.add(row);
    }

    // Drafts become envelopes, and leave, with nothing in the way.
    let drafts = place("drafts")?;
    let relay = Child::relay(&keyring)?;
    client::<()>(&[&"prepare-drafts", &drafts, &relay.url(), &n])?;
    let left: Left = client(&[&"leave", &drafts, &relay.url()])?;
    let least: f64 = client(&[&"seal", &BY_HAND.to_string()])?;
    report.add(Row::rate(
        "sealed events",
        options.n,
        left.sealed_per_second,
        "sealing alone, one thread",
        least,
    ));

    // The same events, from two programs, to the same relay.
    let file = folder.path().join("events.jsonl");
    history::write(&file, options.n)?;
    let (queue, relay) = (place("queue")?, Child::relay(&keyring)?);
    client::<()>(&[&"prepare", &queue, &relay.url(), &file])?;
    let ours: Left = client(&[&"leave", &queue, &relay.url()])?;
    let relay = Child::relay(&keyring)?;
    let sdk: Left = client(&[&"sdk", &relay.url(), &file])?;
    report.add(Row::rate(
        "events sent and acknowledged",
        options.n,
        ours.left_per_second,
        "nostr-sdk, one by one",
        sdk.left_per_second,
    ));
    drop(relay);

    // A long queue.
    let file = folder.path().join("waiting.jsonl");
    history::write(&file, options.waiting)?;
    for (name, sealed) in [("sealed", true), ("unsealed", false)] {
        let (place, relay) = (place(name)?, Child::relay(&keyring)?);
        if sealed {
            client::<()>(&[&"prepare", &place, &relay.url(), &file])?;
        } else {
            client::<()>(&[
                &"prepare-drafts",
                &place,
                &relay.url(),
                &options.waiting.to_string(),
            ])?;
        }
        // The same history, and nothing to be sent: what is above that is the queue's.
        let held: Waited = client(&[&"held", &place])?;
        let first: Waited = client(&[&"first", &place, &relay.url()])?;
        report.wait(name, options.waiting, &held, &first);
    }
    report.print(options.json)
}
