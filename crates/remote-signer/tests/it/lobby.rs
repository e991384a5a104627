//! Relays in memory at which a client waits, and signers that read its offer as the `nostr` crate does.

use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use nostr::event::{Event, FinalizeEvent};
use nostr::key::{Keys, PublicKey};
use nostr::nips::nip46::{
    NostrConnectEventBuilder, NostrConnectMessage, NostrConnectResponse, NostrConnectUri, ResponseResult,
};
use relay_link::{Connection, Dial, DialError, MemoryEnd, RelayUrl, memory_pair};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Clones are the same relays.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lobby(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Filters that were asked for, and whoever asked.
    filters: Vec<Value>,
    listeners: Vec<mpsc::UnboundedSender<Event>>,
    ended: usize,
    /// Addresses nobody answers at.
    down: Vec<RelayUrl>,
    /// Subscriptions still to be refused.
    refusals: usize,
}

/// What an offer says to a signer.
pub(crate) struct Scanned {
    pub(crate) client: PublicKey,
    pub(crate) relays: Vec<String>,
    pub(crate) app: String,
    pub(crate) secret: String,
}

pub(crate) fn scan(text: &str) -> Scanned {
    let NostrConnectUri::Client {
        public_key,
        relays,
        metadata,
        secret,
    } = NostrConnectUri::parse(text).unwrap()
    else {
        panic!("{text} is no offer");
    };
    Scanned {
        client: public_key,
        relays: relays.iter().map(ToString::to_string).collect(),
        app: metadata.name,
        secret,
    }
}

/// The `connect` response in which `signer` says `result`.
pub(crate) fn connect_response(signer: &Keys, client: PublicKey, result: &str) -> Event {
    let result = ResponseResult::ConnectSecret(result.to_owned());
    let message = NostrConnectMessage::response("any id", NostrConnectResponse::with_result(result));
    NostrConnectEventBuilder::new(client, message)
        .finalize(signer)
        .unwrap()
}

impl Lobby {
    /// Hands `event` to everybody who waits.
    pub(crate) fn post(&self, event: &Event) {
        for listener in &self.lock().listeners {
            let _ = listener.send(event.clone());
        }
    }

    pub(crate) fn filters(&self) -> Vec<Value> {
        self.lock().filters.clone()
    }

    /// How many subscriptions their client ended.
    pub(crate) fn ended(&self) -> usize {
        self.lock().ended
    }

    pub(crate) fn go_down(&self, relay: &RelayUrl) {
        self.lock().down.push(relay.clone());
    }

    pub(crate) fn refuse_next(&self, subscriptions: usize) {
        self.lock().refusals = subscriptions;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn listen(&self, filter: Value) -> Option<mpsc::UnboundedReceiver<Event>> {
        let mut inner = self.lock();
        inner.filters.push(filter);
        if inner.refusals > 0 {
            inner.refusals -= 1;
            return None;
        }
        let (listener, events) = mpsc::unbounded_channel();
        inner.listeners.push(listener);
        Some(events)
    }

    async fn serve(self, mut relay: MemoryEnd) {
        let (_nobody, mut events) = mpsc::unbounded_channel();
        let mut sub = Value::Null;
        loop {
            tokio::select! {
                biased;
                text = relay.hear() => {
                    let Some(text) = text else { return };
                    let mut frame: Vec<Value> = serde_json::from_str(&text).unwrap();
                    match frame[0].as_str().unwrap() {
                        "REQ" => {
                            sub = frame[1].clone();
                            let answer = match self.listen(frame.remove(2)) {
                                Some(heard) => {
                                    events = heard;
                                    json!(["EOSE", sub])
                                }
                                None => json!(["CLOSED", sub, "restricted: members only"]),
                            };
                            relay.say(answer.to_string()).await;
                        }
                        "CLOSE" => self.lock().ended += 1,
                        other => panic!("{other} is not for this relay"),
                    }
                }
                Some(event) = events.recv() => {
                    relay.say(json!(["EVENT", sub, event]).to_string()).await;
                }
            }
        }
    }
}

impl Dial for Lobby {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let (lobby, url) = (self.clone(), url.clone());
        Box::pin(async move {
            if lobby.lock().down.contains(&url) {
                return Err(DialError::Refused);
            }
            let (connection, relay) = memory_pair();
            tokio::spawn(lobby.serve(relay));
            Ok(connection)
        })
    }
}
