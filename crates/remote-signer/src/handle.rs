//! What other crates hold.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use actix::prelude::*;
use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;
use pns_keys::{Signer, SignerError, SignerFuture};
use relay_link::{FrameArrived, LinkChanged, RelayUrl, SignAuth};
use supervision::{Constructor, Env, Lifeline, Outlet, Undelivered};
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

use crate::actor::BunkerActor;
use crate::messages::Ask;
use crate::request::{Answer, Request, bad};
use crate::{AuthUrl, BunkerUri, ClientKey, Patience};

/// Reaches a remote signer, whichever account it holds; also after the actor behind it was restarted. Clones are
/// cheap.
#[derive(Debug, Clone)]
pub struct Bunker {
    /// Takes what links tell about themselves; links to other relays than the signer's are passed over.
    pub links: Outlet<LinkChanged>,
    /// Proves to the signer's relays who asks: the client key, which says nothing of the account.
    pub sign_auth: Outlet<SignAuth>,
    pub(crate) frames: Outlet<FrameArrived>,
    pub(crate) asks: Outlet<Ask>,
    /// Outlives the actor: a restarted one must not use up the secret a second time.
    pub(crate) accepted: Arc<AtomicBool>,
    /// Who it is, for errors; known from the first start on.
    signer: Arc<OnceLock<String>>,
    wanted: Arc<watch::Sender<bool>>,
}

/// What the actor works with.
#[derive(Debug, Clone)]
pub struct BunkerParts {
    /// Where the signer is.
    pub uri: BunkerUri,
    /// What it knows this program by.
    pub client: ClientKey,
    /// Who shows a page that the signer wants opened.
    pub auth_urls: Vec<Outlet<AuthUrl>>,
    /// How long it is waited for.
    pub patience: Patience,
}

/// A remote signer bound to one account: a [`Signer`] for everybody else.
///
/// Every answer has a deadline, by [`Patience`]: 65 s after the request went out, once more 65 s after its retry, and
/// 5 minutes after the signer asked for a page to be opened. Without a relay a request waits 65 s. Dropping the
/// future gives up its place.
#[derive(Clone)]
pub struct RemoteSigner {
    bunker: Bunker,
    account: PublicKey,
}

impl Bunker {
    /// A signer that is not reached yet. `accepted`: it let this client key in before, so no `connect` with a secret
    /// that was used up is sent.
    pub fn new(accepted: bool) -> Self {
        Self {
            links: Outlet::empty(),
            sign_auth: Outlet::empty(),
            frames: Outlet::empty(),
            asks: Outlet::empty(),
            accepted: Arc::new(AtomicBool::new(accepted)),
            signer: Arc::new(OnceLock::new()),
            wanted: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Starts an incarnation. It hears of links through `links` only, so links that were started before have to
    /// announce themselves once more, as they do after [`supervision::Restarted`].
    pub fn start(&self, env: Env, lifeline: Lifeline, parts: BunkerParts) {
        self.signer.get_or_init(|| parts.uri.signer());
        let address = BunkerActor::new(env, lifeline, parts, self.clone()).start();
        self.links.fill(address.clone().recipient());
        self.sign_auth.fill(address.clone().recipient());
        self.frames.fill(address.clone().recipient());
        self.asks.fill(address.recipient());
    }

    /// What the guardian needs to start the actor and to start it again.
    pub fn constructor(&self, env: Env, parts: BunkerParts) -> Constructor {
        let bunker = self.clone();
        Box::new(move |lifeline| bunker.start(env.clone(), lifeline, parts.clone()))
    }

    /// Connects and asks for the account. A first login: keep the client key, the address without its secret, and
    /// the account of the signer this returns.
    pub async fn log_in(&self) -> Result<RemoteSigner, SignerError> {
        match self.ask(None, Request::GetPublicKey).await? {
            Answer::Account(account) => Ok(self.signer_for(account)),
            _ => Err(bad("it did not name the account")),
        }
    }

    /// Asks which relays the signer wants to be reached at from now on: one to eight, each once, where addresses that
    /// are none were left out. To be asked after a login; keep the address with these relays, and connect to them
    /// instead. `None`: the signer has no wish, or lacks the method, which it says or leaves unanswered for 5 s. It is
    /// asked once. Spec: NIP-46, `switch_relays`.
    pub async fn switch_relays(&self) -> Result<Option<Vec<RelayUrl>>, SignerError> {
        match self.ask(None, Request::SwitchRelays).await? {
            Answer::Relays(relays) => Ok(relays),
            _ => Err(bad("it is not a list of relays")),
        }
    }

    /// The signer of an account that logged in before. With another account at the other end, nothing it signs is taken
    /// and no payload is given up: answers are [`SignerError::WrongAccount`].
    pub fn signer_for(&self, account: PublicKey) -> RemoteSigner {
        RemoteSigner {
            bunker: self.clone(),
            account,
        }
    }

    /// Whether the signer let this client key in, now or before: what to hand to [`Bunker::new`] next time.
    pub fn is_accepted(&self) -> bool {
        self.accepted.load(Ordering::Acquire)
    }

    /// Ends when this signer is asked for anything, at once when it ever was: time to connect to its relays. A
    /// request that is there before them waits 65 s, counted from when it was asked. Has no deadline of its own, as
    /// a signer may never be needed; may be dropped at any time.
    pub async fn wanted(&self) {
        // This handle holds the sender, so there is always something to wait for.
        let _ = self.wanted.subscribe().wait_for(|wanted| *wanted).await;
    }

    async fn ask(&self, wanted: Option<PublicKey>, request: Request) -> Result<Answer, SignerError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            wanted,
            request,
            reply,
        };
        let unreachable = |reason: &str| SignerError::Unreachable {
            signer: self.signer.get().map_or("the signer", String::as_str).to_owned(),
            reason: reason.to_owned(),
        };
        self.wanted.send_replace(true);
        self.asks.try_send(ask).map_err(|error| match error {
            Undelivered::Full => unreachable("too many requests to it wait already"),
            Undelivered::Closed => unreachable("the part of this program that speaks with it is not running"),
        })?;
        // Every request is answered before its deadline, unless the actor dies.
        let restarted = || unreachable("the part of this program that speaks with it was restarted");
        answer.await.unwrap_or_else(|_| Err(restarted()))
    }
}

impl RemoteSigner {
    async fn ask_text(&self, request: Request) -> Result<String, SignerError> {
        match self.bunker.ask(Some(self.account), request).await? {
            Answer::Text(text) => Ok(text),
            _ => Err(bad("it is not a text")),
        }
    }
}

impl Signer for RemoteSigner {
    fn public_key(&self) -> PublicKey {
        self.account
    }

    fn sign(&self, unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move {
            if unsigned.pubkey != self.account {
                return Err(SignerError::WrongAccount {
                    wanted: unsigned.pubkey,
                    found: self.account,
                });
            }
            let request = Request::Sign(Box::new(unsigned));
            match self.bunker.ask(Some(self.account), request).await? {
                Answer::Signed(event) => Ok(*event),
                _ => Err(bad("it is not an event")),
            }
        })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        Box::pin(self.ask_text(Request::Encrypt {
            account: self.account,
            plaintext: Zeroizing::new(plaintext.to_owned()),
        }))
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        Box::pin(self.ask_text(Request::Decrypt {
            account: self.account,
            payload: payload.to_owned(),
        }))
    }
}

impl fmt::Debug for RemoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSigner")
            .field("account", &self.account.to_hex())
            .finish_non_exhaustive()
    }
}
