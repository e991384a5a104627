//! Fuzzing with nothing but stable Rust and a C++ compiler: `cargo xtask fuzz`.
//!
//! `cargo fuzz` builds with nightly for `AddressSanitizer`. Nothing here is unsafe, so what is looked for is a panic, an
//! endless loop, memory without bound and a wrong answer; for those, coverage is enough, and stable Rust has it.

mod build;
mod campaign;
mod options;
mod today;

use std::path::{Path, PathBuf};
use std::process::Command;

use self::campaign::{Campaign, Outcome};
use self::options::{Options, USAGE};

/// In this order.
const TARGETS: [&str; 4] = ["decode", "reconcile", "index", "frames"];

/// Builds the targets and runs them one after the other.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let options = match Options::read(arguments) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{USAGE}");
            return Ok(());
        }
        Err(why) => return Err(format!("{why}\n\n{USAGE}")),
    };
    let home = home();
    let binaries = build::build(&home)?;
    if let Some(input) = &options.replay {
        let target = options.targets.first().map_or("", |target| *target);
        return replay(&binaries.join(target), input);
    }
    let (date, commit) = (today::today(), commit(&home));
    let mut rows = Vec::new();
    let mut findings = Vec::new();
    for target in &options.targets {
        eprintln!(
            "xtask: {target}: {} s in {} processes",
            options.secs, options.jobs
        );
        let campaign = Campaign {
            target,
            binary: binaries.join(target),
            home: &home,
            secs: options.secs,
            jobs: options.jobs,
        };
        let outcome = campaign.run()?;
        println!("{}", outcome.line(target));
        rows.push(outcome.row(&date, &commit, target));
        findings.extend(outcome.findings);
    }
    println!("\nfor docs/FUZZING.md:");
    for row in &rows {
        println!("{row}");
    }
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!("something was found\n{}", findings.join("\n")))
}

/// The workspace of the targets.
fn home() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).join("fuzz")
}

fn replay(binary: &Path, input: &Path) -> Result<(), String> {
    let status = Command::new(binary)
        .arg(input)
        .status()
        .map_err(|error| format!("{} could not be started: {error}", binary.display()))?;
    if status.success() {
        println!("{} does no harm", input.display());
        return Ok(());
    }
    Err(format!("{} still does harm: {status}", input.display()))
}

/// What is checked out; with a `+` when files differ from it.
fn commit(home: &Path) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .current_dir(home)
            .args(arguments)
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    let clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    format!("{commit}{}", if clean { "" } else { "+" })
}

impl Outcome {
    fn line(&self, target: &str) -> String {
        let Self {
            jobs,
            executions,
            coverage,
            secs,
            ..
        } = self;
        let found = self.findings.len();
        format!(
            "{target}: runs {jobs}, executions {executions}, coverage {coverage}, {secs} s, findings {found}"
        )
    }

    fn row(&self, date: &str, commit: &str, target: &str) -> String {
        let result = match self.findings.len() {
            0 => "clean".to_owned(),
            found => format!("{found} found"),
        };
        let secs = self.secs * u64::from(self.jobs);
        format!(
            "| {date} | {commit} | {target} | {secs} | {} | {result} |",
            self.executions
        )
    }
}
