//! What relays turned out to serve that is not taken, on its way to what they are expected to hold.

use std::collections::BTreeMap;

use event_index::{EventIndex, Extra, ExtraReason, Item};
use relay_link::RelayUrl;

/// Events of one batch that are not stored, by the relay that sent them.
#[derive(Debug, Default)]
pub(crate) struct Placing(BTreeMap<RelayUrl, Vec<Extra>>);

impl Placing {
    /// The item of an event whose id is that of its content: so is its time, and the relay keeps it there.
    pub(crate) fn add(&mut self, relay: &RelayUrl, item: Item, reason: ExtraReason) {
        self.0
            .entry(relay.clone())
            .or_default()
            .push(Extra { item, reason });
    }

    /// Writes it all down. What could not be written differs in the next comparison, and comes again.
    pub(crate) async fn place(self, index: &EventIndex) {
        for (relay, extra) in self.0 {
            if let Err(error) = index.place(relay.to_string(), extra, Vec::new()).await {
                tracing::warn!(%relay, %error, "what it serves beyond could not be remembered");
            }
        }
    }
}
