//! `completions` and `man`: what shells and `man` read.

use std::fs;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;
use crate::context::Context;
use crate::exit::Failure;

/// What the program is called on a command line.
const NAME: &str = "chat-sync";

pub(crate) fn completions(context: &Context, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    context.output.line(String::from_utf8_lossy(&script).trim_end())
}

/// The page of the program, or those of every command as files in `directory`.
pub(crate) fn pages(context: &Context, directory: Option<&Path>) -> Result<(), Failure> {
    let Some(directory) = directory else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return context.output.line(String::from_utf8_lossy(&page).trim_end());
    };
    let written =
        fs::create_dir_all(directory).and_then(|()| clap_mangen::generate_to(Cli::command(), directory));
    written.map_err(|error| {
        Failure::Failed(format!(
            "{} could not be written: {error}; check the path",
            directory.display()
        ))
    })?;
    context
        .output
        .line(&format!("manual pages are in {}", directory.display()))
}
