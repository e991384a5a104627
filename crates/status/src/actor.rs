//! The actor around [`Board`]: takes facts, publishes the value.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use event_index::{CountsChanged, IndexError, Store};
use pns_keys::keeper::{KeysChanged, open_keyrings};
use realtime::DownloadsChanged;
use realtime::messages::ConversationsCounted;
use reconciler::messages::{PassChanged, Phase};
use reconciler::relay_profile;
use relay_link::{AuthChanged, LinkChanged, LinkState, RelayLink, RelayUrl, clock_skew};
use remote_signer::AuthUrl;
use supervision::{Env, GuardianReport, Lifeline, Restarted, Switchboard};
use tokio::sync::watch;
use uploader::{ParkedChanged, SealingHeld, UploadsChanged};

use crate::board::Board;
use crate::state::Status;

/// Facts are snapshots and small; senders drop one when this is full, and the next one tells the same and more.
const MAILBOX_MAX: usize = 1024;
/// Facts that come together are published together, so that watchers are not woken for each.
const GATHER: Duration = Duration::from_millis(10);
/// Speeds are shown anew this often.
const SPEED_EVERY: Duration = Duration::from_secs(1);
/// What is safe is counted over the whole store, so at most this often while messages stream.
const COUNT_SAFE_EVERY: Duration = Duration::from_secs(2);

/// Command: the relays in use now.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct UseRelays {
    /// All of them.
    pub relays: Vec<RelayUrl>,
    /// How the links to those stand that are new among them; `None` when none are dialled.
    pub link: Option<LinkState>,
}

/// The status actor. Its memory can be lost at any moment: facts are snapshots, and are repeated after a restart.
pub struct StatusActor {
    env: Env,
    lifeline: Lifeline,
    store: Arc<Store>,
    board: Board,
    relays: Vec<String>,
    published: watch::Sender<Status>,
    switches: Switchboard,
    publishing: bool,
    counting: bool,
    count_again: bool,
    /// Every link that was heard of, for what went over it and what its relay's clock shows.
    links: BTreeMap<RelayUrl, RelayLink>,
    /// Something is fetched or sent: its speed is shown.
    watching: Option<SpawnHandle>,
}

impl StatusActor {
    /// A status over `board`, published through `published`. `relays` are those that count for safety.
    pub fn new(
        env: Env,
        lifeline: Lifeline,
        store: Arc<Store>,
        board: Board,
        relays: Vec<String>,
        published: watch::Sender<Status>,
        switches: Switchboard,
    ) -> Self {
        Self {
            env,
            lifeline,
            store,
            board,
            relays,
            published,
            switches,
            publishing: false,
            counting: false,
            count_again: false,
            links: BTreeMap::new(),
            watching: None,
        }
    }

    fn took_fact(&mut self, ctx: &mut Context<Self>) {
        if !std::mem::replace(&mut self.publishing, true) {
            ctx.run_later(GATHER, |actor, ctx| {
                actor.publishing = false;
                actor.publish();
                actor.watch_speed(ctx);
            });
        }
    }

    /// While something is fetched or sent, shows how fast, also when no fact comes.
    fn watch_speed(&mut self, ctx: &mut Context<Self>) {
        if self.watching.is_some() || !self.board.working() {
            return;
        }
        let again = ctx.run_later(SPEED_EVERY, |actor, ctx| {
            actor.watching = None;
            actor.took_fact(ctx);
        });
        self.watching = Some(again);
    }

    fn publish(&mut self) {
        let (now, unix) = (self.env.clock.now(), self.env.clock.unix());
        for (url, link) in &self.links {
            self.board.traffic(url, link.traffic(), now);
        }
        let clocks = self.links.values().filter_map(RelayLink::clock);
        self.board.clock_skew(clock_skew(clocks, now, unix));
        let status = self.board.status(now, unix);
        self.published.send_if_modified(|published| {
            let changed = *published != status;
            *published = status;
            changed
        });
    }

    /// Reads what the store knows about safety and agreements.
    fn count_safe(&mut self, ctx: &mut Context<Self>) {
        if self.counting {
            self.count_again = true;
            return;
        }
        self.counting = true;
        self.count_again = false;
        let (store, relays, workers) = (Arc::clone(&self.store), self.relays.clone(), self.env.workers);
        let count = async move {
            workers
                .run(move || {
                    let keyrings = open_keyrings(&store)?;
                    let safe = store.safe(&relays, &keyrings)?;
                    Ok::<_, IndexError>((safe, store.proven(&relays)?, store.agreements()?))
                })
                .await
        };
        ctx.spawn(count.into_actor(self).map(|counted, actor, ctx| {
            match counted {
                Ok((safe, proven, agreements)) => actor.board.stored(safe, proven, &agreements),
                Err(error) => tracing::error!(%error, "the store could not be counted"),
            }
            actor.publish();
            ctx.run_later(COUNT_SAFE_EVERY, |actor, ctx| {
                actor.counting = false;
                if actor.count_again {
                    actor.count_safe(ctx);
                }
            });
        }));
    }
}

impl Actor for StatusActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.board.switches(self.switches.now());
        self.switches.clone().follow(ctx, |actor, turned, ctx| {
            actor.board.switches(turned.now);
            actor.took_fact(ctx);
        });
        self.count_safe(ctx);
    }
}

/// Reads the store once, what relays do not take included, for a value that does not begin with zeros. Blocks on the disk.
pub fn read_board(board: &mut Board, store: &Store, relays: &[String]) -> Result<(), IndexError> {
    let agreements: BTreeMap<_, _> = store.agreements()?;
    board.counted(store.counts()?);
    let keyrings = open_keyrings(store)?;
    let safe = store.safe(relays, &keyrings)?;
    board.stored(safe, store.proven(relays)?, &agreements);
    for url in relays {
        if let Ok(relay) = url.parse() {
            board.unproven(relay, relay_profile(store, url)?.unproven());
        }
        let parked = store.parked(url)?;
        if let (Some(most), Ok(relay)) = (parked.iter().max_by_key(|group| group.count), url.parse()) {
            board.parked(ParkedChanged {
                relay,
                parked: parked.iter().map(|group| group.count).sum(),
                why: most.reason.clone(),
            });
        }
    }
    Ok(())
}

macro_rules! takes {
    ($($fact:ty: |$board:ident, $value:ident| $take:expr;)*) => {
        $(impl Handler<$fact> for StatusActor {
            type Result = ();

            fn handle(&mut self, $value: $fact, ctx: &mut Self::Context) {
                self.env.tripwire.step(self.lifeline.role());
                let $board = &mut self.board;
                $take;
                self.took_fact(ctx);
            }
        })*
    };
}

takes! {
    ConversationsCounted: |board, fact| board.conversations(fact.0);
    KeysChanged: |board, fact| board.keys(fact);
    AuthChanged: |board, fact| board.auth(fact);
    AuthUrl: |board, fact| board.page(fact.url);
    UploadsChanged: |board, fact| board.uploads(fact);
    DownloadsChanged: |board, fact| board.downloads(fact);
    ParkedChanged: |board, fact| board.parked(fact);
    SealingHeld: |board, fact| board.held(fact.0);
    GuardianReport: |board, fact| if let GuardianReport::Failed { reason, .. } = fact { board.failed(reason) };
}

impl Handler<UseRelays> for StatusActor {
    type Result = ();

    /// Published at once: whoever changed the relays finds them so.
    fn handle(&mut self, UseRelays { relays, link }: UseRelays, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.board.use_relays(&relays, link.as_ref());
        self.relays = relays.iter().map(ToString::to_string).collect();
        self.links.retain(|url, _| relays.contains(url));
        self.publish();
        self.count_safe(ctx);
    }
}

impl Handler<LinkChanged> for StatusActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let url = link.url().clone();
        if state == LinkState::Stopped {
            self.links.remove(&url);
        } else {
            self.links.insert(url.clone(), link);
        }
        self.board.link(url, state);
        self.took_fact(ctx);
    }
}

impl Handler<CountsChanged> for StatusActor {
    type Result = ();

    /// Published at once: whoever was told that a message is on disk finds it counted.
    fn handle(&mut self, CountsChanged(counts): CountsChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.board.counted(counts);
        self.publish();
        self.count_safe(ctx);
    }
}

impl Handler<PassChanged> for StatusActor {
    type Result = ();

    fn handle(&mut self, fact: PassChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let done = matches!(fact.phase, Phase::Done(_));
        self.board.pass(fact);
        if done {
            self.count_safe(ctx);
        }
        self.took_fact(ctx);
    }
}

impl Handler<Restarted> for StatusActor {
    type Result = ();

    fn handle(&mut self, _: Restarted, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.count_safe(ctx);
    }
}
