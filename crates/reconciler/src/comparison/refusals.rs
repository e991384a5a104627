//! What a comparison does about refusals: it cuts, asks author by author, or reads pages.

use std::time::Instant;

use event_index::IndexError;
use relay_link::{Lesson, NegChance};

use super::part::{How, Part};
use super::{Comparison, End, NegUse, Output, REFUSALS_MAX, Stage, WINDOWS_MAX};
use crate::session::Outcome;

impl Comparison {
    pub(super) fn refused(&mut self, outcome: Outcome, now: Instant) {
        let crowded = self.part.how == How::Crowded;
        let why = match outcome {
            Outcome::AuthRequired => {
                let why = "the relay wants authentication before it compares".to_owned();
                return self.stop(End::AuthRequired { why });
            }
            Outcome::RateLimited { why } => {
                let why = format!("the relay limits the rate of requests ({why})");
                return self.stop(End::RateLimited { why });
            }
            Outcome::FilterTooWide { why } if self.can_split() => return self.too_wide(why, now),
            Outcome::TooBig { cap } => match self.too_big(cap, now) {
                Ok(None) => return,
                Ok(Some(why)) => why,
                Err(error) => return self.unreadable(&error),
            },
            Outcome::Unavailable { why } => {
                // One that spoke NEG before and is silent now is busy, not without NEG.
                self.neg = NegUse::Nothing;
                if self.ground.known.neg != NegChance::Proven {
                    self.ground.known.neg = NegChance::Unavailable;
                    let why = why.clone();
                    self.outputs
                        .push_back(Output::Learned(Lesson::NegRefused { why }));
                }
                why
            }
            Outcome::Reopen { why } | Outcome::Failed { why } => {
                // The next pass asks again.
                self.ground.known.neg_failed = true;
                self.neg = self.neg.min(NegUse::Seconds);
                why
            }
            Outcome::FilterTooWide { why } => why,
            Outcome::Reconciled { .. } | Outcome::Full { .. } => unreachable!("these are no refusals"),
        };
        if crowded {
            self.neg = NegUse::Nothing;
            return self.crowded_by_author(now);
        }
        self.page_rest(&why, now);
    }

    /// The reason for paging everything that is left, or none when the comparison goes on by NEG.
    pub(super) fn too_big(&mut self, cap: Option<u64>, now: Instant) -> Result<Option<String>, IndexError> {
        if let Some(cap) = cap
            && self.ground.known.neg_cap != Some(cap)
        {
            self.ground.known.neg_cap = Some(cap);
            self.outputs.push_back(Output::Learned(Lesson::NegCap(cap)));
        }
        self.refusals += 1;
        if self.part.how == How::Crowded {
            self.crowded_by_author(now);
        } else if self.refusals > REFUSALS_MAX {
            return Ok(Some(format!("{REFUSALS_MAX} smaller parts were too big as well")));
        } else if self.part.span.only_second().is_some() {
            let overflowed = self.part.over(self.part.span, How::Overflowed { cap });
            self.todo.push_front(overflowed);
            self.next(now);
        } else if self.cut(aim(cap))? {
            self.next(now);
        } else {
            return Ok(Some(too_many_parts()));
        }
        Ok(None)
    }

    /// Puts stretches of the part at hand in its place. False when that makes too many.
    pub(super) fn cut(&mut self, aim: Option<u64>) -> Result<bool, IndexError> {
        let spans = self.part.span.cut(&*self.part.view, aim, self.ground.unix)?;
        if self.windows + self.todo.len() + spans.len() > WINDOWS_MAX {
            return Ok(false);
        }
        for span in spans.into_iter().rev() {
            let part = self.part.over(span, self.part.how);
            self.todo.push_front(part);
        }
        Ok(true)
    }

    /// Reads the part at hand and all other stretches by pages, those side by side in one go.
    pub(super) fn page_rest(&mut self, why: &str, now: Instant) {
        tracing::info!(relay = %self.ground.relay, why, "paging instead of negentropy");
        self.neg = self.neg.min(NegUse::Seconds);
        let mut rest: Vec<Part> = Vec::with_capacity(self.todo.len() + 1);
        let at_hand = self.part.clone();
        for part in std::iter::once(at_hand).chain(std::mem::take(&mut self.todo)) {
            match rest.last_mut() {
                Some(above) if above.is_stretch() && part.is_stretch() && above.author == part.author => {
                    above.span = above.span.down_to(part.span);
                }
                _ if part.is_stretch() => rest.push(part.over(part.span, How::Page)),
                _ => rest.push(part),
            }
        }
        self.todo = rest.into();
        self.next(now);
    }

    pub(super) fn can_split(&self) -> bool {
        self.part.author.is_none() && self.author_count() > 1
    }

    pub(super) fn too_wide(&mut self, why: String, now: Instant) {
        self.ground.known.one_author = true;
        self.outputs
            .push_back(Output::Learned(Lesson::OneAuthorPerFilter { why }));
        let at_hand = self.part.clone();
        self.todo.push_front(at_hand);
        self.by_author(true, now);
    }

    /// The second at hand is too full for a page, and NEG does not help: author by author, or unproven.
    pub(super) fn crowded_by_author(&mut self, now: Instant) {
        if self.can_split() {
            return self.by_author(false, now);
        }
        self.unproven.extend(self.part.span.only_second());
        self.next(now);
    }

    /// Puts parts of one author each in place of the second at hand, or of everything that is left.
    pub(super) fn by_author(&mut self, everything: bool, now: Instant) {
        let Some(authors) = self.authors.clone() else {
            let of = self.ground.filter.authors.iter().flatten().copied().collect();
            self.outputs.push_back(Output::SplitByAuthor(of));
            self.stage = Stage::Splitting { everything };
            return;
        };
        let mut whole = if everything {
            Vec::from(std::mem::take(&mut self.todo))
        } else {
            vec![self.part.over(self.part.span, How::Last)]
        };
        if whole.is_empty() {
            whole.push(Part::whole(self.view.clone()));
        }
        let parts = authors.views.into_iter().rev();
        for (author, view) in parts {
            for part in whole.iter().rev() {
                let (author, view) = (Some(author), view.clone());
                self.todo.push_front(Part {
                    author,
                    view,
                    ..part.clone()
                });
            }
        }
        self.next(now);
    }
}

/// Room for what the relay has got since, or holds and we do not (N-6).
pub(super) fn aim(cap: Option<u64>) -> Option<u64> {
    cap.map(|cap| (cap / 5 * 4 + cap % 5 * 4 / 5).max(1))
}

pub(super) fn too_many_parts() -> String {
    format!("it would take more than {WINDOWS_MAX} parts")
}
