//! What is still to leave, and how full the last seconds are.

use nostr::event::EventId;
use redb::ReadableTableMetadata;

use crate::delivery_rows::Row;
use crate::tables::{DELIVERIES, DRAFTS, IDS, ITEMS, UNSIGNED};
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
            let (key, bytes) = row?;
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
            .map(|item| Ok(item?.0.value().0))
            .collect()
    }
}

/// What is known about one event at one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Neither delivered by this device nor covered by an agreement.
    Unknown,
    /// Refused; not tried again before its time or a person's word.
    Parked,
    /// To be sent, or sent without an answer so far.
    Waiting,
    /// The relay said yes.
    Accepted,
    /// Part of the set that the relay agreed on.
    Verified,
}

impl Store {
    /// How these events stand at these relays, one list per event in the order of `relays`; an event that is not
    /// held has an empty list. Cost: a lookup per event and relay.
    pub fn standings(&self, ids: &[EventId], relays: &[String]) -> Result<Vec<Vec<Standing>>, IndexError> {
        let transaction = self.read()?;
        let (numbers, rows) = (transaction.open_table(IDS)?, transaction.open_table(DELIVERIES)?);
        let agreements = self.agreements()?;
        let places: Vec<_> = relays
            .iter()
            .map(|relay| {
                (
                    self.keys.relay_tag(relay),
                    agreements.get(relay).map(|agreement| agreement.last_seq),
                )
            })
            .collect();
        let mut standings = Vec::with_capacity(ids.len());
        for id in ids {
            let mut standing = Vec::with_capacity(places.len());
            if let Some(seq) = numbers.get(id.as_bytes())?.map(|seq| seq.value()) {
                for (tag, agreed_to) in &places {
                    let row = rows.get((tag, seq))?;
                    standing.push(match row {
                        Some(bytes) => match Row::decode(tag, seq, bytes.value(), None)?.state {
                            DeliveryState::Waiting | DeliveryState::Sent => Standing::Waiting,
                            DeliveryState::Accepted => Standing::Accepted,
                            DeliveryState::Parked => Standing::Parked,
                        },
                        None if agreed_to.is_some_and(|agreed_to| seq <= agreed_to) => Standing::Verified,
                        None => Standing::Unknown,
                    });
                }
            }
            standings.push(standing);
        }
        Ok(standings)
    }
}
