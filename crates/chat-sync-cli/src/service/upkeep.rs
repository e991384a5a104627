//! Looking after the store of [`Here`], as far as that goes while others work with it; and after a store that nobody else
//! has. Everything blocks on the disk.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use chat_sync::{DataDirError, examine_store, rebuild_store};
use event_index::Store;

use super::here::Here;
use crate::exit::Failure;
use crate::shapes::store::{Compacted, Rebuilt, Stats, Verified};

impl Here {
    /// How many events [`Here::verify`] will read.
    pub(crate) fn events(&self) -> Result<u64, Failure> {
        let counts = self.account.store.counts()?;
        Ok(counts.items.saturating_sub(counts.forgotten))
    }

    /// Reads all of the store; `seen` is told how many events were read, and may break it off.
    pub(crate) fn verify(&self, seen: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<Verified, Failure> {
        Ok(examine_store(&self.account.store, seen)?.into())
    }

    /// How large the store is, whose file is this.
    pub(crate) fn stats(&self, file: PathBuf) -> Result<Stats, Failure> {
        let (store, length) = (&self.account.store, length(&file)?);
        Ok(Stats::new(file, length, &store.counts()?, store.sizes()?))
    }
}

/// Makes the file as small as it can be. Nobody else may have the store.
pub(crate) fn compact(store: &mut Store, file: &Path) -> Result<Compacted, Failure> {
    let before_bytes = length(file)?;
    store.compact()?;
    Ok(Compacted {
        before_bytes,
        after_bytes: length(file)?,
    })
}

/// Makes the store whole; `set_aside` gets what is damaged, `seen` is told how many events were read. No engine may run on
/// the store.
pub(crate) fn rebuild(
    store: &Store,
    set_aside: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<Rebuilt, Failure> {
    Ok(rebuild_store(store, set_aside, seen)?.into())
}

/// Where damaged events go: beside the store, under a name with the time in it. Only its owner reads this directory.
pub(crate) fn set_aside(file: &Path, now: u64) -> PathBuf {
    file.with_file_name(format!("damaged-{now}.txt"))
}

fn length(file: &Path) -> Result<u64, Failure> {
    let found = fs::metadata(file).map_err(|source| DataDirError::Io {
        place: file.to_owned(),
        source,
    })?;
    Ok(found.len())
}
