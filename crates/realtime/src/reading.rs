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
    // Before the messages, so that no copy of a deleted one is shown.
    let (reader, workers) = (Arc::clone(store), env.workers);
    let mut library = workers.run(move || read_tombstones(&reader)).await?;
    let mut after = 0;
    // A damaged envelope spoils its page, so those before it are read one by one.
    let mut damaged_at = 0;
    loop {
        let reader = Arc::clone(store);
        let max = if after < damaged_at { 1 } else { PAGE };
        let page = match env.workers.run(move || reader.events_after(after, max)).await {
            Err(IndexError::Corrupt { what, seq: Some(seq) }) => {
                if max == 1 {
                    tracing::error!(what, "a damaged envelope is passed over");
                    after = seq;
                }
                damaged_at = seq;
                continue;
            }
            other => other?,
        };
        let Some((last, _)) = page.last() else { break };
        after = *last;
        let events = page.into_iter().map(|(_, event)| event).collect();
        for read in opening::open(keeper, events, authors).await? {
            let (id, outer_time) = (read.id(), read.outer_time());
            if let Some(message) = read.message {
                library.insert(id, outer_time, message);
            }
        }
    }
    let (reader, workers) = (Arc::clone(store), env.workers);
    let drafts = workers.run(move || read_drafts(&reader)).await?;
    for (id, message) in drafts {
        library.insert(id, 0, message);
    }
    Ok(library)
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
