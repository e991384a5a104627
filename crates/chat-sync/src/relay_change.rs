//! Using other relays while the engine runs: those that are new are dialled and filled, those that are not used any more
//! are let go by everybody who knew them.

use relay_link::{LinkChanged, LinkState, RelayLink, RelayUrl};
use supervision::{Release, Role};

use crate::relays::distinct;
use crate::wiring::Wiring;

impl Wiring {
    /// Uses these relays and no others from now on. One change at a time; it is done when this returns, but for the
    /// dialling. A relay that is named twice is one.
    pub(crate) async fn use_relays(&self, urls: &[RelayUrl]) {
        let mut spare = self.spare.lock().await;
        let before = self.roster.links();
        let urls = distinct(urls.iter().cloned());
        let mut links: Vec<RelayLink> = Vec::with_capacity(urls.len());
        let mut added = Vec::new();
        for url in &urls {
            let known = before.iter().find(|link| link.url() == url);
            links.push(known.cloned().unwrap_or_else(|| {
                // One that was used before: its connections go on being numbered, so that nobody takes a later one for
                // one of then.
                let link = spare.remove(url).unwrap_or_else(|| RelayLink::new(url.clone()));
                added.push(link.clone());
                link
            }));
        }
        let removed: Vec<RelayLink> = before
            .into_iter()
            .filter(|link| !urls.contains(link.url()))
            .collect();
        if added.is_empty() && removed.is_empty() {
            // Their order is all that can be different.
            return self.roster.replace(links);
        }
        for link in &added {
            self.index.store().use_relay(link.url().as_str());
        }
        // Parts that are started again from here on find these.
        self.roster.replace(links);
        // Sealing stops to count on those that go, and begins to count on those that come. A part that is being started
        // again knows already.
        let _ = self
            .uploader
            .use_relays
            .send(uploader::messages::UseRelays(urls.clone()))
            .await;
        for link in removed {
            self.let_go(&link).await;
            spare.insert(link.url().clone(), link);
        }
        let set = urls.iter().cloned().collect();
        let _ = self
            .keeper
            .use_relays
            .send(pns_keys::keeper::UseRelays(set))
            .await;
        self.tell_status(urls).await;
        for link in added {
            self.take_up(link).await;
        }
    }

    async fn tell_status(&self, relays: Vec<RelayUrl>) {
        let link = self.dials.then_some(LinkState::Connecting);
        let _ = self
            .desk
            .use_relays
            .send(status::UseRelays { relays, link })
            .await;
    }

    /// Closes the connection, has everybody know that it stays so, and forgets what was between this device and the relay.
    async fn let_go(&self, link: &RelayLink) {
        let url = link.url();
        tracing::info!(relay = %url, "the relay is not used any more");
        let _ = self.guardian.send(Release(Role::Link(url.to_string()))).await;
        let _ = link.close();
        for watcher in self.watchers() {
            let fact = LinkChanged {
                link: link.clone(),
                state: LinkState::Stopped,
            };
            // The link tells it too, when it comes to it; a part that is being started again knows nothing of it.
            let _ = watcher.send(fact).await;
        }
        if let Err(error) = self.index.retire_relay(url.to_string()).await {
            tracing::error!(relay = %url, %error, "what was kept about a relay could not be dropped; the next start does");
        }
    }

    async fn take_up(&self, link: RelayLink) {
        tracing::info!(relay = %link.url(), "the relay is used from now on");
        if self.dials {
            // Waits for the connection that was closed last, if there was one.
            link.reopen().await;
            self.no_longer_ask(link.url()).await;
            self.guard_link(link).await;
        }
    }
}
