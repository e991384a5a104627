//! What a login holds while it waits for a signer.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use actix::prelude::*;
use relay_link::{FrameArrived, LinkChanged};
use supervision::{Constructor, Env, Lifeline, Outlet};
use tokio::sync::watch;

use super::actor::ReceptionActor;
use super::{ConnectOffer, OfferError};
use crate::{BunkerUri, Patience};

/// How much longer than the offer stands its outcome is waited for: only an actor that does not run takes longer.
const OVERTIME: Duration = Duration::from_secs(5);

/// Waits for the signer that takes up a [`ConnectOffer`]. The wait and its outcome outlive the actor behind it; clones
/// are cheap.
///
/// Afterwards the signer is reached through a [`Bunker`](crate::Bunker): made by `Bunker::new(true)`, with
/// [`ConnectOffer::client`] and the address that [`Reception::signer`] returns.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use actix::prelude::*;
/// # use relay_link::{Dial, RelayLink, RelayLinkActor};
/// # use remote_signer::*;
/// # use supervision::{Env, Lifeline, Role};
/// # async fn log_in(env: Env, dialer: Arc<dyn Dial>) -> Result<(), Box<dyn std::error::Error>> {
/// let offer = ConnectOffer::draw(["wss://relay.example.com".parse()?], &*env.entropy)?;
/// let reception = Reception::new(offer.clone(), Patience::default());
/// reception.start(env.clone(), Lifeline::unwatched(Role::Keeper));
/// for relay in offer.relays() {
///     let link = RelayLink::new(relay.clone());
///     let lifeline = Lifeline::unwatched(Role::Link(relay.to_string()));
///     let watchers = vec![reception.links.clone()];
///     RelayLinkActor::new(env.clone(), lifeline, &link, dialer.clone(), watchers).start();
/// }
/// println!("scan this: {}", *offer.to_text());
/// let uri = reception.signer().await?;
///
/// let (bunker, client) = (Bunker::new(true), offer.client().clone());
/// let parts = BunkerParts { uri, client, auth_urls: vec![], patience: Patience::default() };
/// // To be started like the one on the front page.
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Reception {
    /// Takes what links tell about themselves; links to other relays than the offer's are passed over.
    pub links: Outlet<LinkChanged>,
    pub(super) frames: Outlet<FrameArrived>,
    pub(super) offer: ConnectOffer,
    pub(super) patience: Patience,
    /// When the offer was first waited at.
    since: Arc<OnceLock<Instant>>,
    outcome: Arc<watch::Sender<Option<Result<BunkerUri, OfferError>>>>,
}

impl Reception {
    /// Nobody waits yet. The offer stands for [`Patience::page`] after the first start.
    pub fn new(offer: ConnectOffer, patience: Patience) -> Self {
        Self {
            links: Outlet::empty(),
            frames: Outlet::empty(),
            offer,
            patience,
            since: Arc::new(OnceLock::new()),
            outcome: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Starts an incarnation. It hears of links through `links` only, so links that were started before have to
    /// announce themselves once more, as they do after [`supervision::Restarted`].
    pub fn start(&self, env: Env, lifeline: Lifeline) {
        let since = *self.since.get_or_init(|| env.clock.now());
        let address = ReceptionActor::new(env, lifeline, self.clone(), since).start();
        self.links.fill(address.clone().recipient());
        self.frames.fill(address.recipient());
    }

    /// What the guardian needs to start the actor and to start it again.
    pub fn constructor(&self, env: Env) -> Constructor {
        let reception = self.clone();
        Box::new(move |lifeline| reception.start(env.clone(), lifeline))
    }

    /// Where the signer is that took up the offer: its key and the offer's relays. Ends when the offer does, 5
    /// minutes after the first start by default. May be awaited any number of times, and dropped at any time.
    pub async fn signer(&self) -> Result<BunkerUri, OfferError> {
        let mut outcomes = self.outcome.subscribe();
        let outcome = outcomes.wait_for(Option::is_some);
        let wait = self.patience.page + OVERTIME;
        match actix::clock::timeout(wait, outcome).await {
            // This handle holds the sender, so there is always an outcome or none yet.
            Ok(outcome) => outcome
                .ok()
                .and_then(|outcome| outcome.clone())
                .unwrap_or(Err(OfferError::NotRunning)),
            Err(_) => Err(OfferError::NotRunning),
        }
    }

    /// Whether there is nothing to wait for any more.
    pub(super) fn is_over(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// The first outcome stands.
    pub(super) fn finish(&self, outcome: Result<BunkerUri, OfferError>) {
        self.outcome.send_if_modified(|known| {
            let first = known.is_none();
            known.get_or_insert(outcome);
            first
        });
    }
}

impl fmt::Debug for Reception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reception")
            .field("offer", &self.offer)
            .finish_non_exhaustive()
    }
}
