//! How one event stands at one relay: the one answer that counts, receipts, queues and safety are made of.

use std::collections::BTreeMap;

use nostr::event::EventId;
use redb::{ReadOnlyTable, ReadTransaction};

use crate::delivery_rows::{Row, state_of};
use crate::tables::{Blob, Bytes16, DELIVERIES, IDS};
use crate::{DeliveryState, IndexError, Store};

/// Different reasons that are told apart for one relay. Relays that put numbers into their answers make many.
const REASONS_MAX: usize = 256;

/// What is known about one event at one relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Neither delivered by this device nor covered by an agreement.
    Unknown,
    /// Refused; not tried again before its time or a person's word.
    Parked,
    /// To be sent.
    Waiting,
    /// Sent, without an answer so far.
    Sent,
    /// The relay said yes.
    Accepted,
    /// Shown by the relay when it was asked for it by its id, or part of the set that the relay agreed on.
    Verified,
}

impl Standing {
    /// The rule (DESIGN 4 and 6): a row of the queue says what it says, and where there is none, an agreement that covers
    /// the event has verified it.
    pub fn of(row: Option<DeliveryState>, agreed: bool) -> Self {
        match row {
            Some(DeliveryState::Waiting) => Self::Waiting,
            Some(DeliveryState::Sent) => Self::Sent,
            Some(DeliveryState::Accepted) => Self::Accepted,
            Some(DeliveryState::Verified) => Self::Verified,
            Some(DeliveryState::Parked) => Self::Parked,
            None if agreed => Self::Verified,
            None => Self::Unknown,
        }
    }

    /// The standing as one word, as in the JSON shapes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Parked => "parked",
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Accepted => "accepted",
            Self::Verified => "verified",
        }
    }
}

/// How one event stands at one relay, with what is known beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// How it stands.
    pub standing: Standing,
    /// Since when, Unix seconds, where that is known: when the state was entered, or when the relay last agreed.
    pub at: Option<u64>,
    /// How often it was sent; 0 for what came from elsewhere, and for what an agreement has settled.
    pub attempts: u32,
    /// When it is tried again, Unix seconds; `None` for as soon as possible, and for never.
    pub next_try: Option<u64>,
    /// What the relay said last, or why it is not sent.
    pub reason: Option<String>,
}

/// Deliveries that are parked at one relay for the same reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// What the relay said, or why it is not sent; `None` when that is not known, or one of too many.
    pub reason: Option<String>,
    /// How many events.
    pub count: u64,
    /// When the first of them is tried again, Unix seconds; `None` for never.
    pub next_try: Option<u64>,
}

/// One relay's rows and agreement, at one moment.
struct At {
    tag: [u8; 16],
    /// What its agreement covers, and when it was reached.
    agreed: Option<(u64, u64)>,
}

impl At {
    fn covers(&self, seq: u64) -> bool {
        self.agreed.is_some_and(|(last_seq, _)| seq <= last_seq)
    }
}

type Rows = ReadOnlyTable<(Bytes16, u64), Blob>;

impl Store {
    /// How these events stand at these relays, one list per event in the order of `relays`; an event that is not
    /// held has an empty list. Cost: a lookup per event and relay.
    pub fn standings(&self, ids: &[EventId], relays: &[String]) -> Result<Vec<Vec<Standing>>, IndexError> {
        self.each_place(ids, relays, |rows, at, seq| {
            let row = rows.get((&at.tag, seq))?;
            let state = match row {
                // The rest of the row is not needed, but a damaged one is no answer.
                Some(bytes) => Some(Row::decode(&at.tag, seq, bytes.value(), None)?.state),
                None => None,
            };
            Ok(Standing::of(state, at.covers(seq)))
        })
    }

    /// The same with times, tries and reasons. Cost: a lookup per event and relay, and opening the reasons there are.
    pub fn receipts(&self, ids: &[EventId], relays: &[String]) -> Result<Vec<Vec<Receipt>>, IndexError> {
        self.each_place(ids, relays, |rows, at, seq| {
            let Some(bytes) = rows.get((&at.tag, seq))? else {
                let standing = Standing::of(None, at.covers(seq));
                return Ok(Receipt {
                    standing,
                    at: at
                        .agreed
                        .map(|(_, at)| at)
                        .filter(|_| standing == Standing::Verified),
                    attempts: 0,
                    next_try: None,
                    reason: None,
                });
            };
            // Only the words of a refusal are sealed; without them the row is as good.
            let row = Row::decode(&at.tag, seq, bytes.value(), Some(&self.keys))
                .or_else(|_| Row::decode(&at.tag, seq, bytes.value(), None))?;
            Ok(Receipt {
                standing: Standing::of(Some(row.state), at.covers(seq)),
                at: known(row.at),
                attempts: row.attempts,
                next_try: known(row.next_try).filter(|_| !row.state.is_settled()),
                reason: row.reason,
            })
        })
    }

    /// What is parked at a relay, by reason, in the order of the reasons. Cost: a look at the relay's rows; the parked
    /// ones are opened. Nothing is read when nothing is parked anywhere.
    pub fn parked(&self, relay: &str) -> Result<Vec<Parked>, IndexError> {
        if self.counts()?.parked == 0 {
            return Ok(Vec::new());
        }
        let transaction = self.read()?;
        let rows = transaction.open_table(DELIVERIES)?;
        let tag = self.keys.relay_tag(relay);
        let mut groups: BTreeMap<Option<String>, (u64, Option<u64>)> = BTreeMap::new();
        for row in rows.range((&tag, 0)..(&tag, u64::MAX))? {
            let (key, bytes) = row?;
            if state_of(bytes.value()) != Some(DeliveryState::Parked) {
                continue;
            }
            let seq = key.value().1;
            let row = Row::decode(&tag, seq, bytes.value(), Some(&self.keys))
                .or_else(|_| Row::decode(&tag, seq, bytes.value(), None))?;
            let reason = row
                .reason
                .filter(|reason| groups.len() < REASONS_MAX || groups.contains_key(&Some(reason.clone())));
            let (count, next_try) = groups.entry(reason).or_default();
            *count += 1;
            *next_try = [*next_try, known(row.next_try)].into_iter().flatten().min();
        }
        Ok(groups
            .into_iter()
            .map(|(reason, (count, next_try))| Parked {
                reason,
                count,
                next_try,
            })
            .collect())
    }

    fn each_place<T>(
        &self,
        ids: &[EventId],
        relays: &[String],
        mut read: impl FnMut(&Rows, &At, u64) -> Result<T, IndexError>,
    ) -> Result<Vec<Vec<T>>, IndexError> {
        let transaction = self.read()?;
        let (numbers, rows) = (transaction.open_table(IDS)?, transaction.open_table(DELIVERIES)?);
        let places = self.places(&transaction, relays)?;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let seq = numbers.get(id.as_bytes())?.map(|seq| seq.value());
            let mut standing = Vec::new();
            if let Some(seq) = seq {
                standing.reserve_exact(places.len());
                for at in &places {
                    standing.push(read(&rows, at, seq)?);
                }
            }
            found.push(standing);
        }
        Ok(found)
    }

    fn places(&self, transaction: &ReadTransaction, relays: &[String]) -> Result<Vec<At>, IndexError> {
        relays
            .iter()
            .map(|relay| {
                let tag = self.keys.relay_tag(relay);
                let agreed = self
                    .agreement_in(transaction, &tag)?
                    .map(|agreement| (agreement.last_seq, agreement.at));
                Ok(At { tag, agreed })
            })
            .collect()
    }
}

/// A time that is one: 0 and the end of time stand for none.
fn known(time: u64) -> Option<u64> {
    (time > 0 && time < u64::MAX).then_some(time)
}
