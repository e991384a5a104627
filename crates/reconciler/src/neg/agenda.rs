//! What an initiator still has to find out, in order.
//!
//! The reference forgets what a full frame left out and halves the rest of the universe again, on both sides of the
//! wire. Here the questions that did not fit are put in the next message, and those that a full answer left open are
//! put again. A responder cannot tell: it answers each message by itself.

use std::collections::VecDeque;

use event_index::View;

use super::bound::Bound;
use super::codec::Writer;
use super::error::NegError;
use super::frame_limit::FrameLimit;
use super::message::{Says, VERSION};
use super::named::Named;
use super::place::{Place, Places};
use super::strategy::Cut;

/// Questions kept, and parts in one message: 4 MiB each. What lies behind becomes one question, to be cut anew.
const QUESTIONS_MAX: usize = 32_768;

/// Places whose contents are not known to be equal, in order and apart from each other.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// What the last message put.
    asked: Vec<Place>,
    /// What it had no room for, which lies behind all of that.
    open: VecDeque<Question>,
}

#[derive(Debug)]
struct Question {
    place: Place,
    /// The sides are known to differ there, so that it is cut; otherwise its fingerprint is asked for first.
    differs: bool,
}

impl Agenda {
    /// After an opening that put these.
    pub(super) fn opened(asked: Vec<Place>) -> Self {
        Self {
            asked,
            open: VecDeque::new(),
        }
    }

    /// Takes in an answer. What it says nothing of is equal, or was listed.
    pub(super) fn hear<V: View + ?Sized>(
        &mut self,
        view: &V,
        mut places: Places<'_, '_, V>,
        named: &mut Named,
    ) -> Result<(), NegError> {
        let mut found = Vec::new();
        while let Some((place, says)) = places.next()? {
            match says {
                Says::Skip => {}
                Says::Fingerprint(_) => self.differs(place, &mut found),
                Says::Ids(theirs) => named.compare(view, &place, theirs)?,
            }
            if named.is_full() {
                break;
            }
        }
        self.asked.clear();
        for question in found.into_iter().rev() {
            self.open.push_front(question);
        }
        self.bound();
        Ok(())
    }

    /// A place inside of one that was asked for is that one, cut. Otherwise the answer was full, and its last
    /// fingerprint is about everything behind: of that, only what was asked for is still in question.
    fn differs(&self, place: Place, found: &mut Vec<Question>) {
        let first = self
            .asked
            .partition_point(|asked| asked.end.item <= place.begin.item);
        let touched = self.asked[first..]
            .iter()
            .take_while(|asked| asked.begin.item < place.end.item);
        for asked in touched {
            if asked.contains(&place) {
                found.push(Question { place, differs: true });
                return;
            }
            found.push(Question {
                place: asked.within(&place),
                differs: false,
            });
        }
    }

    fn bound(&mut self) {
        if self.open.len() <= QUESTIONS_MAX {
            return;
        }
        let last = self.open.pop_back();
        self.open.truncate(QUESTIONS_MAX);
        if let (Some(last), Some(rest)) = (last, self.open.back_mut()) {
            rest.place.end = last.place.end;
            rest.place.ranks.end = last.place.ranks.end;
        }
    }

    /// The next message, or `None` when no question is left. The first question always fits.
    pub(super) fn ask<V: View + ?Sized>(
        &mut self,
        view: &V,
        limit: FrameLimit,
    ) -> Result<Option<Vec<u8>>, NegError> {
        let mut writer = Writer::new(VERSION);
        let mut written = Bound::START;
        while let Some(question) = self.open.front() {
            let (mark, asked) = (writer.mark(), self.asked.len());
            let place = &question.place;
            if place.begin.item != written.item {
                writer.skip(&place.begin);
            }
            let cut = if question.differs {
                Cut::Sparing
            } else {
                Cut::Whole
            };
            cut.write(&mut writer, view, place, &mut self.asked)?;
            let full = limit.exceeded_by(writer.len()) || self.asked.len() > QUESTIONS_MAX;
            if full && asked > 0 {
                writer.rewind(mark);
                self.asked.truncate(asked);
                break;
            }
            written = place.end;
            self.open.pop_front();
        }
        Ok((!self.asked.is_empty()).then(|| writer.into_bytes()))
    }
}
