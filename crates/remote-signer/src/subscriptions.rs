//! Subscriptions at the relays between this program and a signer: one for each connection.

use std::collections::BTreeMap;
use std::time::Duration;

use nostr::event::Event;
use nostr::filter::Filter;
use relay_link::{ClientFrame, FrameArrived, RelayLink, RelayUrl, SubId};
use supervision::{Entropy, Outlet};

/// The prefix of their names.
const SUB_PREFIX: &str = "signer";
/// The pause before a relay that ended a subscription is asked again.
pub(crate) const RESUBSCRIBE_PAUSE: Duration = Duration::from_secs(30);

/// The relays that pass messages on: connected and subscribed at.
pub(crate) struct Subscriptions {
    /// Where answers of relays go.
    frames: Outlet<FrameArrived>,
    open: BTreeMap<RelayUrl, Subscription>,
}

pub(crate) struct Subscription {
    pub(crate) link: RelayLink,
    pub(crate) connection: u64,
    sub: SubId,
}

impl Subscriptions {
    /// None yet.
    pub(crate) fn new(frames: Outlet<FrameArrived>) -> Self {
        Self {
            frames,
            open: BTreeMap::new(),
        }
    }

    /// Subscribes on a new connection. `false` when it ended meanwhile, which its link announces.
    pub(crate) fn open(
        &mut self,
        link: RelayLink,
        connection: u64,
        filter: Filter,
        entropy: &dyn Entropy,
    ) -> bool {
        let sub = SubId::fresh(SUB_PREFIX, entropy);
        let frame = ClientFrame::Req {
            sub: sub.clone(),
            filters: vec![filter],
        };
        if link.try_send(frame, self.frames.clone()).is_err() {
            return false;
        }
        let url = link.url().clone();
        let subscription = Subscription {
            link,
            connection,
            sub,
        };
        self.open.insert(url, subscription);
        true
    }

    /// Forgets the one at `relay`, which is over.
    pub(crate) fn remove(&mut self, relay: &RelayUrl) -> Option<Subscription> {
        self.open.remove(relay)
    }

    /// The number of the connection it is open on.
    pub(crate) fn connection(&self, relay: &RelayUrl) -> Option<u64> {
        self.open.get(relay).map(|subscription| subscription.connection)
    }

    /// Whether `sub` is the one at `relay`.
    pub(crate) fn is_open(&self, relay: &RelayUrl, sub: &SubId) -> bool {
        self.open
            .get(relay)
            .is_some_and(|subscription| subscription.sub == *sub)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sends `event` to every relay; to how many it went.
    pub(crate) fn publish(&self, event: &Event) -> usize {
        let send = |subscription: &&Subscription| {
            let frame = ClientFrame::Event(Box::new(event.clone()));
            subscription.link.try_send(frame, self.frames.clone()).is_ok()
        };
        self.open.values().filter(send).count()
    }

    /// Ends all of them.
    pub(crate) fn close_all(&mut self) {
        for Subscription { link, sub, .. } in std::mem::take(&mut self.open).into_values() {
            // Without its connection it has ended already.
            let _ = link.try_send(ClientFrame::Close { sub }, self.frames.clone());
        }
    }
}
