//! The actor that reads the account's relay list from each relay it is connected to, hears of newer ones, and keeps the
//! newest.

use std::collections::BTreeMap;
use std::time::Duration;

use actix::prelude::*;
use event_index::EventIndex;
use nostr::event::Event;
use nostr::filter::Filter;
use nostr::key::PublicKey;
use relay_link::{
    ClientFrame, FrameArrived, LinkChanged, LinkState, Refusal, RelayFrame, RelayLink, RelayUrl, SubId,
};
use supervision::{Env, Lifeline, Outlet, Switchboard};
use tokio::sync::watch;

use crate::relay_list::{META, RELAY_LIST, RelayList};

/// Frames of a dozen relays, one event each.
const MAILBOX_MAX: usize = 256;
/// For an answer (field guide 7, page silence). Without one the list is read with the next connection.
const SILENCE: Duration = Duration::from_secs(15);

/// Reaches the reader, also after it was restarted.
#[derive(Clone)]
pub(crate) struct ListReader {
    pub(crate) links: Outlet<LinkChanged>,
    frames: Outlet<FrameArrived>,
    look: Outlet<LookAgain>,
    /// Changes whenever a newer list was kept.
    pub(crate) kept: watch::Sender<()>,
    /// Whether lists are read at all; outlives the actor.
    reads: watch::Sender<bool>,
}

/// Command: whether lists are read may have changed.
#[derive(Message)]
#[rtype(result = "()")]
struct LookAgain;

impl ListReader {
    /// A reader that is not running yet, and then `reads` or does not.
    pub(crate) fn new(reads: bool) -> Self {
        Self {
            links: Outlet::empty(),
            frames: Outlet::empty(),
            look: Outlet::empty(),
            kept: watch::Sender::new(()),
            reads: watch::Sender::new(reads),
        }
    }

    /// Whether lists are read, as far as the account goes.
    pub(crate) fn reads(&self) -> bool {
        *self.reads.borrow()
    }

    /// Reads lists from now on, or no longer.
    pub(crate) async fn read(&self, reads: bool) {
        self.reads.send_replace(reads);
        // One that is just being restarted finds out by itself.
        let _ = self.look.send(LookAgain).await;
        // What follows from the list that is known is another thing now.
        self.kept.send_replace(());
    }

    /// Starts an incarnation that reads while `switches` let it.
    pub(crate) fn start(
        &self,
        env: Env,
        lifeline: Lifeline,
        account: PublicKey,
        index: EventIndex,
        switches: Switchboard,
    ) {
        let actor = ListReaderActor {
            env,
            lifeline,
            account,
            index,
            switches,
            frames: self.frames.clone(),
            kept: self.kept.clone(),
            reads: self.reads.clone(),
            connected: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        let address = actor.start();
        self.links.fill(address.clone().recipient());
        self.look.fill(address.clone().recipient());
        self.frames.fill(address.recipient());
    }
}

/// Lists asked for. There is one, except where a relay keeps what was replaced.
const LISTS_MAX: usize = 4;

struct ListReaderActor {
    env: Env,
    lifeline: Lifeline,
    account: PublicKey,
    index: EventIndex,
    switches: Switchboard,
    frames: Outlet<FrameArrived>,
    kept: watch::Sender<()>,
    reads: watch::Sender<bool>,
    /// Each relay that is connected, and the connection.
    connected: BTreeMap<RelayUrl, (RelayLink, u64)>,
    asked: BTreeMap<RelayUrl, Asked>,
}

/// The question to one connected relay.
struct Asked {
    link: RelayLink,
    connection: u64,
    sub: SubId,
    open: bool,
    /// All that is stored was told; from then on there are newer ones only.
    live: bool,
}

impl ListReaderActor {
    fn may_read(&self) -> bool {
        self.switches.now().nip65_relays && *self.reads.borrow()
    }

    /// Asks the relays that are connected and were not asked on this connection, when lists are to be read.
    fn ask_connected(&mut self, ctx: &mut Context<Self>) {
        if !self.may_read() {
            return;
        }
        for (link, connection) in self.connected.values().cloned().collect::<Vec<_>>() {
            let known = self.asked.get(link.url()).map(|asked| asked.connection);
            if known != Some(connection) {
                self.ask(link, connection, ctx);
            }
        }
    }

    fn turned(&mut self, ctx: &mut Context<Self>) {
        if !self.may_read() {
            // What comes meanwhile is not taken: it is asked for again when lists are read again.
            let open: Vec<_> = self
                .asked
                .iter()
                .map(|(url, asked)| (url.clone(), asked.sub.clone()))
                .collect();
            for (url, sub) in open {
                self.close(&url, &sub);
            }
            self.asked.clear();
        }
        self.ask_connected(ctx);
    }

    fn ask(&mut self, link: RelayLink, connection: u64, ctx: &mut Context<Self>) {
        let sub = SubId::fresh("relays", &*self.env.entropy);
        let filter = Filter::new()
            .kind(RELAY_LIST)
            .author(self.account)
            .limit(LISTS_MAX);
        let request = ClientFrame::Req {
            sub: sub.clone(),
            filters: vec![filter],
        };
        // A link that takes nothing now is asked when it is connected again.
        let open = link.try_send(request, self.frames.clone()).is_ok();
        let (url, overdue) = (link.url().clone(), sub.clone());
        ctx.run_later(SILENCE, move |reader, _| {
            if reader.asked.get(&url).is_some_and(|asked| !asked.live) {
                reader.close(&url, &overdue);
            }
        });
        let asked = Asked {
            link,
            connection,
            sub,
            open,
            live: false,
        };
        self.asked.insert(asked.link.url().clone(), asked);
    }

    fn close(&mut self, relay: &RelayUrl, sub: &SubId) {
        if let Some(asked) = self.asked.get_mut(relay)
            && asked.sub == *sub
            && std::mem::take(&mut asked.open)
        {
            let _ = asked
                .link
                .try_send(ClientFrame::Close { sub: sub.clone() }, self.frames.clone());
        }
    }

    /// Keeps a list that counts. Read, judged and written one after another, so that two relays cannot lose one.
    fn take(&self, event: Event, ctx: &mut Context<Self>) {
        let (store, workers) = (self.index.store().clone(), self.env.workers);
        let (index, account) = (self.index.clone(), self.account);
        let kept = self.kept.clone();
        let taking = async move {
            let judge = move || {
                let mut list = RelayList::load(&store)?;
                Ok::<_, event_index::IndexError>(list.take(&account, &event).then(|| list.to_bytes()))
            };
            if let Some(list) = workers.run(judge).await? {
                index.put_meta(META.to_owned(), list).await?;
                kept.send_replace(());
            }
            Ok::<_, event_index::IndexError>(())
        };
        ctx.wait(taking.into_actor(self).map(|kept, _, _| {
            if let Err(error) = kept {
                tracing::warn!(%error, "the account's relay list could not be kept; it is read again later");
            }
        }));
    }
}

impl Actor for ListReaderActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        self.switches
            .clone()
            .follow(ctx, |reader: &mut Self, _, ctx| reader.turned(ctx));
    }
}

impl Handler<LookAgain> for ListReaderActor {
    type Result = ();

    fn handle(&mut self, _: LookAgain, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        self.turned(ctx);
    }
}

impl Handler<LinkChanged> for ListReaderActor {
    type Result = ();

    fn handle(&mut self, LinkChanged { link, state }: LinkChanged, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        let url = link.url().clone();
        if let LinkState::Connected { connection } = state {
            self.connected.insert(url, (link, connection));
            self.ask_connected(ctx);
        } else {
            if state == LinkState::Stopped {
                self.asked.remove(&url);
            }
            self.connected.remove(&url);
        }
    }
}

impl Handler<FrameArrived> for ListReaderActor {
    type Result = ();

    fn handle(&mut self, FrameArrived { relay, frame }: FrameArrived, ctx: &mut Self::Context) {
        self.env.tripwire.step(self.lifeline.role());
        match frame {
            RelayFrame::Event { sub, event }
                if self.may_read() && self.asked.get(&relay).is_some_and(|asked| asked.sub == sub) =>
            {
                self.take(*event, ctx);
            }
            RelayFrame::Eose { sub, .. } => {
                if let Some(asked) = self.asked.get_mut(&relay).filter(|asked| asked.sub == sub) {
                    asked.live = true;
                }
            }
            // The relay carries too many subscriptions (P-19): what others ask for matters more.
            RelayFrame::Notice { message } if Refusal::classify(&message, None) == Refusal::RateLimited => {
                if let Some(sub) = self.asked.get(&relay).map(|asked| asked.sub.clone()) {
                    self.close(&relay, &sub);
                }
            }
            // A refusal says nothing about the list.
            RelayFrame::Closed { sub, .. } => {
                if let Some(asked) = self.asked.get_mut(&relay).filter(|asked| asked.sub == sub) {
                    asked.open = false;
                }
            }
            _ => {}
        }
    }
}
