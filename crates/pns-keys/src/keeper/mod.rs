//! The keeper of keys: finds, opens and, when it is certain that there is none, creates the account's keyring; seals
//! and opens envelopes for everybody else.
//!
//! What a reader can rely on:
//! - Keyrings saved on this device are there at once, without a relay and without asking the signer.
//! - The signer is asked one thing at a time, and never twice about a keyring it opened.
//! - A keyring is on disk before it is sent, and [`WriteKey::ready`] only after a relay returned it by its id.
//! - Every connected relay that lacks a keyring known here is sent the same bytes, again and again until it returns it.
//! - [`KeysChanged`] is a snapshot: sent on every change, after every [`Restarted`], and on [`Announce`].
//!
//! [`Discovery`](crate::Discovery) decides when a first keyring may be created, `Shelf` what is opened and saved,
//! `Publisher` what is sent where. The actor carries it out. Spec: DESIGN 3 "Keyring", field guide 5.

mod actor;
mod announce;
mod commands;
mod connected;
mod frames;
mod messages;
mod places;
mod proving;
mod publish;
mod saved;
mod shelf;

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use actix::prelude::*;
use event_index::EventIndex;
use relay_link::{FrameArrived, LinkChanged, RelayUrl, SignAuth};
use supervision::{Constructor, Env, Lifeline, Outlet, Restarted, Switchboard};

pub use actor::SIGNER_WAIT;
pub use messages::{
    Announce, DeleteError, KeyState, KeyringInfo, KeysChanged, KeysLocked, ListKeyrings, OpenBatch, Opened,
    SealBatch, SignDeletion, ToSeal, Unlock, UseRelays, WriteKey,
};
pub use proving::reserved_account;
pub use saved::{on_card, open_keyrings, row_of};

use crate::{Profile, Signer};
use actor::KeeperActor;

/// Reaches the keeper from other crates, also after it was restarted. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Seals messages.
    pub seal: Outlet<SealBatch>,
    /// Opens envelopes.
    pub open: Outlet<OpenBatch>,
    /// Signs deletions.
    pub sign_deletion: Outlet<SignDeletion>,
    /// Proves to relays who asks.
    pub sign_auth: Outlet<SignAuth>,
    /// Names the keyrings.
    pub list: Outlet<ListKeyrings>,
    /// Has the signer asked again.
    pub unlock: Outlet<Unlock>,
    /// Has the keys announced again.
    pub announce: Outlet<Announce>,
    /// Sets which relays are configured.
    pub use_relays: Outlet<UseRelays>,
    /// Takes what links tell about themselves.
    pub links: Outlet<LinkChanged>,
    /// Takes what relays answer to the keeper.
    pub frames: Outlet<FrameArrived>,
    /// Takes what the guardian tells.
    pub restarted: Outlet<Restarted>,
    /// Outlives the actor, so that a restarted one does not decide with the relays of long ago.
    relays: Arc<RwLock<BTreeSet<RelayUrl>>>,
}

/// What the keeper works with.
#[derive(Debug, Clone)]
pub struct KeeperParts {
    /// Holds the account's key. The account is the signer's.
    pub signer: Arc<dyn Signer>,
    /// What new envelopes are sealed under; both ways of writing are read.
    pub profile: Profile,
    /// Whether keyrings are sent to relays, and a first one may be created. While not, the account is locked until
    /// somebody else made one.
    pub switches: Switchboard,
    /// Relays that are not configured and are asked all the same before a first keyring is created. Their links are
    /// heard of like the others; they are sent keyrings too.
    pub witnesses: BTreeSet<RelayUrl>,
    /// Where keyrings are saved and read.
    pub index: EventIndex,
    /// Who is told about keys.
    pub facts: Vec<Outlet<KeysChanged>>,
}

impl Keeper {
    /// A keeper that is not running yet, for an account with these relays configured.
    pub fn new(relays: BTreeSet<RelayUrl>) -> Self {
        Self {
            seal: Outlet::empty(),
            open: Outlet::empty(),
            sign_deletion: Outlet::empty(),
            sign_auth: Outlet::empty(),
            list: Outlet::empty(),
            unlock: Outlet::empty(),
            announce: Outlet::empty(),
            use_relays: Outlet::empty(),
            links: Outlet::empty(),
            frames: Outlet::empty(),
            restarted: Outlet::empty(),
            relays: Arc::new(RwLock::new(relays)),
        }
    }

    /// Starts an incarnation and points every outlet at it. It hears of links through `links` only, so links that
    /// were started before have to announce themselves once more, as they do after [`Restarted`].
    pub fn start(&self, env: Env, lifeline: Lifeline, parts: KeeperParts) {
        let address = KeeperActor::new(env, lifeline, parts, self.clone()).start();
        self.seal.fill(address.clone().recipient());
        self.open.fill(address.clone().recipient());
        self.sign_deletion.fill(address.clone().recipient());
        self.sign_auth.fill(address.clone().recipient());
        self.list.fill(address.clone().recipient());
        self.unlock.fill(address.clone().recipient());
        self.announce.fill(address.clone().recipient());
        self.use_relays.fill(address.clone().recipient());
        self.links.fill(address.clone().recipient());
        self.frames.fill(address.clone().recipient());
        self.restarted.fill(address.recipient());
    }

    /// What the guardian needs to start the keeper and to start it again.
    pub fn constructor(&self, env: Env, parts: KeeperParts) -> Constructor {
        let keeper = self.clone();
        Box::new(move |lifeline| keeper.start(env.clone(), lifeline, parts.clone()))
    }

    fn relays(&self) -> BTreeSet<RelayUrl> {
        self.relays.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember_relays(&self, relays: BTreeSet<RelayUrl>) {
        *self.relays.write().unwrap_or_else(PoisonError::into_inner) = relays;
    }
}
