//! Forgetting old messages on this device, and taking that back. Nothing of it leaves the machine: relays keep what they
//! have, and are not asked to do anything.
//!
//! A message is forgotten once it is old enough, and as many relays in use are known to hold it as make a message safe. It
//! stays an item, so that every comparison goes on as if it were here. Taking it back removes the item: the next comparison
//! names it as missing, and brings it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};

use chat_model::{MessageId, Tombstone};
use nostr::event::EventId;
use redb::ReadableTable;

use crate::agreements::agreement_of;
use crate::delivery_rows::{Totals, state_of};
use crate::forgotten::Forgotten;
use crate::sealing::Keys;
use crate::tables::{
    AGREEMENTS, Blob, Bytes16, DELIVERIES, DELIVERY_TOTALS, FORGOTTEN, FORGOTTEN_OF, IDS, ITEMS, OTHERS,
    TITLES,
};
use crate::{ConversationTag, DeliveryState, IndexError, Item, Marks, Standing, Store, Unsigned};

/// Rows that one look reads at most: some ten milliseconds.
const ROWS_MAX: usize = 20_000;

/// A stretch of the items that was looked through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stretch {
    /// What was looked for, in the order of items.
    pub ids: Vec<EventId>,
    /// Where to go on; `None` when there is no more.
    pub next: Option<Item>,
}

/// A message that was forgotten, with what is remembered of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgottenMessage {
    /// Its event.
    pub id: EventId,
    /// When that was sealed, Unix seconds.
    pub created_at: u64,
    /// What its replies need to know.
    pub tombstone: Tombstone,
}

/// Which relays are known to hold what.
struct Holders {
    /// Each relay, and what its agreement covers.
    places: Vec<([u8; 16], Option<u64>)>,
    needed: usize,
}

impl Holders {
    fn new(
        keys: &Keys,
        relays: &[String],
        agreements: &impl ReadableTable<Bytes16, Blob>,
    ) -> Result<Self, IndexError> {
        let mut places = Vec::with_capacity(relays.len());
        for relay in relays {
            let tag = keys.relay_tag(relay);
            let agreed = match agreements.get(&tag)? {
                Some(sealed) => Some(agreement_of(keys, &tag, sealed.value())?.last_seq),
                None => None,
            };
            places.push((tag, agreed));
        }
        Ok(Self {
            places,
            needed: Store::copies_wanted(relays),
        })
    }

    /// Whether enough of them hold the event with this number, and none is still to take or to show it.
    fn hold(
        &self,
        seq: u64,
        deliveries: &impl ReadableTable<(Bytes16, u64), Blob>,
        totals: &impl ReadableTable<u64, (u32, u32, u32)>,
    ) -> Result<bool, IndexError> {
        let rows = Totals::of(totals.get(seq)?.map(|totals| totals.value()));
        if self.needed == 0 || rows.open + rows.parked + rows.accepted > 0 {
            return Ok(false);
        }
        let mut holding = 0;
        for (tag, agreed) in &self.places {
            let agreed = agreed.is_some_and(|last_seq| seq <= last_seq);
            let row = deliveries.get((tag, seq))?;
            // A row without a state says nothing good.
            let state = row.map(|row| state_of(row.value()).unwrap_or(DeliveryState::Parked));
            holding += usize::from(Standing::of(state, agreed) == Standing::Verified);
        }
        Ok(holding >= self.needed)
    }
}

impl Store {
    /// Messages that were sealed before `before` (Unix seconds) and may be forgotten, at most `max`, behind `after`: held
    /// ones that enough of `relays`, which are all that are in use, are known to hold, with no delivery that is open or
    /// parked. Deletions are never among them. Cost: a few look-ups for each of at most 20,000 items.
    pub fn forgettable(
        &self,
        before: u64,
        relays: &[String],
        after: Option<Item>,
        max: usize,
    ) -> Result<Stretch, IndexError> {
        let transaction = self.read()?;
        let holders = Holders::new(&self.keys, relays, &transaction.open_table(AGREEMENTS)?)?;
        let (forgotten, others) = (
            transaction.open_table(FORGOTTEN)?,
            transaction.open_table(OTHERS)?,
        );
        let (deliveries, totals) = (
            transaction.open_table(DELIVERIES)?,
            transaction.open_table(DELIVERY_TOTALS)?,
        );
        let end = Excluded((before, &[0; 32]));
        self.look_through((after, end), max, |seq| {
            Ok(forgotten.get(seq)?.is_none()
                && others.get(seq)?.is_none()
                && holders.hold(seq, &deliveries, &totals)?)
        })
    }

    /// Forgotten messages that were sealed at `from` (Unix seconds) or later, at most `max`, behind `after`. Cost: a
    /// look-up for each of at most 20,000 items, and none when nothing is forgotten.
    pub fn forgotten_from(&self, from: u64, after: Option<Item>, max: usize) -> Result<Stretch, IndexError> {
        let forgotten = self.read()?.open_table(FORGOTTEN)?;
        if forgotten.first()?.is_none() {
            return Ok(Stretch::default());
        }
        let lowest = from.checked_sub(1).map(|second| Item {
            created_at: second,
            id: EventId::from_byte_array([0xff; 32]),
        });
        let after = after.max(lowest);
        self.look_through((after, Unbounded), max, |seq| Ok(forgotten.get(seq)?.is_some()))
    }

    fn look_through(
        &self,
        (after, end): (Option<Item>, std::ops::Bound<(u64, &[u8; 32])>),
        max: usize,
        wanted: impl Fn(u64) -> Result<bool, IndexError>,
    ) -> Result<Stretch, IndexError> {
        let items = self.read()?.open_table(ITEMS)?;
        let begin = after.as_ref().map_or(Unbounded, |item| Excluded(item.key()));
        if let (Excluded(begin), Excluded(end)) = (begin, end)
            && begin >= end
        {
            return Ok(Stretch::default());
        }
        let mut stretch = Stretch::default();
        let mut looked = 0;
        for row in items.range::<(u64, &[u8; 32])>((begin, end))? {
            let (key, seq) = self.scan(row)?;
            let item = Item::at(key.value());
            looked += 1;
            if wanted(seq.value())? {
                stretch.ids.push(item.id);
            }
            if looked == ROWS_MAX || stretch.ids.len() == max {
                stretch.next = Some(item);
                break;
            }
        }
        Ok(stretch)
    }

    /// Forgets those of `ids` that [`Store::forgettable`] would name, in one transaction: their envelopes go, and what was
    /// read from them but the titles of their conversations. Returns those that are gone. One whose envelope is damaged stays, to be found by
    /// [`Store::examine`]; so does one that the read model has not come to yet.
    pub fn forget(
        &self,
        ids: &[EventId],
        before: u64,
        relays: &[String],
    ) -> Result<Vec<EventId>, IndexError> {
        let titles = self.titles_at_stake(ids)?;
        self.write(|writer| {
            let holders = Holders::new(writer.keys, relays, &writer.agreements)?;
            let mut gone = Vec::new();
            for id in ids {
                let Some(seq) = writer.held_seq(id)? else { continue };
                if writer.others.get(seq)?.is_some()
                    || !holders.hold(seq, &writer.deliveries, &writer.delivery_totals)?
                {
                    continue;
                }
                let event = match writer.held(id, seq) {
                    Ok(event) => event,
                    Err(IndexError::Corrupt { what, .. }) => {
                        tracing::error!(what, "not forgotten: `store verify` says more");
                        continue;
                    }
                    Err(error) => return Err(error),
                };
                if event.created_at.as_secs() < before && writer.forget_event(&event, seq, &titles)? {
                    gone.push(*id);
                }
            }
            if gone.is_empty() {
                writer.nothing_changed();
            }
            Ok(gone)
        })
    }

    /// What the conversations of these messages are called, as far as that is not kept already. Cost: each of those
    /// conversations is read.
    fn titles_at_stake(&self, ids: &[EventId]) -> Result<BTreeMap<[u8; 16], String>, IndexError> {
        let mut tags = BTreeSet::new();
        for id in ids {
            if let Some(conversation) = self.conversation_of(&MessageId::Event(id.to_bytes()))? {
                tags.insert(self.keys.conversation_tag(&conversation));
            }
        }
        let kept = self.read()?.open_table(TITLES)?;
        let mut titles = BTreeMap::new();
        for tag in tags {
            if kept.get(&tag)?.is_none() {
                let open = self.open_conversation(ConversationTag(tag), Marks::END)?;
                titles.extend(open.summary().map(|summary| (tag, summary.title)));
            }
        }
        Ok(titles)
    }

    /// Takes back that those of `ids` were forgotten, in one transaction: they are no items any more, and the next
    /// comparisons bring them from relays that hold them. Agreements go with them: what was agreed on is not here. Returns
    /// how many there were.
    pub fn recall(&self, ids: &[EventId]) -> Result<usize, IndexError> {
        self.write(|writer| {
            let mut recalled = 0;
            for id in ids {
                if let Some((seq, row)) = writer.forgotten_by(id)? {
                    writer.recall(seq, &row)?;
                    recalled += 1;
                }
            }
            if recalled == 0 {
                writer.nothing_changed();
            } else {
                writer.agreements.retain(|_, _| false)?;
            }
            Ok(recalled)
        })
    }

    /// How many items were sealed before `before` (Unix seconds), whether their envelopes are here or not. Cost: a bound
    /// is looked up in the fingerprint index.
    pub fn items_before(&self, before: u64) -> Result<u64, IndexError> {
        let bound = Item {
            created_at: before,
            id: EventId::from_byte_array([0; 32]),
        };
        crate::View::lower_bound(&self.view()?, &bound)
    }

    /// How many forgotten messages no agreement with one of `relays` covers: with those alone they could not be brought
    /// back. Cost: a scan of the forgotten messages that are stored behind the agreements.
    pub fn forgotten_beyond(&self, relays: &[String]) -> Result<u64, IndexError> {
        let transaction = self.read()?;
        let agreements = transaction.open_table(AGREEMENTS)?;
        let holders = Holders::new(&self.keys, relays, &agreements)?;
        let covered = holders.places.iter().filter_map(|(_, agreed)| *agreed).max();
        let first = covered.map_or(0, |last_seq| last_seq.saturating_add(1));
        let mut beyond = 0;
        for row in transaction.open_table(FORGOTTEN)?.range(first..)? {
            self.scan(row)?;
            beyond += 1;
        }
        Ok(beyond)
    }

    /// The forgotten messages of a conversation, in the order they were stored. Cost: a few microseconds each.
    pub fn forgotten_of(&self, conversation: &str) -> Result<Vec<ForgottenMessage>, IndexError> {
        let transaction = self.read()?;
        let forgotten = transaction.open_table(FORGOTTEN)?;
        let tag = self.keys.conversation_tag(conversation);
        let mut found = Vec::new();
        for row in transaction
            .open_table(FORGOTTEN_OF)?
            .range((&tag, 0)..=(&tag, u64::MAX))?
        {
            let seq = row?.0.value().1;
            let Some(bytes) = forgotten.get(seq)? else {
                continue;
            };
            let row = Forgotten::decode(seq, bytes.value())?;
            if let Some(tombstone) = row.tombstone(&self.keys, seq)? {
                found.push(ForgottenMessage {
                    id: row.item.id,
                    created_at: row.item.created_at,
                    tombstone,
                });
            }
        }
        Ok(found)
    }

    /// Who wrote an event that is held or forgotten.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when what says so is damaged.
    pub fn author_of(&self, id: &EventId) -> Result<Option<Unsigned>, IndexError> {
        let transaction = self.read()?;
        let seq = transaction
            .open_table(IDS)?
            .get(id.as_bytes())?
            .map(|seq| seq.value());
        let row = match seq {
            Some(seq) => transaction
                .open_table(FORGOTTEN)?
                .get(seq)?
                .map(|bytes| Forgotten::decode(seq, bytes.value()))
                .transpose()?,
            None => None,
        };
        drop(transaction);
        let (author, created_at) = match row {
            Some(row) => (row.author, row.item.created_at),
            None => match self.event(id)? {
                Some(event) => (event.pubkey, event.created_at.as_secs()),
                None => return Ok(None),
            },
        };
        Ok(Some(Unsigned {
            id: *id,
            author,
            created_at,
        }))
    }
}

impl ForgottenMessage {
    /// What the message is called.
    pub fn name(&self) -> MessageId {
        MessageId::Event(self.id.to_bytes())
    }
}
