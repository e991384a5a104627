//! One relay's exceptions, turned into what it is expected to hold, and what comparisons teach about them.

use nostr::event::EventId;

use crate::absent::absent_in;
use crate::delivery_rows::{Row, state_of};
use crate::extra::extra_in;
use crate::index_view::IndexView;
use crate::tables::{DELIVERIES, IDS, TOMBSTONE_TIMES, TOMBSTONES};
use crate::{Agreement, DeliveryState, Extra, ExtraReason, IndexError, Item, RelayView, Store};

/// Refused events that are looked at: 3 MiB while the relay is compared with. More are expected to be there, and differ
/// in every comparison, which costs bytes and rounds.
const ABSENT_MAX: usize = 32_768;
/// Items looked at for the last one of an agreement. When so many came since, nothing is won by knowing it.
const COVERED_WITHIN: usize = 4_096;

/// What one relay is expected to hold at one moment.
#[derive(Debug)]
pub struct AtRelay {
    /// The set that is compared with its own.
    pub view: RelayView<IndexView>,
    /// The last sequence number given out before that moment.
    pub last_seq: u64,
    /// The items that it refused, by sequence number, in order: they are not in the view.
    pub absent: Vec<u64>,
    /// How many events it serves that failed their checks: they are in the view, and were never taken.
    pub forged: u64,
    /// The agreement with it on record.
    pub agreement: Option<Agreement>,
}

/// Ids that a comparison named as held by a relay and missing from its view.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted {
    /// Neither held nor deleted here: to be fetched.
    pub live: Vec<EventId>,
    /// Held here, and thought to be refused there.
    pub refused: Vec<EventId>,
    /// Deleted here, and where the relay keeps them.
    pub deleted: Vec<Extra>,
    /// Deleted here before they were ever seen, so that their time is not known.
    pub untimed: Vec<EventId>,
}

/// What [`Store::place`] changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Placed {
    /// Rows that were added to what the relay serves beyond.
    pub extra: usize,
    /// Refused events that turned out to be there.
    pub found: usize,
}

impl Store {
    /// What a relay is expected to hold: the items, without those it refused ([`DeliveryState::Parked`]), with its extra
    /// events. Items that wait to be sent stay in the view although the relay lacks them: the comparison is then what
    /// tells whether they are missing, it names them as held here only, which is what a dry run and a report show, and
    /// one that arrived without an OK (U-1) is found to be there. Accepted ones stay in it to be verified.
    ///
    /// Cost: that of [`Store::view`] and of the relay's rows. For how long to keep it: see [`IndexView`].
    pub fn at_relay(&self, relay: &str) -> Result<AtRelay, IndexError> {
        let transaction = self.read()?;
        let tag = self.keys.relay_tag(relay);
        let base = Self::view_in(&transaction)?;
        let refused = absent_in(&transaction, &tag, ABSENT_MAX)?;
        let extra = extra_in(&transaction, &tag)?;
        let agreement = self.agreement_in(&transaction, &tag)?;
        let covered = match agreement {
            Some(agreement) => base.last_up_to(agreement.last_seq, COVERED_WITHIN)?,
            None => None,
        };
        let (absent, missing): (Vec<u64>, Vec<Item>) = refused.into_iter().unzip();
        let items: Vec<Item> = extra.iter().map(|extra| extra.item).collect();
        let forged = extra.iter().filter(|extra| extra.reason == ExtraReason::Forged);
        Ok(AtRelay {
            last_seq: base.last_seq(),
            forged: forged.count() as u64,
            view: RelayView::new(base, &missing, &items, covered),
            absent,
            agreement,
        })
    }

    /// What ids are to a relay that was found to hold them. Cost: two lookups an id.
    pub fn sort_needed(&self, relay: &str, ids: Vec<EventId>) -> Result<Sorted, IndexError> {
        let transaction = self.read()?;
        let tag = self.keys.relay_tag(relay);
        let (numbers, rows) = (transaction.open_table(IDS)?, transaction.open_table(DELIVERIES)?);
        let tombstones = transaction.open_table(TOMBSTONES)?;
        let times = transaction.open_table(TOMBSTONE_TIMES)?;
        let mut sorted = Sorted::default();
        for id in ids {
            let seq = numbers.get(id.as_bytes())?.map(|seq| seq.value());
            let parked = match seq {
                Some(seq) => rows
                    .get((&tag, seq))?
                    .is_some_and(|row| state_of(row.value()) == Some(DeliveryState::Parked)),
                None => false,
            };
            if parked {
                sorted.refused.push(id);
            } else if tombstones.get(id.as_bytes())?.is_none() {
                sorted.live.push(id);
            } else if let Some(created_at) = times.get(id.as_bytes())?.map(|time| time.value()) {
                let (item, reason) = (Item { created_at, id }, ExtraReason::Tombstoned);
                sorted.deleted.push(Extra { item, reason });
            } else {
                sorted.untimed.push(id);
            }
        }
        Ok(sorted)
    }

    /// Remembers what was learned about a relay, in one transaction: that it serves `extra`, as far as there is room
    /// ([`EXTRA_MAX`](crate::EXTRA_MAX)), and that it holds `found`, which were refused: they count as accepted, so that
    /// the next comparison verifies them.
    pub fn place(&self, relay: &str, extra: &[Extra], found: &[EventId]) -> Result<Placed, IndexError> {
        self.write(|writer| {
            if self.retired.has(relay) {
                writer.nothing_changed();
                return Ok(Placed::default());
            }
            let tag = writer.keys.relay_tag(relay);
            let added = writer.add_extra(&tag, extra)?;
            let mut placed = Placed {
                extra: added.rows,
                found: 0,
            };
            for id in found {
                let Some(seq) = writer.held_seq(id)? else { continue };
                if let Some(row) = writer
                    .delivery(&tag, seq)?
                    .filter(|row| row.state == DeliveryState::Parked)
                {
                    let row = Row {
                        state: DeliveryState::Accepted,
                        at: 0,
                        next_try: 0,
                        reason: None,
                        ..row
                    };
                    writer.put_delivery(&tag, seq, &row)?;
                    placed.found += 1;
                }
            }
            if placed == Placed::default() && added.times == 0 {
                writer.nothing_changed();
            }
            Ok(placed)
        })
    }
}
