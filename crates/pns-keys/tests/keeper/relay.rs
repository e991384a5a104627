//! Relays in memory that misbehave by name, and the dialler that leads to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use relay_link::{
    ClientFrame, Connection, Dial, DialError, MemoryEnd, RelayFrame, RelayUrl, SubId, memory_pair,
};
use tokio::sync::{broadcast, watch};

/// What is wrong with a relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    /// Every REQ is answered this much later.
    Slow(Duration),
    /// No REQ is answered.
    Silent,
    /// A NOTICE comes before every EOSE.
    NoticeBeforeEose,
    /// Every REQ is answered with CLOSED.
    Refuses,
    /// A clean EOSE, and CLOSED right after it.
    ClosesAfterEose,
    /// OK true, and nothing is kept.
    Forgets,
    /// Events are kept, and no OK comes.
    SwallowsOk,
}

/// A relay: what it holds, and what it saw.
pub(crate) struct Relay {
    pub(crate) url: RelayUrl,
    state: Mutex<State>,
    online: watch::Sender<bool>,
    news: broadcast::Sender<Event>,
}

struct State {
    fault: Fault,
    events: BTreeMap<EventId, Event>,
    published: Vec<Event>,
    reqs: usize,
}

impl Relay {
    pub(crate) fn new(name: &str) -> Arc<Self> {
        let state = State {
            fault: Fault::Nothing,
            events: BTreeMap::new(),
            published: Vec::new(),
            reqs: 0,
        };
        let (online, news) = (watch::Sender::new(true), broadcast::Sender::new(64));
        let url = format!("ws://{name}.example.com").parse().unwrap();
        Arc::new(Self {
            url,
            state: Mutex::new(state),
            online,
            news,
        })
    }

    pub(crate) fn with(self: Arc<Self>, fault: Fault) -> Arc<Self> {
        self.lock().fault = fault;
        self
    }

    /// Puts events on it, as if they had always been there.
    pub(crate) fn holding<'a>(self: Arc<Self>, events: impl IntoIterator<Item = &'a Event>) -> Arc<Self> {
        self.lock()
            .events
            .extend(events.into_iter().map(|event| (event.id, event.clone())));
        self
    }

    pub(crate) fn heal(&self) {
        self.lock().fault = Fault::Nothing;
    }

    pub(crate) fn wipe(&self) {
        self.lock().events.clear();
    }

    pub(crate) fn set_online(&self, online: bool) {
        self.online.send_replace(online);
    }

    pub(crate) fn held(&self) -> Vec<Event> {
        self.lock().events.values().cloned().collect()
    }

    /// Every EVENT it was ever sent, in order.
    pub(crate) fn published(&self) -> Vec<Event> {
        self.lock().published.clone()
    }

    pub(crate) fn reqs(&self) -> usize {
        self.lock().reqs
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn serve(self: Arc<Self>, mut end: MemoryEnd) {
        let (mut online, mut news) = (self.online.subscribe(), self.news.subscribe());
        let mut open: BTreeMap<SubId, Vec<Filter>> = BTreeMap::new();
        loop {
            tokio::select! {
                biased;
                _ = online.wait_for(|online| !online) => return,
                text = end.hear() => {
                    let Some(text) = text else { return };
                    self.answer(ClientFrame::parse(&text).unwrap(), &mut open, &end).await;
                }
                Ok(event) = news.recv() => {
                    for (sub, filters) in &open {
                        if filters.iter().any(|filter| matches(filter, &event)) {
                            let event = Box::new(event.clone());
                            say(&end, RelayFrame::Event { sub: sub.clone(), event }).await;
                        }
                    }
                }
            }
        }
    }

    async fn answer(&self, frame: ClientFrame, open: &mut BTreeMap<SubId, Vec<Filter>>, end: &MemoryEnd) {
        let fault = self.lock().fault;
        match frame {
            ClientFrame::Req { sub, filters } => {
                self.lock().reqs += 1;
                match fault {
                    Fault::Slow(delay) => tokio::time::sleep(delay).await,
                    Fault::Silent => return,
                    Fault::Refuses => {
                        return say(
                            end,
                            RelayFrame::Closed {
                                sub,
                                reason: "error: database is down".into(),
                            },
                        )
                        .await;
                    }
                    Fault::NoticeBeforeEose => {
                        say(
                            end,
                            RelayFrame::Notice {
                                message: "something went wrong".into(),
                            },
                        )
                        .await;
                    }
                    _ => {}
                }
                for event in self
                    .held()
                    .into_iter()
                    .filter(|event| filters.iter().any(|filter| matches(filter, event)))
                {
                    say(
                        end,
                        RelayFrame::Event {
                            sub: sub.clone(),
                            event: Box::new(event),
                        },
                    )
                    .await;
                }
                say(
                    end,
                    RelayFrame::Eose {
                        sub: sub.clone(),
                        hints: Vec::new(),
                    },
                )
                .await;
                if fault == Fault::ClosesAfterEose {
                    say(
                        end,
                        RelayFrame::Closed {
                            sub,
                            reason: String::new(),
                        },
                    )
                    .await;
                } else {
                    open.insert(sub, filters);
                }
            }
            ClientFrame::Close { sub } => {
                open.remove(&sub);
            }
            ClientFrame::Event(event) => {
                let id = Some(event.id);
                self.lock().published.push((*event).clone());
                if fault != Fault::Forgets {
                    self.lock().events.insert(event.id, (*event).clone());
                }
                let _ = self.news.send(*event);
                if fault != Fault::SwallowsOk {
                    say(
                        end,
                        RelayFrame::Ok {
                            id,
                            accepted: true,
                            reason: String::new(),
                        },
                    )
                    .await;
                }
            }
            other => panic!("the keeper sends no {other:?}"),
        }
    }
}

async fn say(end: &MemoryEnd, frame: RelayFrame) {
    end.say(frame.encode()).await;
}

fn matches(filter: &Filter, event: &Event) -> bool {
    assert!(
        filter.authors.is_some() && filter.kinds.is_some() && filter.limit.is_some(),
        "DESIGN 3, Filters"
    );
    filter.ids.as_ref().is_none_or(|ids| ids.contains(&event.id))
        && filter
            .authors
            .as_ref()
            .is_some_and(|authors| authors.contains(&event.pubkey))
        && filter
            .kinds
            .as_ref()
            .is_some_and(|kinds| kinds.contains(&event.kind))
}

/// Leads to the relays it knows.
pub(crate) struct Network(pub(crate) Vec<Arc<Relay>>);

impl Dial for Network {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let relay = self
            .0
            .iter()
            .find(|relay| relay.url == *url)
            .filter(|relay| *relay.online.borrow());
        let outcome = relay.map(Arc::clone).ok_or(DialError::Refused).map(|relay| {
            let (connection, end) = memory_pair();
            actix::spawn(relay.serve(end));
            connection
        });
        Box::pin(async { outcome })
    }
}
