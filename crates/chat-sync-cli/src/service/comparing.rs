//! Comparisons of [`Here`], whole or with something left out.

use chat_sync::{Switches, SyncOptions, SyncReport};

use super::here::Here;
use crate::exit::Failure;

/// What a comparison is to do.
#[derive(Debug, Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are what the command line takes"
)]
pub(crate) struct Comparing {
    /// Nothing is moved.
    pub(crate) dry_run: bool,
    /// Nothing is fetched.
    pub(crate) up: bool,
    /// Nothing is sent.
    pub(crate) down: bool,
    /// All of it is proven again.
    pub(crate) full: bool,
}

impl Comparing {
    /// What may be done meanwhile.
    pub(crate) fn most(self) -> Switches {
        Switches {
            uploads: !self.dry_run && !self.down,
            downloads: !self.dry_run && !self.up,
            ..Switches::ON
        }
    }
}

impl Here {
    /// One full comparison with every relay.
    pub(crate) async fn sync(&self, comparing: Comparing) -> Result<SyncReport, Failure> {
        let options = SyncOptions {
            most: comparing.most(),
            afresh: comparing.full,
        };
        Ok(self.engine()?.sync_with(options).await?)
    }
}
