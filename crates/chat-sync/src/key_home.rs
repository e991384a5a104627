//! Where the key of a store lives: in the OS keyring, or in a file that only its owner can read.
//!
//! What a reader can rely on:
//! - The choice is made once, at first login, and recorded beside the store. A keyring that is absent or fails then
//!   means a file.
//! - No key is ever made for an existing store. A record that names the OS keyring while that cannot be reached is
//!   [`KeyHomeError::Locked`], which passes; it is never a reason for another key.
//! - A key that was handed out is kept: it was read back from the OS keyring, or its file is on disk. Stopping at any
//!   point in between leaves a first login that can be repeated, and no entry that nothing names. (A keyring that takes
//!   a key after it was given up has one; nothing was sealed with it.)
//! - Erasing takes the entry before the file that names it, so a cut-off erasing can be repeated.
//!
//! Not here: whether to use an OS keyring at all; the caller hands in a [`Vault`], and [`NoVault`] for none.
//! Spec: DESIGN 4.

mod os_vault;
mod record;
#[cfg(test)]
mod tests;
mod vault;

use std::fmt;
use std::fs::{self, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use event_index::{KeyFileError, StoreKey};
use supervision::Entropy;

pub use os_vault::OsVault;
pub use record::EntryName;
pub use vault::{NoVault, Vault, VaultError};

use record::Record;

/// The file that holds a key, or names the entry that does.
const FILE: &str = "store.key";
/// Held while a key is made, so that two first logins do not make two.
const LOCK: &str = "store.key.lock";

/// Finds, makes and erases the key of the store in one folder. Nothing is read before it is asked for.
#[derive(Debug, Clone)]
pub struct KeyHome {
    folder: PathBuf,
    vault: Arc<dyn Vault>,
}

/// Where a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyPlace {
    /// Nowhere: no key was made yet.
    Nowhere,
    /// In this file.
    File(PathBuf),
    /// In the OS keyring, under this name.
    OsKeyring(EntryName),
}

/// Why there is no key, or why it is still there.
#[derive(Debug, thiserror::Error)]
pub enum KeyHomeError {
    /// The key is in the OS keyring, and that cannot be reached. Passes by itself or when a person unlocks it.
    #[error(
        "the key of this account's store is in the OS keyring, which cannot be used: {source}; unlock the keyring, or \
         run this where you are logged in to the desktop, then try again"
    )]
    Locked {
        /// The entry that holds it.
        entry: EntryName,
        /// What the keyring said.
        source: VaultError,
    },
    /// The OS keyring answers, and holds no such entry. A new key could not open the store, so none is made.
    #[error(
        "the store {store} exists, and the OS keyring holds no entry {entry} of chat-sync with its key; unlock or \
         restore the keyring that has it, or begin anew with `chat-sync logout --force`"
    )]
    EntryGone {
        /// The store.
        store: PathBuf,
        /// The entry that should hold its key.
        entry: EntryName,
    },
    /// The entry holds something else.
    #[error(
        "the entry {entry} of chat-sync in the OS keyring is not a store key, which has 64 hexadecimal digits; put the \
         right one back, or begin anew with `chat-sync logout --force`"
    )]
    NotAKey {
        /// The entry.
        entry: EntryName,
    },
    /// The file names the OS keyring and no entry of it.
    #[error(
        "{0} names the OS keyring but no entry in it; put the right file back, or begin anew with `chat-sync logout \
         --force`"
    )]
    BadRecord(PathBuf),
    /// Another program makes a key for the same store.
    #[error("another program is logging in to this account; wait until it is done, then try again")]
    InUse,
    /// The key file is missing, damaged or readable by others.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The OS keyring still holds the key. Nothing else was erased.
    #[error(
        "the store key could not be erased from the OS keyring, which cannot be used: {source}; unlock the keyring and \
         try again, or delete its entry {entry} of chat-sync by hand"
    )]
    NotErased {
        /// The entry.
        entry: EntryName,
        /// What the keyring said.
        source: VaultError,
    },
    /// The disk failed.
    #[error("{place} could not be read or written ({source}); check space and permissions")]
    Io {
        /// Where.
        place: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl KeyHome {
    /// The home of the key of the store in `folder`, which must exist once a key is made. `vault` is the OS keyring to
    /// use; [`NoVault`] for none.
    pub fn new(folder: &Path, vault: Arc<dyn Vault>) -> Self {
        Self {
            folder: folder.to_owned(),
            vault,
        }
    }

    /// The key of `store`: the recorded one, or a new one when there is neither a record nor a store.
    ///
    /// Blocks, for a minute at most for each question to the keyring, while a person is asked to unlock it.
    pub fn open_or_create(&self, store: &Path, entropy: &dyn Entropy) -> Result<StoreKey, KeyHomeError> {
        if let Some(key) = self.existing(store)? {
            return Ok(key);
        }
        let _making = self.lock()?;
        // Somebody may have made it meanwhile.
        match self.existing(store)? {
            Some(key) => Ok(key),
            None => self.make(entropy),
        }
    }

    /// Erases the key: its entry in the OS keyring, then the file. What is not there is erased already.
    ///
    /// While the keyring refuses, nothing is erased and [`KeyHomeError::NotErased`] says what is left. Who has to go on
    /// without it calls [`KeyHome::erase_file`].
    pub fn erase(&self) -> Result<(), KeyHomeError> {
        if let Some(entry) = self.record()?.entry() {
            self.vault
                .erase(entry.as_str())
                .map_err(|source| KeyHomeError::NotErased {
                    entry: entry.clone(),
                    source,
                })?;
        }
        self.erase_file()
    }

    /// Overwrites and removes the file alone. An entry in the OS keyring stays there, and nothing names it any more.
    pub fn erase_file(&self) -> Result<(), KeyHomeError> {
        record::erase(&self.file()).map_err(|source| self.io(FILE, source))
    }

    /// Where the key is, as recorded; the keyring is not asked.
    pub fn describe(&self) -> Result<KeyPlace, KeyHomeError> {
        match self.record()? {
            Record::Absent | Record::Unfinished(_) => Ok(KeyPlace::Nowhere),
            Record::KeyFile => Ok(KeyPlace::File(self.file())),
            Record::InKeyring(entry) => Ok(KeyPlace::OsKeyring(entry)),
            Record::Damaged => Err(KeyHomeError::BadRecord(self.file())),
        }
    }

    /// The recorded key; `None` when nothing was ever sealed with one, so that it is safe to make one.
    fn existing(&self, store: &Path) -> Result<Option<StoreKey>, KeyHomeError> {
        let sealed = store.try_exists().map_err(|source| KeyHomeError::Io {
            place: store.to_owned(),
            source,
        })?;
        let entry = match self.record()? {
            Record::KeyFile => return Ok(Some(StoreKey::read_file(&self.file())?)),
            Record::Damaged => return Err(KeyHomeError::BadRecord(self.file())),
            Record::Absent if sealed => {
                return Err(KeyHomeError::File(KeyFileError::Gone {
                    store: store.to_owned(),
                    key: self.file(),
                }));
            }
            Record::Absent => return Ok(None),
            Record::Unfinished(_) if !sealed => return Ok(None),
            // A store is made after its key is recorded. If one is there all the same, it counts more than the record.
            Record::Unfinished(entry) | Record::InKeyring(entry) => entry,
        };
        match self.vault.get(entry.as_str()) {
            Ok(Some(text)) => match StoreKey::from_hex(&text) {
                Some(key) => Ok(Some(key)),
                None => Err(KeyHomeError::NotAKey { entry }),
            },
            Ok(None) if sealed => Err(KeyHomeError::EntryGone {
                store: store.to_owned(),
                entry,
            }),
            Ok(None) => Ok(None),
            Err(source) => Err(KeyHomeError::Locked { entry, source }),
        }
    }

    fn make(&self, entropy: &dyn Entropy) -> Result<StoreKey, KeyHomeError> {
        if let Some(entry) = self.record()?.entry() {
            // Tidiness alone: what may be in it has sealed nothing.
            let _ = self.vault.erase(entry.as_str());
        }
        let key = StoreKey::draw(entropy);
        let entry = EntryName::draw(entropy);
        // Named before it is there: a crash leaves no entry behind that nobody knows.
        self.write(&entry, false)?;
        match self.keep(&entry, &key) {
            Ok(()) => self.write(&entry, true)?,
            Err(reason) => {
                tracing::info!(%reason, "the store key goes into a file, not into the OS keyring");
                self.erase_file()?;
                // A key of its own: the other one may still land in the keyring, where no logout would find it.
                let key = StoreKey::draw(entropy);
                key.create_file(&self.file())?;
                return Ok(key);
            }
        }
        Ok(key)
    }

    /// Puts `key` into the OS keyring and reads it back: some accept what they forget.
    fn keep(&self, entry: &EntryName, key: &StoreKey) -> Result<(), VaultError> {
        let text = key.to_hex();
        self.vault.put(entry.as_str(), &text)?;
        let failed = match self.vault.get(entry.as_str()) {
            Ok(Some(kept)) if *kept == *text => return Ok(()),
            Ok(_) => VaultError::Failed {
                reason: "it did not give back what was put into it".to_owned(),
            },
            Err(error) => error,
        };
        // Best effort, for a keyring that does not do what it says.
        let _ = self.vault.erase(entry.as_str());
        Err(failed)
    }

    fn lock(&self) -> Result<fs::File, KeyHomeError> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options
            .open(self.folder.join(LOCK))
            .map_err(|source| self.io(LOCK, source))?;
        // The system lets go of it when this program ends, however it ends.
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(KeyHomeError::InUse),
            Err(TryLockError::Error(source)) => Err(self.io(LOCK, source)),
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    fn record(&self) -> Result<Record, KeyHomeError> {
        Record::read(&self.file()).map_err(|source| self.io(FILE, source))
    }

    fn write(&self, entry: &EntryName, finished: bool) -> Result<(), KeyHomeError> {
        record::write(&self.file(), entry, finished).map_err(|source| self.io(FILE, source))
    }

    fn io(&self, name: &str, source: io::Error) -> KeyHomeError {
        KeyHomeError::Io {
            place: self.folder.join(name),
            source,
        }
    }
}

impl KeyHomeError {
    /// Whether the key is there and cannot be had now: the account is *locked*, and trying again later helps.
    pub fn is_locked(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }
}

impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => f.write_str("nowhere yet"),
            Self::File(path) => write!(f, "in the file {}", path.display()),
            Self::OsKeyring(entry) => write!(f, "in the OS keyring (chat-sync, {entry})"),
        }
    }
}
