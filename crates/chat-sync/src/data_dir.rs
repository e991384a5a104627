//! The data directory: one folder per account, with its store, its store key and its login.
//!
//! ```text
//! <data dir>/account                      the npub that commands use
//! <data dir>/accounts/<npub>/store.redb   everything of that account, sealed
//! <data dir>/accounts/<npub>/store.key    the key it is sealed under, readable by its owner alone
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_index::{IndexError, KeyFileError, Storage, Store, StoreKey};
use nostr::prelude::{FromBech32, PublicKey, ToBech32};
use pns_keys::{DeviceSecret, LocalSigner, Signer};
use relay_link::RelayUrl;
use serde::{Deserialize, Serialize};
use supervision::Entropy;
use zeroize::Zeroizing;

/// Where an account's messages go when nobody said otherwise: the relays of the Routstr web app.
pub const RELAYS_DEFAULT: [&str; 3] = [
    "wss://relay.routstr.com",
    "wss://nos.lol",
    "wss://relay.primal.net",
];

const LOGIN: &str = "login";

/// A data directory. Holds a path; nothing is read before it is asked for.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
}

/// How the account's key is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// The secret key was typed, pasted or made here.
    RawKey,
}

impl LoginMethod {
    /// The method as one word, as in `whoami --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::RawKey => "raw-key",
        }
    }
}

/// An account that is logged in: its store is open, and nobody else can open it.
pub struct Account {
    /// The account.
    pub public_key: PublicKey,
    /// How its key is reached.
    pub method: LoginMethod,
    /// Holds its key.
    pub signer: Arc<dyn Signer>,
    /// Everything that is kept of it.
    pub store: Arc<Store>,
    /// The relays it is kept level with.
    pub relays: Vec<RelayUrl>,
}

/// Why an account could not be opened, made or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// No account was logged in.
    #[error("nobody is logged in; run `chat-sync login` first")]
    NotLoggedIn,
    /// The directory could not be read or written.
    #[error("{place} could not be read or written ({source}); check the path and its permissions")]
    Io {
        /// Where.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file that names the account is damaged.
    #[error("{0} names no account; run `chat-sync login` again with the same key")]
    BadPointer(PathBuf),
    /// The store key is missing, damaged or readable by others.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// The store could not be opened or written.
    #[error(transparent)]
    Store(#[from] IndexError),
    /// The store holds no login, or one that this program can't read.
    #[error("the account's login is incomplete; run `chat-sync login` again with the same key")]
    BadLogin,
    /// Messages would be lost.
    #[error(
        "{waiting} of the messages here are not proven to be on a relay and could be lost; run `chat-sync sync` first, \
         or give --force to lose them"
    )]
    Undelivered {
        /// How many.
        waiting: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct LoginRecord {
    method: LoginMethod,
    /// The account's secret as nsec. The store seals the record.
    nsec: String,
}

impl Drop for LoginRecord {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.nsec);
    }
}

impl DataDir {
    /// The directory at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The account that commands use, if one is logged in.
    pub fn current(&self) -> Result<Option<PublicKey>, DataDirError> {
        let pointer = self.pointer();
        match fs::read_to_string(&pointer) {
            Ok(text) => match PublicKey::from_bech32(text.trim()) {
                Ok(account) => Ok(Some(account)),
                Err(_) => Err(DataDirError::BadPointer(pointer)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io {
                place: pointer,
                source,
            }),
        }
    }

    /// Logs the account of `secret` in: makes its store, or opens the one it has, and makes it the current one.
    /// `relays` replace those it had; without any it keeps them, and a new account gets [`RELAYS_DEFAULT`].
    pub fn login(
        &self,
        secret: &DeviceSecret,
        relays: &[RelayUrl],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Account, DataDirError> {
        let account = secret.public();
        let folder = self.folder(&account);
        private_folder(&folder)?;
        let (store, key) = (folder.join("store.redb"), folder.join("store.key"));
        let key = StoreKey::for_store(&store, &key, &**entropy)?;
        let store = Store::open(Storage::File(store), &key)?;
        let record = LoginRecord {
            method: LoginMethod::RawKey,
            nsec: secret.to_nsec().to_string(),
        };
        let record = Zeroizing::new(serde_json::to_vec(&record).map_err(|_| DataDirError::BadLogin)?);
        store.put_meta(LOGIN, &record)?;
        if !relays.is_empty() {
            store.set_relays(&relays.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        } else if store.relays()?.is_empty() {
            store.set_relays(&RELAYS_DEFAULT.map(str::to_owned))?;
        }
        // The pointer comes last: an account it names is complete.
        let pointer = self.pointer();
        let name = npub(&account);
        replace(&pointer, name.as_bytes()).map_err(|source| DataDirError::Io {
            place: pointer,
            source,
        })?;
        Self::account(account, store, entropy)
    }

    /// Opens the current account.
    pub fn open(&self, entropy: &Arc<dyn Entropy>) -> Result<Account, DataDirError> {
        let account = self.current()?.ok_or(DataDirError::NotLoggedIn)?;
        let folder = self.folder(&account);
        let (store, key) = (folder.join("store.redb"), folder.join("store.key"));
        if !store.exists() {
            return Err(DataDirError::NotLoggedIn);
        }
        let key = StoreKey::for_store(&store, &key, &**entropy)?;
        Self::account(account, Store::open(Storage::File(store), &key)?, entropy)
    }

    /// Forgets the current account: its store key, its store, its login. Refuses while messages would be lost,
    /// unless `force`.
    pub fn logout(&self, force: bool, entropy: &Arc<dyn Entropy>) -> Result<PublicKey, DataDirError> {
        let account = self.current()?.ok_or(DataDirError::NotLoggedIn)?;
        let folder = self.folder(&account);
        // Opening it also proves that no other program works on it. What can't be opened can still be forgotten.
        match self.open(entropy) {
            Ok(opened) => {
                let relays: Vec<String> = opened.relays.iter().map(ToString::to_string).collect();
                let messages = opened.store.counts()?.messages;
                let waiting = messages.saturating_sub(opened.store.reached(&relays)?);
                if waiting > 0 && !force {
                    return Err(DataDirError::Undelivered { waiting });
                }
            }
            Err(error @ DataDirError::Store(IndexError::InUse { .. })) => return Err(error),
            Err(error) if !force => return Err(error),
            Err(_) => {}
        }
        let pointer = self.pointer();
        let io = |place: &Path| {
            let place = place.to_owned();
            move |source| DataDirError::Io { place, source }
        };
        // The key first: without it nothing that a crash leaves behind can be read.
        let key = folder.join("store.key");
        erase(&key).map_err(io(&key))?;
        fs::remove_dir_all(&folder).map_err(io(&folder))?;
        fs::remove_file(&pointer).map_err(io(&pointer))?;
        Ok(account)
    }

    fn account(
        public_key: PublicKey,
        store: Store,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Account, DataDirError> {
        let record = store
            .meta(LOGIN)?
            .map(Zeroizing::new)
            .ok_or(DataDirError::BadLogin)?;
        let record: LoginRecord = serde_json::from_slice(&record).map_err(|_| DataDirError::BadLogin)?;
        let entropy = Arc::clone(entropy);
        let signer = LocalSigner::parse(&record.nsec, move || entropy.draw_32())
            .map_err(|_| DataDirError::BadLogin)?;
        if signer.public_key() != public_key {
            return Err(DataDirError::BadLogin);
        }
        let saved = store.relays()?;
        // A relay that is no longer used, or was used for one run only, keeps nothing waiting.
        store.keep_relays(&saved)?;
        let relays = saved.iter().filter_map(|url| url.parse().ok()).collect();
        Ok(Account {
            public_key,
            method: record.method,
            signer: Arc::new(signer),
            store: Arc::new(store),
            relays,
        })
    }

    fn pointer(&self) -> PathBuf {
        self.root.join("account")
    }

    fn folder(&self, account: &PublicKey) -> PathBuf {
        self.root.join("accounts").join(npub(account))
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("public_key", &self.public_key.to_hex())
            .field("method", &self.method)
            .field("relays", &self.relays)
            .finish_non_exhaustive()
    }
}

/// The account as npub (NIP-19).
pub fn npub(account: &PublicKey) -> String {
    // Thirty-two bytes always have a bech32 form.
    account.to_bech32().unwrap_or_else(|_| account.to_hex())
}

fn private_folder(folder: &Path) -> Result<(), DataDirError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| DataDirError::Io {
        place: folder.to_owned(),
        source,
    })
}

/// Writes a file that appears whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// Overwrites a file before it is removed; a file that is not there is erased already.
fn erase(path: &Path) -> io::Result<()> {
    match fs::OpenOptions::new().write(true).open(path) {
        Ok(mut file) => {
            let bytes = file.metadata()?.len();
            io::copy(&mut io::Read::take(io::repeat(0), bytes), &mut file)?;
            file.sync_all()?;
            fs::remove_file(path)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
