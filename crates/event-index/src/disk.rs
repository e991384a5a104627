//! The bytes of a store, which one program at a time holds.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::{BackendError, StorageBackend};

use crate::IndexError;
use crate::pin::Pin;

/// The bytes, locked as a whole. Clones are the same bytes, so that redb can have them open for reading, and for writing as
/// well, at the same time; its own locks would keep the two apart. The lock is released with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Disk(Arc<Locked>);

#[derive(Debug)]
struct Locked(Box<dyn StorageBackend>);

impl Drop for Locked {
    fn drop(&mut self) {
        // A lock that cannot be released goes with the process.
        let _ = self.0.close();
    }
}

impl Disk {
    /// Locks the bytes.
    ///
    /// # Errors
    /// [`IndexError::InUse`] when somebody else has them.
    pub(crate) fn lock(bytes: Box<dyn StorageBackend>) -> Result<Self, IndexError> {
        let locked = match bytes.try_lock_range(Bound::Unbounded, Bound::Unbounded) {
            Ok(locked) => locked,
            // As redb does on systems without locks: whoever uses them there has to see to it.
            Err(BackendError::Unsupported) => true,
            Err(BackendError::Io(error)) => return Err(redb::StorageError::Io(error).into()),
            Err(error) => return Err(redb::StorageError::Io(io::Error::other(error)).into()),
        };
        let disk = Self(Arc::new(Locked(bytes)));
        if locked {
            Ok(disk)
        } else {
            Err(IndexError::InUse { place: String::new() })
        }
    }

    /// Whether nothing was ever written there.
    pub(crate) fn is_empty(&self) -> Result<bool, IndexError> {
        let bytes = &self.0.0;
        Ok(bytes.len().map_err(redb::StorageError::Io)? == 0)
    }

    /// The bytes for redb; `pin` is let go of when redb is done with them.
    pub(crate) fn opening(&self, pin: Option<Arc<Pin>>) -> Opening {
        Opening {
            disk: self.clone(),
            pin,
        }
    }
}

/// What one opening by redb works with.
#[derive(Debug)]
pub(crate) struct Opening {
    disk: Disk,
    pin: Option<Arc<Pin>>,
}

impl Opening {
    fn bytes(&self) -> &dyn StorageBackend {
        &*self.disk.0.0
    }
}

/// Every lock is granted: [`Disk::lock`] keeps others out, and what is open here knows of the other ([`Pin`]).
impl StorageBackend for Opening {
    fn len(&self) -> io::Result<u64> {
        self.bytes().len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.bytes().read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes().set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.bytes().sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.bytes().write(offset, data)
    }

    /// redb calls this once, when neither the database nor a transaction or table of it is left.
    fn close(&self) -> io::Result<()> {
        if let Some(pin) = &self.pin {
            pin.release();
        }
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn try_lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn lock_shared_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }

    fn query_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(false)
    }
}
