//! Relays that misbehave when they are given events: wrapped around a [`MemoryRelay`], by name.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt, ready};
use futures_util::{Sink, StreamExt, stream};
use nostr::event::{Event, EventId};
use relay_link::{
    Connection, ConnectionError, Dial, DialError, Incoming, IncomingHalf, Outgoing, OutgoingHalf, RelayUrl,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::{MemoryRelay, label};

const MINUTE: Duration = Duration::from_secs(60);

/// How a relay treats events that it is given. Seen at real relays; the rows are those of the relay field guide.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Taking {
    /// Properly.
    #[default]
    Well,
    /// Keeps them, and every so manyth OK is lost (U-1).
    SwallowsOks {
        /// 1 loses every OK.
        every: u64,
    },
    /// Keeps them, and closes the socket in place of the OK, so many times (U-1).
    ClosesAfterEvent {
        /// Times left.
        times: u64,
    },
    /// Keeps them, and says so after this long (U-2).
    LateOks(Duration),
    /// Says yes and forgets them (U-3).
    Forgets,
    /// Answers those over its limit with a NOTICE, which names none (U-4).
    NoticesOverRate {
        /// Events in any 60 seconds.
        per_minute: usize,
    },
    /// Answers those with more bytes with a NOTICE, which names none (U-4).
    NoticesOverSize {
        /// Bytes of a frame.
        bytes: usize,
    },
    /// Closes the socket when a frame has more bytes (U-5).
    ClosesOverSize {
        /// Bytes of a frame.
        bytes: usize,
    },
    /// Refuses one kind (U-6).
    RefusesKind(u16),
    /// Refuses those over its limit (U-8).
    RefusesOverRate {
        /// Events in any 60 seconds.
        per_minute: usize,
    },
    /// Refuses with these words (U-16).
    Refuses(String),
    /// Turns connections away, so many times (U-9).
    TurnsAway {
        /// The HTTP status.
        status: u16,
        /// What it says in `Retry-After`.
        retry_after: Option<Duration>,
        /// Times left.
        times: u64,
    },
}

/// One event that was offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// When.
    pub at: Instant,
    /// Which.
    pub id: EventId,
    /// Its kind.
    pub kind: u16,
    /// The relay kept it, or said so.
    pub taken: bool,
}

/// A [`MemoryRelay`] behind a door that treats events as [`Taking`] says. Clones are the same relay. Time is tokio's.
#[derive(Clone)]
pub struct TakingRelay {
    relay: MemoryRelay,
    door: Arc<Mutex<Door>>,
}

#[derive(Debug, Default)]
pub(crate) struct Door {
    taking: Taking,
    offers: Vec<Offer>,
    recent: VecDeque<Instant>,
    dials: Vec<Instant>,
    oks: u64,
    /// The next OK is lost with its connection.
    closing: bool,
}

/// What the door does with a frame from the client.
pub(crate) enum Answer {
    Forward,
    Say(String),
    ForwardAndClose,
    Close,
}

impl TakingRelay {
    /// Puts a door before `relay`.
    pub fn new(relay: MemoryRelay, taking: Taking) -> Self {
        Self {
            relay,
            door: Arc::new(Mutex::new(Door::new(taking))),
        }
    }

    /// The relay behind the door.
    pub fn relay(&self) -> &MemoryRelay {
        &self.relay
    }

    /// Treats events like this from the next one on.
    pub fn set(&self, taking: Taking) {
        self.door().set(taking);
    }

    /// Every event that was offered, in order.
    pub fn offers(&self) -> Vec<Offer> {
        self.door().offers.clone()
    }

    /// When connections were asked for.
    pub fn dials(&self) -> Vec<Instant> {
        self.door().dials.clone()
    }

    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TakingRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakingRelay")
            .field("relay", &self.relay)
            .field("taking", &self.door().taking)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// A door that treats events like this.
    pub(crate) fn new(taking: Taking) -> Self {
        Self {
            taking,
            ..Self::default()
        }
    }

    /// Treats events like this from now on.
    pub(crate) fn set(&mut self, taking: Taking) {
        self.taking = taking;
    }

    pub(crate) fn judge(&mut self, frame: &str) -> Answer {
        if label(frame) != "EVENT" {
            return Answer::Forward;
        }
        let Some(event) = event_in(frame) else {
            return Answer::Forward;
        };
        let (answer, taken) = self.take(&event, frame.len());
        self.offers.push(Offer {
            at: Instant::now(),
            id: event.id,
            kind: event.kind.as_u16(),
            taken,
        });
        answer
    }

    fn take(&mut self, event: &Event, bytes: usize) -> (Answer, bool) {
        let refuse = |reason: &str| Answer::Say(json!(["OK", event.id.to_hex(), false, reason]).to_string());
        let notice = |text: String| Answer::Say(json!(["NOTICE", text]).to_string());
        match &mut self.taking {
            Taking::ClosesAfterEvent { times } if *times > 0 => {
                *times -= 1;
                self.closing = true;
                (Answer::ForwardAndClose, true)
            }
            Taking::Forgets => (
                Answer::Say(json!(["OK", event.id.to_hex(), true, ""]).to_string()),
                true,
            ),
            Taking::NoticesOverRate { per_minute } if over(&mut self.recent, *per_minute) => {
                (notice("rate limited".to_owned()), false)
            }
            Taking::RefusesOverRate { per_minute } if over(&mut self.recent, *per_minute) => {
                (refuse("rate-limited: you are noting too much"), false)
            }
            Taking::NoticesOverSize { bytes: max } if bytes > *max => {
                (notice(format!("message too large ({bytes} > {max})")), false)
            }
            Taking::ClosesOverSize { bytes: max } if bytes > *max => (Answer::Close, false),
            Taking::RefusesKind(kind) if event.kind.as_u16() == *kind => {
                (refuse("blocked: event kind is blocked by relay"), false)
            }
            Taking::Refuses(reason) => (refuse(&reason.clone()), false),
            _ => (Answer::Forward, true),
        }
    }

    /// What happens to a frame on its way to the client: how long it takes, or that it is lost.
    fn delay(&mut self, frame: &str) -> Option<Duration> {
        if label(frame) != "OK" {
            return Some(Duration::ZERO);
        }
        self.oks += 1;
        if std::mem::take(&mut self.closing) {
            return None;
        }
        match &self.taking {
            Taking::SwallowsOks { every } if self.oks.is_multiple_of(*every) => None,
            Taking::LateOks(late) => Some(*late),
            _ => Some(Duration::ZERO),
        }
    }
}

/// Whether one more would be too many; counts it when not.
fn over(recent: &mut VecDeque<Instant>, per_minute: usize) -> bool {
    let now = Instant::now();
    while recent.front().is_some_and(|at| now.duration_since(*at) > MINUTE) {
        recent.pop_front();
    }
    let over = recent.len() >= per_minute;
    if !over {
        recent.push_back(now);
    }
    over
}

fn event_in(frame: &str) -> Option<Event> {
    let elements: Vec<Value> = serde_json::from_str(frame).ok()?;
    serde_json::from_value(elements.into_iter().nth(1)?).ok()
}

impl Dial for TakingRelay {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let (this, dialling) = (self.clone(), self.relay.dial(url));
        async move {
            this.admit()?;
            Ok(this.wrap(dialling.await?))
        }
        .boxed()
    }
}

impl TakingRelay {
    fn admit(&self) -> Result<(), DialError> {
        let mut door = self.door();
        door.dials.push(Instant::now());
        match &mut door.taking {
            Taking::TurnsAway {
                status,
                retry_after,
                times,
            } if *times > 0 => {
                *times -= 1;
                Err(DialError::Http {
                    status: *status,
                    retry_after: *retry_after,
                })
            }
            _ => Ok(()),
        }
    }

    fn wrap(&self, inner: Connection) -> Connection {
        // Unbounded: it holds what a test's relay says, and tests end.
        let (say, said) = mpsc::unbounded_channel::<Option<Incoming>>();
        let outgoing = ToRelay {
            inner: inner.outgoing,
            relay: self.clone(),
            say: say.clone(),
            closed: false,
        };
        let relay = self.clone();
        let heard = inner.incoming.filter_map(move |item| {
            let kept = match &item {
                Ok(Incoming::Text(frame)) => match relay.door().delay(frame) {
                    Some(Duration::ZERO) => Some(Some(item)),
                    Some(late) => {
                        let (say, item) = (say.clone(), item.ok());
                        tokio::spawn(async move {
                            tokio::time::sleep(late).await;
                            let _ = say.send(item);
                        });
                        None
                    }
                    None => None,
                },
                _ => Some(Some(item)),
            };
            ready(kept)
        });
        let heard = heard.chain(stream::once(ready(None)));
        let said = stream::unfold(said, |mut said| async move {
            let item = said.recv().await?;
            Some((item.map(Ok), said))
        });
        let both = stream::select(heard, said)
            .take_while(|item| ready(item.is_some()))
            .filter_map(ready);
        Connection {
            outgoing: Box::pin(outgoing) as OutgoingHalf,
            incoming: Box::pin(both) as IncomingHalf,
            date: None,
        }
    }
}

struct ToRelay {
    inner: OutgoingHalf,
    relay: TakingRelay,
    say: mpsc::UnboundedSender<Option<Incoming>>,
    closed: bool,
}

impl Sink<Outgoing> for ToRelay {
    type Error = ConnectionError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        if self.closed {
            return Poll::Ready(Err(ConnectionError::Closed));
        }
        self.inner.as_mut().poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Outgoing) -> Result<(), ConnectionError> {
        if self.closed {
            return Err(ConnectionError::Closed);
        }
        let answer = match &message {
            Outgoing::Text(frame) => self.relay.door().judge(frame),
            Outgoing::Ping => Answer::Forward,
        };
        match answer {
            Answer::Forward => self.inner.as_mut().start_send(message),
            Answer::Say(frame) => {
                let _ = self.say.send(Some(Incoming::Text(frame)));
                Ok(())
            }
            Answer::ForwardAndClose => {
                self.closed = true;
                // Before the answer can be read.
                let _ = self.say.send(None);
                self.inner.as_mut().start_send(message)
            }
            Answer::Close => {
                self.closed = true;
                let _ = self.say.send(None);
                Ok(())
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.inner.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), ConnectionError>> {
        self.inner.as_mut().poll_close(cx)
    }
}

/// Which address leads to which relay. Clones are the same network; an unknown address has no host.
#[derive(Debug, Default, Clone)]
pub struct TakingNetwork(Arc<Mutex<BTreeMap<RelayUrl, TakingRelay>>>);

impl TakingNetwork {
    /// Puts `relay` at `url`, in the place of any other.
    pub fn put(&self, url: RelayUrl, relay: TakingRelay) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(url, relay);
    }
}

impl Dial for TakingNetwork {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        match self.0.lock().unwrap_or_else(PoisonError::into_inner).get(url) {
            Some(relay) => relay.dial(url),
            None => ready(Err(DialError::NoAddress {
                host: url.to_string(),
            }))
            .boxed(),
        }
    }
}
