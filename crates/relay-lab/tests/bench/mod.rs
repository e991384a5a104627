//! The same client for every relay of the bench, and the events it publishes.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt, future};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::prelude::{Event, EventBuilder, EventId, FinalizeEvent, Keys, Kind, Tag, Timestamp};
use relay_lab::MemoryRelay;
use relay_link::{Dial, Incoming, Outgoing};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

/// Only a bug waits this long.
const DEADLINE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    outgoing: Pin<Box<dyn Sink<String, Error = String>>>,
    incoming: Pin<Box<dyn Stream<Item = String>>>,
    asked: usize,
}

impl Client {
    pub(crate) async fn websocket(url: &str) -> Result<Self, String> {
        let dialled = tokio_tungstenite::connect_async_with_config(url, None, true).await;
        let (outgoing, incoming) = dialled.map_err(|error| error.to_string())?.0.split();
        Ok(Self {
            outgoing: Box::pin(
                outgoing
                    .with(|text: String| {
                        future::ok::<_, tokio_tungstenite::tungstenite::Error>(Message::text(text))
                    })
                    .sink_map_err(|error| error.to_string()),
            ),
            incoming: Box::pin(
                incoming
                    .take_while(|message| future::ready(message.is_ok()))
                    .filter_map(|message| future::ready(message.unwrap().into_text().ok()))
                    .map(|text| text.to_string())
                    .filter(|text| future::ready(!text.is_empty())),
            ),
            asked: 0,
        })
    }

    pub(crate) async fn memory(relay: &MemoryRelay) -> Result<Self, String> {
        let dialled = relay.dial(&"wss://relay.example".parse().unwrap()).await;
        let connection = dialled.map_err(|error| error.to_string())?;
        let texts = |message| match message {
            Ok(Incoming::Text(text)) => Some(text),
            _ => None,
        };
        Ok(Self {
            outgoing: Box::pin(
                connection
                    .outgoing
                    .with(|text| future::ok::<_, relay_link::ConnectionError>(Outgoing::Text(text)))
                    .sink_map_err(|error| error.to_string()),
            ),
            incoming: Box::pin(
                connection
                    .incoming
                    .filter_map(move |message| future::ready(texts(message))),
            ),
            asked: 0,
        })
    }

    pub(crate) async fn say(&mut self, frame: Value) {
        self.outgoing.send(frame.to_string()).await.unwrap();
    }

    /// The next frame; `None` once the connection ended. The relay-builder closes a REQ by ids that it answered in
    /// full, after the EOSE and without a reason; that says nothing new and is skipped.
    pub(crate) async fn hear(&mut self) -> Option<Value> {
        loop {
            let text = tokio::time::timeout(DEADLINE, self.incoming.next())
                .await
                .expect("the relay answers")?;
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame[0] != "CLOSED" || frame[2] != "" {
                return Some(frame);
            }
        }
    }

    /// Publishes and returns what the OK said.
    pub(crate) async fn publish(&mut self, event: &Event) -> (bool, String) {
        self.say(json!(["EVENT", event])).await;
        let answer = self.hear().await.unwrap();
        assert_eq!(
            (&answer[0], &answer[1]),
            (&json!("OK"), &json!(event.id)),
            "{answer}"
        );
        (
            answer[2].as_bool().unwrap(),
            answer[3].as_str().unwrap().to_owned(),
        )
    }

    /// What a subscription finds, in the order of arrival. It is closed then.
    pub(crate) async fn query(&mut self, filter: Value) -> Vec<EventId> {
        self.asked += 1;
        let sub = format!("q{}", self.asked);
        self.say(json!(["REQ", sub, filter])).await;
        let mut found = Vec::new();
        loop {
            let frame = self.hear().await.unwrap();
            match frame[0].as_str().unwrap() {
                "EVENT" => found.push(serde_json::from_value::<Event>(frame[2].clone()).unwrap().id),
                "EOSE" => break,
                _ => panic!("{frame}"),
            }
        }
        self.say(json!(["CLOSE", sub])).await;
        found
    }

    /// Runs a NIP-77 session to its end and returns (ids only we have, ids only the relay has).
    pub(crate) async fn compare(
        &mut self,
        filter: Value,
        ours: &[(u64, EventId)],
        frame_bytes: u64,
    ) -> (BTreeSet<EventId>, BTreeSet<EventId>) {
        let mut storage = NegentropyStorageVector::new();
        for (time, id) in ours {
            storage.insert(*time, Id::from_byte_array(id.to_bytes())).unwrap();
        }
        storage.seal().unwrap();
        let mut ours = Negentropy::owned(storage, frame_bytes).unwrap();
        let (mut have, mut need) = (Vec::new(), Vec::new());
        let opening = ours.initiate().unwrap();
        self.say(json!(["NEG-OPEN", "n", filter, hex(&opening)])).await;
        // Each round splits by sixteen; sixty-four are enough for any set and stop a loop.
        for _ in 0..64 {
            let answer = self.hear().await.unwrap();
            assert_eq!(
                (&answer[0], &answer[1]),
                (&json!("NEG-MSG"), &json!("n")),
                "{answer}"
            );
            let message = unhex(answer[2].as_str().unwrap());
            if let Some(message) = ours.reconcile_with_ids(&message, &mut have, &mut need).unwrap() {
                self.say(json!(["NEG-MSG", "n", hex(&message)])).await;
                continue;
            }
            self.say(json!(["NEG-CLOSE", "n"])).await;
            let ids = |ids: Vec<Id>| ids.into_iter().map(|id| EventId::from_byte_array(id.to_bytes()));
            return (ids(have).collect(), ids(need).collect());
        }
        panic!("the session does not end");
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|n| u8::from_str_radix(&text[n..n + 2], 16).unwrap())
        .collect()
}

/// An envelope written at second `time`.
pub(crate) fn envelope(keys: &Keys, time: u64, content: &str) -> Event {
    sign(keys, EventBuilder::new(Kind::Custom(1080), content), time)
}

/// A deletion of `ids` written at second `time`.
pub(crate) fn deletion(keys: &Keys, time: u64, ids: &[EventId]) -> Event {
    let tags = ids.iter().map(|id| Tag::parse(["e", &id.to_hex()]).unwrap());
    sign(keys, EventBuilder::new(Kind::EventDeletion, "").tags(tags), time)
}

pub(crate) fn sign(keys: &Keys, event: EventBuilder, time: u64) -> Event {
    event
        .custom_created_at(Timestamp::from(time))
        .finalize(keys)
        .unwrap()
}

pub(crate) fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<EventId> {
    events.into_iter().map(|event| event.id).collect()
}

/// What every comparison of a history asks for.
pub(crate) fn history(keys: &Keys) -> Value {
    json!({"kinds": [1080, 5], "authors": [keys.public_key()]})
}
