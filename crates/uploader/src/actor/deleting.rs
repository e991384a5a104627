//! Deleting: tombstones first, kind 5s as soon as a relay can take them.

use actix::prelude::*;
use chat_model::{MessageId, Removed};
use event_index::{Burial, IndexError, LocalId, MessageRef};
use nostr::prelude::EventId;

use super::{RETRY, UploaderActor};
use crate::messages::{Delete, DeleteFailed, Deleted};
use crate::relay::Relay;

impl Handler<Delete> for UploaderActor {
    type Result = ResponseActFuture<Self, <Delete as Message>::Result>;

    fn handle(&mut self, Delete { removed }: Delete, _: &mut Self::Context) -> Self::Result {
        self.step();
        let burials = removed.iter().flat_map(burials).collect();
        let (index, told) = (self.index.clone(), self.facts.deleted.clone());
        let work = async move {
            let buried = index.bury(burials).await.map_err(|error| match error {
                IndexError::Unavailable => DeleteFailed::Stopped,
                other => DeleteFailed::Store(other),
            })?;
            // Delivered or not: a reader that is gone builds itself from the disk when it comes back.
            let _ = told.send(Deleted(removed)).await;
            Ok(buried)
        };
        Box::pin(work.into_actor(self).map(|buried, actor, ctx| {
            actor.sign(ctx);
            buried
        }))
    }
}

fn burials(removed: &Removed) -> Vec<Burial> {
    let burial = |(id, tombstone): (MessageId, chat_model::Tombstone)| Burial {
        name: match id {
            MessageId::Event(id) => MessageRef::Event(EventId::from_byte_array(id)),
            MessageId::Local(local) => MessageRef::Local(LocalId::from_bytes(local)),
        },
        record: tombstone.to_record(),
    };
    removed.tombstones().map(burial).collect()
}

impl UploaderActor {
    /// Signs for what was deleted, when there are keys and a relay to tell, batch after batch.
    pub(super) fn sign(&mut self, ctx: &mut Context<Self>) {
        self.sign_after(None, ctx);
    }

    fn sign_after(&mut self, after: Option<EventId>, ctx: &mut Context<Self>) {
        if self.signing {
            self.sign_again = true;
            return;
        }
        if !self.sends() || self.keys.is_none() || !self.relays.values().any(Relay::connected) {
            return;
        }
        self.signing = true;
        self.sign_again = false;
        let deleter = self.deleter.clone();
        let work = async move { deleter.sign_batch(after).await };
        ctx.spawn(work.into_actor(self).map(|done, actor, ctx| {
            actor.signing = false;
            match done {
                Ok(batch) => {
                    if batch.queued > 0 {
                        actor
                            .relays
                            .values_mut()
                            .for_each(|relay| relay.outbox.appended());
                    }
                    if batch.next.is_some() {
                        actor.sign_after(batch.next, ctx);
                    } else if actor.sign_again {
                        actor.sign(ctx);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "deletions wait to be signed; trying again");
                    ctx.run_later(RETRY, Self::sign);
                }
            }
            actor.settle_all(ctx);
        }));
    }
}
