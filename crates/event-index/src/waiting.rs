//! What is still to leave, and how full the last seconds are.

use redb::ReadableTableMetadata;

use crate::delivery_rows::Row;
use crate::tables::{DELIVERIES, DRAFTS, ITEMS, UNSIGNED};
use crate::{DeliveryState, IndexError, Store};

impl Store {
    /// How many messages still have to reach this relay: its waiting and sent rows, every draft, and
    /// every deleted id that no kind 5 names yet. Cost: the rows of that relay, which are its exceptions.
    pub fn undelivered(&self, relay: &str) -> Result<u64, IndexError> {
        let transaction = self.read()?;
        let rows = transaction.open_table(DELIVERIES)?;
        let tag = self.keys.relay_tag(relay);
        let mut waiting = transaction.open_table(DRAFTS)?.len()? + transaction.open_table(UNSIGNED)?.len()?;
        for row in rows.range((&tag, 0)..(&tag, u64::MAX))? {
            let (key, bytes) = self.scan(row)?;
            let row = Row::decode(&tag, key.value().1, bytes.value(), None)?;
            waiting += u64::from(matches!(row.state, DeliveryState::Waiting | DeliveryState::Sent));
        }
        Ok(waiting)
    }

    /// The outer times of items from `since` on, one for each item, in order: a sealing second holds only so many
    /// (DESIGN 6). Cost: those items.
    pub fn seconds_since(&self, since: u64) -> Result<Vec<u64>, IndexError> {
        let items = self.read()?.open_table(ITEMS)?;
        items
            .range((since, &[0; 32])..)?
            .map(|item| Ok(self.scan(item)?.0.value().0))
            .collect()
    }
}
