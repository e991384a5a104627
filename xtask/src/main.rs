//! Development commands: `cargo xtask <command>`.

mod ci;
mod fuzz;

use std::env;
use std::process::{Command, ExitCode};

const USAGE: &str = "\
cargo xtask <command>

  ci     formatting, lints, documentation, all tests
  lint   the same without the tests
  fuzz   the fuzz targets; `cargo xtask fuzz --help` says how
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((command, [])) if command == "ci" => ci::all(),
        Some((command, [])) if command == "lint" => ci::lint(),
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
