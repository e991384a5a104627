//! Fetching what a relay says about itself (NIP-11): one HTTP request to the relay's own address.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, DATE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::websocket::{install_crypto, reach};
use crate::{DialError, NotRelayInfo, RelayInfo, RelayUrl, retry_after};

/// From the name to the end of the document. Nobody waits for it, so it may take long; a connection that hangs must end.
const FETCH_DEADLINE: Duration = Duration::from_secs(10);
/// Documents seen are below 5 KB; those with long lists of fees and rules stay below 20.
const DOCUMENT_BYTES_MAX: usize = 64 * 1024;

/// Why a relay's document was not read. Nothing rests on it: the relay is used as if it had none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InfoError {
    /// The relay is not reached through HTTP.
    #[error("this relay is not asked for a document")]
    NotOffered,
    /// No connection.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// No complete answer in time.
    #[error("the relay's document did not arrive within {} s", FETCH_DEADLINE.as_secs())]
    TimedOut,
    /// Another answer than a document. One that points elsewhere is not followed: it could lead into a private network.
    #[error("the relay answered HTTP {status} instead of a document")]
    Http {
        /// The HTTP status.
        status: u16,
    },
    /// The answer is over the bound, or ended early.
    #[error("the relay's document is over {} KB or broke off", DOCUMENT_BYTES_MAX / 1024)]
    Body,
    /// The answer is not HTTP.
    #[error("the relay did not answer as a web server does: {reason}")]
    NotHttp {
        /// What was wrong.
        reason: String,
    },
    /// The answer is something else: a page, or nothing.
    #[error(transparent)]
    NotRelayInfo(#[from] NotRelayInfo),
}

/// Fetches the document of `relay` within [`FETCH_DEADLINE`].
pub(crate) async fn fetch(relay: &RelayUrl) -> Result<RelayInfo, InfoError> {
    let (document, date) = timeout(FETCH_DEADLINE, download(relay))
        .await
        .map_err(|_| InfoError::TimedOut)??;
    Ok(RelayInfo {
        date,
        ..RelayInfo::from_document(&document)?
    })
}

/// The document, and when the answer says it was sent.
async fn download(relay: &RelayUrl) -> Result<(Bytes, Option<u64>), InfoError> {
    let (host, port) = relay.host_and_port();
    let socket = reach(&host, port).await?;
    if !relay.is_encrypted() {
        return request(socket, relay).await;
    }
    let tls = |reason: String| InfoError::Dial(DialError::Tls { reason });
    let name = ServerName::try_from(host).map_err(|error| tls(error.to_string()))?;
    let connector = TlsConnector::from(std::sync::Arc::new(tls_config()));
    let socket = connector
        .connect(name, socket)
        .await
        .map_err(|error| tls(error.to_string()))?;
    request(socket, relay).await
}

/// As for the websocket: the Mozilla roots, and nothing that bypasses a certificate.
fn tls_config() -> ClientConfig {
    install_crypto();
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let mut config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

async fn request(
    socket: impl AsyncRead + AsyncWrite + Unpin + Send,
    relay: &RelayUrl,
) -> Result<(Bytes, Option<u64>), InfoError> {
    let not_http = |error: hyper::Error| InfoError::NotHttp {
        reason: error.to_string(),
    };
    let (host, target) = relay.host_and_target();
    let request = Request::get(target)
        .header(HOST, host)
        .header(ACCEPT, "application/nostr+json")
        // Some front ends turn away requests without one.
        .header(
            USER_AGENT,
            concat!("routstr-chat-sync/", env!("CARGO_PKG_VERSION")),
        )
        .body(Empty::<Bytes>::new())
        .map_err(|error| InfoError::NotHttp {
            reason: error.to_string(),
        })?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(not_http)?;
    let answer = async {
        let answer = sender.send_request(request).await.map_err(not_http)?;
        if answer.status() != StatusCode::OK {
            return Err(InfoError::Http {
                status: answer.status().as_u16(),
            });
        }
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(retry_after::unix_of);
        let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX);
        let body = body.collect().await.map_err(|_| InfoError::Body)?;
        Ok((body.to_bytes(), date))
    };
    // The connection moves the bytes, and fails where the answer fails: the answer tells.
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}
