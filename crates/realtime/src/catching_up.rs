//! Bringing the read model up to what is stored: after an update of the program or a rebuild, and when a key appears.

use std::collections::BTreeSet;
use std::sync::Arc;

use chat_model::MessageId;
use event_index::{EventIndex, IndexError, OpenedEnvelope, Unopened};
use nostr::prelude::{Event, PublicKey};
use pns_keys::keeper::OpenBatch;
use reconciler::author_set;
use supervision::{Env, Outlet};

use crate::opening::{self, KeeperGone};

/// Envelopes opened at once: all cores are busy, and at 55 KB each they are 55 MB at the very most, 1 MB as a rule.
const PAGE: usize = 1000;

/// Why the model could not be brought up; it can be tried again, and goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CatchUpFailed {
    #[error("the store could not be read or written")]
    Store(#[from] IndexError),
    #[error(transparent)]
    Keeper(#[from] KeeperGone),
}

/// Whether there is anything to catch up with: envelopes that the model does not cover, or that no key opened so far.
pub(crate) fn is_behind(store: &event_index::Store) -> Result<bool, IndexError> {
    let (built, seq) = store.model_built()?;
    Ok(built < seq || store.closed(0, 1)?.last.is_some())
}

/// Opens every envelope that the model does not cover, then what stayed closed, and returns what the model has gained of
/// the latter. Cost: about 20 us an envelope, a page in one commit.
pub(crate) async fn catch_up(
    env: &Env,
    index: &EventIndex,
    keeper: &Outlet<OpenBatch>,
    read_keys: &BTreeSet<PublicKey>,
    authors: &BTreeSet<PublicKey>,
) -> Result<Vec<MessageId>, CatchUpFailed> {
    loop {
        let store = Arc::clone(index.store());
        let Unopened { events, last } = env.workers.run(move || store.unbuilt(PAGE)).await?;
        if last.is_none() {
            break;
        }
        let envelopes = open(env, keeper, events, authors).await?;
        index.build(envelopes, last, None).await?;
    }
    let mut news = Vec::new();
    let mut after = 0;
    loop {
        let store = Arc::clone(index.store());
        let Unopened { events, last } = env.workers.run(move || store.closed(after, PAGE)).await?;
        let Some(last) = last else { break };
        let few = after == 0 && events.len() < PAGE;
        after = last;
        let mut envelopes = open(env, keeper, events, authors).await?;
        envelopes.retain(|envelope| envelope.message.is_some());
        if envelopes.is_empty() {
            continue;
        }
        // A whole history that can be read at last is not unread.
        let built = index
            .build(envelopes, None, few.then(|| author_set(read_keys)))
            .await?;
        news.extend(built.opened.iter().map(|id| MessageId::Event(id.to_bytes())));
    }
    Ok(news)
}

async fn open(
    env: &Env,
    keeper: &Outlet<OpenBatch>,
    events: Vec<(u64, Event)>,
    authors: &BTreeSet<PublicKey>,
) -> Result<Vec<OpenedEnvelope>, KeeperGone> {
    let (seqs, events): (Vec<u64>, Vec<Event>) = events.into_iter().unzip();
    let read = opening::open(keeper, env.workers, events, authors, |read| read).await?;
    let opened = seqs.into_iter().zip(read);
    Ok(opened
        .map(|(seq, read)| OpenedEnvelope {
            seq,
            event: read.event,
            message: read.message,
        })
        .collect())
}
