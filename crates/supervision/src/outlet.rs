//! A shared slot around a [`Recipient`], so that a restarted actor is reached by everyone who knew the old one.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use actix::dev::SendError;
use actix::prelude::*;

/// Where messages of type `M` go. Clones share the slot and are cheap.
pub struct Outlet<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    slot: Arc<RwLock<Option<Recipient<M>>>>,
}

/// Why a message did not arrive. The message comes back, except after an awaited send.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// The mailbox holds as many messages as it may. Try again after it has worked some off.
    #[error("the receiving actor's mailbox is full")]
    Full,
    /// The actor has stopped, has not started, or is being restarted. Its [`Restarted`](crate::Restarted) follows.
    #[error("the receiving actor is not running")]
    Closed,
}

impl<M> Outlet<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    /// An outlet that leads nowhere until it is filled.
    pub fn empty() -> Self {
        Self {
            slot: Arc::new(RwLock::new(None)),
        }
    }

    /// Points every clone at `recipient`.
    pub fn fill(&self, recipient: Recipient<M>) {
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Some(recipient);
    }

    /// Queues `message` without waiting; the result of handling it is not reported.
    pub fn try_send(&self, message: M) -> Result<(), Undelivered> {
        // Through the one recipient in the slot: actix gives every clone of a recipient a place of its own beyond the
        // mailbox's capacity, so sending through clones would never find it full.
        let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
        let recipient = slot.as_ref().ok_or(Undelivered::Closed)?;
        recipient.try_send(message).map_err(|error| match error {
            SendError::Full(_) => Undelivered::Full,
            SendError::Closed(_) => Undelivered::Closed,
        })
    }

    /// Queues `message` and returns what its handler returned. Every caller waits for its own answer, so the callers
    /// bound what is queued this way.
    pub async fn send(&self, message: M) -> Result<M::Result, Undelivered> {
        // Through a clone, which has a place of its own: a request that finds the shared place taken would return
        // pending without anybody to wake it.
        let recipient = {
            let slot = self.slot.read().unwrap_or_else(PoisonError::into_inner);
            slot.clone().ok_or(Undelivered::Closed)?
        };
        recipient.send(message).await.map_err(|error| match error {
            MailboxError::Timeout => Undelivered::Full,
            MailboxError::Closed => Undelivered::Closed,
        })
    }
}

impl<M> Clone for Outlet<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
        }
    }
}

impl<M> fmt::Debug for Outlet<M>
where
    M: Message + Send + 'static,
    M::Result: Send,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field(
                "filled",
                &self.slot.read().unwrap_or_else(PoisonError::into_inner).is_some(),
            )
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Note;

    struct Reader;

    impl Actor for Reader {
        type Context = Context<Self>;
    }

    impl Handler<Note> for Reader {
        type Result = ();

        fn handle(&mut self, _: Note, _: &mut Self::Context) {}
    }

    #[test]
    fn a_mailbox_that_is_full_says_so_and_has_room_again_once_it_was_read() {
        System::new().block_on(async {
            let notes = Outlet::empty();
            notes.fill(Reader.start().recipient());
            let clones = [notes.clone(), notes.clone()];
            let taken = (0..1_000)
                .filter(|n| clones[n % 2].try_send(Note).is_ok())
                .count();
            assert!(taken < 50, "{taken} of 1,000 in a mailbox of 16");
            notes.send(Note).await.expect("waiting finds room");
            assert!(notes.try_send(Note).is_ok());
        });
    }
}
