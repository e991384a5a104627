//! Building the targets with coverage counters.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo;

/// What `cargo fuzz` sets, less the sanitizer that needs nightly. All of it is stable.
const RUSTFLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "--cfg=fuzzing",
];

/// Builds every target; returns where the programs are.
pub(super) fn build(home: &Path) -> Result<PathBuf, String> {
    let host = host()?;
    let target_dir = home.join("target");
    // Naming the host keeps the counters out of build scripts, which nothing could link.
    let status = cargo()
        .args(["build", "--release", "--bins", "--locked", "--target", &host])
        .arg("--manifest-path")
        .arg(home.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", RUSTFLAGS.join("\u{1f}"))
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    if status.success() {
        return Ok(target_dir.join(host).join("release"));
    }
    Err("the fuzz targets could not be built; libFuzzer needs a C++ compiler (g++ or clang++)".to_owned())
}

fn host() -> Result<String, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .arg("-vV")
        .output()
        .map_err(|error| format!("rustc could not be started: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .ok_or_else(|| "rustc -vV names no host".to_owned())
}
