//! A device that asks a signer: a bunker handle, a link, and a guardian over both, in simulated time.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use nostr::event::{Kind, UnsignedEvent};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use relay_link::{RelayLink, RelayLinkActor};
use remote_signer::{
    AuthUrl, Bunker, BunkerParts, BunkerUri, ClientKey, Patience, RemoteSigner, new_client_key,
};
use supervision::{
    Env, Guard, Guardian, Outlet, Role, SeededEntropy, SimulatedClock, SystemClock, Tripwire, Workers,
};
use tokio::sync::mpsc;

use crate::bunker::TestBunker;

/// The part of the signer's actor.
pub(crate) const ROLE: Role = Role::Keeper;
pub(crate) const RELAY: &str = "wss://relay.example";
pub(crate) const SECRET: &str = "only once";

pub(crate) struct Desk {
    pub(crate) bunker: Bunker,
    pub(crate) pages: mpsc::UnboundedReceiver<AuthUrl>,
    phone: TestBunker,
    env: Env,
    link: RelayLink,
    guardian: Addr<Guardian>,
}

struct Listener(mpsc::UnboundedSender<AuthUrl>);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<AuthUrl> for Listener {
    type Result = ();

    fn handle(&mut self, page: AuthUrl, _: &mut Self::Context) {
        let _ = self.0.send(page);
    }
}

/// Runs `scenario` to its end on a system of its own; waiting takes no time.
pub(crate) fn simulate<T>(scenario: impl Future<Output = T>) -> T {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
    };
    System::with_tokio_rt(runtime).block_on(scenario)
}

/// Simulated time and seeded randomness.
pub(crate) fn environment(tripwire: Tripwire) -> Env {
    Env {
        // The signer's events carry the machine's time.
        clock: Arc::new(SimulatedClock::starting_at(supervision::Clock::unix(
            &SystemClock,
        ))),
        entropy: Arc::new(SeededEntropy::new(1)),
        workers: Workers::inline(),
        tripwire,
    }
}

impl Desk {
    pub(crate) fn new(signer: &TestBunker) -> Self {
        Self::build(signer, Tripwire::none(), false, Patience::default())
    }

    /// A device that waits as long as it is told.
    pub(crate) fn with_patience(signer: &TestBunker, patience: Patience) -> Self {
        Self::build(signer, Tripwire::none(), false, patience)
    }

    /// `accepted`: it was let in on an earlier day.
    pub(crate) fn build(signer: &TestBunker, tripwire: Tripwire, accepted: bool, patience: Patience) -> Self {
        let desk = Self::unconnected(signer, tripwire, accepted, patience);
        desk.connect();
        desk
    }

    /// A device whose link to the signer's relay is still to be started.
    pub(crate) fn unconnected(
        signer: &TestBunker,
        tripwire: Tripwire,
        accepted: bool,
        patience: Patience,
    ) -> Self {
        let env = environment(tripwire);
        let secret = Some(SECRET.to_owned().into());
        let uri = BunkerUri::new(signer.keys.public_key(), [RELAY.parse().unwrap()], secret).unwrap();
        let client = new_client_key(&*env.entropy);
        Self::at(env, signer, uri, client, accepted, patience)
    }

    /// A device that was given `uri`, whose link is still to be started.
    pub(crate) fn at(
        env: Env,
        signer: &TestBunker,
        uri: BunkerUri,
        client: ClientKey,
        accepted: bool,
        patience: Patience,
    ) -> Self {
        let link = RelayLink::new(uri.relays()[0].clone());
        let (sender, pages) = mpsc::unbounded_channel();
        let outlet = Outlet::empty();
        outlet.fill(Listener(sender).start().recipient());
        let bunker = Bunker::new(accepted);
        let parts = BunkerParts {
            uri,
            client,
            auth_urls: vec![outlet],
            patience,
        };
        let guardian = Guardian::new(env.clone(), vec![link.restarted()], Outlet::empty()).start();
        guardian.do_send(Guard {
            role: ROLE,
            constructor: bunker.constructor(env.clone(), parts),
        });
        Self {
            bunker,
            pages,
            phone: signer.clone(),
            env,
            link,
            guardian,
        }
    }

    /// Starts the link to the signer's relay.
    pub(crate) fn connect(&self) {
        let watchers = vec![self.bunker.links.clone()];
        let (env, link) = (self.env.clone(), self.link.clone());
        let dialer = Arc::new(self.phone.clone());
        self.guardian.do_send(Guard {
            role: Role::Link(link.url().to_string()),
            constructor: RelayLinkActor::constructor(env, link, dialer, watchers),
        });
    }

    pub(crate) async fn log_in(&self) -> RemoteSigner {
        settled().await;
        self.bunker.log_in().await.unwrap()
    }
}

/// Lets the guardian start its wards.
pub(crate) async fn settled() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A keyring event that waits for its signature.
pub(crate) fn unsigned(account: PublicKey) -> UnsignedEvent {
    UnsignedEvent::new(
        account,
        Timestamp::from_secs(1_789_000_000),
        Kind::Custom(1081),
        [],
        "payload",
    )
}
