//! Deletions made on this device, as far as the conversations are concerned.

use actix::prelude::*;
use uploader::{Delete, Deleted};

use super::RealtimeActor;
use crate::chats::Change;
use crate::messages::Dropped;

impl Handler<Deleted> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Deleted(removed): Deleted, _: &mut Self::Context) {
        self.step();
        self.change(removed.into_iter().map(Change::Delete).collect());
    }
}

impl Handler<Dropped> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Dropped(ids): Dropped, _: &mut Self::Context) {
        self.step();
        self.change(ids.into_iter().map(Change::Forget).collect());
    }
}

impl RealtimeActor {
    /// Has copies of deleted messages deleted as well. When nobody takes them now, the next reading from disk finds them
    /// again.
    pub(super) fn delete_late_copies(&mut self) {
        let removed = self.chats.take_late();
        if removed.is_empty() {
            return;
        }
        let door = self.facts.late_copies.clone();
        actix::spawn(async move {
            match door.send(Delete { removed }).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!(%error, "copies of deleted messages stay for now"),
                Err(error) => tracing::warn!(%error, "copies of deleted messages stay for now"),
            }
        });
    }
}
