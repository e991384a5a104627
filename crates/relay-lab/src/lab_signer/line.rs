//! A signer's connection to one relay: it listens for requests and publishes answers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use nostr::event::{Event, EventId};
use nostr::types::url::RelayUrl;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::Shared;

/// How long a relay may take to answer the handshake.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// The pause before a relay that is away is dialled again.
const REDIAL_PAUSE: Duration = Duration::from_millis(50);
/// The name of the one subscription of a connection.
const SUB: &str = "requests";

/// Where a line puts requests and what it publishes.
pub(crate) struct Line {
    pub(crate) relay: RelayUrl,
    pub(crate) shared: Arc<Shared>,
    pub(crate) requests: mpsc::Sender<Event>,
    pub(crate) answers: mpsc::Receiver<Event>,
}

impl Line {
    /// Stays connected until it is dropped. Answers that come while the relay is away go out when it is back.
    pub(crate) async fn keep(mut self) {
        loop {
            let dialling = connect_async_with_config(self.relay.as_str(), None, true);
            match timeout(CONNECT_DEADLINE, dialling).await {
                Ok(Ok((socket, _))) => {
                    if let Err(error) = self.converse(socket).await {
                        tracing::debug!(relay = %self.relay, %error, "the signer lost a relay");
                    }
                }
                Ok(Err(error)) => {
                    tracing::debug!(relay = %self.relay, %error, "the signer reaches no relay");
                }
                Err(_) => tracing::debug!(relay = %self.relay, "a relay took too long for a handshake"),
            }
            self.shared.with(|memory| memory.listening.remove(&self.relay));
            sleep(REDIAL_PAUSE).await;
        }
    }

    async fn converse(
        &mut self,
        mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    ) -> Result<(), SocketError> {
        let signer = self.shared.with(|memory| memory.signer.public_key());
        let filter = json!({"kinds": [24133], "#p": [signer]});
        socket
            .send(Message::text(json!(["REQ", SUB, filter]).to_string()))
            .await?;
        loop {
            tokio::select! {
                biased;
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => {
                        if let Ok(frame) = serde_json::from_str(&text) {
                            self.take(frame).await;
                        }
                    }
                    // Pings are answered by the websocket library.
                    Some(Ok(Message::Close(_))) | None => return Ok(()),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                },
                Some(event) = self.answers.recv() => {
                    socket.send(Message::text(json!(["EVENT", event]).to_string())).await?;
                }
            }
        }
    }

    async fn take(&self, mut frame: Value) {
        match frame[0].as_str() {
            Some("EVENT") if frame[1] == SUB => {
                if let Ok(event) = serde_json::from_value(frame[2].take()) {
                    // The signer stops when nobody takes requests any more.
                    let _ = self.requests.send(event).await;
                }
            }
            Some("EOSE") if frame[1] == SUB => {
                self.shared
                    .with(|memory| memory.listening.insert(self.relay.clone()));
            }
            Some("CLOSED") if frame[1] == SUB => {
                tracing::warn!(relay = %self.relay, reason = %frame[2], "a relay keeps requests from the signer");
                self.shared.with(|memory| memory.listening.remove(&self.relay));
            }
            Some("OK") if frame[2] == true => {
                let id = frame[1].as_str().and_then(|id| EventId::from_hex(id).ok());
                self.shared.with(|memory| {
                    if let Some(taken) = id.and_then(|id| memory.offers.get_mut(&id)) {
                        *taken = true;
                    }
                });
            }
            _ => {}
        }
    }
}
