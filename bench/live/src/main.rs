//! From one device to the other: how long after `send` returned a message shows there, against what a plain websocket needs.
//!
//! `cargo xtask bench live [--json] [--messages 1000] [--mean-ms 50] [--seed 1]`. Two engines of one account, each with a
//! store in a file, the relay, and a plain websocket are processes of their own. Both engines send half of the messages, at
//! random moments; the plain websocket subscribes to the same events. Then it sends as many events of the same size itself,
//! on a second connection: that is what the relay and the machine cost without us.
//!
//! Every party notes when something happened on the one clock of the machine (CLOCK_MONOTONIC).

mod child;
mod device;
mod plain;
mod relay;
mod report;
mod telling;

use std::error::Error;
use std::process::ExitCode;

use crate::child::Child;
use crate::report::Report;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

const USAGE: &str = "cargo xtask bench live [--json] [--messages 1000] [--mean-ms 50] [--seed 1]

  --messages  how many messages, half of them from each device
  --mean-ms   the pause between two messages of a device, on average
  --seed      of the pauses
  --json      print one object instead of the table
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // The first word names the part a child process plays.
    let done = match words.as_slice() {
        ["relay"] => relay::serve(),
        ["device", name, url, folder, run] => device::run(name, url, folder, run),
        ["plain", url, run] => plain::run(url, run),
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
            eprintln!("bench live: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Options {
    run: telling::Run,
    json: bool,
}

impl Options {
    fn read(words: &[&str]) -> Outcome<Self> {
        let mut options = Self {
            run: telling::Run {
                each: 500,
                mean_ms: 50,
                seed: 1,
            },
            json: false,
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || -> Outcome<u64> {
                let number = words.next().ok_or("a number is missing")?;
                Ok(number.parse()?)
            };
            match *word {
                "--json" => options.json = true,
                "--messages" => options.run.each = number()? / 2,
                "--mean-ms" => options.run.mean_ms = number()?,
                "--seed" => options.run.seed = number()?,
                other => return Err(format!("what is {other}?").into()),
            }
        }
        Ok(options)
    }
}

fn run(options: &Options) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().display().to_string();
    let run = serde_json::to_string(&options.run)?;
    let mut relay = Child::start(&["relay"])?;
    let url = relay.hear()?;
    // The first one makes the account's history key, the other one finds it.
    let mut devices = Vec::new();
    for name in ["laptop", "phone"] {
        let mut device = Child::start(&["device", name, &url, &folder, &run])?;
        device.expect("ready")?;
        devices.push(device);
    }
    let mut plain = Child::start(&["plain", &url, &run])?;
    plain.expect("ready")?;
    for device in &mut devices {
        device.tell("go")?;
    }
    let accounts = devices
        .iter_mut()
        .map(|device| Ok(serde_json::from_str(&device.hear()?)?))
        .collect::<Outcome<Vec<telling::Device>>>()?;
    plain.tell("go")?;
    let plain: telling::Plain = serde_json::from_str(&plain.hear()?)?;
    let report = Report::of(&options.run, &accounts, &plain);
    report.print(options.json)?;
    if report.lost() {
        return Err("not every message was seen exactly once".into());
    }
    Ok(())
}
