//! Signing what was deleted here, so that relays and other devices learn of it: a kind 5 for every 500 ids of one author.

use std::collections::BTreeMap;
use std::sync::Arc;

use event_index::{EventIndex, IndexError, Unsigned};
use nostr::prelude::{EventId, PublicKey};
use pns_keys::DELETED_IDS_MAX;
use pns_keys::keeper::SignDeletion;
use relay_link::RelayUrl;
use supervision::{Env, Outlet};

/// Ids signed for in one commit: eight kind 5s are 300 KB.
const BATCH: usize = 8 * DELETED_IDS_MAX;

/// One kind 5 to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deletion {
    /// Who wrote what is named: relays heed nobody else.
    pub author: PublicKey,
    /// What is taken back: 1 to [`DELETED_IDS_MAX`] ids, sorted.
    pub ids: Vec<EventId>,
    /// No earlier than anything that is named, Unix seconds.
    pub created_at: u64,
}

/// Deletions at `unix` that name each of these ids once: as few as authors and [`DELETED_IDS_MAX`] allow.
pub fn split_deletions(unsigned: &[Unsigned], unix: u64) -> Vec<Deletion> {
    let mut by_author: BTreeMap<PublicKey, BTreeMap<EventId, u64>> = BTreeMap::new();
    for Unsigned {
        id,
        author,
        created_at,
    } in unsigned
    {
        by_author.entry(*author).or_default().insert(*id, *created_at);
    }
    let mut deletions = Vec::new();
    for (author, ids) in by_author {
        let ids: Vec<(EventId, u64)> = ids.into_iter().collect();
        deletions.extend(ids.chunks(DELETED_IDS_MAX).map(|part| Deletion {
            author,
            ids: part.iter().map(|(id, _)| *id).collect(),
            created_at: part.iter().fold(unix, |at, (_, sealed)| at.max(*sealed)),
        }));
    }
    deletions
}

/// What one batch did.
#[derive(Debug, Default)]
pub(crate) struct SignedBatch {
    /// Kind 5s that were queued.
    pub(crate) queued: usize,
    /// Continue behind this id; `None` when there were no more.
    pub(crate) next: Option<EventId>,
}

/// Why a batch could not be done; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignFailed {
    #[error("the store failed while deletions were being signed")]
    Store(#[from] IndexError),
    #[error("the keeper of keys is not running")]
    Keeper,
}

/// Everything needed to sign.
#[derive(Clone)]
pub(crate) struct Deleter {
    pub(crate) env: Env,
    pub(crate) index: EventIndex,
    pub(crate) keeper: Outlet<SignDeletion>,
    /// Every configured relay: each has or had the events, or got them from another device.
    pub(crate) relays: Vec<RelayUrl>,
}

impl Deleter {
    /// Signs for unsigned ids behind `after`, and commits the kind 5s with a waiting delivery for each configured relay.
    /// Ids whose author's key is closed for now stay unsigned; they stop no others.
    pub(crate) async fn sign_batch(&self, after: Option<EventId>) -> Result<SignedBatch, SignFailed> {
        let (store, workers) = (Arc::clone(self.index.store()), self.env.workers);
        let unsigned = workers.run(move || store.unsigned(after, BATCH)).await?;
        let next = unsigned
            .last()
            .filter(|_| unsigned.len() == BATCH)
            .map(|last| last.id);
        let mut signed = Vec::new();
        for deletion in split_deletions(&unsigned, self.env.clock.unix()) {
            let Deletion {
                author,
                ids,
                created_at,
            } = deletion;
            let command = SignDeletion {
                author,
                ids,
                created_at,
            };
            match self.keeper.send(command).await.map_err(|_| SignFailed::Keeper)? {
                Ok(event) => signed.push(event),
                Err(error) => tracing::warn!(%error, "a deletion waits to be signed"),
            }
        }
        let queued = signed.len();
        if queued > 0 {
            let relays = self.relays.iter().map(ToString::to_string).collect();
            self.index.commit_deletions(signed, relays).await?;
        }
        Ok(SignedBatch { queued, next })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn unsigned(author: u8, id: [u8; 32], created_at: u64) -> Unsigned {
        Unsigned {
            id: EventId::from_byte_array(id),
            author: PublicKey::from_byte_array([author; 32]),
            created_at,
        }
    }

    proptest! {
        /// Every id is named once, by its own author, no earlier than it was sealed, in no more deletions than needed.
        #[test]
        fn every_id_is_named_once_by_its_author(
            ids in prop::collection::btree_map(any::<[u8; 32]>(), (1..4_u8, 0..200_u64), 0..2_000),
        ) {
            let all: Vec<Unsigned> = ids.iter().map(|(id, (author, at))| unsigned(*author, *id, *at)).collect();
            let repeated = [all.clone(), all.clone()].concat();
            let deletions = split_deletions(&repeated, 100);
            let mut named = BTreeSet::new();
            for deletion in &deletions {
                prop_assert!((1..=DELETED_IDS_MAX).contains(&deletion.ids.len()));
                for id in &deletion.ids {
                    let (author, at) = ids[&id.to_bytes()];
                    prop_assert_eq!(deletion.author, PublicKey::from_byte_array([author; 32]));
                    prop_assert!(deletion.created_at >= at.max(100));
                    prop_assert!(named.insert(*id), "named twice");
                }
            }
            prop_assert_eq!(named.len(), ids.len());
            let of = |wanted: u8| ids.values().filter(|(author, _)| *author == wanted).count();
            prop_assert_eq!(deletions.len(), (1..4).map(|author| of(author).div_ceil(DELETED_IDS_MAX)).sum::<usize>());
        }
    }

    #[test]
    fn two_thousand_ids_are_four_deletions() {
        let ids: Vec<Unsigned> = (0..2_000_u32)
            .map(|n| {
                let mut id = [0; 32];
                id[..4].copy_from_slice(&n.to_be_bytes());
                unsigned(1, id, 5)
            })
            .collect();
        let sizes: Vec<usize> = split_deletions(&ids, 9)
            .iter()
            .map(|deletion| deletion.ids.len())
            .collect();
        assert_eq!(sizes, [500; 4]);
    }
}
