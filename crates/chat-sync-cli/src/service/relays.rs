//! The relays of [`Here`]: what is known of them, and changing the list.

use chat_sync::{KnownRelay, RelayTest, RelayUrl};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::here::Here;
use crate::exit::Failure;

/// The list as it is after a change.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RelayNames {
    pub(crate) relays: Vec<RelayUrl>,
    /// Messages that are not known to be on any relay that is left; after a relay was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) only_here: Option<u64>,
}

impl Here {
    pub(crate) fn known_relays(&self) -> Result<Vec<KnownRelay>, Failure> {
        Ok(self.account_now().known_relays()?)
    }

    /// Uses more relays from now on.
    pub(crate) async fn add_relays(&self, urls: &[RelayUrl]) -> Result<RelayNames, Failure> {
        let mut account = self.account_now();
        account.add_relays(urls)?;
        self.changed_to(account.relays, None).await
    }

    /// Uses relays no longer; the last one goes only with `force`.
    pub(crate) async fn remove_relays(&self, urls: &[RelayUrl], force: bool) -> Result<RelayNames, Failure> {
        let mut account = self.account_now();
        let removed = account.remove_relays(urls, force)?;
        self.changed_to(account.relays, Some(removed.only_here)).await
    }

    async fn changed_to(&self, relays: Vec<RelayUrl>, only_here: Option<u64>) -> Result<RelayNames, Failure> {
        self.use_relays(relays.clone()).await?;
        Ok(RelayNames { relays, only_here })
    }

    /// Asks these relays, or those in use, what they can do; all at once, because a silent one takes its time whoever
    /// else is asked.
    pub(crate) async fn test_relays(&self, urls: &[RelayUrl]) -> Result<Vec<RelayTest>, Failure> {
        let urls = if urls.is_empty() {
            self.relays()
        } else {
            urls.to_vec()
        };
        let tests = urls.iter().map(|url| self.account.test_relay(url, &self.env));
        let tests: Result<Vec<_>, _> = join_all(tests).await.into_iter().collect();
        Ok(tests?)
    }
}
