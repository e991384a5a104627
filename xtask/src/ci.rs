//! What a change must pass.

use std::env;
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::cargo;

/// One cargo call and the variables it needs.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
    /// It builds C++: left out, and said so, where no compiler for it is installed.
    compiles_cpp: bool,
}

const LINT: &[Step] = &[
    Step {
        name: "formatting",
        arguments: &["fmt", "--all", "--check"],
        variables: &[],
        compiles_cpp: false,
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
        compiles_cpp: false,
    },
    // A workspace of its own, which no other step looks into.
    Step {
        name: "formatting of the fuzz targets",
        arguments: &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
        variables: &[],
        compiles_cpp: false,
    },
    // With or without a compiler for C++: a crate whose dependencies changed leaves it behind.
    Step {
        name: "the lock file of the fuzz targets",
        arguments: &["fetch", "--locked", "--manifest-path", "fuzz/Cargo.toml"],
        variables: &[],
        compiles_cpp: false,
    },
    Step {
        name: "lints of the fuzz targets",
        arguments: &[
            "clippy",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--all-targets",
            "--locked",
            "--target-dir",
            "target",
            "--",
            "-D",
            "warnings",
        ],
        variables: &[],
        compiles_cpp: true,
    },
    // Workspaces of their own break silently when a crate's API moves. What is measured against is built only to measure.
    Step {
        name: "formatting of the benchmarks",
        arguments: &["fmt", "--all", "--manifest-path", "bench/Cargo.toml", "--check"],
        variables: &[],
        compiles_cpp: false,
    },
    Step {
        name: "the benchmarks",
        arguments: &[
            "check",
            "--manifest-path",
            "bench/Cargo.toml",
            "--workspace",
            "--locked",
            "--target-dir",
            "target",
        ],
        variables: &[],
        compiles_cpp: false,
    },
    Step {
        name: "documentation",
        arguments: &["doc", "--workspace", "--no-deps", "--locked"],
        variables: &[("RUSTDOCFLAGS", "-D warnings")],
        compiles_cpp: false,
    },
];

const TEST: &[Step] = &[Step {
    name: "tests",
    arguments: &["test", "--workspace", "--locked"],
    variables: &[],
    compiles_cpp: false,
}];

/// Formatting, lints and documentation.
pub(crate) fn lint() -> Result<(), String> {
    LINT.iter().try_for_each(run)
}

/// The same, and every test.
pub(crate) fn all() -> Result<(), String> {
    lint()?;
    TEST.iter().try_for_each(run)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a development command reports how long its steps took"
)]
fn run(step: &Step) -> Result<(), String> {
    if step.compiles_cpp && !compiles_cpp() {
        eprintln!("xtask: {} left out: no C++ compiler is installed", step.name);
        return Ok(());
    }
    eprintln!("xtask: {}", step.name);
    let started = Instant::now();
    let status = cargo()
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
        Err(format!(
            "{} failed: cargo {} ended with {status}",
            step.name,
            step.arguments.join(" ")
        ))
    }
}

/// Whether the compiler that libFuzzer is built with is installed.
fn compiles_cpp() -> bool {
    let compiler = env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let mut version = Command::new(compiler);
    version
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    version.status().is_ok_and(|status| status.success())
}
