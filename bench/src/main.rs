//! What things cost on this machine, against the alternatives in the same run: `cargo xtask bench <name>`.
//!
//! Numbers are printed and never tested: they depend on the machine and on what else it does.

use std::env;
use std::process::ExitCode;

mod meter;
mod opening;
mod read;
mod reconcile;

/// What a benchmark ends with; what went wrong is for the person who started it.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

const USAGE: &str = "\
cargo xtask bench <name> [options]

  opening     the steps of the first message, over files that `reconcile --dir` left
  read        looking at 100,000 messages in 5,000 conversations, against opening every envelope
  reconcile   a comparison from a cold file, against load + seal + initiate of the crate `negentropy`
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((name, rest)) if name == "reconcile" => reconcile::run(rest),
        Some((name, rest)) if name == "opening" => opening::run(rest),
        Some((name, rest)) if name == "read" => read::run(rest),
        Some((name, rest)) if name == read::CHILD => read::child(rest),
        Some((name, rest)) if name == reconcile::CLIENT => reconcile::client(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
