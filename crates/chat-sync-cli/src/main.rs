//! The program `chat-sync`: commands over the engine, one file each.
//!
//! stdout is data, stderr is talk. Whatever goes wrong is one line on stderr and an exit code ([`exit`]).

mod cli;
mod commands;
mod context;
#[cfg(debug_assertions)]
mod crash;
mod daemon;
mod demo;
mod exit;
mod interrupt;
mod output;
mod progress;
mod reader;
mod secret_prompt;
mod service;
mod settings;
mod shapes;
mod signer_notice;

use std::process::ExitCode;

use cli::Cli;
use context::Context;
use exit::Failure;
use interrupt::Interrupt;
use settings::Settings;

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let settings = match context::settings(&cli.global) {
        Ok(settings) => settings,
        Err(error) => return exit::report(Err(Failure::Usage(error.to_string()))),
    };
    let files = match context::log_files(&cli, &settings) {
        Ok(files) => files,
        Err(failure) => return exit::report(Err(failure)),
    };
    output::log(cli.global.verbose, settings.log_format, files);
    #[cfg(debug_assertions)]
    if let Err(failure) = crash::arm() {
        return exit::report(Err(failure));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return exit::report(Err(Failure::Failed(format!(
                "no event loop could be made: {error}"
            ))));
        }
    };
    let result = runtime.block_on(run(cli, settings));
    // A read from a terminal or a pipe cannot be called back; the process ends without it.
    runtime.shutdown_background();
    exit::report(result)
}

async fn run(cli: Cli, settings: Settings) -> Result<(), Failure> {
    let mut interrupt = Interrupt::listen()?;
    let context = Context::new(&cli.global, settings)?;
    let ends_itself = cli.command.ends_itself();
    let result = tokio::select! {
        biased;
        () = interrupt.arrived(), if !ends_itself => Err(Failure::Interrupted),
        result = commands::run(&context, cli.command) => result,
    };
    context.close().await;
    result
}
