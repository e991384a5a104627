//! `chats send`: on disk at once, and on its way when a relay can be reached.

use std::io::Read;

use chat_sync::{AccountState, EngineError, NewMessage, RelayState, Status, refusal_words, relay_name};

use crate::cli::Send;
use crate::context::Context;
use crate::exit::Failure;
use crate::output::one_line;

/// Far more than one message can have, so that the engine is who says that it is too long.
const TEXT_BYTES_MAX: u64 = 16 * 1024 * 1024;

pub(crate) async fn run(context: &Context, args: Send) -> Result<(), Failure> {
    let text = if args.text == "-" {
        piped_text().await?
    } else {
        args.text
    };
    if text.trim().is_empty() {
        return Err(EngineError::Empty.into());
    }
    let service = context.service_to_send().await?;
    let sent = service
        .send(NewMessage {
            conversation: args.conversation,
            text,
            role: args.role.into(),
            model: args.model,
            parent: args.parent,
        })
        .await?;
    let output = context.output;
    if output.is_json() {
        return output.json(&sent);
    }
    output.line(&sent.id)?;
    if sent.began {
        output.talk(&format!(
            "began a new conversation \"{}\"",
            one_line(&sent.conversation)
        ));
    }
    output.talk(&match sent.state.as_str() {
        "draft" | "waiting" | "sent" => {
            let known = service.status().await?;
            format!("kept on this device: {}", why_it_waits(&known.status))
        }
        "parked" => "kept on this device; no relay took it".to_owned(),
        _ => "sent".to_owned(),
    });
    for delivery in &sent.deliveries {
        if let Some(reason) = &delivery.reason {
            output.talk(&format!(
                "{} ({})",
                refusal_words(relay_name(&delivery.url), reason),
                one_line(reason)
            ));
        }
    }
    Ok(())
}

/// What keeps a message from leaving, and what changes that.
fn why_it_waits(status: &Status) -> String {
    let connected = status.relays.iter().any(|relay| {
        !matches!(
            relay.state,
            RelayState::Off
                | RelayState::Connecting
                | RelayState::Waiting { .. }
                | RelayState::Refused { .. }
        )
    });
    let account = &status.account;
    let why = match &account.state {
        AccountState::Locked(why) => return format!("the history key is locked: {}", one_line(why)),
        _ if !connected => "no relay can be reached",
        _ if account.write_key.is_none() => "the history key is still being looked for",
        _ if !account.write_ready => "no relay has confirmed the history key yet",
        _ => "no relay has confirmed it yet",
    };
    format!("{why}; it goes out with the next command that goes online, such as `chat-sync sync`")
}

/// What is piped in, without the line break that programs add.
async fn piped_text() -> Result<String, Failure> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut text = String::new();
        std::io::stdin()
            .lock()
            .take(TEXT_BYTES_MAX)
            .read_to_string(&mut text)
            .map(|_| text)
    });
    let mut text = match reading.await {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => {
            return Err(Failure::Usage(format!(
                "the text could not be read from stdin: {error}"
            )));
        }
        Err(_) => {
            return Err(Failure::Failed(
                "the text could not be read from stdin".to_owned(),
            ));
        }
    };
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}
