//! One answer while it is written: ranges of the peer's message are worked through in order until the frame is full.

use std::ops::{ControlFlow, Range};

use event_index::View;

use super::asked::Asked;
use super::bound::Bound;
use super::codec::Writer;
use super::error::NegError;
use super::frame_limit::FrameLimit;
use super::message::{Says, VERSION};
use super::place::{Place, Places};
use super::strategy::Cut;

/// Both sides work a message through alike, except for a list of the peer's ids.
pub(super) struct Frame<'v, V: View + ?Sized> {
    view: &'v V,
    limit: FrameLimit,
    writer: Writer,
    /// Ranges since the last one written need no word, which has to be said before the next one is written.
    skipping: bool,
    /// The rank behind the last range written: where the peer takes the next one to begin.
    written: u64,
}

impl<'v, V: View + ?Sized> Frame<'v, V> {
    pub(super) fn new(view: &'v V, limit: FrameLimit) -> Self {
        Self {
            view,
            limit,
            writer: Writer::new(VERSION),
            skipping: false,
            written: 0,
        }
    }

    /// Works through a message; `list` answers each list of ids, and may end it.
    pub(super) fn answer(
        &mut self,
        mut places: Places<'_, '_, V>,
        mut list: impl FnMut(&mut Self, &Place, &[[u8; 32]]) -> Result<ControlFlow<()>, NegError>,
    ) -> Result<(), NegError> {
        while let Some(says) = places.next()? {
            let place = places.place();
            let flow = match says {
                Says::Skip => self.skip(),
                Says::Fingerprint(_) => self.split(place)?,
                Says::Ids(ids) => list(self, place, ids)?,
            };
            if flow.is_break() {
                return places.finish();
            }
        }
        Ok(())
    }

    /// Nothing is to be said of a range.
    pub(super) fn skip(&mut self) -> ControlFlow<()> {
        self.skipping = true;
        ControlFlow::Continue(())
    }

    /// Cuts a range whose fingerprints differ, or the frame when it does not fit.
    fn split(&mut self, place: &Place) -> Result<ControlFlow<()>, NegError> {
        let mark = self.writer.mark();
        self.catch_up(&place.begin);
        Cut::Reference.write(&mut self.writer, self.view, place, &mut Asked::default())?;
        if self.limit.exceeded_by(self.writer.len()) {
            self.writer.rewind(mark);
            return self.close();
        }
        self.written = place.ranks.end;
        Ok(ControlFlow::Continue(()))
    }

    /// Lists this side's ids of a range, or as many as fit, in which case the frame is cut behind them.
    pub(super) fn list(&mut self, place: &Place) -> Result<ControlFlow<()>, NegError> {
        let Range { start, end } = place.ranks;
        let count = self.limit.ids_behind(self.writer.len(), end - start);
        self.catch_up(&place.begin);
        let (behind, bound) = match start + count {
            behind if behind < end => (behind, Bound::before(self.view.item(behind)?)),
            _ => (end, place.end),
        };
        self.writer.ids(&bound, count);
        let writer = &mut self.writer;
        self.view
            .each(start..behind, &mut |item| writer.raw(item.id.as_bytes()))?;
        self.written = behind;
        if self.limit.exceeded_by(self.writer.len()) {
            return self.close();
        }
        Ok(ControlFlow::Continue(()))
    }

    fn catch_up(&mut self, begin: &Bound) {
        if std::mem::take(&mut self.skipping) {
            self.writer.skip(begin);
        }
    }

    /// Ends the frame with the fingerprint of everything behind what is written. That is where the peer takes it to
    /// begin: fingerprinted from the current range on, it would hide what lies between (as in older references).
    fn close(&mut self) -> Result<ControlFlow<()>, NegError> {
        let rest = self.view.sum(self.written..self.view.len())?;
        self.writer.sum(&Bound::INFINITY, rest);
        Ok(ControlFlow::Break(()))
    }

    /// The answer, unless there is nothing to say.
    pub(super) fn into_answer(self) -> Option<Vec<u8>> {
        let blank = self.writer.len() == 1;
        (!blank).then(|| self.writer.into_bytes())
    }

    /// The answer, which is the version alone when there is nothing to say.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.writer.into_bytes()
    }
}
