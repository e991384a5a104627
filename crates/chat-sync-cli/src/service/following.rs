//! What happens, as it happens.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chat_sync::{ChatUpdate, Handle};
use futures_util::stream::{self, Stream};
use futures_util::{StreamExt, TryStreamExt};

use super::here::{Here, Known};
use crate::exit::Failure;
use crate::shapes::MessageShape;

/// How long the number of conversations may take to reach the status once they were read.
const COUNT_PATIENCE: Duration = Duration::from_secs(5);

/// One thing that happened.
pub(crate) enum Seen {
    Status(Box<Known>),
    /// Messages came, in their order.
    Landed(Vec<MessageShape>),
    /// More happened than was kept.
    Missed,
}

/// A stream of it. It ends with an error when whoever tells of it stops.
pub(crate) struct Following(Pin<Box<dyn Stream<Item = Result<Seen, Failure>> + Send>>);

impl Following {
    pub(crate) fn new(seen: impl Stream<Item = Result<Seen, Failure>> + Send + 'static) -> Self {
        Self(Box::pin(seen))
    }

    pub(crate) async fn next(&mut self) -> Result<Seen, Failure> {
        let over = || Failure::Failed("the engine has stopped; run the command again".to_owned());
        self.0.next().await.unwrap_or_else(|| Err(over()))
    }
}

impl Here {
    pub(crate) async fn follow(self: &Arc<Self>, only: Option<&str>) -> Result<Following, Failure> {
        let engine = self.engine()?;
        // Of one conversation, nobody needs to look at the others.
        let updates = match only {
            Some(id) => engine.watch_conversation(id).await?.boxed(),
            None => engine.updates().boxed(),
        };
        // Before everything was read, the first status would say that there is nothing.
        let read = engine.conversation_count().await?;
        counted(&engine, read).await;
        let here = Arc::clone(self);
        let statuses = engine.watch_status().map(move |status| {
            let known = here.known(status)?;
            Ok(Some(Seen::Status(Box::new(known))))
        });
        let here = Arc::clone(self);
        let updates = updates.then(move |update| {
            let here = Arc::clone(&here);
            async move {
                match update {
                    ChatUpdate::Landed(messages) => Ok(Some(Seen::Landed(here.landed(messages).await?))),
                    ChatUpdate::Reloaded => Ok(Some(Seen::Missed)),
                    _ => Ok(None),
                }
            }
        });
        // Statuses end when the engine does, and so does the whole.
        let both = stream::select(statuses, updates).try_filter_map(|seen| async move { Ok(seen) });
        Ok(Following::new(both))
    }
}

/// Returns once the status counts the conversations that were read.
async fn counted(engine: &Handle, read: u64) {
    let reached = async {
        let mut statuses = std::pin::pin!(engine.watch_status());
        while let Some(status) = statuses.next().await {
            if status.conversations >= read {
                return;
            }
        }
    };
    // A count that does not come is shown late, and nothing else.
    let _ = tokio::time::timeout(COUNT_PATIENCE, reached).await;
}
