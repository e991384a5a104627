//! How ranges are cut: the opening message, and the answer to a fingerprint that differs.

use std::ops::Range;

use event_index::{Item, View};

use super::bound::Bound;
use super::codec::Writer;
use super::error::NegError;
use super::frame_limit::FrameLimit;
use super::message::VERSION;

/// Parts that a range is cut into. With 16, a hundred million items take six cuts.
const BUCKETS: u64 = 16;
/// Ranges with fewer items are listed: their fingerprints would be hardly shorter, and take a round more.
const LIST_BELOW: u64 = 2 * BUCKETS;
/// Items that one fingerprint of [`Cut::Sparing`] stands for: it takes 20 bytes, each id of an answer 32.
const HANDFUL: u64 = 5;
/// Items after an agreement that an opening lists: 4 KiB. More are cut into buckets.
pub const RECENT_LIST_MAX: u64 = 128;
/// Version, headers and the bound in the middle of a recent-first opening.
const OPENING_OVERHEAD: usize = 100;

/// How an initiator opens. It is legal towards every responder, whatever that one prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Sixteen buckets, or a list of fewer than 32 items: byte for byte what the reference sends.
    Plain,
    /// One fingerprint for everything before the last agreement and a list of what came after: when all that differs
    /// is new, one round trip names it. Old differences are found as by [`Strategy::Plain`], with fewer bytes.
    RecentFirst {
        /// The first item after the agreement; ids may be all zeros. Without one it opens as [`Strategy::Plain`].
        agreed: Option<Item>,
    },
}

impl Strategy {
    /// How it goes on.
    pub(super) fn cut(self) -> Cut {
        match self {
            Self::Plain => Cut::Reference,
            Self::RecentFirst { .. } => Cut::Sparing,
        }
    }

    /// The first message.
    pub(super) fn open<V: View + ?Sized>(self, view: &V, limit: FrameLimit) -> Result<Vec<u8>, NegError> {
        let mut writer = Writer::new(VERSION);
        let all = 0..view.len();
        match self {
            Self::RecentFirst { agreed: Some(agreed) } if agreed.created_at < u64::MAX => {
                let recent = view.lower_bound(&agreed)?.min(all.end)..all.end;
                // A list of everything needs no fingerprint of nothing before it.
                if recent.start > 0 {
                    let known = view.sum(0..recent.start)?.fingerprint();
                    writer.fingerprint(&Bound::shortest(agreed), known);
                }
                let count = recent.end - recent.start;
                if count <= limit.ids_behind(OPENING_OVERHEAD, RECENT_LIST_MAX) {
                    list(&mut writer, view, recent, &Bound::INFINITY)?;
                } else {
                    Cut::Reference.write(&mut writer, view, recent, &Bound::INFINITY)?;
                }
            }
            Self::Plain | Self::RecentFirst { .. } => {
                Cut::Reference.write(&mut writer, view, all, &Bound::INFINITY)?;
            }
        }
        Ok(writer.into_bytes())
    }
}

/// How a range is cut whose fingerprints differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// As the reference does: into sixteen, or listed when there are fewer than 32.
    Reference,
    /// A few items are cut into fingerprints of [`HANDFUL`] instead of listed: the responder lists those that differ,
    /// so that ids travel one way only, and only those next to a difference. It takes no round more.
    Sparing,
}

impl Cut {
    /// Into how many parts; one is listed.
    fn parts(self, count: u64) -> u64 {
        match (self, count) {
            (_, LIST_BELOW..) => BUCKETS,
            // Two at least, so that each answer gets closer whatever the responder does.
            (Self::Sparing, 2..) => count.div_ceil(HANDFUL).max(2),
            _ => 1,
        }
    }

    /// Writes the items of a range that ends at `end` as parts, or as a list when they are few.
    pub(super) fn write<V: View + ?Sized>(
        self,
        writer: &mut Writer,
        view: &V,
        range: Range<u64>,
        end: &Bound,
    ) -> Result<(), NegError> {
        let count = range.end - range.start;
        let parts = self.parts(count);
        if parts == 1 {
            return list(writer, view, range, end);
        }
        let mut from = range.start;
        for part in 0..parts {
            // The first ones take one more each, until the remainder is used up.
            let to = from + count / parts + u64::from(part < count % parts);
            let bound = if to == range.end {
                *end
            } else {
                Bound::between(&view.item(to - 1)?, &view.item(to)?)
            };
            writer.fingerprint(&bound, view.sum(from..to)?.fingerprint());
            from = to;
        }
        Ok(())
    }
}

fn list<V: View + ?Sized>(
    writer: &mut Writer,
    view: &V,
    range: Range<u64>,
    end: &Bound,
) -> Result<(), NegError> {
    writer.ids(end, range.end - range.start);
    view.each(range, &mut |item| writer.raw(item.id.as_bytes()))?;
    Ok(())
}
