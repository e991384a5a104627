//! `import`: a history that another program exported.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use chat_model::Message;
use chat_model::import::{Skipped, read_saved_conversations};
use chat_sync::{Account, DataDirError, ImportReport, RefusedMessage};

use crate::cli::{Format, Import};
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{one_line, plural};
use crate::shapes::{Imported, RefusedShape};
use crate::{progress, reader};

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

    let account = context.account()?;
    let report = if args.dry_run {
        foresee(&account, &messages)?
    } else {
        take(context, &account, messages).await?
    };
    if export.nameless > 0 {
        let nameless = plural(export.nameless as u64, "message");
        context.output.talk(&format!(
            "{nameless} had no conversation id and went to `{UNNAMED}`"
        ));
    }
    let imported = Imported {
        added: report.added,
        known: report.known,
        skipped: export.skipped.total(),
        too_long: report.refused.len(),
        refused: report
            .refused
            .iter()
            .map(|refused| RefusedShape {
                conversation: &refused.conversation,
                source: &refused.source,
                why: refused.why.to_string(),
            })
            .collect(),
        conversations: export.conversations,
        dry_run: args.dry_run,
    };
    if context.output.is_json() {
        context.output.json(&imported)?;
    } else {
        print(context, &imported, &export.skipped)?;
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

async fn take(context: &Context, account: &Account, messages: Vec<Message>) -> Result<ImportReport, Failure> {
    let engine = context.engine(account, false)?;
    let bar = context
        .output
        .moves()
        .then(|| progress::counter(messages.len(), "importing"));
    let report = engine
        .import(messages, |taken| {
            if let Some(bar) = &bar {
                bar.inc(taken as u64);
            }
        })
        .await;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(report?)
}

/// What an import would come to. Nothing is written.
fn foresee(account: &Account, messages: &[Message]) -> Result<ImportReport, Failure> {
    let keys = reader::stored_keys(account)?;
    let held = reader::open(&keys, &reader::envelopes(&account.store)?)
        .into_iter()
        .map(|(_, message)| message);
    let source = |message: Message| Some((message.conversation, message.source?));
    let mut known: BTreeSet<(String, String)> = held
        .chain(reader::drafts(&account.store)?)
        .filter_map(source)
        .collect();

    let mut report = ImportReport::default();
    for message in messages {
        if let Err(why) = message.clone().into_pieces() {
            report.refused.push(RefusedMessage {
                conversation: message.conversation.clone(),
                source: message.source.clone().unwrap_or_default(),
                why,
            });
        } else if source(message.clone()).is_some_and(|source| !known.insert(source)) {
            report.known += 1;
        } else {
            report.added += 1;
        }
    }
    Ok(report)
}

fn print(context: &Context, imported: &Imported<'_>, skipped: &Skipped) -> Result<(), Failure> {
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
        let conversation = one_line(refused.conversation);
        output.line(&format!(
            "1 left out, in conversation {conversation}: {}",
            refused.why
        ))?;
    }
    if imported.added > 0 && !imported.dry_run {
        output.talk("`chat-sync sync` sends them to your relays");
    }
    Ok(())
}
