//! Somebody who signs for a link, and writes down what it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix::prelude::*;
use nostr::prelude::{Event, EventBuilder, Filter, FinalizeEvent, Keys, Kind};
use relay_link::{AuthChanged, AuthDeclined, ClientFrame, Identity, RelayLink, RelayLinkActor, SignAuth};
use supervision::{Lifeline, Outlet, Role};
use tokio::sync::mpsc;

use crate::common::Seen;
use crate::memory::{Switchboard, env};

struct Signing {
    asked: Arc<AtomicUsize>,
    told: mpsc::UnboundedSender<Option<String>>,
}

/// The test's side of it.
pub(crate) struct Notary {
    asked: Arc<AtomicUsize>,
    pub(crate) told: mpsc::UnboundedReceiver<Option<String>>,
}

fn keys() -> Keys {
    Keys::parse(&"02".repeat(32)).unwrap()
}

/// A request that names the key that is signed with.
pub(crate) fn history(sub: &str) -> ClientFrame {
    ClientFrame::Req {
        sub: sub.parse().unwrap(),
        filters: vec![Filter::new().kind(Kind::Custom(1080)).author(keys().public_key())],
    }
}

impl Notary {
    /// Starts `link` with somebody who signs for it.
    pub(crate) fn start(link: &RelayLink, board: &Switchboard, seen: &Seen) -> Self {
        let (asked, (told, told_seen)) = (Arc::new(AtomicUsize::new(0)), mpsc::unbounded_channel());
        let signing = Signing {
            asked: Arc::clone(&asked),
            told,
        };
        let address = signing.start();
        let (signs, told) = (Outlet::empty(), Outlet::empty());
        signs.fill(address.clone().recipient());
        told.fill(address.recipient());
        let identity = Identity {
            reserved: None,
            signs,
            told,
        };
        let lifeline = Lifeline::unwatched(Role::Link(link.url().to_string()));
        let watchers = vec![seen.changes.clone()];
        RelayLinkActor::new(env(), lifeline, link, Arc::new(board.clone()), watchers)
            .as_identity(identity)
            .start();
        Self {
            asked,
            told: told_seen,
        }
    }

    /// How often it was asked to sign.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl Actor for Signing {
    type Context = Context<Self>;
}

impl Handler<SignAuth> for Signing {
    type Result = Result<Event, AuthDeclined>;

    fn handle(&mut self, asked: SignAuth, _: &mut Self::Context) -> Self::Result {
        self.asked.fetch_add(1, Ordering::Relaxed);
        assert_eq!(asked.key, keys().public_key());
        let event = EventBuilder::new(SignAuth::KIND, "").tags(asked.tags());
        Ok(event.finalize(&keys()).unwrap())
    }
}

impl Handler<AuthChanged> for Signing {
    type Result = ();

    fn handle(&mut self, fact: AuthChanged, _: &mut Self::Context) {
        let _ = self.told.send(fact.refused);
    }
}
