//! One conversation with one relay, a frame at a time.

use futures_util::{SinkExt, StreamExt};
use relay_link::{ClientFrame, Connection, Incoming, Outgoing, RelayFrame};
use tokio::time::{Instant, timeout_at};

/// An open connection that one side at a time speaks on.
pub(super) struct Talk(Connection);

/// Why no frame came.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    /// The relay said nothing that could be read.
    #[error("no answer")]
    Long,
    /// The connection ended.
    #[error("{0}")]
    Lost(String),
}

impl Talk {
    pub(super) fn over(connection: Connection) -> Self {
        Self(connection)
    }

    /// Sends a frame.
    pub(super) async fn say(&mut self, frame: &ClientFrame) -> Result<(), String> {
        let text = Outgoing::Text(frame.encode());
        self.0
            .outgoing
            .send(text)
            .await
            .map_err(|error| error.to_string())
    }

    /// The next frame that can be read, until `deadline`.
    pub(super) async fn hear(&mut self, deadline: Instant) -> Result<RelayFrame, Silence> {
        let hearing = async {
            loop {
                match self.0.incoming.next().await {
                    Some(Ok(Incoming::Text(text))) => {
                        if let Ok(frame) = RelayFrame::parse(&text) {
                            return Ok(frame);
                        }
                    }
                    Some(Ok(Incoming::Pong)) => {}
                    Some(Err(error)) => return Err(Silence::Lost(error.to_string())),
                    None => return Err(Silence::Lost("the relay closed the connection".to_owned())),
                }
            }
        };
        timeout_at(deadline, hearing).await.unwrap_or(Err(Silence::Long))
    }
}
