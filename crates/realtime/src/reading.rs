//! Reading the whole history from disk into conversations.

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_model::{Library, Message, MessageId, Parent, Tombstone};
use event_index::{DraftPage, IndexError, LocalId, Store};
use nostr::prelude::PublicKey;
use pns_keys::keeper::OpenBatch;
use supervision::{Env, Outlet};

use crate::opening::{self, KeeperGone};

/// Envelopes opened at once: all cores are busy, and at 55 KB each they are 55 MB at the very most, 1 MB as a rule.
const PAGE: usize = 1000;

/// Why the history could not be read; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailed {
    #[error("the store could not be read")]
    Store(#[from] IndexError),
    #[error(transparent)]
    Keeper(#[from] KeeperGone),
}

/// Reads every tombstone, every envelope that can be opened, and every draft. A damaged record is logged and passed over. Cost: about
/// 10 us a message, spread over the cores.
pub(crate) async fn read_all(
    env: &Env,
    store: &Arc<Store>,
    keeper: &Outlet<OpenBatch>,
    authors: &BTreeSet<PublicKey>,
) -> Result<Library, ReadFailed> {
    let mut reading = Reading::begin(env, store, keeper, authors).await?;
    reading.envelopes().await?;
    reading.drafts().await?;
    // A draft that was sealed since the last envelope was read is a draft no more, and an envelope behind that one.
    reading.envelopes().await?;
    Ok(reading.library)
}

/// A history that is being read, while others write.
struct Reading<'a> {
    env: &'a Env,
    store: &'a Arc<Store>,
    keeper: &'a Outlet<OpenBatch>,
    authors: &'a BTreeSet<PublicKey>,
    library: Library,
    /// The number of the last envelope that was read.
    after: u64,
}

impl<'a> Reading<'a> {
    /// Tombstones come before the messages, so that no copy of a deleted one is shown.
    async fn begin(
        env: &'a Env,
        store: &'a Arc<Store>,
        keeper: &'a Outlet<OpenBatch>,
        authors: &'a BTreeSet<PublicKey>,
    ) -> Result<Self, ReadFailed> {
        let reader = Arc::clone(store);
        Ok(Self {
            env,
            store,
            keeper,
            authors,
            library: env.workers.run(move || read_tombstones(&reader)).await?,
            after: 0,
        })
    }

    /// Reads the envelopes behind those that were read.
    async fn envelopes(&mut self) -> Result<(), ReadFailed> {
        // A damaged envelope spoils its page, so those before it are read one by one.
        let mut damaged_at = 0;
        loop {
            let (reader, after) = (Arc::clone(self.store), self.after);
            let max = if after < damaged_at { 1 } else { PAGE };
            let page = match self
                .env
                .workers
                .run(move || reader.events_after(after, max))
                .await
            {
                Err(IndexError::Corrupt { what, seq: Some(seq) }) => {
                    if max == 1 {
                        tracing::error!(what, "a damaged envelope is passed over");
                        self.after = seq;
                    }
                    damaged_at = seq;
                    continue;
                }
                other => other?,
            };
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            self.after = *last;
            let events = page.into_iter().map(|(_, event)| event).collect();
            for read in opening::open(self.keeper, events, self.authors).await? {
                let (id, outer_time) = (read.id(), read.outer_time());
                if let Some(message) = read.message {
                    self.library.insert(id, outer_time, message);
                }
            }
        }
    }

    /// Reads every draft that there is.
    async fn drafts(&mut self) -> Result<(), ReadFailed> {
        let reader = Arc::clone(self.store);
        let drafts = self.env.workers.run(move || read_drafts(&reader)).await?;
        for (id, message) in drafts {
            self.library.insert(id, 0, message);
        }
        Ok(())
    }
}

fn read_tombstones(store: &Store) -> Result<Library, IndexError> {
    let mut library = Library::new();
    let mut last = None;
    loop {
        let page = store.tombstones(last, PAGE)?;
        let Some((id, _)) = page.last() else { break };
        last = Some(*id);
        for (id, record) in page {
            let tombstone = record.and_then(|record| Tombstone::from_record(&record));
            library.bury(MessageId::Event(id.to_bytes()), tombstone);
        }
    }
    for (local, record) in store.draft_tombstones()? {
        library.bury(
            MessageId::Local(*local.as_bytes()),
            Tombstone::from_record(&record),
        );
    }
    Ok(library)
}

fn read_drafts(store: &Store) -> Result<Vec<(MessageId, Message)>, IndexError> {
    let mut drafts = Vec::new();
    let mut after = 0;
    loop {
        let DraftPage { drafts: page, last } = store.drafts(after, PAGE)?;
        let Some(last) = last else { return Ok(drafts) };
        after = last;
        for draft in page {
            match Message::from_draft(&draft.body) {
                Ok(mut message) => {
                    // A parent that was a draft too may have an event by now.
                    if let Parent::Message(MessageId::Local(parent)) = &message.parent
                        && let Some(event) = store.resolve(&LocalId::from_bytes(*parent))?
                    {
                        message.parent = Parent::Message(MessageId::Event(event.to_bytes()));
                    }
                    drafts.push((MessageId::Local(*draft.local.as_bytes()), message));
                }
                Err(error) => tracing::error!(draft = %draft.local, %error, "a draft can't be read"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use actix::{Actor, Context, Handler, MessageResult};
    use chat_model::{Content, Role};
    use event_index::{MemoryDisk, NewDraft, SealedDraft, StoreKey};
    use nostr::prelude::{Event, Kind, Signature, Tags, Timestamp};
    use pns_keys::keeper::Opened;
    use supervision::{SeededEntropy, SimulatedClock, Tripwire, Workers};

    use super::*;

    /// Takes what an event says for what is sealed in it.
    struct OpenKeeper;

    impl Actor for OpenKeeper {
        type Context = Context<Self>;
    }

    impl Handler<OpenBatch> for OpenKeeper {
        type Result = MessageResult<OpenBatch>;

        fn handle(&mut self, OpenBatch(events): OpenBatch, _: &mut Self::Context) -> Self::Result {
            let open = |event: Event| Opened {
                rumor: Ok(event.content.clone().into_bytes()),
                event,
            };
            MessageResult(events.into_iter().map(open).collect())
        }
    }

    fn envelope(message: &Message, author: &PublicKey) -> Event {
        let rumor = message.to_rumor(&author.to_hex()).unwrap();
        let content = String::from_utf8(rumor).unwrap();
        let (at, kind) = (Timestamp::from(1_789_000_000), Kind::Custom(1080));
        let id = nostr::event::EventId::compute(author, &at, &kind, &Tags::new(), &content);
        Event::new(
            id,
            *author,
            at,
            kind,
            [],
            content,
            Signature::from_byte_array([1; 64]),
        )
    }

    #[test]
    fn a_draft_that_is_sealed_between_two_steps_of_reading_is_read_once() {
        actix::System::new().block_on(async {
            let entropy = SeededEntropy::new(1);
            let env = Env {
                clock: Arc::new(SimulatedClock::starting_at(1_789_000_000)),
                entropy: Arc::new(SeededEntropy::new(2)),
                workers: Workers::inline(),
                tripwire: Tripwire::none(),
            };
            let keeper = Outlet::empty();
            keeper.fill(OpenKeeper.start().recipient());
            let author = PublicKey::from_byte_array([2; 32]);
            let authors = BTreeSet::from([author]);
            for sealed_after in [0, 1, 2] {
                let disk = MemoryDisk::new();
                let store = Arc::new(Store::open(disk.storage(), &StoreKey::from_bytes([7; 32])).unwrap());
                let mut message = Message::new("talk", Role::User, Content::new("milk"), 1_789_000_000);
                message.source = Some("one".to_owned());
                let local = LocalId::draw(&entropy);
                let draft = NewDraft {
                    local,
                    source: store.source_id("talk", "one"),
                    body: message.to_draft(),
                };
                store.add_drafts(vec![draft]).unwrap();
                let event = envelope(&message, &author);
                let id = MessageId::Event(event.id.to_bytes());
                let mut sealed = Some(SealedDraft { local, event });
                let mut seal = |step| {
                    if step == sealed_after {
                        store
                            .commit_sealed(sealed.take().into_iter().collect(), &[])
                            .unwrap();
                    }
                };

                let mut reading = Reading::begin(&env, &store, &keeper, &authors).await.unwrap();
                seal(0);
                reading.envelopes().await.unwrap();
                seal(1);
                reading.drafts().await.unwrap();
                seal(2);
                reading.envelopes().await.unwrap();
                let mut library = reading.library;
                assert_eq!(library.message_count(), 1, "sealed after step {sealed_after}");
                // What the uploader says about it comes later.
                assert_eq!(
                    library.rename(MessageId::Local(*local.as_bytes()), id, 1_789_000_000),
                    Some(id)
                );
                assert_eq!(library.message_count(), 1);
            }
        });
    }
}
