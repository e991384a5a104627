//! The file as redb has it open: for reading at first, for writing from the first change on.
//!
//! To write, redb reads its allocator state, which is as long as the file is large, marks the file as open and waits for the
//! disk; when it closes the file it commits once more. Whoever only reads does without: opening costs the same at any size,
//! and not a byte of the file changes, which is what somebody with the wrong key is to leave it like.
//!
//! Reading beside a writer is redb's mode for several processes, whose locks would tell each of the other. Here both are in
//! one process, under one lock of ours ([`Disk`]), and a [`Pin`] does what those locks do.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use redb::{Builder, ConcurrencyMode, Database, DatabaseError, ReadOnlyDatabase, ReadTransaction};
use redb::{ReadableDatabase, StorageBackend};

use crate::IndexError;
use crate::disk::Disk;
use crate::pin::Pin;

/// redb's default of 1 GiB would break the memory target (DESIGN 9). Half of it is for pages that a transaction changes: a
/// batch of fifteen hundred events changes 12 MiB at 50,000, most of them pages of tables with random keys, and what does not
/// fit is written twice.
const CACHE_BYTES: usize = 24 << 20;
/// Comparisons read the leaves of a tree once, and a page that is let go of is memory for the next one: asking the system for
/// more was a quarter of the work. This holds the inner pages that a comparison goes through; with half of it they are read again.
const READER_CACHE_BYTES: usize = 1 << 20;

/// One redb file, open in this process alone.
pub(crate) struct OpenFile {
    /// Open until the writer is.
    reader: Mutex<Option<ReadOnlyDatabase>>,
    writer: OnceLock<Database>,
    /// The writer's, for the sake of what the reader has handed out.
    pin: Arc<Pin>,
    /// Dropped last: its lock keeps other processes out.
    disk: Disk,
}

impl OpenFile {
    /// Opens the file; it is made when there is nothing, and repaired when it was not closed properly.
    pub(crate) fn open(bytes: Box<dyn StorageBackend>) -> Result<Self, IndexError> {
        let disk = Disk::lock(bytes)?;
        let pin = Arc::new(Pin::default());
        let reader = if disk.is_empty()? {
            None
        } else {
            let opening = disk.opening(Some(Arc::clone(&pin)));
            let mut builder = builder();
            builder.set_cache_size(READER_CACHE_BYTES);
            // The mode in which a reader needs no allocator state.
            builder.set_concurrency_mode(ConcurrencyMode::SingleWriter);
            match builder.open_read_only_with_backend(opening) {
                Ok(reader) => Some(reader),
                // It has to be repaired first, which takes a writer.
                Err(DatabaseError::RepairAborted) => None,
                Err(error) => return Err(error.into()),
            }
        };
        let file = Self {
            reader: Mutex::new(reader),
            writer: OnceLock::new(),
            pin,
            disk,
        };
        if file.reader().is_none() {
            file.writer()?;
        }
        Ok(file)
    }

    /// A read transaction. To be dropped soon: pages it can see are not reused meanwhile.
    pub(crate) fn begin_read(&self) -> Result<ReadTransaction, IndexError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer.begin_read()?);
        }
        let reader = self.reader();
        if let Some(reader) = &*reader {
            return Ok(reader.begin_read()?);
        }
        drop(reader);
        Ok(self.writer()?.begin_read()?)
    }

    /// The database to write to. Cost of the first call: redb's allocator state is read, two bits for each page of the file,
    /// and the disk is waited for once.
    pub(crate) fn writer(&self) -> Result<&Database, IndexError> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        // Nobody begins to read from the reader while it is replaced.
        let mut reader = self.reader();
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let writer = builder().create_with_backend(self.disk.opening(None))?;
        if reader.is_some() {
            self.pin.hold(writer.begin_read()?);
        }
        let writer = self.writer.get_or_init(|| writer);
        // Whatever of it is still in use lets go of the pin in the end; when nothing is, this does.
        drop(reader.take());
        Ok(writer)
    }

    /// The same, for what redb does with nobody else about.
    pub(crate) fn writer_alone(&mut self) -> Result<&mut Database, IndexError> {
        self.writer()?;
        Ok(self.writer.get_mut().expect("it was opened above"))
    }

    /// Closes the file, and tells whether all of it is on disk.
    pub(crate) fn close(self) -> Result<(), IndexError> {
        match self.writer.into_inner() {
            Some(writer) => Ok(writer.close()?),
            None => Ok(()),
        }
    }

    fn reader(&self) -> MutexGuard<'_, Option<ReadOnlyDatabase>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES);
    builder.set_repair_callback(|session| {
        tracing::warn!(
            progress = session.progress(),
            "the store was not closed properly and is being repaired"
        );
    });
    builder
}
