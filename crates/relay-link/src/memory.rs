//! A connection inside this process, so that tests can pause time.

use futures_util::{sink, stream};
use tokio::sync::mpsc;

use crate::{Connection, ConnectionError, Incoming, Outgoing};

/// Messages under way in each direction: enough to keep both sides busy, small enough that a reader that stops is
/// felt by the writer, as with a socket's buffers.
const UNDER_WAY_MAX: usize = 64;

/// The relay's end of [`memory_pair`]. It answers no ping by itself, so that a test can play a dead socket.
#[derive(Debug)]
pub struct MemoryEnd {
    /// What the client sent; ends when the client dropped its connection.
    pub incoming: mpsc::Receiver<Outgoing>,
    /// What the client receives; an error breaks the connection, dropping it closes the connection.
    pub outgoing: mpsc::Sender<Result<Incoming, ConnectionError>>,
}

/// Both ends of a connection in memory, bounded in each direction.
pub fn memory_pair() -> (Connection, MemoryEnd) {
    let (to_relay, incoming) = mpsc::channel(UNDER_WAY_MAX);
    let (outgoing, to_client) = mpsc::channel(UNDER_WAY_MAX);
    let connection = Connection {
        outgoing: Box::pin(sink::unfold(to_relay, |to_relay, message: Outgoing| async move {
            to_relay
                .send(message)
                .await
                .map_err(|_| ConnectionError::Closed)?;
            Ok(to_relay)
        })),
        incoming: Box::pin(stream::unfold(to_client, |mut to_client| async move {
            to_client.recv().await.map(|message| (message, to_client))
        })),
        date: None,
    };
    (connection, MemoryEnd { incoming, outgoing })
}

impl MemoryEnd {
    /// Sends a text to the client, waiting for room. `false` when the client is gone.
    pub async fn say(&self, text: impl Into<String>) -> bool {
        self.outgoing.send(Ok(Incoming::Text(text.into()))).await.is_ok()
    }

    /// The next text of the client; pings on the way are answered. `None` when the client is gone.
    pub async fn hear(&mut self) -> Option<String> {
        loop {
            match self.incoming.recv().await? {
                Outgoing::Text(text) => return Some(text),
                Outgoing::Ping => drop(self.outgoing.send(Ok(Incoming::Pong)).await),
            }
        }
    }
}
