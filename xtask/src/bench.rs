//! `cargo xtask bench`: builds a package of `bench/`, a workspace of its own, and runs it.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What needs a whole engine or another client is a package of its own, so that the others are built without it.
const PACKAGES: [(&str, &str); 3] = [
    ("download", "bench-download"),
    ("live", "bench-live"),
    ("upload", "bench-upload"),
];

/// Runs a benchmark with these arguments, optimised, and ends as it ends.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    let package = arguments
        .peek()
        .and_then(|name| PACKAGES.iter().find(|(of, _)| name == of));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let program = match arguments.peek() {
        Some(name) if name == "read" => match build_program(&cargo, &root) {
            Some(program) => Some(program),
            None => return ExitCode::FAILURE,
        },
        _ => None,
    };
    let mut command = Command::new(cargo);
    command.envs(program.map(|program| ("CHAT_SYNC_BINARY", program)));
    command.args(["run", "--quiet", "--release", "--locked", "--manifest-path"]);
    command.arg(root.join("bench/Cargo.toml"));
    if env::var_os("CARGO_TARGET_DIR").is_none() {
        // What a release build of the program left there need not be built again.
        command.env("CARGO_TARGET_DIR", root.join("target"));
    }
    if let Some((_, package)) = package {
        command.args(["--package", package]);
        arguments.next();
    }
    match command.arg("--").args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: cargo could not be started: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the program, for what measures it as it is run; where it lies then.
fn build_program(cargo: &OsStr, root: &Path) -> Option<PathBuf> {
    let mut command = Command::new(cargo);
    command.args([
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--bin",
        "chat-sync",
        "--manifest-path",
    ]);
    command.arg(root.join("Cargo.toml"));
    let built = command.status().is_ok_and(|status| status.success());
    if !built {
        eprintln!("xtask: chat-sync could not be built");
        return None;
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Some(target.join("release/chat-sync"))
}
