//! The handle other crates hold.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix::Message;
use supervision::{Outlet, Restarted, Undelivered};
use tokio::sync::watch;

use crate::traffic::Counters;
use crate::{ClientFrame, ClockReading, FrameArrived, InfoError, RelayInfo, RelayUrl, Steer, Traffic};

/// Text that waits to be written, per link (field guide 7): a relay that reads slowly must not fill memory.
pub(crate) const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Frames that wait to be written. 32 EVENT, 6 REQ and 2 NEG in flight are far below; a queue this long means that
/// the sender does not wait for answers.
pub(crate) const QUEUE_FRAMES_MAX: usize = 4096;

/// Reaches one relay. Clones are cheap and share everything; the handle stays good when the actor is restarted.
#[derive(Clone)]
pub struct RelayLink {
    shared: Arc<Shared>,
}

/// Why a frame was not taken. Nothing of it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendFailed {
    /// There is no connection. Send it again after [`LinkChanged`](crate::LinkChanged) says `Connected`.
    #[error("the relay is not connected; send again when it is")]
    NotConnected,
    /// 8 MiB or 4,096 frames wait already. Send it again after answers arrived.
    #[error("too much waits to be sent to the relay; send again after it has answered")]
    QueueFull,
}

pub(crate) struct Shared {
    url: RelayUrl,
    pub(crate) frames: Outlet<SendFrame>,
    pub(crate) steering: Outlet<Steer>,
    pub(crate) info: Outlet<InfoAsked>,
    pub(crate) restarted: Outlet<Restarted>,
    pub(crate) counters: Counters,
    /// The number of the last connection.
    connections: AtomicU64,
    /// The open connection, or 0.
    open: AtomicU64,
    /// Closed on command: a restarted actor must not dial.
    pub(crate) closed: AtomicBool,
    /// An actor serves the link.
    pub(crate) served: watch::Sender<bool>,
    queued_bytes: AtomicUsize,
    queued_frames: AtomicUsize,
    /// What the relay's clock showed last.
    clock: Mutex<Option<ClockReading>>,
}

/// Command: fetch what the relay says about itself. Sent with [`RelayLink::info`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Message)]
#[rtype(result = "Result<RelayInfo, InfoError>")]
pub(crate) struct InfoAsked;

/// A frame on its way to the writer, with its place in the queue.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct SendFrame {
    pub(crate) connection: u64,
    pub(crate) text: QueuedText,
    pub(crate) frame: ClientFrame,
    pub(crate) reply_to: Outlet<FrameArrived>,
}

/// Text that counts against the queue's bounds until it is dropped, wherever that happens.
pub(crate) struct QueuedText {
    pub(crate) text: String,
    bytes: usize,
    shared: Arc<Shared>,
}

impl RelayLink {
    /// A handle to `url` that nobody serves yet: start a [`RelayLinkActor`](crate::RelayLinkActor) for it.
    pub fn new(url: RelayUrl) -> Self {
        Self {
            shared: Arc::new(Shared {
                url,
                frames: Outlet::empty(),
                steering: Outlet::empty(),
                info: Outlet::empty(),
                restarted: Outlet::empty(),
                counters: Counters::default(),
                connections: AtomicU64::new(0),
                open: AtomicU64::new(0),
                closed: AtomicBool::new(false),
                served: watch::Sender::new(false),
                queued_bytes: AtomicUsize::new(0),
                queued_frames: AtomicUsize::new(0),
                clock: Mutex::new(None),
            }),
        }
    }

    /// The relay's address.
    pub fn url(&self) -> &RelayUrl {
        &self.shared.url
    }

    /// What went over the link so far.
    pub fn traffic(&self) -> Traffic {
        self.shared.counters.read()
    }

    /// What the relay's clock showed last, if it ever said so.
    pub fn clock(&self) -> Option<ClockReading> {
        *self.shared.clock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame without waiting. Answers come to `reply_to`: for a REQ or NEG-OPEN until it is closed, for an
    /// EVENT or AUTH one OK. All of it is forgotten when the connection ends, without an answer.
    pub fn try_send(&self, frame: ClientFrame, reply_to: Outlet<FrameArrived>) -> Result<(), SendFailed> {
        let connection = self.shared.open.load(Ordering::Acquire);
        if connection == 0 {
            return Err(SendFailed::NotConnected);
        }
        let text = QueuedText::reserve(&self.shared, frame.encode()).ok_or(SendFailed::QueueFull)?;
        self.shared
            .frames
            .try_send(SendFrame {
                connection,
                text,
                frame,
                reply_to,
            })
            .map_err(|error| match error {
                Undelivered::Full => SendFailed::QueueFull,
                Undelivered::Closed => SendFailed::NotConnected,
            })
    }

    /// Fetches what the relay says about itself (NIP-11), over a connection of its own; takes up to 10 s, and delays
    /// nothing else of the link.
    pub async fn info(&self) -> Result<RelayInfo, InfoError> {
        let asked = self.shared.info.send(InfoAsked).await;
        asked.unwrap_or(Err(InfoError::NotOffered))
    }

    /// Sends [`Steer::Redial`].
    pub fn redial(&self) -> Result<(), Undelivered> {
        self.shared.steering.try_send(Steer::Redial)
    }

    /// Sends [`Steer::Announce`].
    pub fn announce(&self) -> Result<(), Undelivered> {
        self.shared.steering.try_send(Steer::Announce)
    }

    /// Sends [`Steer::Close`].
    pub fn close(&self) -> Result<(), Undelivered> {
        self.shared.steering.try_send(Steer::Close)
    }

    /// Takes back [`Steer::Close`], for a relay that is used again: waits until the actor that closed has ended, which
    /// takes 2 s at most, and lets the next one dial. Connection numbers go on from where they were.
    pub async fn reopen(&self) {
        // The sender lives as long as this handle.
        let _ = self.shared.served.subscribe().wait_for(|served| !served).await;
        self.shared.closed.store(false, Ordering::Release);
    }

    /// Where the guardian reports restarts, so that the link announces its state to the new actor.
    pub fn restarted(&self) -> Outlet<Restarted> {
        self.shared.restarted.clone()
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Shared {
    /// Opens for business under the next connection number.
    pub(crate) fn opened(&self) -> u64 {
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.open.store(connection, Ordering::Release);
        connection
    }

    /// The relay's clock showed this.
    pub(crate) fn dated(&self, reading: ClockReading) {
        *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Some(reading);
    }

    /// Takes no more frames.
    pub(crate) fn ended(&self) {
        self.open.store(0, Ordering::Release);
    }
}

impl QueuedText {
    pub(crate) fn reserve(shared: &Arc<Shared>, text: String) -> Option<Self> {
        let bytes = text.len();
        let frames = shared.queued_frames.fetch_add(1, Ordering::Relaxed);
        let queued = shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
        // From here on a drop gives the place back.
        let reserved = Self {
            text,
            bytes,
            shared: Arc::clone(shared),
        };
        (frames < QUEUE_FRAMES_MAX && queued.saturating_add(bytes) <= QUEUE_BYTES_MAX).then_some(reserved)
    }
}

impl Drop for QueuedText {
    fn drop(&mut self) {
        self.shared.queued_frames.fetch_sub(1, Ordering::Relaxed);
        self.shared.queued_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl fmt::Debug for RelayLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RelayLink").field(&self.shared.url).finish()
    }
}
