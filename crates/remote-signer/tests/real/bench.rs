//! A relay and a signer that listens there, each on a thread of its own, and a device that asks.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use nostr::event::{Kind, UnsignedEvent};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use relay_lab::{Behaviour, EmbeddedRelay, EmbeddedRelayConfig, LabSigner, LabSignerConfig};
use relay_link::{LinkChanged, RelayLink, RelayLinkActor, RelayUrl, WebSocketDialer};
use remote_signer::{AuthUrl, Bunker, BunkerParts, BunkerUri, ClientKey, Patience, new_client_key};
use supervision::{Env, Lifeline, Outlet, Role, SystemClock, SystemEntropy, Tripwire, Workers};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Only a bug takes this long.
const DEADLINE: Duration = Duration::from_secs(30);
/// No relay listens on a port that was tcpmux's.
pub(crate) const NOBODY: &str = "ws://127.0.0.1:1";
/// Where every answer comes at once: a machine under load is no reason to ask twice.
pub(crate) const PATIENT: Patience = Patience {
    answer: Duration::from_secs(20),
    page: Duration::from_secs(20),
};

/// What one test needs, kept until it ends.
pub(crate) struct Bench {
    pub(crate) relay: EmbeddedRelay,
    pub(crate) phone: LabSigner,
}

/// What the engine would run for a login with a remote signer.
pub(crate) struct Device {
    pub(crate) bunker: Bunker,
    pub(crate) pages: mpsc::UnboundedReceiver<AuthUrl>,
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

/// Runs `scenario` to its end on a system of its own, in real time.
pub(crate) fn run(scenario: impl Future<Output = ()>) {
    System::new().block_on(async {
        timeout(DEADLINE, scenario).await.expect("every wait has an end");
    });
}

pub(crate) fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

pub(crate) fn environment() -> Env {
    Env {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        workers: Workers::inline(),
        tripwire: Tripwire::none(),
    }
}

/// Connects to `relay` and tells `watchers` how it stands.
pub(crate) fn connect(env: &Env, relay: &RelayUrl, watchers: Vec<Outlet<LinkChanged>>) {
    let link = RelayLink::new(relay.clone());
    let lifeline = Lifeline::unwatched(Role::Link(relay.to_string()));
    RelayLinkActor::new(env.clone(), lifeline, &link, Arc::new(WebSocketDialer), watchers).start();
}

impl Bench {
    pub(crate) async fn new(behaviour: Behaviour) -> Self {
        let relay = relay();
        let config = LabSignerConfig {
            relays: vec![relay.url()],
            behaviour,
            ..LabSignerConfig::default()
        };
        let phone = LabSigner::start(config).unwrap();
        phone.listening().await;
        Self { relay, phone }
    }

    /// A device that was given an address of the signer.
    pub(crate) fn device(&self, patience: Patience) -> Device {
        Device::new(&self.phone.bunker_uri(), patience)
    }

    /// The ids under which `method` was asked, in order.
    pub(crate) fn ids(&self, method: &str) -> Vec<String> {
        let heard = self.phone.heard().into_iter();
        heard
            .filter(|request| request.method == method)
            .map(|request| request.id)
            .collect()
    }
}

impl Device {
    /// A device that was given an address and draws its key.
    pub(crate) fn new(uri: &str, patience: Patience) -> Self {
        let client = new_client_key(&SystemEntropy);
        Self::start(uri.parse().unwrap(), client, false, patience)
    }

    /// A device that the signer let in before, under the key `client`.
    pub(crate) fn let_in(uri: BunkerUri, client: ClientKey, patience: Patience) -> Self {
        Self::start(uri, client, true, patience)
    }

    fn start(uri: BunkerUri, client: ClientKey, accepted: bool, patience: Patience) -> Self {
        let env = environment();
        let (sender, pages) = mpsc::unbounded_channel();
        let outlet = Outlet::empty();
        outlet.fill(Listener(sender).start().recipient());
        let bunker = Bunker::new(accepted);
        let parts = BunkerParts {
            uri: uri.clone(),
            client,
            auth_urls: vec![outlet],
            patience,
        };
        bunker.start(env.clone(), Lifeline::unwatched(Role::Keeper), parts);
        for relay in uri.relays() {
            connect(&env, relay, vec![bunker.links.clone()]);
        }
        Self { bunker, pages }
    }
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
