//! A browser extension for tests: `window.nostr`, whose key is on this side of the wire, in Rust. A page asks it, and
//! never holds the key.

use std::sync::{Arc, Mutex};

use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::{Keys, PublicKey};
use nostr::nips::nip44;
use nostr::types::Timestamp;
use serde_json::{Value, json};

use crate::page::Page;

/// Calls go out by the binding and come back by number. One at a time, as several extensions want it.
const SCRIPT: &str = "
(() => {
  if (window.top !== window) return;
  const open = new Map();
  let next = 0;
  window.answerTestExtension = (id, answer) => {
    const { resolve, reject } = open.get(id);
    open.delete(id);
    if ('error' in answer) reject(new Error(answer.error));
    else resolve(answer.result);
  };
  const ask = (method, ...params) => new Promise((resolve, reject) => {
    if (open.size > 0) return reject(new Error('window.nostr call already executing'));
    next += 1;
    open.set(next, { resolve, reject });
    window.askTestExtension(JSON.stringify({ id: next, method, params }));
  });
  window.nostr = {
    getPublicKey: () => ask('get_public_key'),
    signEvent: (event) => ask('sign_event', event),
    nip44: { encrypt: (peer, text) => ask('encrypt', peer, text), decrypt: (peer, text) => ask('decrypt', peer, text) },
  };
})();";

/// What it was asked, method by method.
#[derive(Clone)]
pub(crate) struct Extension {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Extension {
    /// Puts it into every page of this tab.
    pub(crate) async fn install(page: &Page, secret: &str) -> Self {
        let keys = Keys::parse(secret).unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = asked.clone();
        page.bind("askTestExtension", move |page, payload| {
            let request: Value = serde_json::from_str(&payload).unwrap();
            seen.lock()
                .unwrap()
                .push(request["method"].as_str().unwrap().to_owned());
            let answer = match carry_out(&keys, &request) {
                Ok(result) => json!({ "result": result }),
                Err(error) => json!({ "error": error }),
            };
            tokio::spawn(async move {
                let call = format!("window.answerTestExtension({}, {answer})", request["id"]);
                page.eval(&call).await;
            });
        })
        .await;
        page.bring(SCRIPT).await;
        Self { asked }
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn carry_out(keys: &Keys, request: &Value) -> Result<Value, String> {
    let text = |n: usize| request["params"][n].as_str().ok_or("not a text");
    let peer = || PublicKey::parse(text(0)?).map_err(|error| error.to_string());
    match request["method"].as_str() {
        Some("get_public_key") => Ok(keys.public_key().to_hex().into()),
        Some("encrypt") => nip44::encrypt(keys.secret_key(), &peer()?, text(1)?, nip44::Version::V2)
            .map(Value::from)
            .map_err(|error| error.to_string()),
        Some("decrypt") => nip44::decrypt(keys.secret_key(), &peer()?, text(1)?)
            .map(Value::from)
            .map_err(|error| error.to_string()),
        Some("sign_event") => {
            let event = sign(keys, &request["params"][0])?;
            serde_json::to_value(event).map_err(|error| error.to_string())
        }
        _ => Err("not known".to_owned()),
    }
}

fn sign(keys: &Keys, template: &Value) -> Result<Event, String> {
    let kind = template["kind"]
        .as_u64()
        .and_then(|kind| u16::try_from(kind).ok());
    let tags: Vec<Tag> =
        serde_json::from_value(template["tags"].clone()).map_err(|error| error.to_string())?;
    EventBuilder::new(
        Kind::from(kind.ok_or("no kind")?),
        template["content"].as_str().ok_or("no content")?,
    )
    .tags(tags)
    .custom_created_at(Timestamp::from(template["created_at"].as_u64().ok_or("no time")?))
    .finalize(keys)
    .map_err(|error| error.to_string())
}
