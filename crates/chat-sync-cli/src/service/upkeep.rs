//! Looking after the store of [`Here`], as far as that goes while others work with it. Everything blocks on the disk.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;

use chat_sync::{DataDirError, examine_store};

use super::here::Here;
use crate::exit::Failure;
use crate::shapes::store::{Stats, Verified};

impl Here {
    /// How many events [`Here::verify`] will read.
    pub(crate) fn events(&self) -> Result<u64, Failure> {
        Ok(self.account.store.counts()?.items)
    }

    /// Reads all of the store; `seen` is told how many events were read, and may break it off.
    pub(crate) fn verify(&self, seen: &mut dyn FnMut(u64) -> ControlFlow<()>) -> Result<Verified, Failure> {
        Ok(examine_store(&self.account.store, seen)?.into())
    }

    /// How large the store is, whose file is this.
    pub(crate) fn stats(&self, file: PathBuf) -> Result<Stats, Failure> {
        let found = fs::metadata(&file).map_err(|source| DataDirError::Io {
            place: file.clone(),
            source,
        })?;
        let store = &self.account.store;
        Ok(Stats::new(file, found.len(), &store.counts()?, store.sizes()?))
    }
}
