//! The data directory: one folder per account, with its store, its store key and its login. No key of one account is
//! ever tried on the data of another.
//!
//! ```text
//! <data dir>/account                      the npub that commands use when none is named
//! <data dir>/accounts/<npub>/store.redb   everything of that account, sealed
//! <data dir>/accounts/<npub>/store.key    the key it is sealed under, readable by its owner alone
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_index::{IndexError, Storage, Store};
use nostr::prelude::{EventId, FromBech32, PublicKey, ToBech32};
use pns_keys::{KeyCard, Profile, Signer, keeper};
use relay_link::RelayUrl;
use supervision::{Entropy, Side, Switches, crash_point};
use zeroize::Zeroizing;

use crate::config::{Config, RemoteLogin};
use crate::extension::Extension;
use crate::key_home::{KeyHome, KeyHomeError, NoVault, Vault};
use crate::login::{Login, LoginMethod, Reached};
use crate::relay_list::RelayList;
use crate::relays;

/// Where an account's messages go when nobody said otherwise: the relays of the Routstr web app.
pub const RELAYS_DEFAULT: [&str; 3] = [
    "wss://relay.routstr.com",
    "wss://nos.lol",
    "wss://relay.primal.net",
];

const LOGIN: &str = "login";
const STORE: &str = "store.redb";

/// Accounts in one directory, beyond which a listing stops: a person has a handful.
const ACCOUNTS_MAX: usize = 1_000;

/// A data directory. Holds a path; nothing is read before it is asked for.
#[derive(Debug, Clone)]
pub struct DataDir {
    root: PathBuf,
    chosen: Option<PublicKey>,
    vault: Arc<dyn Vault>,
    switches: Switches,
}

/// An account that is logged in: its store is open, and nobody else can open it. Clones share the store.
#[derive(Clone)]
pub struct Account {
    /// The account.
    pub public_key: PublicKey,
    /// How its key is reached.
    pub method: LoginMethod,
    /// What new envelopes are sealed under.
    pub profile: Profile,
    /// Holds its key.
    pub signer: Arc<dyn Signer>,
    /// Where `signer` is, when it is not here.
    pub remote: Option<RemoteLogin>,
    /// Where `signer` is, when it is in a browser.
    pub extension: Option<Extension>,
    /// Everything that is kept of it.
    pub store: Arc<Store>,
    /// The relays it is kept level with: the saved ones, then those that its relay list (NIP-65) adds.
    pub relays: Vec<RelayUrl>,
    /// Relays that are not used in this run, and are asked all the same whether the account has a history key before a
    /// first one is made.
    pub asked_for_keys: Vec<RelayUrl>,
    /// Whether that list is read and followed. Not in a run whose relays were given for that run only.
    pub follows_list: bool,
    /// What its engines may do when they start. See [`Account::switch`].
    pub switches: Switches,
}

/// Why an account could not be opened, made or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// No account was logged in.
    #[error("nobody is logged in; run `chat-sync login` first")]
    NotLoggedIn,
    /// Several accounts are here and none of them is the one to use.
    #[error("several accounts are here ({}); name one with --account", .0.join(", "))]
    WhichAccount(Vec<String>),
    /// No account, or more than one, is meant.
    #[error("`{given}` names {} account here; `chat-sync whoami` lists them", if *several { "more than one" } else { "no" })]
    NoSuchAccount {
        /// What was typed.
        given: String,
        /// Whether more than one begins like that.
        several: bool,
    },
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
    Key(#[from] KeyHomeError),
    /// The store could not be opened or written.
    #[error(transparent)]
    Store(#[from] IndexError),
    /// The store holds no login, or one that this program can't read.
    #[error("the account's login is incomplete; run `chat-sync login` again with the same key")]
    BadLogin,
    /// Messages would be lost.
    #[error(
        "{waiting} of the messages here cannot be proven to be on a relay and could be lost; run `chat-sync sync` first, \
         or give --force to lose them"
    )]
    Undelivered {
        /// How many.
        waiting: u64,
    },
}

impl DataDir {
    /// The directory at `root`, which need not exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            chosen: None,
            vault: Arc::new(NoVault),
            switches: Switches::ON,
        }
    }

    /// Keeps the keys of new stores in `vault` instead of in files; a store that has a key keeps it where it is.
    #[must_use]
    pub fn with_vault(self, vault: Arc<dyn Vault>) -> Self {
        Self { vault, ..self }
    }

    /// Has every account that is opened from it start its engines with these. See [`Account::switch`].
    #[must_use]
    pub fn switching(self, switches: Switches) -> Self {
        Self { switches, ..self }
    }

    /// Its path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Makes it, for its owner alone, where it does not exist.
    pub fn create(&self) -> Result<(), DataDirError> {
        private_folder(&self.root)
    }

    /// The same directory, used for the account that `given` names: an npub, the beginning of one that is here, or a
    /// public key in hex.
    pub fn choosing(&self, given: &str) -> Result<Self, DataDirError> {
        let given = given.trim();
        let named = PublicKey::from_bech32(given).or_else(|_| PublicKey::from_hex(given));
        let chosen = if let Ok(account) = named {
            account
        } else {
            let mut found = self.accounts()?;
            found.retain(|account| !given.is_empty() && npub(account).starts_with(given));
            let [account] = found[..] else {
                return Err(DataDirError::NoSuchAccount {
                    given: without_secret(given),
                    several: !found.is_empty(),
                });
            };
            account
        };
        Ok(Self {
            root: self.root.clone(),
            chosen: Some(chosen),
            vault: Arc::clone(&self.vault),
            switches: self.switches,
        })
    }

    /// The account that was named with [`DataDir::choosing`].
    pub fn chosen(&self) -> Option<PublicKey> {
        self.chosen
    }

    /// Every account that is logged in here, in the order of their npubs.
    pub fn accounts(&self) -> Result<Vec<PublicKey>, DataDirError> {
        let place = self.root.join("accounts");
        let io = |source| DataDirError::Io {
            place: place.clone(),
            source,
        };
        let entries = match fs::read_dir(&place) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut names = Vec::new();
        for entry in entries.take(ACCOUNTS_MAX) {
            let entry = entry.map_err(io)?;
            if entry.path().join(STORE).exists() {
                names.extend(entry.file_name().into_string());
            }
        }
        names.sort();
        Ok(names
            .iter()
            .filter_map(|name| PublicKey::from_bech32(name).ok())
            .collect())
    }

    /// The account that commands use: the one that was chosen, else the one logged in last.
    pub fn current(&self) -> Result<Option<PublicKey>, DataDirError> {
        if self.chosen.is_some() {
            return Ok(self.chosen);
        }
        let pointer = self.pointer();
        match fs::read_to_string(&pointer) {
            Ok(text) => match PublicKey::from_bech32(text.trim()) {
                Ok(account) => Ok(Some(account)),
                Err(_) => Err(DataDirError::BadPointer(pointer)),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.only_account(),
            Err(source) => Err(DataDirError::Io {
                place: pointer,
                source,
            }),
        }
    }

    /// After a logout no account is the current one; one that is alone needs no naming.
    fn only_account(&self) -> Result<Option<PublicKey>, DataDirError> {
        match self.accounts()?[..] {
            [] => Ok(None),
            [account] => Ok(Some(account)),
            ref several => Err(DataDirError::WhichAccount(several.iter().map(npub).collect())),
        }
    }

    /// Logs an account in: makes its store, or opens the one it has, and makes it the current one.
    /// `relays` replace those it had; without any it keeps them, and a new account gets [`RELAYS_DEFAULT`].
    pub fn login(
        &self,
        login: &Login,
        relays: &[RelayUrl],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Account, DataDirError> {
        let account = login.account();
        let folder = self.folder(&account);
        private_folder(&folder)?;
        let store = folder.join(STORE);
        let key = self.key_home(&account).open_or_create(&store, &**entropy)?;
        let store = Store::open(Storage::File(store), &key)?;
        let before = store.meta(LOGIN)?.map(Zeroizing::new);
        let before = before.and_then(|record| Login::from_record(account, &record));
        let profile = login.profile.or(before.and_then(|before| before.profile));
        store.put_meta(LOGIN, &login.to_record(profile))?;
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
        self.switched(Self::account(account, store, entropy)?)
    }

    /// Takes in the history keys of a card: into the account's store when it is logged in here, else into a new one
    /// without a login, which becomes the current account. `relays` as in [`DataDir::login`]; without any, a new account
    /// gets those on the card.
    pub fn restore(
        &self,
        card: &KeyCard,
        relays: &[RelayUrl],
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Account, DataDirError> {
        let here = Self {
            chosen: Some(card.account),
            ..self.clone()
        };
        let account = match here.open(entropy) {
            Err(DataDirError::NotLoggedIn) => {
                let on_card: Vec<RelayUrl> = card.relays.iter().filter_map(|url| url.parse().ok()).collect();
                let relays = if relays.is_empty() { &on_card } else { relays };
                self.login(&Login::without_key(card.account), relays, entropy)?
            }
            opened => opened?,
        };
        let here = account.store.keyrings()?;
        let open = |id: &EventId| here.iter().any(|row| row.id == *id && row.secret.is_some());
        for keyring in card.keyrings.iter().filter(|keyring| !open(&keyring.event.id)) {
            let mut row = keeper::row_of(keyring);
            if account.signer.own_secret().is_some() {
                // What a card says is inside is its word alone; the account's key opens the event itself.
                row.secret = None;
            }
            account.store.put_keyring(row)?;
        }
        Ok(account)
    }

    /// Opens the current account.
    pub fn open(&self, entropy: &Arc<dyn Entropy>) -> Result<Account, DataDirError> {
        let account = self.current()?.ok_or(DataDirError::NotLoggedIn)?;
        let folder = self.folder(&account);
        let store = folder.join(STORE);
        if !store.exists() {
            return Err(DataDirError::NotLoggedIn);
        }
        let key = self.key_home(&account).open_or_create(&store, &**entropy)?;
        self.switched(Self::account(
            account,
            Store::open(Storage::File(store), &key)?,
            entropy,
        )?)
    }

    fn switched(&self, mut account: Account) -> Result<Account, DataDirError> {
        account.switch(self.switches)?;
        Ok(account)
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
        let io = |place: &Path| {
            let place = place.to_owned();
            move |source| DataDirError::Io { place, source }
        };
        // The key first: without it nothing that a crash leaves behind can be read.
        let home = self.key_home(&account);
        match home.erase() {
            // Whoever insists goes on without the keyring; the entry that stays opens nothing any more.
            Err(KeyHomeError::NotErased { .. }) if force => home.erase_file()?,
            erased => erased?,
        }
        let pointer = self.pointer();
        if self.is_pointed_at(&account) {
            fs::remove_file(&pointer).map_err(io(&pointer))?;
        }
        match fs::remove_dir_all(&folder) {
            // Cut off after this step, and repeated.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            removed => removed.map_err(io(&folder))?,
        }
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
        let login = Login::from_record(public_key, &record).ok_or(DataDirError::BadLogin)?;
        let Reached {
            signer,
            remote,
            extension,
        } = login.signer(entropy);
        let relays = relays::in_use(&store)?;
        let texts: Vec<String> = relays.iter().map(ToString::to_string).collect();
        // A relay that is no longer used, or was used for one run only, keeps nothing waiting.
        store.keep_relays(&texts)?;
        let follows_list = !RelayList::load(&store)?.ignored;
        Ok(Account {
            public_key,
            method: login.method(),
            profile: login.profile.unwrap_or(Profile::Routstr),
            signer,
            remote,
            extension,
            store: Arc::new(store),
            relays,
            asked_for_keys: Vec::new(),
            follows_list,
            switches: Switches::ON,
        })
    }

    /// Whether the pointer names this account. One that names nobody is of no use to anybody.
    fn is_pointed_at(&self, account: &PublicKey) -> bool {
        fs::read_to_string(self.pointer()).is_ok_and(|text| match PublicKey::from_bech32(text.trim()) {
            Ok(named) => named == *account,
            Err(_) => true,
        })
    }

    /// Where the key of an account's store lives.
    pub fn key_home(&self, account: &PublicKey) -> KeyHome {
        KeyHome::new(&self.folder(account), Arc::clone(&self.vault))
    }

    /// The file of an account's store.
    pub fn store_file(&self, account: &PublicKey) -> PathBuf {
        self.folder(account).join(STORE)
    }

    fn pointer(&self) -> PathBuf {
        self.root.join("account")
    }

    fn folder(&self, account: &PublicKey) -> PathBuf {
        self.root.join("accounts").join(npub(account))
    }
}

impl Account {
    /// Takes back what comparisons with its relays have shown, so that the next ones prove all of it again. To be called
    /// before an engine starts.
    pub fn forget_comparisons(&self) -> Result<(), DataDirError> {
        let relays: Vec<String> = self.relays.iter().map(ToString::to_string).collect();
        Ok(reconciler::forget(&self.store, &relays)?)
    }

    /// Has its engines start with these switches. With [`Switches::nip65_relays`] off, the relays that its relay list adds
    /// are left out.
    pub fn switch(&mut self, switches: Switches) -> Result<(), DataDirError> {
        self.switches = switches;
        // Relays that were given for one run are wanted whoever names them.
        if !switches.nip65_relays && self.follows_list {
            let added = RelayList::load(&self.store)?.added(&relays::saved(&self.store)?);
            self.relays.retain(|url| !added.contains(url));
        }
        Ok(())
    }

    /// What an engine for this account is made of; `online` when it is to dial its relays.
    pub fn config(&self, online: bool) -> Config {
        Config {
            signer: Arc::clone(&self.signer),
            remote: self.remote.clone(),
            profile: self.profile,
            store: Arc::clone(&self.store),
            relays: self.relays.clone(),
            asked_for_keys: self.asked_for_keys.clone(),
            switches: self.switches,
            // Where a person emptied the list of relays, nobody is to be asked.
            reads_relay_list: self.follows_list && !self.relays.is_empty(),
            online,
        }
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

/// What was typed for an account, unless it is a secret key by mistake.
fn without_secret(given: &str) -> String {
    if given.to_ascii_lowercase().contains("nsec1") {
        "…".to_owned()
    } else {
        given.chars().take(80).collect()
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
    let step = || format!("file:{}", path.file_name().unwrap_or_default().display());
    crash_point(Side::Before, step);
    fs::rename(&unfinished, path)?;
    crash_point(Side::After, step);
    Ok(())
}
