//! Deletions made on this device, as far as the conversations are concerned.

use actix::prelude::*;
use chat_model::{MessageId, Removed};
use uploader::{Delete, Deleted};

use super::RealtimeActor;
use crate::messages::Dropped;

impl Handler<Deleted> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Deleted(removed): Deleted, ctx: &mut Self::Context) {
        self.step();
        self.tell_removed(removed.into_iter().flat_map(|removed| removed.ids).collect(), ctx);
    }
}

impl Handler<Dropped> for RealtimeActor {
    type Result = ();

    fn handle(&mut self, Dropped(ids): Dropped, ctx: &mut Self::Context) {
        self.step();
        self.tell_removed(ids, ctx);
    }
}

impl RealtimeActor {
    /// Tells watchers that messages are gone, then looks at what is left.
    pub(super) fn tell_removed(&mut self, ids: Vec<MessageId>, ctx: &mut Context<Self>) {
        let tell = self.on_shelf(move |shelf| shelf.tell_removed(&ids));
        ctx.spawn(tell.into_actor(self).map(|_, actor, ctx| actor.look(ctx)));
    }

    /// Has copies of deleted messages deleted as well. When nobody takes them now, the next start finds them again.
    pub(super) fn delete_late_copies(&self, removed: Vec<Removed>) {
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
