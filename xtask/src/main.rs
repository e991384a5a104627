//! Development commands: `cargo xtask <command>`.
//!
//! `ci` is what a change must pass: formatting, lints, documentation, every test. `lint` is the same without tests.
//! `bench` starts the programs that measure.

use std::env;
use std::process::{Command, ExitCode};
use std::time::Instant;

mod bench;

const USAGE: &str = "\
cargo xtask <command>

  ci     formatting, lints, documentation, all tests
  lint   the same without the tests
  bench  what things cost, against the alternatives: cargo xtask bench <name> [--json]
";

/// One cargo call and the variables it needs.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
}

const LINT: &[Step] = &[
    Step {
        name: "formatting",
        arguments: &["fmt", "--all", "--check"],
        variables: &[],
    },
    Step {
        name: "lints",
        arguments: &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ],
        variables: &[],
    },
    Step {
        name: "documentation",
        arguments: &["doc", "--workspace", "--no-deps", "--locked"],
        variables: &[("RUSTDOCFLAGS", "-D warnings")],
    },
];

const TEST: &[Step] = &[Step {
    name: "tests",
    arguments: &["test", "--workspace", "--locked"],
    variables: &[],
}];

fn main() -> ExitCode {
    let command = env::args().nth(1);
    let steps: Vec<&Step> = match command.as_deref() {
        Some("ci") => LINT.iter().chain(TEST).collect(),
        Some("lint") => LINT.iter().collect(),
        Some("bench") => return bench::run(env::args_os().skip(2)),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    for step in steps {
        if let Err(why) = run(step) {
            eprintln!("xtask: {} failed: {why}", step.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[expect(
    clippy::disallowed_methods,
    reason = "a development command reports how long its steps took"
)]
fn run(step: &Step) -> Result<(), String> {
    eprintln!("xtask: {}", step.name);
    let started = Instant::now();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(step.arguments)
        .envs(step.variables.iter().copied())
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if status.success() {
        eprintln!(
            "xtask: {} passed in {:.0} s",
            step.name,
            started.elapsed().as_secs_f32()
        );
        Ok(())
    } else {
        Err(format!("cargo {} ended with {status}", step.arguments.join(" ")))
    }
}
