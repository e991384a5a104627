//! Following the account's relay list (NIP-65) while the engine runs.

use std::sync::Arc;

use event_index::IndexError;
use relay_link::RelayUrl;

use crate::desk::Desk;
use crate::relay_list::{RelayList, followed};
use crate::relays::saved;

impl Desk {
    /// Uses the relays that a newer list adds, and lets go of those that only the one before it added, whenever a newer
    /// one was kept than `before`, which was there when the engine started, or when it is switched off or on.
    pub(crate) async fn follow_list(self: Arc<Self>, mut before: RelayList) {
        let lists = &self.wiring.lists;
        let (mut kept, mut switches) = (lists.kept.subscribe(), self.switches.subscribe());
        // One may have been kept before this began to listen.
        kept.mark_changed();
        loop {
            let told = tokio::select! {
                biased;
                told = kept.changed() => told,
                told = switches.changed() => told,
            };
            if told.is_err() {
                return;
            }
            let follows = switches.borrow_and_update().nip65_relays && lists.reads();
            match self
                .list()
                .await
                .map(|(list, saved)| (list.switched(follows), saved))
            {
                Ok((now, _)) if now == before => {}
                Ok((now, saved)) => {
                    let relays = followed(&before, &now, &saved, &self.roster.urls());
                    self.use_relays(&relays).await;
                    before = now;
                }
                Err(error) => tracing::warn!(%error, "a newer relay list is followed with the next start"),
            }
        }
    }

    async fn list(&self) -> Result<(RelayList, Vec<RelayUrl>), IndexError> {
        let store = Arc::clone(&self.store);
        let read = move || Ok((RelayList::load(&store)?, saved(&store)?));
        self.env.workers.run(read).await
    }

    pub(crate) async fn use_relays(&self, relays: &[RelayUrl]) {
        self.wiring.use_relays(relays).await;
    }
}
