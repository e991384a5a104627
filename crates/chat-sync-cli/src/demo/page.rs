//! `demo --ui`: the page of one of the devices, and another device that answers what is written there.

use std::sync::Arc;

use chat_sync::{ChatUpdate, DataDir, EngineError, Env, MessageView, NewMessage, Role};
use futures_util::StreamExt;
use supervision::{Clock, Switches};

use super::device::Device;
use super::stage::Stage;
use crate::daemon::{KeptSwitches, Record, serve};
use crate::exit::Failure;

/// Whose page is served.
pub(super) const SHOWN: &str = "laptop";
/// Who answers.
const ANSWERS: &str = "phone";
/// What it says it is.
const MODEL: &str = "demo";
/// Any free port: the usual one belongs to a person's own daemon.
const PORT: u16 = 0;

/// Serves until somebody ends the program. `ready` is called once the page can be opened.
pub(super) async fn serve_page(
    stage: &Stage,
    devices: Vec<Device>,
    ready: impl FnOnce(&Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut answering = None;
    for device in devices {
        if device.name == ANSWERS {
            answering = Some(device);
        } else {
            // Also the one that is shown: the server opens its store anew.
            device.stop().await;
        }
    }
    let env = Env::production();
    let clock = Arc::clone(&env.runtime.clock);
    let shown = DataDir::new(stage.root().join(SHOWN));
    // What is turned on the page goes with the demo.
    let kept = KeptSwitches::new(Some(shown.root().join("config.toml")), Switches::default());
    let serving = serve(shown, env, kept, Some(PORT), ready);
    let answers = async {
        if let Some(device) = &answering {
            answer(device, &*clock).await;
        }
        std::future::pending::<()>().await;
    };
    let served = tokio::select! {
        biased;
        served = serving => served,
        () = answers => Ok(()),
    };
    if let Some(device) = answering {
        device.stop().await;
    }
    served
}

/// Answers every message of a person that lands from now on.
async fn answer(device: &Device, clock: &dyn Clock) {
    let mut updates = std::pin::pin!(device.handle.updates());
    while let Some(update) = updates.next().await {
        let ChatUpdate::Landed(messages) = update else {
            continue;
        };
        for message in messages.iter().filter(|message| message.role == Role::User) {
            // One that cannot be answered, because it was deleted since, needs no answer.
            if let Err(error) = reply(device, message, clock).await {
                tracing::debug!(%error, "a message is not answered");
            }
        }
    }
}

async fn reply(device: &Device, message: &MessageView, clock: &dyn Clock) -> Result<(), EngineError> {
    let seconds = clock.unix().saturating_sub(message.created_at);
    let when = match seconds {
        0 | 1 => "a moment ago".to_owned(),
        seconds => format!("{seconds} seconds ago"),
    };
    device
        .handle
        .send(NewMessage {
            role: Role::Assistant,
            model: Some(MODEL.to_owned()),
            parent: Some(message.id),
            ..NewMessage::user(
                &message.conversation,
                format!(
                    "This is the phone. What you wrote {when} is here too; the relay between us carried it sealed, and \
                     can read neither your message nor this answer."
                ),
            )
        })
        .await
        .map(drop)
}
