//! The store: one redb file, opened by one program at a time.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::backends::FileBackend;
use redb::{Durability, ReadTransaction, StorageBackend};
use supervision::{Entropy, Side, SystemEntropy, crash_point};

use crate::database::OpenFile;
use crate::header;
use crate::new_file;
use crate::proofs::Proofs;
use crate::retired::Retired;
use crate::sealing::Keys;
use crate::writer::Writer;
use crate::{IndexError, SourceId, StoreKey};

/// Where the bytes of a store live.
#[derive(Debug)]
pub enum Storage {
    /// A file, made (readable by its owner alone) when it is not there. Its directory must exist.
    File(PathBuf),
    /// Anything else that redb can write to: memory in tests, a disk that fails on purpose. Unlike a file, one whose
    /// first opening was cut off is no store and has to be emptied.
    Backend(Box<dyn StorageBackend>),
}

/// The events this device holds and everything it must not forget about them. `Send + Sync`; every call blocks on
/// the disk, so actors make it on their workers. Writes are transactions that are on disk when the call returns;
/// reads copy out of one short read transaction.
pub struct Store {
    pub(crate) keys: Keys,
    pub(crate) entropy: Arc<dyn Entropy>,
    place: String,
    pub(crate) file: OpenFile,
    pub(crate) proofs: Proofs,
    pub(crate) retired: Retired,
    pub(crate) scanned: AtomicU64,
    /// Counts the changes after which an open conversation has to be read anew.
    pub(crate) model_epoch: AtomicU64,
}

impl Store {
    /// Opens the store, or makes an empty one. Nonces come from the operating system.
    ///
    /// # Errors
    /// [`IndexError::InUse`] when somebody has it open, [`IndexError::WrongKey`] when it was made with another key
    /// (nothing is changed then), [`IndexError::NewerFormat`], [`IndexError::Corrupt`], [`IndexError::Io`].
    pub fn open(storage: Storage, key: &StoreKey) -> Result<Self, IndexError> {
        Self::open_with(storage, key, Arc::new(SystemEntropy))
    }

    /// Like [`Store::open`], with nonces from `entropy`: for simulations that replay from a seed.
    pub fn open_with(
        storage: Storage,
        key: &StoreKey,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, IndexError> {
        let place = match &storage {
            Storage::File(path) => path.display().to_string(),
            Storage::Backend(_) => "(memory)".to_owned(),
        };
        Self::open_at(storage, key, entropy, place.clone()).map_err(|error| error.at(&place))
    }

    fn open_at(
        storage: Storage,
        key: &StoreKey,
        entropy: Arc<dyn Entropy>,
        place: String,
    ) -> Result<Self, IndexError> {
        let keys = Keys::new(key);
        if let Storage::File(path) = &storage {
            let exists = path.try_exists().map_err(|source| IndexError::io(path, source))?;
            if !exists {
                make_file(path, key, &entropy)?;
            }
        }
        let file = match storage {
            Storage::File(path) => open_file(&path)?,
            Storage::Backend(backend) => OpenFile::open(backend)?,
        };
        // A wrong key ends here, and the file is as it was.
        let has_header = header::examine(&file.begin_read()?, &keys, &place)?;
        let store = Self {
            keys,
            entropy,
            place,
            file,
            proofs: Proofs::default(),
            retired: Retired::default(),
            scanned: AtomicU64::new(0),
            model_epoch: AtomicU64::new(0),
        };
        if !has_header {
            store.write(header::write)?;
        }
        // Before anything else is written, which would make a damaged total the truth.
        store.update_index()?;
        store.make_later_tables()?;
        store.update_model()?;
        store.update_counts()?;
        store.make_extra()?;
        store.make_absent()?;
        Ok(store)
    }

    /// Names where a message came from, in a way that only this store's key can compute: messages of equal
    /// (conversation, src) are one message (DESIGN 3).
    pub fn source_id(&self, conversation: &str, src: &str) -> SourceId {
        self.keys.source(conversation, src)
    }

    /// Runs `work` in one transaction; it is on disk when this returns, all of it or nothing.
    pub(crate) fn write<T, W>(&self, work: W) -> Result<T, IndexError>
    where
        W: FnOnce(&mut Writer<'_>) -> Result<T, IndexError>,
    {
        let mut transaction = self.file.writer()?.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        // Field guide L-2 and L-5: a crash during the recovery from a crash loses nothing, and recovery is quick.
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        let mut writer = Writer::new(&transaction, &self.keys, &*self.entropy)?;
        let done = work(&mut writer)?;
        let reproved = writer.reproved() || self.proofs.reach_beyond(writer.seq_before());
        let disturbed = writer.model.disturbed();
        let changed = writer.finish()?;
        if changed {
            crash_point(Side::Before, step_of::<W>);
            transaction.commit()?;
            crash_point(Side::After, step_of::<W>);
            if reproved {
                self.proofs.outdated();
            }
            if disturbed {
                // Only now can a reader have seen it.
                self.model_epoch.fetch_add(1, Ordering::AcqRel);
            }
        } else {
            transaction.abort()?;
        }
        Ok(done)
    }

    /// How many rows scans of this store have read since it was opened: drafts, deliveries, and the counts over everything.
    /// Lookups are not counted. Tests hold costs to it, because time says little on a busy machine.
    pub fn rows_scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    /// Counts a row that a scan reads.
    pub(crate) fn scan<T>(&self, row: T) -> T {
        self.scanned.fetch_add(1, Ordering::Relaxed);
        row
    }

    /// A read transaction. To be dropped soon: pages it can see are not reused meanwhile.
    pub(crate) fn read(&self) -> Result<ReadTransaction, IndexError> {
        self.file.begin_read()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What a crash point calls the transaction that runs `W`: the function that it was written in, such as `add_drafts`.
fn step_of<W>() -> &'static str {
    // `event_index::drafts::<impl event_index::store::Store>::add_drafts::{{closure}}`
    let path = std::any::type_name::<W>();
    let path = path.strip_suffix("::{{closure}}").unwrap_or(path);
    path.rsplit("::").next().unwrap_or(path)
}

fn open_file(path: &Path) -> Result<OpenFile, IndexError> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    new_file::owner_only(&mut options);
    let file = options
        .open(path)
        .map_err(|source| IndexError::io(path, source))?;
    OpenFile::open(Box::new(FileBackend::new(file)?))
}

/// Makes an empty store under another name first: redb cannot open a file whose making was cut off.
fn make_file(path: &Path, key: &StoreKey, entropy: &Arc<dyn Entropy>) -> Result<(), IndexError> {
    let unfinished = new_file::unfinished(path);
    // Whoever is making it right now holds its lock; anything else there was left behind.
    if matches!(open_file(&unfinished), Err(IndexError::InUse { .. })) {
        return Err(IndexError::InUse { place: String::new() });
    }
    new_file::clear(&unfinished).map_err(|source| IndexError::io(path, source))?;
    let store = Store {
        keys: Keys::new(key),
        entropy: Arc::clone(entropy),
        place: String::new(),
        file: open_file(&unfinished)?,
        proofs: Proofs::default(),
        retired: Retired::default(),
        scanned: AtomicU64::new(0),
        model_epoch: AtomicU64::new(0),
    };
    store.write(header::write)?;
    store.file.close()?;
    match new_file::publish(&unfinished, path) {
        // Somebody else was quicker; theirs is opened.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        published => published.map_err(|source| IndexError::io(path, source)),
    }
}
