//! What conversations are asked. Answers wait until the read model covers what is on disk; the work is done on the
//! workers, one question at a time.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use actix::prelude::*;
use event_index::{IndexError, SEARCH_MAX};

use crate::RealtimeActor;
use crate::messages::{
    CountConversations, KeepList, ListConversations, NotReady, PickVersion, PiecesOf, ReadConversation,
    ResolveMessage, SearchMessages, ShowConversation, ShowDoomed, WatchConversation,
};
use crate::shelf::Shelf;

/// Opening a million messages takes seconds; longer than this, something is wrong and a person should hear of it.
const PATIENCE: Duration = Duration::from_secs(30);

type Answer<T> = ResponseActFuture<RealtimeActor, Result<T, NotReady>>;

impl RealtimeActor {
    /// Comes when the read model covers what is on disk.
    fn ready(&self) -> impl Future<Output = Result<(), NotReady>> + use<> {
        let mut loaded = self.loaded.subscribe();
        async move {
            let ready = actix::clock::timeout(PATIENCE, loaded.wait_for(|loaded| *loaded)).await;
            if matches!(ready, Ok(Ok(_))) {
                Ok(())
            } else {
                Err(NotReady::Unread)
            }
        }
    }

    /// Runs a question on the workers.
    pub(crate) fn on_shelf<T, F>(&self, question: F) -> impl Future<Output = Result<T, NotReady>> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&mut Shelf) -> Result<T, IndexError> + Send + 'static,
    {
        let (conversations, workers) = (Arc::clone(&self.shelf), self.env.workers);
        async move {
            let work = move || {
                // Everything in it can be read again, and is as soon as something does not fit.
                let mut conversations = conversations.lock().unwrap_or_else(PoisonError::into_inner);
                question(&mut conversations)
            };
            workers.run(work).await.map_err(|error| {
                tracing::error!(%error, "the conversations could not be read");
                NotReady::Unread
            })
        }
    }

    fn answer<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Shelf) -> Result<T, IndexError> + Send + 'static,
    ) -> Answer<T> {
        self.env.tripwire.step(self.lifeline.role());
        let (ready, work) = (self.ready(), self.on_shelf(question));
        let answer = async move {
            ready.await?;
            work.await
        };
        Box::pin(answer.into_actor(self).map(|answer, actor: &mut Self, ctx| {
            actor.after_question(ctx);
            answer
        }))
    }
}

impl Handler<ListConversations> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ListConversations as Message>::Result>;

    fn handle(&mut self, _: ListConversations, _: &mut Self::Context) -> Self::Result {
        self.answer(Shelf::list)
    }
}

impl Handler<CountConversations> for RealtimeActor {
    type Result = ResponseActFuture<Self, <CountConversations as Message>::Result>;

    fn handle(&mut self, _: CountConversations, _: &mut Self::Context) -> Self::Result {
        self.answer(Shelf::count)
    }
}

impl Handler<ShowConversation> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ShowConversation as Message>::Result>;

    fn handle(
        &mut self,
        ShowConversation { selector, page }: ShowConversation,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.answer(move |shelf| shelf.show(&selector, &page))
    }
}

impl Handler<ResolveMessage> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ResolveMessage as Message>::Result>;

    fn handle(&mut self, ResolveMessage(id): ResolveMessage, _: &mut Self::Context) -> Self::Result {
        self.answer(move |shelf| shelf.resolve(&id))
    }
}

impl Handler<ShowDoomed> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ShowDoomed as Message>::Result>;

    fn handle(&mut self, ShowDoomed { selector }: ShowDoomed, _: &mut Self::Context) -> Self::Result {
        self.answer(move |shelf| shelf.doomed(&selector))
    }
}

impl Handler<PiecesOf> for RealtimeActor {
    type Result = ResponseActFuture<Self, <PiecesOf as Message>::Result>;

    fn handle(&mut self, PiecesOf(ids): PiecesOf, _: &mut Self::Context) -> Self::Result {
        self.answer(move |shelf| shelf.pieces_of(&ids))
    }
}

impl Handler<WatchConversation> for RealtimeActor {
    type Result = ResponseActFuture<Self, <WatchConversation as Message>::Result>;

    fn handle(&mut self, WatchConversation(id): WatchConversation, _: &mut Self::Context) -> Self::Result {
        self.answer(move |shelf| shelf.watch(&id))
    }
}

impl Handler<SearchMessages> for RealtimeActor {
    type Result = ResponseActFuture<Self, <SearchMessages as Message>::Result>;

    fn handle(&mut self, search: SearchMessages, _: &mut Self::Context) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let SearchMessages { wanted, limit, asked } = search;
        let (store, workers) = (Arc::clone(self.intaker.index.store()), self.env.workers);
        let (ready, words) = (self.ready(), wanted.clone());
        let scan = async move {
            ready.await?;
            // Beside the shelf: others are answered meanwhile. One more than is shown tells that there are more; copies
            // and pieces of one message are several hits.
            let max = limit.saturating_mul(2).saturating_add(1).min(SEARCH_MAX);
            let work = move || store.search(&words, max, &|| asked.strong_count() > 0);
            workers.run(work).await.map_err(|error| {
                tracing::error!(%error, "the messages could not be searched");
                NotReady::Unread
            })
        };
        Box::pin(scan.into_actor(self).then(move |hits, actor, _| {
            let work = hits.map(|hits| actor.on_shelf(move |shelf| shelf.found(&wanted, hits, limit)));
            let found = async move { work?.await };
            found.into_actor(actor)
        }))
    }
}

impl Handler<PickVersion> for RealtimeActor {
    type Result = ResponseActFuture<Self, <PickVersion as Message>::Result>;

    fn handle(&mut self, PickVersion(id): PickVersion, _: &mut Self::Context) -> Self::Result {
        let index = self.intaker.index.clone();
        let picked = self.answer(move |shelf| shelf.pick(&id));
        Box::pin(picked.then(move |picked, actor, _| {
            let keep = async move {
                let Some((conversation, picks)) = picked? else {
                    return Ok(None);
                };
                let kept = index.put_picks(conversation.clone(), picks).await;
                written(kept).map(|()| Some(conversation))
            };
            keep.into_actor(actor)
        }))
    }
}

impl Handler<ReadConversation> for RealtimeActor {
    type Result = ResponseActFuture<Self, <ReadConversation as Message>::Result>;

    fn handle(
        &mut self,
        ReadConversation(conversation): ReadConversation,
        _: &mut Self::Context,
    ) -> Self::Result {
        self.env.tripwire.step(self.lifeline.role());
        let index = self.intaker.index.clone();
        let mark = async move { written(index.mark_read(conversation).await).map(|unread| unread > 0) };
        Box::pin(mark.into_actor(self).map(|marked, actor, ctx| {
            if marked == Ok(true) {
                actor.look(ctx);
            }
            marked
        }))
    }
}

impl Handler<KeepList> for RealtimeActor {
    type Result = ResponseActFuture<Self, <KeepList as Message>::Result>;

    fn handle(&mut self, _: KeepList, _: &mut Self::Context) -> Self::Result {
        let index = self.intaker.index.clone();
        let lines = self.answer(|shelf| {
            shelf.look(true)?;
            Ok(shelf.list.take_unkept(usize::MAX))
        });
        Box::pin(lines.then(move |lines, actor, _| {
            let keep = async move { written(index.put_summaries(lines?).await) };
            keep.into_actor(actor)
        }))
    }
}

/// A write that failed: a writer that is being started is asked again.
fn written<T>(done: Result<T, IndexError>) -> Result<T, NotReady> {
    done.map_err(|error| match error {
        IndexError::Unavailable => NotReady::Starting,
        error => {
            tracing::error!(%error, "the read model could not be written");
            NotReady::Unread
        }
    })
}
