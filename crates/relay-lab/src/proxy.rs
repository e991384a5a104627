//! A websocket proxy that stands in front of any relay: it counts, misbehaves by name, and can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex as TurnMutex, watch};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, accept_async_with_config, connect_async_with_config,
};

use crate::server_thread::{ServerThread, Stop, listen};
use crate::taking::{Answer, Door};
use crate::{Fault, LabError, Taking, Tally, Verdict};

/// The largest frame that passes, in bytes: sixteen times the largest that a relay was seen to send.
const FRAME_BYTES_MAX: usize = 16 << 20;

/// Connections served at once; each takes two sockets of the 1,024 files that a process may open by default.
const CONNECTIONS_MAX: usize = 250;

/// How long both handshakes of a connection may take together.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Pause after a failed accept (mostly: no file handles left), so that the loop does not spin on it.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running proxy, on a thread of its own. Dropping it closes its connections.
///
/// It forwards text frames unchanged and in order, each direction for itself. Pings are answered by the proxy.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    thread: ServerThread,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    state: Mutex<State>,
    /// True while no connection may live.
    cut: watch::Sender<bool>,
    /// How many connections live.
    live: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    fault: Fault,
    door: Door,
    tally: Tally,
}

impl Proxy {
    /// Listens on a free loopback port, in front of the relay at `upstream` (`ws://…`). The relay is dialled anew for
    /// every client, so it need not run yet.
    pub fn start(upstream: &str, fault: Fault) -> Result<Self, LabError> {
        if !upstream.starts_with("ws://") {
            return Err(LabError::Upstream {
                url: upstream.to_owned(),
            });
        }
        let (listener, addr) = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let shared = Arc::new(Shared {
            upstream: upstream.to_owned(),
            state: Mutex::new(State {
                fault,
                door: Door::default(),
                tally: Tally::default(),
            }),
            cut: watch::Sender::new(false),
            live: watch::Sender::new(0),
        });
        let serving = Arc::clone(&shared);
        let thread = ServerThread::spawn("lab-proxy", move |stop| serve(listener, serving, stop))?;
        Ok(Self { addr, shared, thread })
    }

    /// Where clients connect instead of to the relay.
    pub fn url(&self) -> String {
        format!("ws://{}", self.addr)
    }

    /// What passed since the start, over all connections.
    pub fn tally(&self) -> Tally {
        self.shared.with(|state| state.tally.clone())
    }

    /// Misbehaves this way from the next frame on, on open connections too.
    pub fn set_fault(&self, fault: Fault) {
        self.shared.with(|state| state.fault = fault);
    }

    /// Treats events this way from the next one on. Of the takings those work here that are about answers to an event;
    /// those about lost or late OKs and about dialling do not.
    pub fn set_taking(&self, taking: Taking) {
        self.shared.with(|state| state.door.set(taking));
    }

    /// How many clients are connected through it.
    pub fn connections(&self) -> usize {
        *self.shared.live.borrow()
    }

    /// Drops every connection, with whatever was on its way, and each new one until [`Proxy::heal`]. The port stays
    /// taken: a client connects and is closed before the handshake.
    pub fn cut(&self) {
        self.shared.cut.send_replace(true);
    }

    /// Lets connections through again.
    pub fn heal(&self) {
        self.shared.cut.send_replace(false);
    }

    /// Returns once no client is connected: right after [`Proxy::cut`] that is a matter of microseconds.
    pub async fn idle(&self) {
        // The sender is right here, so waiting cannot fail.
        let _ = self.shared.live.subscribe().wait_for(|live| *live == 0).await;
    }

    /// Closes every connection and returns when the port is free.
    pub async fn shutdown(self) {
        self.thread.stop().await;
    }
}

impl Shared {
    fn with<T>(&self, read: impl FnOnce(&mut State) -> T) -> T {
        // A panic elsewhere leaves at worst a count too few.
        read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One live connection, counted while it exists, however it ends.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: Arc<Shared>) -> Self {
        shared.live.send_modify(|live| *live += 1);
        Self(shared)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.live.send_modify(|live| *live -= 1);
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stop: Stop) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the proxy's socket cannot be watched"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX && !*shared.cut.borrow() => {
                    connections.spawn(relay(Counted::new(Arc::clone(&shared)), stream));
                }
                // Cut, or too many: closed at the door.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    connections.shutdown().await;
}

/// One client and its own connection to the relay, until either leaves or the proxy is cut.
async fn relay(counted: Counted, client: TcpStream) {
    let shared = &counted.0;
    let mut cut = shared.cut.subscribe();
    let talk = async {
        let connecting = tokio::time::timeout(CONNECT_DEADLINE, connect(client, &shared.upstream)).await;
        let (client, upstream) =
            connecting.map_err(|_| SocketError::Io(io::ErrorKind::TimedOut.into()))??;
        let (to_client, from_client) = client.split();
        let (to_relay, from_relay) = upstream.split();
        let to_client = TurnMutex::new(to_client);
        // Two pumps, so that a relay which does not read cannot keep what it wrote from the client.
        tokio::select! {
            biased;
            ended = pump_up(from_client, to_relay, &to_client, shared) => ended,
            ended = pump_down(from_relay, &to_client, shared) => ended,
        }
    };
    tokio::select! {
        biased;
        _ = cut.wait_for(|cut| *cut) => {}
        ended = talk => if let Err(error) = ended {
            tracing::debug!(%error, "a connection through the proxy ended");
        },
    }
}

type Upstream = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(
    client: TcpStream,
    upstream: &str,
) -> Result<(WebSocketStream<TcpStream>, Upstream), SocketError> {
    client.set_nodelay(true)?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_BYTES_MAX))
        .max_frame_size(Some(FRAME_BYTES_MAX));
    // The relay first: a client whose relay is away gets no handshake, as if it had dialled the relay itself.
    let (upstream, _) = connect_async_with_config(upstream, Some(config), true).await?;
    let client = accept_async_with_config(client, Some(config)).await?;
    Ok((client, upstream))
}

async fn pump_up(
    mut from_client: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    mut to_relay: impl Sink<Message, Error = SocketError> + Unpin,
    to_client: &TurnMutex<impl Sink<Message, Error = SocketError> + Unpin>,
    shared: &Shared,
) -> Result<(), SocketError> {
    while let Some(message) = from_client.next().await {
        match message? {
            Message::Text(text) => {
                let verdict = shared.with(|state| {
                    state.tally.sent(&text);
                    match state.fault.on_client_frame(&text) {
                        Verdict::Forward => match state.door.judge(&text) {
                            Answer::Forward => Some(Verdict::Forward),
                            Answer::Say(answer) => Some(Verdict::Answer(answer)),
                            Answer::Close | Answer::ForwardAndClose => None,
                        },
                        verdict => Some(verdict),
                    }
                });
                let Some(verdict) = verdict else {
                    return Ok(());
                };
                match verdict {
                    Verdict::Forward => to_relay.send(Message::Text(text)).await?,
                    Verdict::Drop => {}
                    Verdict::Answer(answer) => {
                        shared.with(|state| state.tally.got(&answer));
                        to_client.lock().await.send(Message::text(answer)).await?;
                    }
                }
            }
            Message::Binary(bytes) => to_relay.send(Message::Binary(bytes)).await?,
            Message::Close(reason) => return to_relay.send(Message::Close(reason)).await,
            // Answered by the websocket library on each side.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
        }
    }
    Ok(())
}

async fn pump_down(
    mut from_relay: impl Stream<Item = Result<Message, SocketError>> + Unpin,
    to_client: &TurnMutex<impl Sink<Message, Error = SocketError> + Unpin>,
    shared: &Shared,
) -> Result<(), SocketError> {
    while let Some(message) = from_relay.next().await {
        let message = message?;
        match &message {
            Message::Text(text) => shared.with(|state| state.tally.got(text)),
            Message::Binary(_) => {}
            Message::Close(_) => return to_client.lock().await.send(message).await,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        }
        to_client.lock().await.send(message).await?;
    }
    Ok(())
}
