//! What the tests of keyrings share: accounts with a past, slow relays, and looking at what relays hold.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{Config, Engine, Handle, RelayUrl, Status};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use nostr::prelude::{Event, EventId, Kind, PublicKey, Timestamp, UnsignedEvent};
use pns_keys::{DeviceSecret, Keyring, NewKeyring, Profile, Signer, open_keyring, seal};
use relay_lab::{MemoryNetwork, MemoryRelay};
use relay_link::{Connection, Dial, DialError};
use supervision::{Entropy, SeededEntropy, SimulatedClock};

use crate::bench::{Device, NOW, SECRET, simulated};
use crate::signers::local;

pub(crate) const ONE: &str = "wss://one.example";
pub(crate) const TWO: &str = "wss://two.example";
pub(crate) const THREE: &str = "wss://three.example";

/// Longer than any pause the engine makes before it tries something again by itself.
pub(crate) const A_WHILE: Duration = Duration::from_secs(40 * 60);

/// A network of these relays.
pub(crate) fn network(relays: &[(&str, &MemoryRelay)]) -> MemoryNetwork {
    let network = MemoryNetwork::default();
    for (url, relay) in relays {
        network.put(url.parse().unwrap(), (*relay).clone());
    }
    network
}

/// An engine of `config` whose clock reads [`NOW`] and `later` seconds.
pub(crate) async fn start(config: Config, seed: u64, later: u64, dial: impl Dial) -> Handle {
    let mut env = simulated(seed, Arc::new(dial));
    env.runtime.clock = Arc::new(SimulatedClock::starting_at(NOW + later));
    Engine::start_on_current(&config, env).await.unwrap()
}

/// The engine of a device whose account is held by `signer`.
pub(crate) async fn start_as(
    device: &Device,
    signer: Arc<dyn Signer>,
    seed: u64,
    relays: &[(&str, &MemoryRelay)],
) -> Handle {
    start(device.config_as(signer), seed, 0, network(relays)).await
}

/// Waits until the status is so, without anybody touching anything.
pub(crate) async fn until(device: &Handle, what: &str, so: impl Fn(&Status) -> bool) {
    let mut statuses = Box::pin(device.watch_status());
    let wait = async { while !so(&statuses.next().await.expect("the engine runs")) {} };
    let waited = tokio::time::timeout(A_WHILE, wait).await;
    assert!(waited.is_ok(), "not by itself: {what}; {:?}", device.status());
}

/// What a conversation shows, in order.
pub(crate) async fn texts(device: &Handle, conversation: &str) -> Vec<String> {
    let view = device.conversation(conversation).await.unwrap();
    view.branch.into_iter().map(|message| message.content).collect()
}

/// Every kind 1081 event of the account that any of these relays holds.
pub(crate) fn keyrings(relays: &[&MemoryRelay]) -> BTreeSet<EventId> {
    let account = local(SECRET, 0).public_key();
    let ours = |event: &Event| event.kind == Kind::Custom(1081) && event.pubkey == account;
    let all = relays.iter().flat_map(|relay| relay.events());
    all.filter(ours).map(|event| event.id).collect()
}

/// The authors of the messages a relay holds.
pub(crate) fn authors(relay: &MemoryRelay) -> BTreeSet<PublicKey> {
    let messages = relay
        .events()
        .into_iter()
        .filter(|event| event.kind == Kind::Custom(1080));
    messages.map(|event| event.pubkey).collect()
}

/// The keyring with this id, opened with the account's key.
pub(crate) async fn opened(id: &EventId, relay: &MemoryRelay) -> Keyring {
    let event = relay.events().into_iter().find(|event| event.id == *id).unwrap();
    open_keyring(&local(SECRET, 0), &event).await.unwrap()
}

/// A keyring that another device of the account made: its event, and what is inside.
pub(crate) async fn made_elsewhere(device: u8, created_at: u64) -> (Event, Keyring) {
    let device = DeviceSecret::from_bytes(&[device; 32]).unwrap();
    let signer = local(SECRET, u64::from(device.public().to_bytes()[0]));
    NewKeyring::new(device).create(&signer, created_at).await.unwrap()
}

/// A kind 1081 event that the account signed, with this text encrypted to itself, or with `content` as it stands.
pub(crate) async fn no_keyring(content: Result<&str, &str>, created_at: u64) -> Event {
    let signer = local(SECRET, created_at);
    let content = match content {
        Ok(text) => signer.nip44_encrypt_to_self(text).await.unwrap(),
        Err(content) => content.to_owned(),
    };
    let at = Timestamp::from_secs(created_at);
    let unsigned = UnsignedEvent::new(signer.public_key(), at, Kind::Custom(1081), [], content);
    signer.sign(unsigned).await.unwrap()
}

/// A person's message as the web app writes it, at the top of `conversation`.
pub(crate) fn written_elsewhere(keyring: &Keyring, conversation: &str, text: &str, at: u64) -> Event {
    let account = local(SECRET, 0).public_key();
    let rumor = serde_json::json!({
        "kind": 20001, "pubkey": account.to_hex(), "created_at": at,
        "tags": [["d", conversation], ["role", "user"], ["client", "routstr-chat"], ["e", "0".repeat(64)]],
        "content": text,
    });
    let entropy = SeededEntropy::new(at);
    let key = keyring.key(Profile::Routstr);
    seal(
        key,
        rumor.to_string().as_bytes(),
        at,
        entropy.draw_32(),
        entropy.draw_32(),
    )
    .unwrap()
}

/// A network in which one relay is far away.
pub(crate) struct Slow {
    pub(crate) network: MemoryNetwork,
    pub(crate) relay: RelayUrl,
    /// How long a connection to it takes.
    pub(crate) dial: Duration,
    /// How long everything it says is on its way.
    pub(crate) answer: Duration,
}

impl Dial for Slow {
    fn dial(&self, url: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let dialled = self.network.dial(url);
        if *url != self.relay {
            return dialled;
        }
        let (dial, answer) = (self.dial, self.answer);
        async move {
            tokio::time::sleep(dial).await;
            let Connection {
                outgoing,
                incoming,
                date,
            } = dialled.await?;
            // All of them travel at once, and arrive in the order in which they left.
            let late = incoming.map(move |message| async move {
                tokio::time::sleep(answer).await;
                message
            });
            let incoming = Box::pin(late.buffered(10_000));
            Ok(Connection {
                outgoing,
                incoming,
                date,
            })
        }
        .boxed()
    }
}
