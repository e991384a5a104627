//! The conversation that a person looks at: what is in it, and what comes into it meanwhile, is read.

use std::sync::Arc;
use std::time::Duration;

use chat_sync::Handle;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use crate::exit::Failure;

/// How long a look holds when it is not repeated: a page that is closed says nothing.
const LOOK: Duration = Duration::from_secs(60);

/// Who looks at what, of one engine.
pub(super) struct Looking {
    engine: Handle,
    /// Held while the engine is told, so that it hears of looks in their order.
    now: Mutex<Option<Look>>,
}

struct Look {
    conversation: String,
    end: JoinHandle<()>,
}

impl Looking {
    pub(super) fn new(engine: Handle) -> Arc<Self> {
        Arc::new(Self {
            engine,
            now: Mutex::default(),
        })
    }

    /// Somebody looks at this conversation, by its exact id, from now on and for a minute. Another one that was looked at
    /// is not any more.
    pub(super) async fn at(self: &Arc<Self>, conversation: String) -> Result<(), Failure> {
        let looking = Arc::clone(self);
        let of = conversation.clone();
        let end = tokio::spawn(async move {
            tokio::time::sleep(LOOK).await;
            looking.away(&of).await;
        });
        let look = Look {
            conversation: conversation.clone(),
            end,
        };
        let mut now = self.now.lock().await;
        *now = Some(look);
        Ok(self.engine.set_active(Some(conversation)).await?)
    }

    /// Nobody looks at this conversation any more; nothing changes where another one is looked at.
    pub(super) async fn away(&self, conversation: &str) {
        let mut now = self.now.lock().await;
        // The one that ended this may be its own timer, which must not end before it has told so.
        if let Some(_ended) = now.take_if(|look| look.conversation == conversation) {
            // Nothing is read or written for this.
            let _ = self.engine.set_active(None).await;
        }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.end.abort();
    }
}
