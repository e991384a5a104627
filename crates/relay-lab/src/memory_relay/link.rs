//! The client's two halves of a connection to a relay in memory. No task stands between them and the relay: a frame
//! is handled while it is sent, so the order of everything is the order in which clients are polled.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::{Sink, Stream};
use relay_link::{Connection, ConnectionError, Incoming, Outgoing};

use super::MemoryRelay;

/// Unread messages at which the relay takes no more frames from that client: room for the answer to many requests,
/// while a client that never reads is felt as a full socket buffer is.
const UNREAD_PAUSE: usize = 10_000;

/// Unread messages at which the relay hangs up: live events come whether the client reads or not.
const UNREAD_MAX: usize = 100_000;

/// What the relay said and the client has not read yet.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    unread: VecDeque<Incoming>,
    unread_bytes: usize,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Outbox {
    pub(super) fn push(&mut self, message: Incoming, bytes_max: usize) {
        if self.unread.len() >= UNREAD_MAX || self.unread_bytes + bytes(&message) > bytes_max {
            return self.close();
        }
        if !self.closed {
            self.unread_bytes += bytes(&message);
            self.unread.push_back(message);
            self.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    /// Ends the connection; what was on its way is lost, as with a cut cable.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.unread.clear();
        self.unread_bytes = 0;
        self.reader.take().into_iter().for_each(Waker::wake);
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    fn poll_read(&mut self, cx: &Context<'_>) -> Poll<Option<Incoming>> {
        if let Some(message) = self.unread.pop_front() {
            self.unread_bytes -= bytes(&message);
            self.writer.take().into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(message));
        }
        if self.closed {
            return Poll::Ready(None);
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_write(&mut self, cx: &Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.closed {
            return Poll::Ready(Err(ConnectionError::Closed));
        }
        if self.unread.len() < UNREAD_PAUSE {
            return Poll::Ready(Ok(()));
        }
        self.writer = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn bytes(message: &Incoming) -> usize {
    match message {
        Incoming::Text(text) => text.len(),
        Incoming::Pong => 0,
    }
}

/// Hangs up when both halves are gone.
struct Line {
    relay: MemoryRelay,
    client: u64,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.relay.with(|inner| inner.clients.remove(&self.client));
    }
}

impl Line {
    fn outbox<T>(&self, of: impl FnOnce(&mut Outbox) -> T, closed: T) -> T {
        self.relay
            .with(|inner| match inner.clients.get_mut(&self.client) {
                Some(client) => of(&mut client.outbox),
                None => closed,
            })
    }
}

/// The halves of a connection that the relay knows as `client`.
pub(super) fn connection(relay: MemoryRelay, client: u64) -> Connection {
    let line = Arc::new(Line { relay, client });
    Connection {
        outgoing: Box::pin(ToRelay(Arc::clone(&line))),
        incoming: Box::pin(FromRelay(line)),
        date: None,
    }
}

struct ToRelay(Arc<Line>);

impl Sink<Outgoing> for ToRelay {
    type Error = ConnectionError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.0.outbox(
            |outbox| outbox.poll_write(cx),
            Poll::Ready(Err(ConnectionError::Closed)),
        )
    }

    fn start_send(self: Pin<&mut Self>, message: Outgoing) -> Result<(), ConnectionError> {
        let Line { relay, client } = &*self.0;
        relay.with(|inner| match inner.clients.get(client) {
            Some(known) if !known.outbox.is_closed() => {
                inner.take(*client, message);
                Ok(())
            }
            _ => Err(ConnectionError::Closed),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.0.outbox(Outbox::close, ());
        Poll::Ready(Ok(()))
    }
}

struct FromRelay(Arc<Line>);

impl Stream for FromRelay {
    type Item = Result<Incoming, ConnectionError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .outbox(|outbox| outbox.poll_read(cx), Poll::Ready(None))
            .map(|message| message.map(Ok))
    }
}
