//! A relay inside the test: no sockets, no threads, no clock, the same order of events every time.

mod guard;
mod link;
mod quirk;
mod session;
mod store;
mod wire;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use relay_link::{Connection, Dial, DialError, Incoming, Outgoing, RelayUrl};

pub use self::guard::{Asks, Judges, Refuses, WantsAuth};
use self::link::Outbox;
pub use self::quirk::Quirk;
use self::quirk::Quirks;
use self::session::Session;
use self::store::{Held, Store, Taken};
use crate::{Fault, Tally, Verdict};

/// What a relay in memory allows.
#[derive(Debug, Clone, Copy)]
pub struct MemoryRelayConfig {
    /// Events per filter of a REQ, whatever its limit asks for; 500 by default, as strfry (P-7).
    pub page_max: usize,
    /// Bytes per NEG message; 60,000 by default, as the embedded relay (N-15). 0 is no limit, less than 4,096 is
    /// refused by the negentropy crate with a NEG-ERR.
    pub neg_frame_bytes: u64,
    /// Items in a NEG session before it is refused as too big (N-6); without a bound by default.
    pub neg_items_max: Option<usize>,
    /// Bytes that a client has not read at which the relay hangs up (C-9); strfry's 32 MiB by default.
    pub unread_bytes_max: usize,
}

impl Default for MemoryRelayConfig {
    fn default() -> Self {
        Self {
            page_max: 500,
            neg_frame_bytes: 60_000,
            neg_items_max: None,
            unread_bytes_max: 32 << 20,
        }
    }
}

/// A relay in memory. Clones are the same relay.
///
/// It speaks NIP-01 (EVENT with OK, REQ newest first with live delivery, CLOSE), NIP-09 by event id, and NIP-77; ids
/// and signatures are checked, ephemeral kinds are passed on and not kept, replaceable kinds are kept like any other.
/// Every frame is handled while the client sends it: the answer is there before the send returns. A new event reaches
/// live subscriptions in the order in which their clients connected. Pings are answered.
#[derive(Clone)]
pub struct MemoryRelay(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    config: MemoryRelayConfig,
    store: Store,
    clients: BTreeMap<u64, Client>,
    connected: u64,
    fault: Fault,
    quirks: Quirks,
    tally: Tally,
    heard: Option<Vec<String>>,
    down: bool,
    /// Dials that are still to be taken and hung up on.
    hang_ups: u32,
    /// Dials so far, those too that came to nothing.
    dials: u64,
}

#[derive(Debug, Default)]
struct Client {
    session: Session,
    outbox: Outbox,
    /// Nothing passes in either direction, and nobody says so.
    lost: bool,
}

impl Default for MemoryRelay {
    fn default() -> Self {
        Self::new(MemoryRelayConfig::default())
    }
}

impl MemoryRelay {
    /// An empty relay that is up and behaves.
    pub fn new(config: MemoryRelayConfig) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            config,
            store: Store::default(),
            clients: BTreeMap::new(),
            connected: 0,
            fault: Fault::None,
            quirks: Quirks::default(),
            tally: Tally::default(),
            heard: None,
            down: false,
            hang_ups: 0,
            dials: 0,
        })))
    }

    /// Misbehaves this way from the next frame on, on open connections too.
    pub fn set_fault(&self, fault: Fault) {
        self.lock().fault = fault;
    }

    /// Misbehaves in one more way from the next frame on.
    pub fn add_quirk(&self, quirk: Quirk) {
        self.lock().quirks.add(quirk, None);
    }

    /// The same, until it has shown this often.
    pub fn add_quirk_times(&self, quirk: Quirk, times: u32) {
        self.lock().quirks.add(quirk, Some(times));
    }

    /// Behaves again: no fault, no quirk. Connections stay, and subscriptions that were refused stay refused.
    pub fn heal(&self) {
        self.with(|inner| {
            inner.fault = Fault::None;
            inner.quirks.clear();
        });
    }

    /// Allows something else from the next frame on.
    pub fn set_config(&self, config: MemoryRelayConfig) {
        self.lock().config = config;
    }

    /// Sends a frame to everyone who is connected, unasked.
    pub fn say(&self, frame: &str) {
        self.with(|inner| {
            let clients: Vec<u64> = inner.clients.keys().copied().collect();
            for client in clients {
                inner.tell(client, Incoming::Text(frame.to_owned()));
            }
        });
    }

    /// Keeps every frame that clients send from now on, for [`MemoryRelay::heard`].
    pub fn listen(&self) {
        self.lock().heard = Some(Vec::new());
    }

    /// What clients sent since [`MemoryRelay::listen`], oldest first.
    pub fn heard(&self) -> Vec<String> {
        self.lock().heard.clone().unwrap_or_default()
    }

    /// Drops every connection, with whatever was unread, and refuses new ones until [`MemoryRelay::up`].
    pub fn down(&self) {
        self.with(|inner| {
            inner.down = true;
            inner
                .clients
                .values_mut()
                .for_each(|client| client.outbox.close());
        });
    }

    /// Takes connections again.
    pub fn up(&self) {
        self.lock().down = false;
    }

    /// Takes the next `times` connections and ends each at once (C-1).
    pub fn hang_up(&self, times: u32) {
        self.lock().hang_ups = times;
    }

    /// Every connection that stands looks open from now on, and nothing passes through it (C-4). New ones are as always.
    pub fn lose_connections(&self) {
        self.with(|inner| {
            for client in inner.clients.values_mut() {
                client.lost = true;
            }
        });
    }

    /// How often somebody dialled, in vain or not.
    pub fn dials(&self) -> u64 {
        self.lock().dials
    }

    /// Takes an event past the front door: unchecked, so a forged one too, and announced to live subscriptions.
    /// Whether it was new.
    pub fn put(&self, event: Event) -> bool {
        self.with(|inner| match inner.store.insert(event) {
            Taken::New(held) => {
                inner.announce(&held);
                true
            }
            Taken::Duplicate | Taken::Deleted => false,
        })
    }

    /// Forgets an event without a trace, as a relay that prunes does (U-15). Whether it was there.
    pub fn remove(&self, id: &EventId) -> bool {
        self.lock().store.remove(id)
    }

    /// Forgets every event and every deletion, as a relay does that was set up anew.
    pub fn wipe(&self) {
        self.lock().store = Store::default();
    }

    /// Keeps deletions (kind 5) like any event from now on, and does not carry them out (U-14). [`MemoryRelay::wipe`] ends
    /// it.
    pub fn keep_deleted(&self) {
        self.lock().store.keeps_deleted = true;
    }

    /// Every event it holds, newest first.
    pub fn events(&self) -> Vec<Event> {
        self.lock().store.all().map(|held| held.event.clone()).collect()
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.lock().store.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many clients are connected.
    pub fn connections(&self) -> usize {
        self.lock()
            .clients
            .values()
            .filter(|client| !client.outbox.is_closed())
            .count()
    }

    /// Who said by AUTH who they are, believed or not, connection by connection.
    pub fn identities(&self) -> Vec<PublicKey> {
        let inner = self.lock();
        let sessions = inner.clients.values().map(|client| &client.session);
        sessions
            .flat_map(|session| session.identities().to_vec())
            .collect()
    }

    /// What went over all connections since the start.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    fn connect(&self) -> Result<Connection, DialError> {
        let client = self.with(|inner| {
            inner.dials += 1;
            if inner.down {
                return Err(DialError::Refused);
            }
            inner.connected += 1;
            let mut client = Client {
                session: Session::new(inner.connected),
                ..Client::default()
            };
            if inner.hang_ups > 0 {
                inner.hang_ups -= 1;
                client.outbox.close();
            }
            let greeting = inner
                .quirks
                .wants_auth()
                .and_then(|rules| client.session.greeting(rules));
            let connected = inner.connected;
            inner.clients.insert(connected, client);
            if let Some(frame) = greeting {
                inner.tell(connected, Incoming::Text(frame));
            }
            Ok(connected)
        })?;
        Ok(link::connection(self.clone(), client))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic in one test's client must not look like a second failure here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Every address leads here; for several relays see [`MemoryNetwork`](crate::MemoryNetwork).
impl Dial for MemoryRelay {
    fn dial(&self, _: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let relay = self.clone();
        // Connected when polled, not when called, as a real dial is.
        ready(()).map(move |()| relay.connect()).boxed()
    }
}

impl fmt::Debug for MemoryRelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("MemoryRelay")
            .field("events", &inner.store.len())
            .field("clients", &inner.clients.len())
            .field("fault", &inner.fault)
            .field("down", &inner.down)
            .finish()
    }
}

impl Inner {
    /// Handles one message of a client that is connected.
    fn take(&mut self, client: u64, message: Outgoing) {
        if self.clients.get(&client).is_some_and(|client| client.lost) {
            return;
        }
        let Outgoing::Text(frame) = message else {
            return self.tell(client, Incoming::Pong);
        };
        self.tally.sent(&frame);
        if let Some(heard) = &mut self.heard {
            heard.push(frame.clone());
        }
        let handled = match self.fault.on_client_frame(&frame) {
            Verdict::Drop => return,
            Verdict::Answer(answer) => return self.tell(client, Incoming::Text(answer)),
            Verdict::Forward => {
                let Some(known) = self.clients.get_mut(&client) else {
                    return;
                };
                known
                    .session
                    .handle(&frame, &mut self.store, &self.config, &mut self.quirks)
            }
        };
        for answer in handled.answers {
            self.tell(client, Incoming::Text(answer));
        }
        if let Some(held) = handled.announce
            && self.quirks.announces()
        {
            self.announce(&held);
        }
    }

    fn announce(&mut self, held: &Held) {
        for client in self
            .clients
            .values_mut()
            .filter(|client| !client.lost && !client.outbox.is_closed())
        {
            for frame in client.session.announce(held) {
                self.tally.got(&frame);
                client
                    .outbox
                    .push(Incoming::Text(frame), self.config.unread_bytes_max);
            }
        }
    }

    fn tell(&mut self, client: u64, message: Incoming) {
        let Some(client) = self.clients.get_mut(&client) else {
            return;
        };
        if let Incoming::Text(frame) = &message {
            self.tally.got(frame);
        }
        client.outbox.push(message, self.config.unread_bytes_max);
    }
}
