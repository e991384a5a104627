//! What is said, and where: data on stdout, talk on stderr.

mod log_files;
mod qr;
mod refused;
mod table;
mod text;
mod time;

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::exit::Failure;
use crate::settings::LogFormat;

pub(crate) use log_files::LogFiles;
pub(crate) use qr::qr;
pub(crate) use refused::refused_lines;
pub(crate) use table::Table;
pub(crate) use text::{one_line, plural, printable, short_id};
pub(crate) use time::utc;

/// Where output goes in this run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

impl Output {
    pub(crate) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether data is JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody looks at stderr who wants to see things move.
    pub(crate) fn moves(self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// One object on one line.
    pub(crate) fn json(self, value: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(value)
            .map_err(|error| Failure::Failed(format!("the answer has no JSON form: {error}")))?;
        self.line(&line)
    }

    /// A line of data, out at once.
    #[expect(clippy::unused_self, reason = "what is printed goes through one hand")]
    pub(crate) fn line(self, line: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{line}")?;
        stdout.flush()?;
        Ok(())
    }

    /// A remark that nobody needs.
    pub(crate) fn talk(self, line: &str) {
        if !self.quiet {
            // Without stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// A remark that must be seen, even with `--quiet`.
    #[expect(clippy::unused_self, reason = "what is printed goes through one hand")]
    pub(crate) fn insist(self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(io::stderr(), "{line}")?)
    }
}

/// Logs to stderr: nothing, and more with each `-v`; and to `files`, at least what happens with relays. `RUST_LOG`
/// overrides both.
pub(crate) fn log(verbose: u8, format: LogFormat, files: Option<LogFiles>) {
    let level = |verbose| match verbose {
        // What a command could not do is its one line; the reasons inside the engine are for who asks.
        0 => "off",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let stderr = layer(level(verbose), format, io::stderr);
    let files = files.map(|files| layer(level(verbose.max(1)), format, files));
    // Fails only when there is a log already.
    let _ = tracing_subscriber::registry().with(stderr).with(files).try_init();
}

fn layer<S, W>(level: &str, format: LogFormat, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder()
        .with_default_directive(default_level(level))
        .from_env_lossy();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
    .with_filter(filter)
}

fn default_level(level: &str) -> tracing_subscriber::filter::Directive {
    level
        .parse()
        .unwrap_or_else(|_| tracing_subscriber::filter::LevelFilter::OFF.into())
}
