//! Messages of another program.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::{Data, Payload, Query};
use chat_model::Message;
use chat_model::import::IMPORT_BYTES_MAX;
use futures_util::StreamExt;
use serde::Deserialize;

use super::{Answer, blocking};
use crate::daemon::state::State;
use crate::exit::Failure;
use crate::shapes::importing::Given;

/// No message is larger than the largest export. `import` itself sends about a megabyte at a time.
const BODY_BYTES_MAX: usize = IMPORT_BYTES_MAX + 1024 * 1024;
/// Between two parts of a body: nobody else imports meanwhile.
const PART_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct How {
    dry_run: bool,
}

/// It has no `Debug`: there are words in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    messages: Vec<Given>,
}

/// Takes all of them, or none when one of them could not be read back. Each message is one by its conversation and source,
/// so a request that broke off is sent again.
pub(super) async fn import(state: Data<State>, query: Query<How>, body: Payload) -> Answer {
    // Before the body is read: of several, one is in memory.
    let _alone = state.alone.import.lock().await;
    let here = state.here()?;
    let body = whole(body).await?;
    let messages = blocking(move || read(&body)).await?;
    let taken = if query.dry_run {
        blocking(move || here.import_preview(messages)).await?
    } else {
        here.import(messages, |_| {}).await?
    };
    Ok(HttpResponse::Ok().json(taken))
}

async fn whole(mut body: Payload) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    loop {
        let part = tokio::time::timeout(PART_PATIENCE, body.next())
            .await
            .map_err(|_| {
                Failure::Usage(format!(
                    "nothing came for {} s; send the import again",
                    PART_PATIENCE.as_secs()
                ))
            })?;
        let Some(part) = part else { return Ok(bytes) };
        let part = part.map_err(|error| Failure::Usage(format!("the import broke off: {error}")))?;
        if bytes.len() + part.len() > BODY_BYTES_MAX {
            return Err(Failure::Usage(format!(
                "the import is over {BODY_BYTES_MAX} bytes; send it in several requests"
            )));
        }
        bytes.extend_from_slice(&part);
    }
}

fn read(body: &[u8]) -> Result<Vec<Message>, Failure> {
    let export: Export = serde_json::from_slice(body).map_err(|error| {
        // What it stumbled over would be quoted, and may be somebody's words.
        Failure::Usage(format!(
            "the import is not as openapi.json describes it (line {}, column {})",
            error.line(),
            error.column()
        ))
    })?;
    export.messages.into_iter().map(Message::try_from).collect()
}
