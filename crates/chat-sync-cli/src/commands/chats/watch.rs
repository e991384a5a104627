//! `chats watch`: messages as they land.

use chat_sync::{ChatUpdate, Handle, MessageView, RelayState, Status};
use console::style;
use futures_util::StreamExt;

use super::transcript;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{plural, short_id};
use crate::shapes::MessageShape;

/// Prints until somebody ends the program, or stops reading.
pub(crate) async fn run(context: &Context, selector: Option<String>) -> Result<(), Failure> {
    let account = context.account()?;
    let engine = context.engine(&account, true)?;
    let mut updates = std::pin::pin!(engine.updates());
    // Also waits until what is on disk was read: only what comes after that lands.
    let only = match &selector {
        Some(selector) => Some(engine.conversation(selector).await?.summary.id),
        None => engine.conversations().await.map(|_| None)?,
    };
    let mut statuses = std::pin::pin!(engine.watch_status());
    let mut said = Said::Nothing;
    loop {
        tokio::select! {
            biased;
            Some(status) = statuses.next(), if said != Said::Live => said = remark(context, &status, said),
            update = updates.next() => match update {
                Some(ChatUpdate::Landed(messages)) => {
                    let wanted = |message: &&MessageView| only.as_ref().is_none_or(|id| *id == message.conversation);
                    print(context, &engine, messages.iter().filter(wanted).collect()).await?;
                }
                Some(ChatUpdate::Reloaded) => {
                    context.output.talk("messages came faster than they could be shown; `chats show` has all of them");
                }
                Some(ChatUpdate::Renamed { .. } | ChatUpdate::Joined { .. } | ChatUpdate::Removed(_)) => {}
                None => return Err(Failure::Failed("the engine has stopped; run the command again".to_owned())),
            },
        }
    }
}

/// What stderr was told about the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Offline,
    Live,
}

fn remark(context: &Context, status: &Status, said: Said) -> Said {
    let live = status
        .relays
        .iter()
        .filter(|relay| relay.state == RelayState::Live)
        .count();
    let offline = status
        .relays
        .iter()
        .all(|relay| matches!(relay.state, RelayState::Waiting { .. }));
    if live > 0 {
        context.output.talk(&format!(
            "watching {live} of {}; Ctrl-C ends it",
            plural(status.relays.len() as u64, "relay")
        ));
        Said::Live
    } else if offline && said == Said::Nothing {
        context
            .output
            .talk("no relay can be reached yet; messages are shown when one can");
        Said::Offline
    } else {
        said
    }
}

async fn print(context: &Context, engine: &Handle, messages: Vec<&MessageView>) -> Result<(), Failure> {
    if messages.is_empty() {
        return Ok(());
    }
    let states = engine
        .states(messages.iter().map(|message| message.id).collect())
        .await?;
    for (message, state) in messages.into_iter().zip(states) {
        if context.output.is_json() {
            let mut shape = MessageShape::new(message, state);
            shape.conversation = Some(&message.conversation);
            context.output.json(&shape)?;
            continue;
        }
        let [head, words] = transcript::lines(message, state);
        let conversation = style(short_id(&message.conversation)).cyan();
        context
            .output
            .line(&format!("{conversation} {head}\n{words}\n"))?;
    }
    Ok(())
}
