//! Development commands: `cargo xtask <command>`.
//!
//! `ci` is what a change must pass: formatting, lints, documentation, benchmarks that compile, every test. `lint` is the same
//! without tests.
//! `bench` starts the programs that measure, `fuzz` the ones that look for what breaks.

mod bench;
mod ci;
mod fuzz;

use std::env;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask <command>

  ci     formatting, lints, documentation, all tests
  lint   the same without the tests
  bench  what things cost, against the alternatives: cargo xtask bench <name> [--json]
  fuzz   the fuzz targets; `cargo xtask fuzz --help` says how
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, [])) if command == "ci" => ci::all(),
        Some((command, [])) if command == "lint" => ci::lint(),
        Some((command, rest)) if command == "bench" => {
            return bench::run(rest.iter().map(Into::into));
        }
        Some((command, rest)) if command == "fuzz" => fuzz::run(rest),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why}");
            ExitCode::FAILURE
        }
    }
}

/// The cargo that runs this program.
fn cargo() -> Command {
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
