//! `chats send`: on disk at once, and on its way when a relay can be reached.

use std::io::Read;
use std::time::Duration;

use chat_sync::{
    AccountState, EngineError, NewMessage, RelayReceipt, RelayState, Status, history_keys, refusal_words,
    relay_name,
};

use crate::cli::Send;
use crate::context::{Context, settled_status};
use crate::exit::Failure;
use crate::output::one_line;
use crate::shapes::{DeliveryShape, Sent};

/// How long the way to a relay is waited for. The message is safe on disk without it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// The same while there is no history key: that there is none must be certain before the first one is made, and
/// relays are asked twice for that.
const FIRST_PATIENCE: Duration = Duration::from_secs(6);
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
    let account = context.account()?;
    // The approval of a signer takes a person longer than this command; `sync` waits for it.
    let keyless = account.remote.is_some() && history_keys(&account)?.iter().all(|key| key.public.is_none());
    let engine = context.engine(&account, !keyless)?;
    if args.conversation == "latest" {
        // Without any, this is a mistake, and not the name of a new one.
        engine.conversation("latest").await?;
    }
    let before = engine.conversations().await?;
    let sent = engine
        .send(NewMessage {
            conversation: args.conversation,
            text,
            role: args.role.into(),
            model: args.model,
            parent: args.parent,
        })
        .await?;
    if !account.relays.is_empty() && !keyless {
        let keyless = settled_status(&engine).await.account.write_key.is_none();
        let patience = if keyless { FIRST_PATIENCE } else { FLUSH_PATIENCE };
        engine.flush(patience).await?;
    }
    // It may have been sealed meanwhile, and is asked for by its new name then.
    let name = engine.current_name(sent.id).await?.unwrap_or(sent.id);
    let known = engine.receipts(vec![name]).await?.into_iter().next();
    let state = known.as_ref().map_or("draft", |known| known.state.word());
    let output = context.output;
    if output.is_json() {
        return output.json(&Sent {
            id: sent.id.to_string(),
            conversation: &sent.conversation,
            state,
            deliveries: known.iter().flat_map(DeliveryShape::all).collect(),
        });
    }
    output.line(&sent.id.to_string())?;
    if before
        .iter()
        .all(|conversation| conversation.id != sent.conversation)
    {
        output.talk(&format!(
            "began a new conversation \"{}\"",
            one_line(&sent.conversation)
        ));
    }
    output.talk(&match state {
        "draft" | "waiting" | "sent" => format!("kept on this device: {}", why_it_waits(&engine.status())),
        "parked" => "kept on this device; no relay took it".to_owned(),
        _ => "sent".to_owned(),
    });
    for RelayReceipt { url, receipt } in known.iter().flat_map(|known| &known.deliveries) {
        if let Some(reason) = &receipt.reason {
            output.talk(&format!(
                "{} ({})",
                refusal_words(relay_name(url), reason),
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
