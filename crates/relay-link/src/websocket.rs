//! Websockets to real relays.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Once;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt, StreamExt, future};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async_tls_with_config;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError, TlsError};
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::{
    Connection, ConnectionError, Dial, DialError, FRAME_BYTES_MAX, Incoming, InfoError, Outgoing, RelayInfo,
    RelayUrl, info_fetch, retry_after,
};

/// From a name to an open websocket (field guide 7).
pub(crate) const CONNECT_DEADLINE: Duration = Duration::from_secs(15);
/// For one address of a name that has several: a dead IPv6 route must leave time for IPv4.
const ADDRESS_DEADLINE: Duration = Duration::from_secs(4);

/// Dials websockets: rustls with ring and the Mozilla roots, no delay on small writes, messages of at most 4 MiB,
/// no compression (so nothing inflates), 15 s to connect.
#[derive(Debug, Default, Clone, Copy)]
pub struct WebSocketDialer;

impl Dial for WebSocketDialer {
    fn dial(&self, relay: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let relay = relay.clone();
        Box::pin(async move {
            let late = |_| DialError::TimedOut {
                after: CONNECT_DEADLINE,
            };
            timeout(CONNECT_DEADLINE, connect(&relay)).await.map_err(late)?
        })
    }

    fn info(&self, relay: &RelayUrl) -> BoxFuture<'static, Result<RelayInfo, InfoError>> {
        let relay = relay.clone();
        Box::pin(async move { info_fetch::fetch(&relay).await })
    }

    fn local_addresses(&self) -> Vec<IpAddr> {
        // Connecting a datagram socket sends nothing: the system only chooses the way, and with it the address. The
        // targets are reserved for documentation, and lie beyond every router.
        let way = |own: IpAddr, target: IpAddr| {
            let socket = UdpSocket::bind((own, 0)).ok()?;
            socket.connect((target, 9)).ok()?;
            socket.local_addr().ok().map(|address| address.ip())
        };
        let four = way(
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(198, 51, 100, 1).into(),
        );
        let six = way(
            Ipv6Addr::UNSPECIFIED.into(),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
        );
        four.into_iter().chain(six).collect()
    }
}

async fn connect(relay: &RelayUrl) -> Result<Connection, DialError> {
    install_crypto();
    let (host, port) = relay.host_and_port();
    let socket = reach(&host, port).await?;
    // Without it a small REQ waits 45 ms for the acknowledgement of the one before (field guide 9).
    socket.set_nodelay(true).map_err(|error| DialError::Network {
        reason: error.to_string(),
    })?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    let (socket, answer) = client_async_tls_with_config(relay.as_str(), socket, Some(config), None)
        .await
        .map_err(|error| dial_error(error, relay))?;
    let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
    let date = date.and_then(retry_after::unix_of);
    let (outgoing, incoming) = socket.split();
    let outgoing = outgoing.sink_map_err(connection_error).with(|message| {
        future::ready(Ok(match message {
            Outgoing::Text(text) => Message::text(text),
            Outgoing::Ping => Message::Ping(Vec::new().into()),
        }))
    });
    let incoming = incoming.filter_map(|message| future::ready(incoming_of(message)));
    Ok(Connection {
        outgoing: Box::pin(outgoing),
        incoming: Box::pin(incoming),
        date,
    })
}

/// rustls takes its cryptography from the process. Another crate's feature must not decide whether there is one.
pub(crate) fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that the embedding program chose a provider before us, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

pub(crate) async fn reach(host: &str, port: u16) -> Result<TcpStream, DialError> {
    let no_address = || DialError::NoAddress {
        host: host.to_owned(),
    };
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host, port))
        .await
        .map_err(|_| no_address())?
        .collect();
    let mut failure = no_address();
    for address in addresses {
        match timeout(ADDRESS_DEADLINE, TcpStream::connect(address)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(error)) => failure = io_error(&error),
            Err(_) => {
                failure = DialError::TimedOut {
                    after: ADDRESS_DEADLINE,
                }
            }
        }
    }
    Err(failure)
}

fn incoming_of(message: Result<Message, Error>) -> Option<Result<Incoming, ConnectionError>> {
    Some(match message {
        Ok(Message::Text(text)) => Ok(Incoming::Text(text.as_str().to_owned())),
        // No relay is known to send binary; as text it is a bad frame, and those are counted.
        Ok(Message::Binary(bytes)) => Ok(Incoming::Text(String::from_utf8_lossy(&bytes).into_owned())),
        Ok(Message::Ping(_) | Message::Pong(_)) => Ok(Incoming::Pong),
        // The end of the stream follows.
        Ok(Message::Close(_) | Message::Frame(_)) => return None,
        Err(error) => Err(connection_error(error)),
    })
}

fn io_error(error: &std::io::Error) -> DialError {
    match error.kind() {
        ErrorKind::ConnectionRefused => DialError::Refused,
        // tokio-rustls reports a refused certificate and a failed handshake this way.
        ErrorKind::InvalidData => DialError::Tls {
            reason: error.to_string(),
        },
        _ => DialError::Network {
            reason: error.to_string(),
        },
    }
}

fn dial_error(error: Error, relay: &RelayUrl) -> DialError {
    match error {
        Error::Http(answer) => http_error(&answer),
        Error::Io(error) => io_error(&error),
        Error::Tls(TlsError::InvalidDnsName) => DialError::Tls {
            reason: "the host is not a name a certificate can be for".into(),
        },
        Error::Tls(error) => DialError::Tls {
            reason: error.to_string(),
        },
        Error::Protocol(ProtocolError::HandshakeIncomplete) | Error::ConnectionClosed => {
            DialError::NotWebSocket {
                reason: "it closed the connection before the handshake".into(),
            }
        }
        // `relay` is a checked address, so what is left are answers that are no websocket handshake.
        error => DialError::NotWebSocket {
            reason: format!("{error} ({relay})"),
        },
    }
}

fn http_error(answer: &Response<Option<Vec<u8>>>) -> DialError {
    let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let retry_after = header("retry-after").and_then(|text| retry_after::parse(text, header("date")));
    DialError::Http {
        status: answer.status().as_u16(),
        retry_after,
    }
}

fn connection_error(error: Error) -> ConnectionError {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => ConnectionError::Closed,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => ConnectionError::TooLong,
        Error::Io(error) => ConnectionError::Network {
            reason: error.to_string(),
        },
        error => ConnectionError::Protocol {
            reason: error.to_string(),
        },
    }
}
