//! `import`: a history that another program exported.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use chat_model::Message;
use chat_model::import::{Skipped, read_saved_conversations};
use chat_sync::DataDirError;

use crate::cli::{Format, Import};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{one_line, plural};
use crate::progress;
use crate::service::Service;
use crate::shapes::importing::{Imported, Taken};

/// One byte more than an export may have, so that a larger file is refused with its reason, and never read whole.
const FILE_BYTES_MAX: u64 = chat_model::import::IMPORT_BYTES_MAX as u64 + 1;
/// What a conversation without an id is called: nobody could read its messages under an empty one.
const UNNAMED: &str = "unnamed";

pub(crate) async fn run(context: &Context, args: &Import) -> Result<(), Failure> {
    if context.data_dir.current()?.is_none() {
        return Err(DataDirError::NotLoggedIn.into());
    }
    // There is one format so far, so whichever was named is what is tried.
    let (Format::Auto | Format::Routstr) = args.from;
    let export = read_saved_conversations(&read_file(&args.file)?, context.clock().unix())?;
    let messages: Vec<Message> = export
        .messages
        .into_iter()
        .map(Message::from)
        .map(named)
        .collect();

    let service = context.service(false).await?;
    let bar =
        (context.output.moves() && !args.dry_run).then(|| progress::counter(messages.len(), "importing"));
    let taken = service
        .import(messages, args.dry_run, |taken| {
            if let Some(bar) = &bar {
                bar.inc(taken as u64);
            }
        })
        .await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let Taken {
        added,
        known,
        refused,
    } = taken?;
    if export.nameless > 0 {
        let nameless = plural(export.nameless as u64, "message");
        context.output.talk(&format!(
            "{nameless} had no conversation id and went to `{UNNAMED}`"
        ));
    }
    let imported = Imported {
        added,
        known,
        skipped: export.skipped.total(),
        too_long: refused.len(),
        refused,
        conversations: export.conversations,
        dry_run: args.dry_run,
    };
    if context.output.is_json() {
        context.output.json(&imported)?;
    } else {
        print(context, &imported, &export.skipped)?;
        if imported.added > 0 && !imported.dry_run {
            context.output.talk(match service {
                Service::Here(_) => "`chat-sync sync` sends them to your relays",
                Service::Daemon(_) => "the daemon sends them to your relays",
            });
        }
    }
    let left_out = imported.skipped + imported.too_long;
    if left_out > 0 && imported.added + imported.known == 0 {
        let entries = match left_out {
            1 => "its one entry is".to_owned(),
            n => format!("all {n} entries are"),
        };
        let next = if export.skipped.already_synced == left_out {
            "the web app synced them, and `chat-sync sync` brings what is on the same relays"
        } else {
            "check that it is the export you meant"
        };
        return Err(Failure::Failed(format!(
            "nothing in {} can be taken: {entries} left out; {next}",
            args.file.display(),
        )));
    }
    Ok(())
}

fn named(mut message: Message) -> Message {
    if message.conversation.is_empty() {
        UNNAMED.clone_into(&mut message.conversation);
    }
    message
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::Failed(format!(
            "{} could not be read: {error}; check the path",
            path.display()
        ))),
    }
}

fn print(context: &Context, imported: &Imported, skipped: &Skipped) -> Result<(), Failure> {
    let output = context.output;
    let would = if imported.dry_run { "would be " } else { "" };
    let added = plural(imported.added as u64, "message");
    let conversations = plural(imported.conversations as u64, "conversation");
    let known = imported.known;
    output.line(&match imported.added {
        0 => format!("{added} {would}added, {known} here already ({conversations} in the file)"),
        _ => format!("{added} {would}added in {conversations}, {known} here already"),
    })?;
    for (count, why) in [
        (skipped.already_synced, "left out: the web app synced it already"),
        (skipped.notes, "left out: a note of the web app, not a message"),
        (skipped.empty, "left out: nothing in it"),
        (skipped.not_conversations, "left out: not a conversation"),
    ] {
        if count > 0 {
            output.line(&format!("{count} {why}"))?;
        }
    }
    for refused in &imported.refused {
        let conversation = one_line(&refused.conversation);
        output.line(&format!(
            "1 left out, in conversation {conversation}: {}",
            refused.why
        ))?;
    }
    Ok(())
}
