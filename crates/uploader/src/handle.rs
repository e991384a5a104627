//! What other crates hold of the uploader.

use std::fmt;

use actix::prelude::*;
use chat_model::Removed;
use event_index::Buried;
use pns_keys::keeper::KeysChanged;
use reconciler::{HaveIds, Settle};
use relay_link::{FrameArrived, LinkChanged};
use supervision::{Outlet, Restarted};

use crate::UploaderActor;
use crate::messages::{Compose, ComposeError, Composed, Delete, DeleteFailed, LookAgain, UseRelays};

/// Reaches the uploader from other crates. Clones are cheap and reach every later incarnation.
#[derive(Clone)]
pub struct Uploader {
    /// New messages.
    pub compose: Outlet<Compose>,
    /// Messages to delete.
    pub delete: Outlet<Delete>,
    /// Which relays are configured.
    pub use_relays: Outlet<UseRelays>,
    /// That the queue was changed on disk.
    pub look_again: Outlet<LookAgain>,
    /// Which key to write with.
    pub keys_changed: Outlet<KeysChanged>,
    /// Which relays there are.
    pub link_changed: Outlet<LinkChanged>,
    /// What relays lack.
    pub have_ids: Outlet<HaveIds>,
    /// Passes that wait for uploads.
    pub settle: Outlet<Settle>,
    /// Who came back.
    pub restarted: Outlet<Restarted>,
    /// Answers to what was sent.
    pub(crate) frames: Outlet<FrameArrived>,
}

impl Uploader {
    /// A handle that leads nowhere until [`Uploader::fill`].
    pub fn new() -> Self {
        Self {
            compose: Outlet::empty(),
            delete: Outlet::empty(),
            use_relays: Outlet::empty(),
            look_again: Outlet::empty(),
            keys_changed: Outlet::empty(),
            link_changed: Outlet::empty(),
            have_ids: Outlet::empty(),
            settle: Outlet::empty(),
            restarted: Outlet::empty(),
            frames: Outlet::empty(),
        }
    }

    /// Points every clone at this incarnation of the actor.
    pub fn fill(&self, actor: &Addr<UploaderActor>) {
        self.compose.fill(actor.clone().recipient());
        self.delete.fill(actor.clone().recipient());
        self.use_relays.fill(actor.clone().recipient());
        self.look_again.fill(actor.clone().recipient());
        self.keys_changed.fill(actor.clone().recipient());
        self.link_changed.fill(actor.clone().recipient());
        self.have_ids.fill(actor.clone().recipient());
        self.settle.fill(actor.clone().recipient());
        self.restarted.fill(actor.clone().recipient());
        self.frames.fill(actor.clone().recipient());
    }

    /// Keeps messages as drafts and gets them out. See [`Compose`].
    pub async fn compose(&self, messages: Vec<chat_model::Message>) -> Result<Vec<Composed>, ComposeError> {
        self.compose
            .send(Compose { messages })
            .await
            .unwrap_or(Err(ComposeError::Stopped))
    }

    /// Deletes messages for good. See [`Delete`].
    pub async fn delete(&self, removed: Vec<Removed>) -> Result<Buried, DeleteFailed> {
        self.delete
            .send(Delete { removed })
            .await
            .unwrap_or(Err(DeleteFailed::Stopped))
    }
}

impl Default for Uploader {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Uploader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uploader").finish_non_exhaustive()
    }
}
