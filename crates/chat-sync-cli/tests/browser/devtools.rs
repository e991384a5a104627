//! The browser's debugging protocol: calls with answers, and events, over one websocket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::program::PATIENCE;

/// Calls on their way; a test makes one at a time.
const CALLS: usize = 64;
/// Events that nobody has looked at yet.
const EVENTS: usize = 4096;

type Waiting = Arc<Mutex<BTreeMap<u64, oneshot::Sender<Value>>>>;

/// A connection to a browser. Clones share it.
#[derive(Clone)]
pub(crate) struct DevTools {
    out: mpsc::Sender<Message>,
    waiting: Waiting,
    next: Arc<AtomicU64>,
    events: broadcast::Sender<Value>,
}

impl DevTools {
    pub(crate) async fn connect(address: &str) -> Self {
        let (socket, _) = connect_async(address).await.unwrap();
        let (mut sink, mut stream) = socket.split();
        let (out, mut calls) = mpsc::channel(CALLS);
        let (events, _) = broadcast::channel(EVENTS);
        let waiting = Waiting::default();
        tokio::spawn(async move {
            while let Some(call) = calls.recv().await {
                if sink.send(call).await.is_err() {
                    return;
                }
            }
        });
        let (answers, told) = (waiting.clone(), events.clone());
        tokio::spawn(async move {
            while let Some(Ok(message)) = stream.next().await {
                let Message::Text(text) = message else { continue };
                let value: Value = serde_json::from_str(&text).unwrap();
                match value["id"].as_u64() {
                    Some(id) => {
                        if let Some(answer) = answers.lock().unwrap().remove(&id) {
                            let _ = answer.send(value);
                        }
                    }
                    // Nobody listens, as most of the time.
                    None => drop(told.send(value)),
                }
            }
        });
        Self {
            out,
            waiting,
            next: Arc::default(),
            events,
        }
    }

    /// Calls a method, of a tab when `session` names one.
    pub(crate) async fn call(
        &self,
        session: Option<&str>,
        method: &str,
        params: Value,
    ) -> Result<Value, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut call = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            call["sessionId"] = session.into();
        }
        let (answer, answered) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, answer);
        let message = Message::Text(call.to_string().into());
        self.out.send(message).await.expect("the browser is there");
        let mut answer = tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| panic!("no answer to {method}"))
            .map_err(|_| "the browser has gone".to_owned())?;
        match answer["error"]["message"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["result"].take()),
        }
    }

    /// What the browser tells from now on.
    pub(crate) fn events(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }
}
