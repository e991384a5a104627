//! Where each message is, and whether it is safe there.

use chat_model::MessageId;
use event_index::{IndexError, LocalId, Receipt, Standing, Store};
use nostr::event::EventId;
use pns_keys::keeper::open_keyrings;

use crate::states::MessageState;

/// What is known about one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageReceipt {
    /// The best that is known of it at any relay.
    pub state: MessageState,
    /// It and its keyring are verified on two relays (on all, if there are fewer).
    pub safe: bool,
    /// How it stands at each relay; empty for a draft, and for what is not on this device.
    pub deliveries: Vec<RelayReceipt>,
}

impl MessageReceipt {
    /// Of two pieces together: what holds for both, and at each relay what the piece that is least got.
    pub(crate) fn and(self, other: Self) -> Self {
        let least = |(one, two): (RelayReceipt, RelayReceipt)| {
            if two.receipt.standing < one.receipt.standing {
                two
            } else {
                one
            }
        };
        let both = self.deliveries.len() == other.deliveries.len();
        let pairs = self.deliveries.into_iter().zip(other.deliveries);
        Self {
            state: self.state.min(other.state),
            safe: self.safe && other.safe,
            deliveries: if both {
                pairs.map(least).collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// How one message stands at one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayReceipt {
    /// The relay.
    pub url: String,
    /// How it stands there.
    pub receipt: Receipt,
}

/// The receipts of these messages at these relays, in the same order. Cost: a few lookups per message and relay, however
/// long the history is; blocks on the disk.
pub(crate) fn receipts(
    store: &Store,
    ids: &[MessageId],
    relays: &[String],
) -> Result<Vec<MessageReceipt>, IndexError> {
    let events = ids
        .iter()
        .map(|id| match id {
            MessageId::Event(bytes) => Ok(Some(EventId::from_byte_array(*bytes))),
            MessageId::Local(bytes) => store.resolve(&LocalId::from_bytes(*bytes)),
        })
        .collect::<Result<Vec<Option<EventId>>, IndexError>>()?;
    let sealed: Vec<EventId> = events.iter().flatten().copied().collect();
    let mut known = store.receipts(&sealed, relays)?.into_iter();
    let keyrings_safe = !relays.is_empty() && store.keyrings_safe(relays, &open_keyrings(store)?)?;
    let wanted = Store::copies_wanted(relays);
    let mut found = Vec::with_capacity(ids.len());
    for event in events {
        let Some(event) = event else {
            found.push(MessageReceipt {
                state: MessageState::Draft,
                safe: false,
                deliveries: Vec::new(),
            });
            continue;
        };
        let deliveries = known.next().unwrap_or_default();
        let standings = deliveries.iter().map(|receipt| receipt.standing);
        let verified = standings.clone().filter(|one| *one == Standing::Verified).count();
        let state = match MessageState::of(standings) {
            Some(state) => state,
            None if deliveries.is_empty() && !store.contains(&event)? => MessageState::Gone,
            // No relay is known to have it: one that was sealed here waits, any other came from a relay.
            None if store.local_of(&event)?.is_some() => MessageState::Waiting,
            None => MessageState::Verified,
        };
        found.push(MessageReceipt {
            state,
            safe: keyrings_safe && verified >= wanted,
            deliveries: relays
                .iter()
                .zip(deliveries)
                .map(|(url, receipt)| RelayReceipt {
                    url: url.clone(),
                    receipt,
                })
                .collect(),
        });
    }
    Ok(found)
}
