//! A remote signer (NIP-46) that owes nothing to the crate `remote-signer`.

mod behaviour;
mod connect_uri;
mod line;
mod memory;
mod serve;

use std::fmt;
use std::sync::Arc;

use nostr::key::{Keys, PublicKey};
use nostr::nips::nip46::NostrConnectUri;
use nostr::types::url::RelayUrl;
use tokio::sync::{mpsc, oneshot, watch};

use crate::LabError;
use crate::server_thread::ServerThread;
pub use behaviour::Behaviour;
use connect_uri::ConnectUri;
pub use memory::LabRequest;
use memory::Memory;
use serve::Scan;

/// Scans that wait for the thread, which takes each at once.
const SCANS_MAX: usize = 16;

/// Where a signer listens and whose key it holds.
#[derive(Debug, Clone)]
pub struct LabSignerConfig {
    /// Where it listens (`ws://…`). They need not run yet: a relay that is away is dialled twenty times a second.
    pub relays: Vec<String>,
    /// The account it signs for; a fresh one by default. Its own key is another one.
    pub account: Keys,
    /// How it takes to being asked.
    pub behaviour: Behaviour,
}

impl Default for LabSignerConfig {
    fn default() -> Self {
        Self {
            relays: Vec::new(),
            account: Keys::generate(),
            behaviour: Behaviour::default(),
        }
    }
}

/// A running remote signer with websockets of its own, on a thread of its own, made of the types of the `nostr` crate
/// only: what a client of NIP-46 is tested against.
///
/// It answers `connect` (a secret lets one client in; that client may repeat itself), and for clients that were let
/// in `get_public_key`, `nip44_encrypt`, `nip44_decrypt`, `sign_event`, `ping` and `switch_relays` (always `null`), as
/// its [`Behaviour`] says. Strangers are told `no permission`. Methods it does not know are heard and not answered.
/// Every request is answered each time it arrives, also under the same id. Dropping the signer stops it without
/// waiting.
///
/// Relays do not store what it hears (kind 24133 is ephemeral): wait for [`LabSigner::listening`] before asking it.
pub struct LabSigner {
    signer: PublicKey,
    account: PublicKey,
    relays: Vec<RelayUrl>,
    shared: Arc<Shared>,
    scans: mpsc::Sender<Scan>,
    thread: ServerThread,
}

/// What the thread and its owner both see.
pub(crate) struct Shared(watch::Sender<Memory>);

impl Shared {
    fn with<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut outcome = None;
        self.0.send_modify(|memory| outcome = Some(change(memory)));
        outcome.unwrap_or_else(|| unreachable!("send_modify calls its argument once"))
    }

    async fn until(&self, reached: impl Fn(&Memory) -> bool) {
        // The sender is right here, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|memory| reached(memory)).await;
    }
}

impl LabSigner {
    /// Starts a signer. Fails when a relay's address cannot be read.
    pub fn start(config: LabSignerConfig) -> Result<Self, LabError> {
        let read =
            |url: &String| RelayUrl::parse(url).map_err(|_| LabError::SignerRelay { url: url.clone() });
        let relays = config.relays.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let account = config.account.public_key();
        let memory = Memory::new(config.account, config.behaviour);
        let signer = memory.signer.public_key();
        let shared = Arc::new(Shared(watch::Sender::new(memory)));
        let (scans, to_answer) = mpsc::channel(SCANS_MAX);
        let (serving, at) = (Arc::clone(&shared), relays.clone());
        let thread = ServerThread::spawn("lab-signer", move |stop| {
            serve::serve(serving, at, to_answer, stop)
        })?;
        Ok(Self {
            signer,
            account,
            relays,
            shared,
            scans,
            thread,
        })
    }

    /// The key it speaks with. Never the account's.
    pub fn signer_key(&self) -> PublicKey {
        self.signer
    }

    /// The account it signs for, unless it is [`Behaviour::OtherAccount`].
    pub fn account(&self) -> PublicKey {
        self.account
    }

    /// An address for one client: `bunker://…`, with a fresh secret each time.
    pub fn bunker_uri(&self) -> String {
        let uri = NostrConnectUri::Bunker {
            remote_signer_public_key: self.signer,
            relays: self.relays.clone(),
            secret: Some(self.shared.with(Memory::draw_secret)),
        };
        uri.to_string()
    }

    /// Answers what a program shows (`nostrconnect://…`): listens at its relays, lets it in and repeats its secret.
    /// Returns once a relay took the answer, which the program sees only if it listens already; a person would scan
    /// again. Fails when none did within 10 s.
    pub async fn scan(&self, nostrconnect_uri: &str) -> Result<(), LabError> {
        let uri = ConnectUri::parse(nostrconnect_uri)?;
        let (done, answered) = oneshot::channel();
        // The thread drops `done` when no relay takes the answer, and with itself.
        let _ = self.scans.send(Scan { uri, done }).await;
        answered.await.map_err(|_| LabError::Scan)
    }

    /// Behaves this way from the next request on.
    pub fn set_behaviour(&self, behaviour: Behaviour) {
        self.shared.with(|memory| memory.set_behaviour(behaviour));
    }

    /// The methods it was asked, in the order of arrival. Retries count again; an event that several relays pass on
    /// counts once.
    pub fn requests(&self) -> Vec<String> {
        self.heard().into_iter().map(|request| request.method).collect()
    }

    /// What [`LabSigner::requests`] lists, with ids and clients.
    pub fn heard(&self) -> Vec<LabRequest> {
        self.shared.0.borrow().requests.clone()
    }

    /// Returns once it was asked this often in all. Without a deadline of its own.
    pub async fn asked(&self, requests: usize) {
        self.shared
            .until(|memory| memory.requests.len() >= requests)
            .await;
    }

    /// Returns once every relay of its configuration passes requests on. Without a deadline of its own.
    pub async fn listening(&self) {
        let listens = |memory: &Memory| self.relays.iter().all(|relay| memory.listening.contains(relay));
        self.shared.until(listens).await;
    }

    /// Closes its connections and returns when they are closed. Answers that wait are lost.
    pub async fn shutdown(self) {
        self.thread.stop().await;
    }
}

/// Leaves the account's key and the secrets out.
impl fmt::Debug for LabSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabSigner")
            .field("signer", &self.signer.to_hex())
            .field("account", &self.account.to_hex())
            .finish_non_exhaustive()
    }
}
