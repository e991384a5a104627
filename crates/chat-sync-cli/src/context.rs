//! What every command works with.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use chat_sync::{
    Account, Config, DataDir, DataDirError, Engine, Env, Handle, OsVault, RelayUrl, history_keys,
};
use event_index::IndexError;
use supervision::{Clock, Entropy, SystemClock};

use crate::cli::{self, Cli, Command, Global};
use crate::daemon::Lock;
use crate::exit::Failure;
use crate::output::{LogFiles, Output};
use crate::service::{Daemon, Here, Service, Slot};
use crate::settings::{self, Settings, SettingsError};

/// How long an engine may take to stop. What it has taken is on disk already.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// The data directory, the output, and the engine once one runs.
pub(crate) struct Context {
    pub(crate) output: Output,
    pub(crate) data_dir: DataDir,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    /// The relays of this run, when they were given.
    pub(crate) relays: Vec<RelayUrl>,
    /// What is configured.
    pub(crate) settings: Settings,
    env: Env,
    engine: Slot,
}

impl Context {
    pub(crate) fn new(global: &Global, settings: Settings) -> Result<Self, Failure> {
        let root = global.data_dir.clone().or_else(default_data_dir);
        let root =
            root.ok_or_else(|| Failure::Usage("there is no home directory; give --data-dir".to_owned()))?;
        let mut data_dir = DataDir::new(root)
            .with_vault(Arc::new(OsVault::new()))
            .switching(settings.switches);
        if let Some(account) = &global.account {
            data_dir = data_dir.choosing(account)?;
        }
        Ok(Self {
            output: Output::new(global.json, global.quiet),
            data_dir,
            verbose: global.verbose,
            relays: global.relays.clone(),
            settings,
            env: Env::production(),
            engine: Slot::default(),
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

    /// Opens the current account, with the relays and the switches of this run.
    pub(crate) fn account(&self) -> Result<Account, Failure> {
        let mut account = self.own_account()?;
        if !self.relays.is_empty() {
            // A key that one of the saved ones holds is not to be made a second time.
            account.asked_for_keys = std::mem::replace(&mut account.relays, self.relays.clone());
            // These and no others were asked for.
            account.follows_list = false;
        }
        Ok(account)
    }

    /// Opens the current account with its own relays, and the switches of this run.
    pub(crate) fn own_account(&self) -> Result<Account, Failure> {
        self.data_dir
            .open(self.entropy())
            .map_err(|error| self.explained(error))
    }

    /// What an error of the data directory is to a person: who holds the store, and how it is let go of.
    pub(crate) fn explained(&self, error: DataDirError) -> Failure {
        let DataDirError::Store(IndexError::InUse { .. }) = &error else {
            return error.into();
        };
        Failure::InUse(if Lock::is_held(self.data_dir.root()) {
            "the daemon holds the store, and this needs it for itself; run `chat-sync daemon stop`, then this again"
                .to_owned()
        } else {
            format!("{error}; with a daemon (`chat-sync daemon start`) commands run side by side")
        })
    }

    /// Who answers: the daemon that holds the account, else an engine of this process, which dials relays if `online`.
    pub(crate) async fn service(&self, online: bool) -> Result<Service, Failure> {
        if let Some(daemon) = self.daemon().await? {
            return Ok(Service::Daemon(daemon));
        }
        Ok(Service::Here(Arc::new(self.here(self.account()?, online))))
    }

    /// The same, to send something. The approval of a signer takes a person longer than a command; `sync` waits for it.
    pub(crate) async fn service_to_send(&self) -> Result<Service, Failure> {
        if let Some(daemon) = self.daemon().await? {
            return Ok(Service::Daemon(daemon));
        }
        let account = self.account()?;
        let asks = account.remote.is_some() && history_keys(&account)?.iter().all(|key| key.public.is_none());
        Ok(Service::Here(Arc::new(self.here(account, !asks))))
    }

    /// The same, where `--relay` means some of the account's relays and not others instead of them.
    pub(crate) async fn service_of_all_relays(&self) -> Result<Service, Failure> {
        if let Some(daemon) = self.any_daemon().await? {
            return Ok(Service::Daemon(daemon));
        }
        Ok(Service::Here(Arc::new(self.here(self.own_account()?, false))))
    }

    /// The daemon that holds the account, if one does. It keeps its relays, whatever one command would like.
    pub(crate) async fn daemon(&self) -> Result<Option<Daemon>, Failure> {
        let daemon = self.any_daemon().await?;
        if daemon.is_some() && !self.relays.is_empty() {
            return Err(Failure::InUse(
                "the daemon holds the store and uses the account's own relays; leave --relay out, or run `chat-sync daemon \
                 stop` first"
                    .to_owned(),
            ));
        }
        Ok(daemon)
    }

    async fn any_daemon(&self) -> Result<Option<Daemon>, Failure> {
        let Some(daemon) = Daemon::find(self.data_dir.root()).await? else {
            return Ok(None);
        };
        let Some(account) = self.data_dir.current()? else {
            return Ok(None);
        };
        Ok(daemon.holds(&account).await?.then_some(daemon))
    }

    /// Answers from this process; its engine starts when it is needed.
    pub(crate) fn here(&self, account: Account, online: bool) -> Here {
        let config = account.config(online);
        self.here_with(account, config)
    }

    /// The same, with an engine made as `config` says.
    pub(crate) fn here_with(&self, account: Account, config: Config) -> Here {
        let key_home = self.data_dir.key_home(&account.public_key);
        Here::new(
            account,
            config,
            key_home,
            self.env.clone(),
            Slot::clone(&self.engine),
        )
    }

    /// Starts the one engine of this run, made as `config` says.
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

/// Where log files are, in a data directory.
pub(crate) const LOGS: &str = "logs";

/// The log files that this run writes: the daemon's, unless they are to be kept for no day.
pub(crate) fn log_files(cli: &Cli, settings: &Settings) -> Result<Option<LogFiles>, Failure> {
    let daemon = matches!(cli.command, Command::Daemon(cli::Daemon::Run(_)));
    let root = cli.global.data_dir.clone().or_else(default_data_dir);
    let Some(root) = root.filter(|_| daemon && settings.log_days > 0) else {
        return Ok(None);
    };
    let directory = root.join(LOGS);
    let opened = LogFiles::open(directory.clone(), settings.log_days, Arc::new(SystemClock));
    opened.map(Some).map_err(|error| {
        Failure::Failed(format!(
            "{} could not be written: {error}; check the path and its permissions, or set log_days to 0",
            directory.display()
        ))
    })
}

/// What is configured for a run with these flags.
pub(crate) fn settings(global: &Global) -> Result<Settings, SettingsError> {
    let variables = |name: &str| std::env::var_os(name);
    // The usual one is not another one because it is named: the daemon's command line names it.
    let usual = default_data_dir();
    let named = global
        .data_dir
        .as_deref()
        .filter(|named| Some(*named) != usual.as_deref());
    let file = settings::file(named, &variables);
    Settings::read(file, &variables, &global.flags())
}

/// The configuration file of a daemon that a service manager starts with this data directory: it has no variables.
pub(crate) fn configuration_of(root: &Path) -> Option<PathBuf> {
    let named = (Some(root) != default_data_dir().as_deref()).then_some(root);
    let variables = |name: &str| {
        (name != "CHAT_SYNC_CONFIG")
            .then(|| std::env::var_os(name))
            .flatten()
    };
    settings::file(named, &variables)
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
