//! `nostr-sdk`'s websocket with TCP_NODELAY: without it each of its small requests waits for an acknowledgement.

use std::time::Duration;

use async_wsocket::{ConnectionMode, WebSocket};
use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use nostr_relay_pool::transport::error::TransportError;
use nostr_relay_pool::transport::websocket::{WebSocketSink, WebSocketStream, WebSocketTransport};
use nostr_sdk::prelude::{BoxedFuture, Url};
use tokio::net::TcpStream;

/// Dials with `TCP_NODELAY`.
#[derive(Debug, Clone, Copy)]
pub struct NoDelay;

impl WebSocketTransport for NoDelay {
    fn support_ping(&self) -> bool {
        true
    }

    fn connect<'a>(
        &'a self,
        url: &'a Url,
        _: &'a ConnectionMode,
        timeout: Duration,
    ) -> BoxedFuture<'a, Result<(WebSocketSink, WebSocketStream), TransportError>> {
        Box::pin(async move {
            let socket = tokio::time::timeout(timeout, connect(url))
                .await
                .map_err(TransportError::backend)?
                .map_err(TransportError::backend)?;
            let (sink, stream) = socket.split();
            let sink: WebSocketSink = Box::new(sink.sink_map_err(TransportError::backend));
            let stream: WebSocketStream = Box::pin(stream.map_err(TransportError::backend));
            Ok((sink, stream))
        })
    }
}

async fn connect(url: &Url) -> Result<WebSocket, async_wsocket::Error> {
    let address = url.socket_addrs(|| None)?;
    let socket = TcpStream::connect(&*address).await?;
    socket.set_nodelay(true)?;
    let (socket, _) = tokio_tungstenite::client_async_tls(url.as_str(), socket).await?;
    Ok(WebSocket::Tokio(socket))
}
