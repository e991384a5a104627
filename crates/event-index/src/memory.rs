//! A disk in memory that outlives the store on it, and can lose its power at a chosen moment.

use std::io;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::{BackendError, StorageBackend};

use crate::Storage;

/// A disk in memory. Clones are the same disk, so a store can be closed and opened again: for tests and simulations.
///
/// Like a real disk it promises only what was synced. [`MemoryDisk::cut_power_at_sync`] makes one sync and everything
/// after it fail; [`MemoryDisk::after_power_cut`] is the disk that the next start finds.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<Platter>>);

#[derive(Default)]
struct Platter {
    /// What a running program reads.
    bytes: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What happened since.
    unsynced: Vec<Change>,
    locked: bool,
    syncs: u64,
    cut_at: Option<u64>,
    dark: bool,
    sync_takes: Duration,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl std::fmt::Debug for Platter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platter")
            .field("bytes", &self.bytes.len())
            .field("syncs", &self.syncs)
            .finish_non_exhaustive()
    }
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        // A write that outlived the growth before it lands on a file that is as long as it must be.
        Change::Write(offset, data) => {
            if bytes.len() < offset + data.len() {
                bytes.resize(offset + data.len(), 0);
            }
            bytes[*offset..offset + data.len()].copy_from_slice(data);
        }
        Change::Length(length) => bytes.resize(*length, 0),
    }
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk as storage for [`Store::open`](crate::Store::open).
    pub fn storage(&self) -> Storage {
        Storage::Backend(Box::new(Head {
            disk: self.clone(),
            holds_lock: AtomicBool::new(false),
        }))
    }

    /// Everything written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.platter().bytes.clone()
    }

    /// Changes bytes behind everybody's back, as a failing disk does. What lies beyond the end is cut off.
    pub fn overwrite(&self, offset: usize, data: &[u8]) {
        let mut platter = self.platter();
        let Platter { bytes, synced, .. } = &mut *platter;
        for side in [bytes, synced] {
            if let Some(place) = side.get_mut(offset..) {
                let length = place.len().min(data.len());
                place[..length].copy_from_slice(&data[..length]);
            }
        }
    }

    /// How many syncs there were.
    pub fn syncs(&self) -> u64 {
        self.platter().syncs
    }

    /// Lets every sync from now on take this long, as on a slow disk. It is waited for in real time.
    pub fn slow_down(&self, sync: Duration) {
        self.platter().sync_takes = sync;
    }

    /// Lets the `n`-th sync from the disk's beginning (counting from 1), and everything after it, fail.
    pub fn cut_power_at_sync(&self, n: u64) {
        self.platter().cut_at = Some(n);
    }

    /// The disk that the next start finds: all that was synced, and of the later changes those for which `survives`
    /// (called with their number) says so, because a disk may have written any of them.
    #[must_use]
    pub fn after_power_cut(&self, mut survives: impl FnMut(usize) -> bool) -> Self {
        let platter = self.platter();
        let mut bytes = platter.synced.clone();
        for (number, change) in platter.unsynced.iter().enumerate() {
            if survives(number) {
                apply(&mut bytes, change);
            }
        }
        Self(Arc::new(Mutex::new(Platter {
            synced: bytes.clone(),
            bytes,
            ..Platter::default()
        })))
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn powered(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.platter();
        if platter.dark {
            Err(io::Error::other("the power is off"))
        } else {
            Ok(platter)
        }
    }
}

/// One opening of the disk.
#[derive(Debug)]
struct Head {
    disk: MemoryDisk,
    holds_lock: AtomicBool,
}

fn range_of(platter: &Platter, offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
    let start = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    match start.checked_add(length) {
        Some(end) if end <= platter.bytes.len() => Ok(start..end),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

impl StorageBackend for Head {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.powered()?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.disk.powered()?;
        out.copy_from_slice(&platter.bytes[range_of(&platter, offset, out.len())?]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut platter = self.disk.powered()?;
        let change = Change::Length(usize::try_from(len).map_err(|_| io::ErrorKind::StorageFull)?);
        apply(&mut platter.bytes, &change);
        platter.unsynced.push(change);
        Ok(())
    }

    #[expect(clippy::disallowed_methods, reason = "the slow disk is what is simulated")]
    fn sync_data(&self) -> io::Result<()> {
        let takes = self.disk.powered()?.sync_takes;
        if !takes.is_zero() {
            std::thread::sleep(takes);
        }
        let mut platter = self.disk.powered()?;
        platter.syncs += 1;
        if platter.cut_at.is_some_and(|n| platter.syncs >= n) {
            platter.dark = true;
            return Err(io::Error::other("the power went off"));
        }
        let changes = std::mem::take(&mut platter.unsynced);
        for change in &changes {
            apply(&mut platter.synced, change);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.disk.powered()?;
        let range = range_of(&platter, offset, data.len())?;
        let change = Change::Write(range.start, data.to_vec());
        apply(&mut platter.bytes, &change);
        platter.unsynced.push(change);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        // An opening that was refused is closed as well; the lock is not its to release.
        if self.holds_lock.swap(false, Ordering::AcqRel) {
            self.disk.platter().locked = false;
        }
        Ok(())
    }

    /// Locks the whole disk or nothing, as a file does.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        match (start, end) {
            (Bound::Unbounded | Bound::Included(0), Bound::Unbounded) => {
                let free = !std::mem::replace(&mut self.disk.platter().locked, true);
                self.holds_lock.fetch_or(free, Ordering::AcqRel);
                Ok(free)
            }
            _ => Err(BackendError::Unsupported),
        }
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        self.close().map_err(BackendError::Io)
    }
}
