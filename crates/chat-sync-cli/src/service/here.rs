//! The answers of an engine in this process: a command's own, or the daemon's.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chat_sync::{
    Account, Config, Engine, EngineError, Env, Handle, KeyHome, KeyPlace, Refusal, RelayUrl, Status,
    history_keys, key_card, keyring_copies, npub, refusals,
};
use nostr::key::PublicKey;
use pns_keys::{CardKey, NONCE_BYTES};
use serde::{Deserialize, Serialize};

use super::{blocking, settled_status};
use crate::commands::no_keys;
use crate::exit::Failure;
use crate::shapes::keys::{Keys, SealedCard};
use crate::shapes::{Identity, StatusShape};

/// The engine of a process: nobody's until somebody needs it.
pub(crate) type Slot = Arc<Mutex<Option<Handle>>>;

/// An account whose store this process holds, and its engine.
pub(crate) struct Here {
    pub(crate) account: Account,
    pub(crate) env: Env,
    config: Config,
    key_home: KeyHome,
    engine: Slot,
    /// Those that an engine is started with.
    relays: Mutex<Vec<RelayUrl>>,
    /// No engine is started any more.
    closed: AtomicBool,
}

/// Everything that `status` shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) status: Status,
    pub(crate) refused: Vec<Refusal>,
    /// Of the history key: how many there are, and how many there should be.
    pub(crate) copies: Option<(usize, usize)>,
}

impl Known {
    pub(crate) fn shape(&self) -> StatusShape<'_> {
        StatusShape::new(&self.status, &self.refused)
    }
}

impl Here {
    /// Nothing is started yet; what is started goes into `engine`.
    pub(crate) fn new(account: Account, config: Config, key_home: KeyHome, env: Env, engine: Slot) -> Self {
        Self {
            relays: Mutex::new(config.relays.clone()),
            closed: AtomicBool::new(false),
            account,
            env,
            config,
            key_home,
            engine,
        }
    }

    /// Whether its relays are dialled.
    pub(crate) fn dials(&self) -> bool {
        self.config.online
    }

    /// The engine, started by whoever asks first.
    pub(crate) fn engine(&self) -> Result<Handle, Failure> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = &*engine {
            return Ok(engine.clone());
        }
        if self.closed.load(Ordering::Acquire) {
            return Err(EngineError::Stopped.into());
        }
        let config = Config {
            relays: self.relays.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..self.config.clone()
        };
        let started = Engine::start_with(config, self.env.clone())?;
        *engine = Some(started.clone());
        Ok(started)
    }

    /// Takes the engine away, and has none started any more.
    pub(crate) fn close(&self) -> Option<Handle> {
        let mut engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner);
        self.closed.store(true, Ordering::Release);
        engine.take()
    }

    /// The account as it was opened.
    pub(crate) fn into_account(self) -> Account {
        self.account
    }

    /// The relays in use: they may have changed since the account was opened.
    pub(crate) fn relays(&self) -> Vec<RelayUrl> {
        match self.running() {
            Some(engine) => engine
                .status()
                .relays
                .into_iter()
                .map(|relay| relay.url)
                .collect(),
            None => self.relays.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// Uses these from now on.
    pub(super) async fn use_relays(&self, relays: Vec<RelayUrl>) -> Result<(), Failure> {
        self.relays
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&relays);
        match self.running() {
            Some(engine) => Ok(engine.set_relays(relays).await?),
            None => Ok(()),
        }
    }

    /// The engine, if one was started.
    pub(super) fn running(&self) -> Option<Handle> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The account with the relays that are in use.
    pub(super) fn account_now(&self) -> Account {
        Account {
            relays: self.relays(),
            ..self.account.clone()
        }
    }

    /// The status, once what is on disk was read.
    pub(crate) async fn status(self: &Arc<Self>) -> Result<Known, Failure> {
        let engine = self.engine()?;
        let mut status = settled_status(&engine).await;
        // The count in the status comes a moment later.
        status.conversations = engine.conversation_count().await?;
        let here = Arc::clone(self);
        blocking(move || here.known(status)).await
    }

    /// The status at this moment.
    pub(crate) fn known_now(&self) -> Result<Known, Failure> {
        self.known(self.engine()?.status())
    }

    /// What is known beside this status. Blocks on the disk.
    pub(crate) fn known(&self, status: Status) -> Result<Known, Failure> {
        let (store, relays) = (&self.account.store, self.relays());
        Ok(Known {
            refused: refusals(store, &relays)?,
            copies: keyring_copies(store, &relays)?,
            status,
        })
    }

    pub(crate) async fn identity(&self) -> Result<Identity, Failure> {
        let status = settled_status(&self.engine()?).await;
        let account = &self.account;
        Ok(Identity {
            npub: npub(&account.public_key),
            pubkey: account.public_key.to_hex(),
            method: account.method.word().to_owned(),
            write_key: status.account.write_key.as_ref().map(PublicKey::to_hex),
            profile: account.profile.name().to_owned(),
            relays: self.relays().iter().map(ToString::to_string).collect(),
        })
    }

    /// Whether there is a key that a card can hold. Blocks on the disk.
    pub(crate) fn has_history_key(&self) -> Result<bool, Failure> {
        Ok(!key_card(&self.account)?.keyrings.is_empty())
    }

    /// A card of the history keys, sealed under `key`. Blocks on the disk.
    pub(crate) fn key_card(&self, key: &CardKey, nonce: [u8; NONCE_BYTES]) -> Result<SealedCard, Failure> {
        let card = key_card(&self.account_now())?;
        if card.keyrings.is_empty() {
            return Err(no_keys());
        }
        Ok(SealedCard {
            keyrings: card.keyrings.len(),
            card: card.seal_under(key, nonce)?,
        })
    }

    pub(crate) fn keys(&self) -> Result<Keys, Failure> {
        let place = self.key_home.describe().unwrap_or(KeyPlace::Nowhere);
        Ok(Keys::new(&history_keys(&self.account)?, place.to_string()))
    }
}
