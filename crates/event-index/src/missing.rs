//! What a relay turns out not to hold: queued again, and counted when the relay had said yes to it.

use nostr::event::EventId;

use crate::delivery_rows::Row;
use crate::{Delivery, DeliveryState, IndexError, Store};

/// How often a relay may say yes to an event and not hold it, before it counts as one that accepts and forgets (field
/// guide U-3).
pub const ABSENT_MAX: u8 = 2;
/// A relay that forgot is tried again after a day: relays change their rules (field guide 3.1).
const RETEST_SECONDS: u64 = 24 * 3600;
/// Stands where a relay's answer stands, for an event that is sent once more.
pub const FORGOT_ONCE: &str = "the relay said yes and did not hold it when asked; sent once more";
/// The same for one that is not sent to it for now.
pub const FORGETS: &str =
    "the relay said yes twice and did not hold it when asked: it accepts messages and forgets them";

/// What [`Store::queue_missing`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueuedMissing {
    /// Events that wait now and did not.
    pub queued: usize,
    /// Events that the relay said yes to twice and does not hold: parked.
    pub forgotten: usize,
    /// Forgotten events that are to come again, because another relay holds them: they are sent once they are here.
    pub recalled: usize,
    /// Forgotten events that no other relay is known to hold, so that this device cannot send them.
    pub out_of_reach: usize,
    /// Unix second from which on the next lost event may be sent.
    pub next_lost: u64,
}

impl Delivery {
    /// Takes in that the relay said yes and did not hold the event when it was asked at `unix`. The first time it is
    /// sent again, then it is parked with the reason.
    pub fn found_absent(&mut self, unix: u64) {
        let (state, next_try, reason) = after_absence(self.absent, unix);
        self.absent = self.absent.saturating_add(1);
        self.turn(state, unix);
        (self.next_try, self.reason) = (next_try, Some(reason.to_owned()));
    }
}

fn after_absence(before: u8, unix: u64) -> (DeliveryState, u64, &'static str) {
    if before.saturating_add(1) < ABSENT_MAX {
        (DeliveryState::Waiting, 0, FORGOT_ONCE)
    } else {
        (DeliveryState::Parked, unix + RETEST_SECONDS, FORGETS)
    }
}

impl Store {
    /// Queues events that a comparison at `unix` found missing at a relay. Held ids without a row get one; one that
    /// the relay had said yes to is sent again, or parked when that happened before (see [`Delivery::found_absent`]).
    /// Those on their way or parked stay as they are, and ids that are not held (any more) are passed over.
    ///
    /// Events that an agreement covered, or that the relay showed, were there and are lost: they become due one after the other, `lost_pause`
    /// milliseconds apart and not before `next_lost`, so that a relay that was wiped is filled at a trickle (U-15) and
    /// new messages need not wait for it. One transaction.
    ///
    /// A forgotten event cannot be sent. When the agreement of another relay covers it, it is recalled
    /// ([`Store::recall`]): once it came from there, the comparison with this relay names it again. Agreements go with it,
    /// so that a relay that lacks many is filled in steps.
    pub fn queue_missing(
        &self,
        relay: &str,
        ids: &[EventId],
        unix: u64,
        lost_pause: u64,
        next_lost: u64,
    ) -> Result<QueuedMissing, IndexError> {
        let agreements = self.agreements()?;
        let agreed = agreements.get(relay).map(|agreement| agreement.last_seq);
        let others = agreements.iter().filter(|(other, _)| *other != relay);
        let elsewhere = others.map(|(_, agreement)| agreement.last_seq).max();
        self.write(|writer| {
            let tag = writer.keys.relay_tag(relay);
            let from = next_lost.max(unix);
            let mut done = QueuedMissing::default();
            let mut lost: u64 = 0;
            let ids: &[EventId] = if self.retired.has(relay) { &[] } else { ids };
            for id in ids {
                let Some(seq) = writer.seq_of(id)? else { continue };
                if let Some(forgotten) = writer.forgotten_as(seq)? {
                    if elsewhere.is_some_and(|last_seq| seq <= last_seq) {
                        writer.recall(seq, &forgotten)?;
                        done.recalled += 1;
                    } else {
                        done.out_of_reach += 1;
                    }
                    continue;
                }
                let row = match writer.delivery(&tag, seq)? {
                    known
                        if known
                            .as_ref()
                            .is_none_or(|row| row.state == DeliveryState::Verified) =>
                    {
                        let mut row = Row::new(*id, DeliveryState::Waiting);
                        row.at = unix;
                        let was_there = known.is_some() || agreed.is_some_and(|agreed| seq <= agreed);
                        if lost_pause > 0 && was_there {
                            row.next_try = from + lost * lost_pause / 1000;
                            lost += 1;
                        }
                        row
                    }
                    Some(row) if row.state == DeliveryState::Accepted => {
                        let (state, next_try, reason) = after_absence(row.absent, unix);
                        Row {
                            state,
                            at: unix,
                            next_try,
                            reason: Some(reason.to_owned()),
                            absent: row.absent.saturating_add(1),
                            ..row
                        }
                    }
                    _ => continue,
                };
                match row.state {
                    DeliveryState::Parked => done.forgotten += 1,
                    _ => done.queued += 1,
                }
                writer.put_delivery(&tag, seq, &row)?;
            }
            if done.recalled > 0 {
                writer.agreements.retain(|_, _| false)?;
            }
            if done.queued + done.forgotten + done.recalled == 0 {
                writer.nothing_changed();
            }
            done.next_lost = from + lost * lost_pause / 1000;
            Ok(done)
        })
    }
}
