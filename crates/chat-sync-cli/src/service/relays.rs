//! The relays of [`Here`]: what is known of them, and changing the list.

use chat_sync::{Handle, KnownRelay, RelayTest, RelayUrl};
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use super::blocking;
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
        let (mut account, urls) = (self.account_now(), urls.to_vec());
        let add = move || {
            account.add_relays(&urls)?;
            Ok(account.relays)
        };
        self.changed_to(blocking(add).await?, None).await
    }

    /// Uses relays no longer; the last one goes only with `force`.
    pub(crate) async fn remove_relays(&self, urls: &[RelayUrl], force: bool) -> Result<RelayNames, Failure> {
        let (mut account, urls) = (self.account_now(), urls.to_vec());
        let remove = move || {
            let removed = account.remove_relays(&urls, force)?;
            Ok((account.relays, removed.only_here))
        };
        let (relays, only_here) = blocking(remove).await?;
        self.changed_to(relays, Some(only_here)).await
    }

    /// Follows the account's relay list (NIP-65) from now on, or no longer.
    pub(crate) async fn follow_relay_list(&self, follow: bool) -> Result<RelayNames, Failure> {
        let (mut account, engine) = (self.account_now(), self.running());
        if let Some(engine) = engine.as_ref().filter(|_| !follow) {
            // First: a list that comes meanwhile is not to be written over what is written here.
            engine.read_relay_list(false).await?;
        }
        let switches = engine.as_ref().map_or(account.switches, Handle::switches);
        let turn = move || {
            account.follow_relay_list(follow)?;
            // Those that the list adds are left out while the switch is off.
            account.switch(switches)?;
            Ok(account.relays)
        };
        let names = self.changed_to(blocking(turn).await?, None).await?;
        if let Some(engine) = engine.filter(|_| follow) {
            engine.read_relay_list(true).await?;
        }
        Ok(names)
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
        let engine = self.running();
        let tests = urls.iter().map(|url| async {
            Ok::<_, Failure>(match &engine {
                Some(engine) => engine.test_relay(&self.account, url, &self.env).await?,
                None => self.account.test_relay(url, &self.env).await?,
            })
        });
        join_all(tests).await.into_iter().collect()
    }
}
