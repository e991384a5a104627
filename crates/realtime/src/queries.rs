//! What conversations are asked. Answers wait until what is on disk has been read.

use std::time::Duration;

use actix::prelude::*;

use crate::RealtimeActor;
use crate::messages::{ListConversations, NotReady, PiecesOf, ResolveMessage, ShowConversation, ShowDoomed};

/// Reading a million messages takes seconds; longer than this, something is wrong and a person should hear of it.
const PATIENCE: Duration = Duration::from_secs(30);

impl RealtimeActor {
    fn answer<T: 'static>(
        &self,
        question: impl FnOnce(&mut Self) -> T + 'static,
    ) -> ResponseActFuture<Self, Result<T, NotReady>> {
        self.env.tripwire.step(self.lifeline.role());
        let mut loaded = self.loaded.subscribe();
        let wait = async move {
            let ready = actix::clock::timeout(PATIENCE, loaded.wait_for(|loaded| *loaded)).await;
            matches!(ready, Ok(Ok(_)))
        };
        Box::pin(wait.into_actor(self).map(|ready, actor, _| {
            if ready {
                Ok(question(actor))
            } else {
                Err(NotReady::Unread)
            }
        }))
    }
}

impl Handler<ListConversations> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ListConversations as Message>::Result>;

    fn handle(&mut self, _: ListConversations, _: &mut Self::Context) -> Self::Result {
        self.answer(|actor| actor.chats.list())
    }
}

impl Handler<ShowConversation> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ShowConversation as Message>::Result>;

    fn handle(
        &mut self,
        ShowConversation { selector }: ShowConversation,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.answer(move |actor| actor.chats.show(&selector))
    }
}

impl Handler<ResolveMessage> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ResolveMessage as Message>::Result>;

    fn handle(&mut self, ResolveMessage(id): ResolveMessage, _: &mut Self::Context) -> Self::Result {
        self.answer(move |actor| actor.chats.resolve(&id))
    }
}

impl Handler<ShowDoomed> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ShowDoomed as Message>::Result>;

    fn handle(&mut self, ShowDoomed { selector }: ShowDoomed, _: &mut Self::Context) -> Self::Result {
        self.answer(move |actor| actor.chats.doomed(&selector))
    }
}

impl Handler<PiecesOf> for RealtimeActor {
    type Result = ResponseActFuture<Self, <PiecesOf as Message>::Result>;

    fn handle(&mut self, PiecesOf(ids): PiecesOf, _: &mut Self::Context) -> Self::Result {
        self.answer(move |actor| ids.iter().map(|id| actor.chats.pieces_of(id)).collect())
    }
}
