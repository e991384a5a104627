//! `config`: where the configuration file is, and what holds in this run and why.

use serde::Serialize;

use crate::cli::ConfigCommand;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{Table, one_line};
use crate::settings::Source;

#[derive(Debug, Serialize)]
struct Shown {
    path: Option<String>,
    exists: bool,
    settings: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    name: String,
    value: String,
    /// `default`, `file`, `environment` or `flag`.
    source: &'static str,
    from: String,
}

pub(crate) fn run(context: &Context, command: ConfigCommand) -> Result<(), Failure> {
    let settings = &context.settings;
    let path = settings.file.as_ref();
    match command {
        ConfigCommand::Path => {
            let path = path.ok_or_else(|| {
                Failure::Failed("there is no home directory; give --data-dir or CHAT_SYNC_CONFIG".to_owned())
            })?;
            let path = path.display().to_string();
            if context.output.is_json() {
                return context.output.json(&serde_json::json!({ "path": path }));
            }
            context.output.line(&one_line(&path))
        }
        ConfigCommand::Show => {
            let all = settings.all();
            if context.output.is_json() {
                return context.output.json(&Shown {
                    path: path.map(|path| path.display().to_string()),
                    exists: path.is_some_and(|path| path.exists()),
                    settings: all
                        .into_iter()
                        .map(|setting| Line {
                            source: word(setting.source),
                            from: settings.origin(&setting),
                            name: setting.name,
                            value: setting.value,
                        })
                        .collect(),
                });
            }
            let mut table = Table::new(&["setting", "value", "from", "variable"]);
            for setting in all {
                let from = settings.origin(&setting);
                table.row(vec![setting.name, setting.value, from, setting.variable]);
            }
            table
                .lines()
                .iter()
                .try_for_each(|line| context.output.line(line))
        }
    }
}

fn word(source: Source) -> &'static str {
    match source {
        Source::Default => "default",
        Source::File => "file",
        Source::Environment => "environment",
        Source::Flag => "flag",
    }
}
