//! Whose messages somebody reads events of. Only those are told message by message; of all others it is enough to know
//! which lines of the list changed, so that a burst costs what it changed, however long the history is.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chat_sync::{ChatUpdate, Handle};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::hub::{Event, Hub};

/// How long a conversation is followed after its last reader has gone: one that was cut off comes back sooner, and goes on
/// where it was.
const LINGER: Duration = Duration::from_secs(60);
/// And how many of those there are: a conversation that is followed stays in the memory.
const LINGERING_MAX: usize = 4;
/// Before an engine that could not open a conversation is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// How long a reader waits for the beginning. One that waited in vain is told to read anew when it comes.
const BEGIN_PATIENCE: Duration = Duration::from_secs(5);

/// What is followed message by message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// Every conversation.
    All,
    /// The conversation with this id.
    One(Arc<str>),
}

/// What is followed of one engine.
pub(super) struct Followed {
    engine: Handle,
    hub: Arc<Hub>,
    scopes: Mutex<Scopes>,
}

#[derive(Default)]
struct Scopes {
    pumps: BTreeMap<Scope, Pump>,
    /// Grows with each reader that goes.
    departures: u64,
}

/// Carries what the engine says about one scope to the hub.
struct Pump {
    readers: usize,
    /// When the last reader went, counted in departures.
    left: u64,
    begun: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Followed {
    pub(super) fn new(engine: Handle, hub: Arc<Hub>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            hub,
            scopes: Mutex::default(),
        })
    }

    /// Follows this as long as what is returned lives, and a while longer.
    pub(super) fn follow(self: &Arc<Self>, scope: Scope) -> Following {
        let mut scopes = self.scopes();
        let pump = scopes.pumps.entry(scope.clone()).or_insert_with(|| {
            let (starting, begun) = watch::channel(false);
            let work = pump(
                self.engine.clone(),
                scope.clone(),
                Arc::clone(&self.hub),
                starting,
            );
            Pump {
                readers: 0,
                left: 0,
                begun,
                task: tokio::spawn(work),
            }
        });
        pump.readers += 1;
        Following {
            begun: pump.begun.clone(),
            followed: Arc::clone(self),
            scope,
        }
    }

    /// Follows nothing any more: the engine stops.
    pub(super) fn end(&self) {
        for pump in std::mem::take(&mut self.scopes().pumps).into_values() {
            pump.task.abort();
        }
    }

    fn leave(self: &Arc<Self>, scope: &Scope) {
        let mut scopes = self.scopes();
        scopes.departures += 1;
        let left = scopes.departures;
        let Some(pump) = scopes.pumps.get_mut(scope) else {
            return;
        };
        pump.readers -= 1;
        if pump.readers > 0 {
            return;
        }
        pump.left = left;
        let alone = scopes.pumps.iter().filter(|(_, pump)| pump.readers == 0);
        let mut lingering: Vec<(u64, Scope)> =
            alone.map(|(scope, pump)| (pump.left, scope.clone())).collect();
        lingering.sort();
        for (_, scope) in lingering.iter().rev().skip(LINGERING_MAX) {
            scopes.end(scope);
        }
        // Without a runtime the daemon is ending, and this with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (followed, scope) = (Arc::clone(self), scope.clone());
            runtime.spawn(async move {
                tokio::time::sleep(LINGER).await;
                let mut scopes = followed.scopes();
                let pump = scopes.pumps.get(&scope);
                if pump.is_some_and(|pump| pump.readers == 0 && pump.left == left) {
                    scopes.end(&scope);
                }
            });
        }
    }

    fn scopes(&self) -> MutexGuard<'_, Scopes> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scopes {
    fn end(&mut self, scope: &Scope) {
        if let Some(pump) = self.pumps.remove(scope) {
            pump.task.abort();
        }
    }
}

/// Held by a reader.
pub(super) struct Following {
    followed: Arc<Followed>,
    scope: Scope,
    begun: watch::Receiver<bool>,
}

impl Following {
    /// Returns once what happens in the scope is told, or after a while.
    pub(super) async fn begun(&mut self) {
        // One that ended is not waited for; what it missed is told by the next.
        let _ = tokio::time::timeout(BEGIN_PATIENCE, self.begun.wait_for(|begun| *begun)).await;
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followed.leave(&self.scope);
    }
}

async fn pump(engine: Handle, scope: Scope, hub: Arc<Hub>, starting: watch::Sender<bool>) {
    let mut updates: BoxStream<'static, ChatUpdate> = match &scope {
        Scope::All => engine.updates().boxed(),
        Scope::One(id) => loop {
            match engine.watch_conversation(id).await {
                Ok(updates) => break updates.boxed(),
                Err(error) => tracing::debug!(%error, "a conversation is followed later"),
            }
            tokio::time::sleep(RETRY).await;
        },
    };
    // Whoever comes from before this has missed what nobody told.
    hub.push(Event::Chats(scope.clone(), ChatUpdate::Reloaded));
    starting.send_replace(true);
    while let Some(update) = updates.next().await {
        hub.push(Event::Chats(scope.clone(), update));
    }
}
