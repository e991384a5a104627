//! How ranges are cut: the opening message, and the answer to a fingerprint that differs.

use event_index::{Item, View};

use super::asked::Asked;
use super::bound::Bound;
use super::codec::Writer;
use super::error::NegError;
use super::frame_limit::FrameLimit;
use super::message::VERSION;
use super::place::Place;

/// Parts that a range is cut into. With 16, a hundred million items take six cuts.
const BUCKETS: u64 = 16;
/// Ranges with fewer items are listed: their fingerprints would be hardly shorter, and take a round more.
const LIST_BELOW: u64 = 2 * BUCKETS;
/// Places that differ after one answer from which on reading items is what a comparison costs ([`Cut::Fine`]).
const MANY: usize = 64;
/// Items of one part of [`Cut::Fine`]: a block of the index.
pub(super) const FINE_ITEMS: u64 = 96;
/// [`Cut::Fine`] cuts ranges with fewer items into single blocks, also when both ends were moved to a seam.
pub(super) const FINE_BELOW: u64 = (FINE_PARTS_MAX - 2) * FINE_ITEMS;
/// Ranges of more blocks are cut into parts of [`COARSE_ITEMS`] first, to learn whether it is worth as many questions.
const FINE_PARTS_MAX: u64 = 128;
/// The responder cuts a part in sixteen wherever it likes, and each of its bounds costs a block read here: of these the
/// next cut is into blocks.
const COARSE_ITEMS: u64 = 32_768;
/// Parts with fewer items are not moved to a seam, which may be half a block away.
const SEAM_ITEMS: u64 = 128;
/// Items that one fingerprint of [`Cut::Sparing`] stands for: it takes 20 bytes, each id of an answer 32.
const HANDFUL: u64 = 5;
/// Items of the overlap that an opening lists along with what came after: as many bytes as a fingerprint and its bound
/// take in an answer that names a few late ones.
const OVERLAP_LIST_MAX: u64 = HANDFUL;
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
    /// is new, one round trip names it. Old differences are found by halving, with fewer bytes than by
    /// [`Strategy::Plain`]: few items are not listed here, and what a full frame left out is remembered.
    RecentFirst {
        /// The first item after the agreement; ids may be all zeros. Without one it opens as [`Strategy::Plain`].
        agreed: Option<Item>,
    },
    /// As [`Strategy::RecentFirst`], for a list that begins right after the last item both are known to hold. What lies
    /// shortly before that is asked for by a fingerprint of its own: a late item there is named in the same round trip
    /// when the other side holds fewer than 32 items of it, and listing what both hold costs 64 bytes an item otherwise.
    Overlapping {
        /// Where late items are looked for apart from the rest; ids may be all zeros.
        from: Item,
        /// The last item that both held at the agreement.
        covered: Item,
    },
}

impl Strategy {
    /// The first message, and the places it asks for.
    pub(super) fn open<V: View + ?Sized>(
        self,
        view: &V,
        limit: FrameLimit,
    ) -> Result<(Vec<u8>, Asked), NegError> {
        let (mut writer, mut asked) = (Writer::new(VERSION), Asked::default());
        let mut rest = Place {
            begin: Bound::START,
            end: Bound::INFINITY,
            ranks: 0..view.len(),
        };
        let mut cut = Cut::Reference;
        let (known, overlap) = self.cuts();
        if let Some(known) = known.filter(|known| known.item.created_at < u64::MAX) {
            let mut equal = |to: Bound, least: u64| {
                let rank = view.lower_bound(&to.item)?.min(rest.ranks.end);
                if rank - rest.ranks.start.min(rank) < least {
                    return Ok(());
                }
                let sum = view.sum(rest.ranks.start..rank)?;
                writer.sum(&to, sum);
                asked.begin(&rest.begin, rest.ranks.start);
                asked.end(&to, rank);
                (rest.begin, rest.ranks.start) = (to, rank);
                Ok::<_, NegError>(())
            };
            // A list of everything needs no fingerprint of nothing before it.
            equal(known, 1)?;
            if let Some(overlap) = overlap.filter(|end| end.item > known.item) {
                equal(overlap, OVERLAP_LIST_MAX + 1)?;
            }
            if rest.count() <= limit.ids_behind(OPENING_OVERHEAD, RECENT_LIST_MAX) {
                cut = Cut::List;
            }
        }
        cut.write(&mut writer, view, &rest, &mut asked)?;
        Ok((writer.into_bytes(), asked))
    }

    /// Up to where the first fingerprint reaches, and the second.
    fn cuts(self) -> (Option<Bound>, Option<Bound>) {
        match self {
            Self::Plain => (None, None),
            Self::RecentFirst { agreed } => (agreed.map(Bound::shortest), None),
            Self::Overlapping { from, covered } => {
                let behind = Bound::behind(covered);
                // Nothing was held between an item that is older than the overlap and the overlap.
                let known = Bound::shortest(from.min(behind.item));
                (
                    Some(known),
                    Some(behind).filter(|behind| behind.item.created_at < u64::MAX),
                )
            }
        }
    }
}

/// How a place is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// As the reference does where fingerprints differ: cut into sixteen, or listed when there are fewer than 32 items.
    Reference,
    /// A few items are cut into fingerprints of [`HANDFUL`] instead of listed: the responder lists those that differ,
    /// so that ids travel one way only, and only those next to a difference. It takes no round more.
    Sparing,
    /// As [`Cut::Sparing`], but ranges of a few thousand items are cut into as many parts as the index has blocks there,
    /// larger ones into fewer. What the responder cuts has to be read here, block by block, so that with many
    /// differences finer questions, whose fingerprints are known, cost less than reading.
    Fine,
    /// Not cut: by one fingerprint.
    Whole,
    /// Listed.
    List,
}

impl Cut {
    /// How places that differ are cut, when there are so many of them, and some that are equal.
    pub(super) fn differing(places: usize, equal: bool) -> Self {
        if places >= MANY || (places >= BUCKETS as usize && !equal) {
            Self::Fine
        } else {
            Self::Sparing
        }
    }

    /// How many fingerprints; 0 for a list.
    fn parts(self, count: u64) -> u64 {
        match (self, count) {
            (Self::Whole, 2..) => 1,
            (Self::Fine, LIST_BELOW..) => match count / FINE_ITEMS {
                ..BUCKETS => BUCKETS,
                parts @ ..=FINE_PARTS_MAX => parts,
                _ => (count / COARSE_ITEMS).clamp(2, FINE_PARTS_MAX),
            },
            (Self::Reference | Self::Sparing, LIST_BELOW..) => BUCKETS,
            // Two at least, so that each answer gets closer whatever the responder does.
            (Self::Sparing | Self::Fine, 2..) => count.div_ceil(HANDFUL).max(2),
            // A list of one item is hardly longer than its fingerprint, and always answered by a list.
            _ => 0,
        }
    }

    /// Writes what asks for a place, and adds the parts to `asked`.
    pub(super) fn write<V: View + ?Sized>(
        self,
        writer: &mut Writer,
        view: &V,
        place: &Place,
        asked: &mut Asked,
    ) -> Result<(), NegError> {
        let count = place.count();
        let parts = self.parts(count);
        if parts == 0 {
            writer.ids(&place.end, count);
            view.each(place.ranks.clone(), &mut |item| writer.raw(item.id.as_bytes()))?;
            asked.push(place);
            return Ok(());
        }
        let at_seams = match self {
            Self::Reference | Self::Whole | Self::List => false,
            Self::Sparing => count / parts >= SEAM_ITEMS,
            Self::Fine => count / parts >= FINE_ITEMS,
        };
        let mut from = place.ranks.start;
        asked.begin(&place.begin, from);
        for part in 1..=parts {
            // The first ones take one more each, until the remainder is used up.
            let mut to = place.ranks.start + part * (count / parts) + part.min(count % parts);
            if at_seams && part < parts {
                let seam = view.cheap_cut(to)?;
                // Nearer to this cut than to the next, so that there are two parts at least.
                if seam.abs_diff(to) <= count / parts / 2 {
                    to = seam;
                }
                if to <= from {
                    continue;
                }
            }
            let (sum, end) = if to == place.ranks.end {
                (view.sum(from..to)?, place.end)
            } else {
                let (sum, (left, right)) = view.sum_to_cut(from, to)?;
                (sum, Bound::between(&left, &right))
            };
            writer.sum(&end, sum);
            asked.end(&end, to);
            from = to;
        }
        Ok(())
    }
}
