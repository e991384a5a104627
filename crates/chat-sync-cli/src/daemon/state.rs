//! What every request of the daemon is answered from.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chat_sync::{Account, AccountState, DataDir, DataDirError, Env, Extension};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::followed::{Followed, Following, Scope};
use super::hub::{Event, Hub};
use super::kept_switches::KeptSwitches;
use super::login::Pending;
use super::looking::Looking;
use super::pump;
use super::record::Record;
use crate::exit::Failure;
use crate::service::{Comparing, Here, Slot};

/// How long an engine may take to stop. What it has taken is on disk already.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The account, once one is logged in.
pub(super) struct Open {
    here: Arc<Here>,
    /// Carries what the engine says to the hub.
    pumps: Vec<JoinHandle<()>>,
    followed: Arc<Followed>,
    looking: Arc<Looking>,
}

/// Shared by all connections.
pub(super) struct State {
    record: Record,
    pub(super) data_dir: DataDir,
    pub(super) env: Env,
    /// What engines may do.
    pub(super) switches: KeptSwitches,
    pub(super) hub: Arc<Hub>,
    open: Mutex<Option<Open>>,
    /// A login that is under way.
    pub(super) login: Mutex<Pending>,
    stopping: watch::Sender<bool>,
    /// For what takes memory or the disk for itself: one at a time.
    pub(super) alone: Alone,
    /// The account is away for a while.
    resting: AtomicBool,
}

impl Open {
    /// Stops the engine; whether it did in time. Nobody starts another one.
    pub(super) async fn close(&self, patience: Duration) -> bool {
        for pump in &self.pumps {
            pump.abort();
        }
        self.followed.end();
        let Some(engine) = self.here.close() else {
            return true;
        };
        tokio::time::timeout(patience, engine.shutdown()).await.is_ok()
    }

    /// Whether something is still being answered from it.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.here) > 1
    }

    /// What is left when it was closed.
    pub(super) fn into_here(self) -> Arc<Here> {
        self.here
    }
}

/// What is done by one request at a time.
#[derive(Debug, Default)]
pub(super) struct Alone {
    /// An import holds a request in memory that may be as large as a whole export.
    pub(super) import: tokio::sync::Mutex<()>,
    /// Reading everything keeps the disk busy, and makes the file grow while others write.
    pub(super) verify: Arc<tokio::sync::Mutex<()>>,
}

impl State {
    pub(super) fn new(record: Record, data_dir: DataDir, env: Env, switches: KeptSwitches) -> Self {
        #[expect(
            clippy::disallowed_methods,
            reason = "the engine's clock counts whole seconds, and two daemons may start within one"
        )]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2);
        Self {
            record,
            data_dir,
            env,
            switches,
            hub: Arc::new(Hub::new(micros)),
            open: Mutex::new(None),
            login: Mutex::default(),
            stopping: watch::Sender::new(false),
            alone: Alone::default(),
            resting: AtomicBool::new(false),
        }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn port(&self) -> u16 {
        self.record.port
    }

    pub(super) fn token(&self) -> &str {
        self.record.token()
    }

    pub(super) fn key_token(&self) -> &str {
        self.record.key_token()
    }

    /// The account, if one is logged in.
    pub(super) fn account(&self) -> Option<Arc<Here>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| Arc::clone(&open.here))
    }

    /// The account, or that nobody is logged in.
    pub(super) fn here(&self) -> Result<Arc<Here>, Failure> {
        self.account().ok_or_else(|| self.nobody())
    }

    /// Why there is no account.
    fn nobody(&self) -> Failure {
        if self.rests() {
            return Failure::InUse(
                "the daemon is looking after the store; run the command again in a moment".to_owned(),
            );
        }
        Failure::Account(DataDirError::NotLoggedIn)
    }

    /// Takes up the account that the data directory names; `false` when there is none.
    pub(super) fn open_current(&self) -> Result<bool, Failure> {
        if self.account().is_some() {
            return Ok(true);
        }
        if self.rests() {
            return Err(self.nobody());
        }
        match self.data_dir.open(&self.env.runtime.entropy) {
            Ok(account) => self.open(account).map(|()| true),
            Err(DataDirError::NotLoggedIn) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes up this account, and starts its engine.
    pub(super) fn open(&self, mut account: Account) -> Result<(), Failure> {
        account.switch(self.switches.now())?;
        let config = account.config(true);
        let key_home = self.data_dir.key_home(&account.public_key);
        let engine = Slot::default();
        let here = Arc::new(Here::new(account, config, key_home, self.env.clone(), engine));
        let handle = here.engine()?;
        let pumps = pump::start(&handle, here.account.extension.as_ref(), &self.hub);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        *open = Some(Open {
            here,
            pumps,
            followed: Followed::new(handle.clone(), Arc::clone(&self.hub)),
            looking: Looking::new(handle),
        });
        self.hub.push(Event::Reload);
        Ok(())
    }

    /// Stops the engine and lets go of the store.
    pub(super) async fn close(&self) {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).end();
        if let Some(open) = self.take() {
            // One that hangs has its work on disk all the same.
            open.close(STOP_PATIENCE).await;
        }
    }

    /// Takes the account away from everybody who asks from here on.
    pub(super) fn take(&self) -> Option<Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the account is away, and comes back.
    fn rests(&self) -> bool {
        self.resting.load(Ordering::Acquire)
    }

    /// Says so.
    pub(super) fn rest(&self, rests: bool) {
        self.resting.store(rests, Ordering::Release);
    }

    /// Follows messages of the account, if one is logged in.
    pub(super) fn follow(&self, scope: Scope) -> Option<Following> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| open.followed.follow(scope))
    }

    /// What a person looks at.
    pub(super) fn looking(&self) -> Result<Arc<Looking>, Failure> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref()
            .map(|open| Arc::clone(&open.looking))
            .ok_or_else(|| self.nobody())
    }

    /// The extension that signs: the account's, or that of a login that is under way.
    pub(super) fn extension(&self) -> Option<Extension> {
        let pending = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let logging_in = pending.extension.clone();
        logging_in.or_else(|| self.account()?.account.extension.clone())
    }

    /// What waits for the signer is asked for again, now that a page can reach it.
    pub(super) fn signer_is_back(&self) {
        let Some(here) = self.account() else { return };
        tokio::spawn(async move {
            let locked = here
                .known_now()
                .is_ok_and(|known| matches!(known.status.account.state, AccountState::Locked(_)));
            if locked {
                // What comes of it shows in the status.
                let _ = here.sync(Comparing::default()).await;
            }
        });
    }

    /// Asks the daemon to stop.
    pub(super) fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Becomes true when the daemon is to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }
}
