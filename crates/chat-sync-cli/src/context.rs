//! What every command works with.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chat_sync::AccountState;
use chat_sync::{Account, Config, DataDir, DataDirError, Engine, Env, Handle, OsVault, RelayUrl, Status};
use futures_util::StreamExt;
use supervision::{Clock, Entropy};

use crate::cli::Global;
use crate::exit::Failure;
use crate::output::Output;

/// How long an engine may take to stop. What it has taken is on disk already.
const STOP_PATIENCE: Duration = Duration::from_secs(5);
/// How long reading a few keys from a local disk may take.
const KEYS_PATIENCE: Duration = Duration::from_secs(5);

/// The data directory, the output, and the engine once one runs.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) data_dir: DataDir,
    /// The relays of this run, when they were given.
    pub(crate) relays: Vec<RelayUrl>,
    env: Env,
    engine: Mutex<Option<Handle>>,
}

impl Context {
    pub(crate) fn new(global: &Global) -> Result<Self, Failure> {
        let root = global.data_dir.clone().or_else(default_data_dir);
        let root =
            root.ok_or_else(|| Failure::Usage("there is no home directory; give --data-dir".to_owned()))?;
        let mut data_dir = DataDir::new(root).with_vault(Arc::new(OsVault::new()));
        if let Some(account) = &global.account {
            data_dir = data_dir.choosing(account)?;
        }
        Ok(Self {
            output: Output::new(global.json, global.quiet),
            data_dir,
            relays: global.relays.clone(),
            env: Env::production(),
            engine: Mutex::new(None),
        })
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.env.runtime.clock
    }

    pub(crate) fn entropy(&self) -> &Arc<dyn Entropy> {
        &self.env.runtime.entropy
    }

    /// Opens the current account, with the relays of this run.
    pub(crate) fn account(&self) -> Result<Account, DataDirError> {
        let mut account = self.data_dir.open(self.entropy())?;
        if !self.relays.is_empty() {
            account.relays.clone_from(&self.relays);
            // These and no others were asked for.
            account.follows_list = false;
        }
        Ok(account)
    }

    /// Starts the one engine of this run.
    pub(crate) fn engine(&self, account: &Account, online: bool) -> Result<Handle, Failure> {
        self.engine_with(account.config(online))
    }

    /// The same, made as `config` says.
    pub(crate) fn engine_with(&self, config: Config) -> Result<Handle, Failure> {
        let handle = Engine::start_with(config, self.env.clone())?;
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle.clone());
        Ok(handle)
    }

    /// Stops the engine, if one runs.
    pub(crate) async fn close(&self) {
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(engine) = engine {
            // One that hangs has its work on disk all the same.
            let _ = tokio::time::timeout(STOP_PATIENCE, engine.shutdown()).await;
        }
    }
}

/// The status once the keys on disk have been read.
pub(crate) async fn settled_status(handle: &Handle) -> Status {
    let wait = async {
        let mut statuses = std::pin::pin!(handle.watch_status());
        while let Some(status) = statuses.next().await {
            if status.account.state != AccountState::Loading {
                return status;
            }
        }
        handle.status()
    };
    tokio::time::timeout(KEYS_PATIENCE, wait)
        .await
        .unwrap_or_else(|_| handle.status())
}

/// `$XDG_DATA_HOME/chat-sync`, or `~/.local/share/chat-sync` (XDG Base Directory Specification: a path that is not
/// absolute is ignored).
fn default_data_dir() -> Option<PathBuf> {
    let given = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let data = given.or_else(|| std::env::home_dir().map(|home| home.join(".local/share")))?;
    Some(data.join("chat-sync"))
}
