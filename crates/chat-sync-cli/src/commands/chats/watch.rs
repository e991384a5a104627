//! `chats watch`: messages as they land.

use chat_sync::{RelayState, Status};
use console::style;

use super::transcript;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::{plural, short_id};
use crate::service::{Part, Seen};
use crate::shapes::MessageShape;

/// Prints until somebody ends the program, or stops reading.
pub(crate) async fn run(context: &Context, selector: Option<String>) -> Result<(), Failure> {
    let service = context.service(true).await?;
    let only = match &selector {
        Some(selector) => Some(service.conversation(selector, Part::nothing()).await?.id),
        None => None,
    };
    let mut following = service.follow(only.as_deref()).await?;
    let mut said = Said::Nothing;
    loop {
        match following.next().await? {
            Seen::Status(known) if said != Said::Live => said = remark(context, &known.status, said),
            Seen::Status(_) => {}
            Seen::Landed(messages) => print(context, &messages)?,
            Seen::Missed => context
                .output
                .talk("messages came faster than they could be shown; `chats show` has all of them"),
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

fn print(context: &Context, messages: &[MessageShape]) -> Result<(), Failure> {
    for message in messages {
        if context.output.is_json() {
            context.output.json(message)?;
            continue;
        }
        let [head, words] = transcript::lines(message);
        let conversation = message.conversation.as_deref().unwrap_or_default();
        let conversation = style(short_id(conversation)).cyan();
        context
            .output
            .line(&format!("{conversation} {head}\n{words}\n"))?;
    }
    Ok(())
}
