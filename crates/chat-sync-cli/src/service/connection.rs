//! One request to the daemon over a connection of its own.

use std::net::Ipv4Addr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;

use crate::daemon::Record;
use crate::exit::Failure;

/// Nothing on this machine takes longer to take up a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Larger than any answer: every conversation and message of a very long history.
const ANSWER_BYTES_MAX: usize = 512 * 1024 * 1024;

/// What the daemon says when it does not do what it was asked.
#[derive(Debug, Deserialize)]
struct Refusal {
    error: String,
    exit: u8,
}

/// An answer whose head has come.
pub(crate) struct Answer(Response<Incoming>);

/// Sends a request. `None` when nobody listens there.
pub(crate) async fn request(
    record: &Record,
    method: Method,
    path: &str,
    body: Option<Bytes>,
) -> Result<Option<Answer>, Failure> {
    let builder = Request::builder().method(method).uri(path);
    request_with(record, builder, body).await
}

/// The same, with headers of its own.
pub(crate) async fn request_with(
    record: &Record,
    request: Builder,
    body: Option<Bytes>,
) -> Result<Option<Answer>, Failure> {
    let connect = TcpStream::connect((Ipv4Addr::LOCALHOST, record.port));
    let Ok(Ok(socket)) = tokio::time::timeout(CONNECT_PATIENCE, connect).await else {
        return Ok(None);
    };
    // Small requests are not to wait for each other's acknowledgements.
    let _ = socket.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(cut)?;
    // Ends with the answer, or with whoever drops it.
    tokio::spawn(connection);
    let mut request = request
        .header(HOST, record.host())
        .header(AUTHORIZATION, record.authorization());
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let request = request
        .body(Full::new(body.unwrap_or_default()))
        .map_err(|error| Failure::Failed(format!("the daemon cannot be asked: {error}")))?;
    Ok(Some(Answer(sender.send_request(request).await.map_err(cut)?)))
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The stream of a good answer; a refusal as what it stands for.
    pub(crate) async fn good(self) -> Result<Incoming, Failure> {
        if self.0.status().is_success() {
            return Ok(self.0.into_body());
        }
        let status = self.0.status();
        let text = whole(self.0.into_body()).await?;
        Err(match serde_json::from_slice::<Refusal>(&text) {
            Ok(Refusal { error, exit }) => Failure::Told { exit, error },
            Err(_) => Failure::Failed(format!(
                "the daemon answered {status}; restart it with `chat-sync daemon stop` and `chat-sync daemon start`"
            )),
        })
    }
}

/// All of an answer.
pub(crate) async fn whole(body: Incoming) -> Result<Bytes, Failure> {
    let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let read = read.map_err(|error| Failure::Failed(format!("the daemon's answer broke off: {error}")))?;
    Ok(read.to_bytes())
}

pub(super) fn cut(error: hyper::Error) -> Failure {
    Failure::Failed(format!(
        "the daemon did not answer: {error}; `chat-sync daemon status` tells whether it runs"
    ))
}
