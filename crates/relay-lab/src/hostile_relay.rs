//! A server that takes websocket connections as a relay does, and then says what no relay should. For what only a real
//! socket shows: bounds on what is read (F39), and answers of others in a relay's place (F38).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::LabError;
use crate::server_thread::{ServerThread, Stop, listen};

/// What it says to everyone who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hostility {
    /// A sign-in page with `200 OK`, whatever was asked (C-7).
    Portal,
    /// One text frame of this many bytes (C-10).
    LongFrame(u64),
    /// One text message in fragments of 64 KiB, without an end (C-10).
    EndlessMessage,
    /// Compressed frames that nobody asked for: each of about 1 KiB inflates to 1 MiB, and there is no end of them (C-10).
    Bomb,
}

/// A running hostile relay, on a thread of its own. Dropping it ends it.
#[derive(Debug)]
pub struct HostileRelay {
    url: String,
    counts: Arc<Counts>,
    _thread: ServerThread,
}

#[derive(Debug, Default)]
struct Counts {
    dials: AtomicU64,
    most: AtomicU64,
}

/// For a client to say what it wants.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// One fragment.
const FRAGMENT: usize = 64 * 1024;
/// What raw deflate makes of 1 MiB of zeros begins so, goes on with zeros, and ends so.
const BOMB_HEAD: [u8; 14] = [
    0xec, 0xc1, 0x01, 0x01, 0x00, 0x00, 0x00, 0x80, 0x90, 0xfe, 0xaf, 0xee, 0x08, 0x0a,
];
const BOMB_BYTES: usize = 1_024;

const TEXT: u8 = 0x1;
const FIN: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

impl HostileRelay {
    /// Listens on a free loopback port.
    pub fn start(hostility: Hostility) -> Result<Self, LabError> {
        let (listener, address) = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let counts = Arc::new(Counts::default());
        let counting = Arc::clone(&counts);
        let serve = move |stop: Stop| serve(listener, hostility, counting, stop);
        Ok(Self {
            url: format!("ws://{address}"),
            counts,
            _thread: ServerThread::spawn("hostile relay", serve)?,
        })
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Connections so far.
    pub fn dials(&self) -> u64 {
        self.counts.dials.load(Ordering::Relaxed)
    }

    /// Bytes that one connection took, at most: what the client read, and what waits in the buffers of both sockets.
    pub fn most_taken(&self) -> u64 {
        self.counts.most.load(Ordering::Relaxed)
    }
}

async fn serve(listener: std::net::TcpListener, hostility: Hostility, counts: Arc<Counts>, mut stop: Stop) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        tokio::select! {
            biased;
            () = stop.asked() => return,
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                counts.dials.fetch_add(1, Ordering::Relaxed);
                let counts = Arc::clone(&counts);
                // The client hangs up, which is what is waited for.
                tokio::spawn(async move { talk(socket, hostility, &counts).await.ok() });
            }
        }
    }
}

async fn talk(mut socket: TcpStream, hostility: Hostility, counts: &Counts) -> std::io::Result<()> {
    let Ok(key) = timeout(HANDSHAKE, asked(&mut socket)).await else {
        return Ok(());
    };
    let key = key?;
    if hostility == Hostility::Portal {
        let page = r#"<html><body>["EVENT","a",{}] Welcome on board. Please sign in.</body></html>"#;
        let length = page.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
        );
        return socket.write_all(answer.as_bytes()).await;
    }
    let accept = derive_accept_key(key.as_bytes());
    let compressed = match hostility {
        Hostility::Bomb => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        _ => "",
    };
    let switch = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{compressed}\r\n"
    );
    socket.write_all(switch.as_bytes()).await?;
    let mut taken = Taken { counts, bytes: 0 };
    match hostility {
        Hostility::Portal => Ok(()),
        Hostility::LongFrame(bytes) => {
            let mut head = vec![FIN | TEXT, 127];
            head.extend(bytes.to_be_bytes());
            taken.write(&mut socket, &head).await?;
            let part = vec![b' '; FRAGMENT];
            for _ in 0..bytes / FRAGMENT as u64 {
                taken.write(&mut socket, &part).await?;
            }
            Ok(())
        }
        Hostility::EndlessMessage => {
            let mut frame = vec![TEXT, 127];
            frame.extend((FRAGMENT as u64).to_be_bytes());
            frame.resize(frame.len() + FRAGMENT, b' ');
            loop {
                taken.write(&mut socket, &frame).await?;
                // A continuation from the second one on.
                frame[0] = 0;
            }
        }
        Hostility::Bomb => {
            let mut frame = vec![FIN | COMPRESSED | TEXT, 126];
            frame.extend((BOMB_BYTES as u16).to_be_bytes());
            frame.extend(BOMB_HEAD);
            frame.resize(4 + BOMB_BYTES, 0);
            loop {
                taken.write(&mut socket, &frame).await?;
            }
        }
    }
}

/// Reads a request, and returns the key of its handshake.
async fn asked(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let byte = socket.read_u8().await?;
        request.push(byte);
    }
    let request = String::from_utf8_lossy(&request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key")
            .then(|| value.trim())
    });
    Ok(key.unwrap_or_default().to_owned())
}

/// Counts what the client's side takes.
struct Taken<'a> {
    counts: &'a Counts,
    bytes: u64,
}

impl Taken<'_> {
    async fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
        socket.write_all(bytes).await?;
        self.bytes += bytes.len() as u64;
        self.counts.most.fetch_max(self.bytes, Ordering::Relaxed);
        Ok(())
    }
}
