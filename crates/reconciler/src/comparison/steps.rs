//! What follows what: from one part of a comparison to the next.

use std::time::Instant;

use event_index::IndexError;
use nostr::event::EventId;
use relay_link::{Lesson, NegChance};

use super::part::{How, Part};
use super::probe::{Found, Probe, SAMPLE_MAX};
use super::span::Span;
use super::{
    CROWDED_MAX, Comparison, End, NegUse, Output, REFUSALS_MAX, REOPENS_MAX, SUSPICIOUS_MIN, Stage, Verdict,
    WALK_TROUBLES_MAX, WINDOWS_MAX,
};
use crate::messages::Method;
use crate::session::{self, FRAME_BYTES_MAX, IDS_MAX, Opening, Outcome, Session};
use crate::walk::{self, Walk, WalkError, WalkOutcome};

impl Comparison {
    /// Moves what the session or the walk wants on.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            match &mut self.stage {
                Stage::Negotiating { session, have } => match session.poll_output() {
                    Some(session::Output::Send(frame)) => self.outputs.push_back(Output::Send(frame)),
                    Some(session::Output::Have(ids)) => have.extend(ids),
                    Some(session::Output::Need(ids)) => self.need(ids),
                    Some(session::Output::Ended(outcome)) => self.session_ended(outcome, now),
                    None => return,
                },
                Stage::Paging(walk) => match walk.poll_output() {
                    Some(walk::Output::Send(frame)) => self.outputs.push_back(Output::Send(frame)),
                    Some(walk::Output::Events(events)) => self.outputs.push_back(Output::Events(events)),
                    Some(walk::Output::Ended(outcome)) => self.walk_ended(outcome, now),
                    None => return,
                },
                Stage::Probing { .. } | Stage::Splitting { .. } | Stage::Over => return,
            }
        }
    }

    /// Begins with the next part, or ends.
    pub(super) fn next(&mut self, now: Instant) {
        let Some(part) = self.todo.pop_front() else {
            return self.end();
        };
        self.part = part;
        if let Err(error) = self.begin(now) {
            self.unreadable(&error);
        }
    }

    fn begin(&mut self, now: Instant) -> Result<(), IndexError> {
        match self.part.how {
            How::Compare if self.neg == NegUse::Whole => {
                let aim = aim(self.ground.known.neg_cap);
                let held = self.part.items()?.len();
                if self.part.span.only_second().is_some() || aim.is_none_or(|aim| held <= aim) {
                    return self.negotiate(None, Vec::new(), now);
                }
                if self.cut(aim)? {
                    self.next(now);
                } else {
                    self.page_rest(&too_many_parts(), now);
                }
                Ok(())
            }
            How::Crowded if self.neg != NegUse::Nothing => self.negotiate(None, Vec::new(), now),
            How::Crowded | How::ByAuthor => {
                self.crowded_by_author(now);
                Ok(())
            }
            How::Compare | How::Page | How::Overflowed { .. } | How::Last => {
                self.paged |= self.part.is_stretch();
                let filter = self.part.filter(&self.ground.filter);
                let limit = self.ground.known.page_limit;
                let walk = Walk::start(filter, limit, self.ground.subs.branch(), now);
                self.stage = Stage::Paging(Box::new(walk));
                Ok(())
            }
        }
    }

    fn negotiate(
        &mut self,
        before: Option<Session>,
        have: Vec<EventId>,
        now: Instant,
    ) -> Result<(), IndexError> {
        let view = self.part.items()?;
        let opening = Opening {
            filter: self.part.filter(&self.ground.filter),
            sub: self.ground.subs.fresh(),
            proven: self.ground.known.neg == NegChance::Proven,
            frame_bytes_max: FRAME_BYTES_MAX,
            agreed_at: self.ground.agreed.map(|(at, _)| at),
        };
        let session = if let Some(before) = before {
            before.reopen(view, opening, now)
        } else {
            self.windows += 1;
            Session::open(view, opening, now)
        };
        self.stage = Stage::Negotiating {
            session: Box::new(session),
            have,
        };
        Ok(())
    }

    fn session_ended(&mut self, outcome: Outcome, now: Instant) {
        let Stage::Negotiating { session, have } = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        if let Outcome::Reopen { .. } = outcome
            && self.reopens < REOPENS_MAX
        {
            self.reopens += 1;
            if let Err(error) = self.negotiate(Some(*session), have, now) {
                self.unreadable(&error);
            }
            return;
        }
        self.rounds += session.rounds();
        match outcome {
            Outcome::Reconciled { .. } | Outcome::Full { .. } => {
                self.spoke();
                let full = matches!(outcome, Outcome::Full { .. });
                self.check(*session, have, full, now);
            }
            outcome => {
                // Have ids are left to what takes its place.
                self.named.extend(session.into_need());
                self.refused(outcome, now);
            }
        }
    }

    fn spoke(&mut self) {
        self.refusals = 0;
        if self.ground.known.neg != NegChance::Proven {
            self.ground.known.neg = NegChance::Proven;
            self.outputs.push_back(Output::Learned(Lesson::NegSpoken));
        }
    }

    /// Hands the have ids on, unless there are so many that the relay has to be asked first (N-13).
    fn check(&mut self, session: Session, have: Vec<EventId>, full: bool, now: Instant) {
        let held = match self.part.items() {
            Ok(items) => items.len(),
            Err(error) => return self.unreadable(&error),
        };
        let agreed = self.ground.agreed.map(|(_, count)| count);
        let (missing, many) = (have.len() as u64, have.len() >= SUSPICIOUS_MIN);
        let need = session.into_need();
        let empty =
            need.is_empty() && missing > 0 && missing == held && (many || agreed.is_some_and(|n| n > 0));
        let lost = many && agreed.is_some_and(|count| 2 * missing > count);
        if self.wiped || !(empty || lost) {
            return self.checked(have, full, now);
        }
        self.named.extend(need);
        let step = have.len().div_ceil(SAMPLE_MAX);
        let sample = have.iter().step_by(step).copied().collect();
        let filter = self.part.filter(&self.ground.filter);
        let (probe, frame) = Probe::ask(&filter, sample, self.ground.subs.fresh(), now);
        self.outputs.push_back(Output::Send(frame));
        self.stage = Stage::Probing { probe, have, full };
    }

    fn checked(&mut self, have: Vec<EventId>, full: bool, now: Instant) {
        self.have(have);
        if full || (self.differences >= IDS_MAX && !self.todo.is_empty()) {
            // Those transfers come first; what is left is compared with them done.
            self.partial = true;
            return self.end();
        }
        self.next(now);
    }

    pub(super) fn probed(&mut self, found: Found, now: Instant) {
        let Stage::Probing { probe, have, full } = std::mem::replace(&mut self.stage, Stage::Over) else {
            return;
        };
        self.outputs.push_back(Output::Send(probe.close()));
        match found {
            Found::Gone => {
                self.wiped = true;
                self.checked(have, full, now);
            }
            Found::There | Found::Unknown => {
                // For the rest of the pass; the next one asks again.
                self.ground.known.neg = NegChance::Unavailable;
                self.neg = NegUse::Nothing;
                let why = if found == Found::There {
                    "it holds what it compared as missing"
                } else {
                    "it compared most as missing and did not answer whether it is"
                };
                self.page_rest(why, now);
            }
        }
    }

    fn refused(&mut self, outcome: Outcome, now: Instant) {
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
            Outcome::Reopen { why } | Outcome::Failed { why } | Outcome::FilterTooWide { why } => why,
            Outcome::Reconciled { .. } | Outcome::Full { .. } => unreachable!("these are no refusals"),
        };
        if crowded {
            self.neg = NegUse::Nothing;
            return self.crowded_by_author(now);
        }
        self.page_rest(&why, now);
    }

    /// The reason for paging everything that is left, or none when the comparison goes on by NEG.
    fn too_big(&mut self, cap: Option<u64>, now: Instant) -> Result<Option<String>, IndexError> {
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
    fn cut(&mut self, aim: Option<u64>) -> Result<bool, IndexError> {
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
    fn page_rest(&mut self, why: &str, now: Instant) {
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

    fn can_split(&self) -> bool {
        self.part.author.is_none() && self.author_count() > 1
    }

    fn too_wide(&mut self, why: String, now: Instant) {
        self.ground.known.one_author = true;
        self.outputs
            .push_back(Output::Learned(Lesson::OneAuthorPerFilter { why }));
        let at_hand = self.part.clone();
        self.todo.push_front(at_hand);
        self.by_author(true, now);
    }

    /// The second at hand is too full for a page, and NEG does not help: author by author, or unproven.
    fn crowded_by_author(&mut self, now: Instant) {
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

    fn walk_ended(&mut self, outcome: WalkOutcome, now: Instant) {
        self.stage = Stage::Over;
        self.rounds += outcome.pages;
        match &outcome.error {
            Some(error @ WalkError::AuthRequired) => {
                let why = error.to_string();
                return self.stop(End::AuthRequired { why });
            }
            Some(WalkError::FilterTooWide { why }) if self.can_split() => {
                return self.too_wide(why.clone(), now);
            }
            _ => {}
        }
        if let Some(cap) = outcome.page_cap {
            self.ground.known.page_limit = cap;
            self.outputs.push_back(Output::Learned(Lesson::PageCap(cap)));
        }
        let enough = matches!(outcome.error, Some(WalkError::RateLimited { .. }));
        if let Some(error) = &outcome.error {
            self.walk_troubles += 1;
            self.trouble.get_or_insert_with(|| error.to_string());
        }
        if let Err(error) = self.name_walked(outcome) {
            return self.unreadable(&error);
        }
        if enough || self.walk_troubles >= WALK_TROUBLES_MAX {
            return self.end();
        }
        self.next(now);
    }

    /// Names what the pages showed differs, and puts the seconds they could not show before everything else.
    fn name_walked(&mut self, mut outcome: WalkOutcome) -> Result<(), IndexError> {
        if let How::Overflowed { cap: Some(cap) } = self.part.how
            && outcome.proven
            && outcome.unproven_seconds.is_empty()
            && outcome.seen.len() as u64 <= cap
        {
            // It said that there are more.
            outcome.unproven_seconds.extend(self.part.span.only_second());
        }
        let items = self.part.items()?;
        let mut need = outcome.seen;
        let mut have = Vec::new();
        items.each(0..items.len(), &mut |item| {
            // What an unread second hides, and what lies below an unread page, is not missing there for certain.
            let unread = !outcome.proven || outcome.unproven_seconds.contains(&item.created_at);
            if !need.remove(&item.id) && !unread {
                have.push(item.id);
            }
        })?;
        self.have(have);
        let shown: Vec<EventId> = need.into_iter().filter(|id| self.is_new(id)).collect();
        // A session that compares one of those seconds names them again.
        self.named.extend(shown.iter().copied());
        self.differences += shown.len();
        if !shown.is_empty() {
            self.outputs.push_back(Output::Shown(shown));
        }
        for second in outcome.unproven_seconds {
            self.crowded += 1;
            let how = match self.part.how {
                How::Overflowed { .. } => How::ByAuthor,
                _ => How::Crowded,
            };
            if self.part.how == How::Last || self.crowded > CROWDED_MAX {
                self.unproven.insert(second);
            } else {
                self.todo.push_front(self.part.over(Span::second(second), how));
            }
        }
        Ok(())
    }

    fn have(&mut self, ids: Vec<EventId>) {
        self.differences += ids.len();
        if !ids.is_empty() {
            self.outputs.push_back(Output::Have(ids));
        }
    }

    fn need(&mut self, mut ids: Vec<EventId>) {
        ids.retain(|id| self.is_new(id));
        self.differences += ids.len();
        if !ids.is_empty() {
            self.outputs.push_back(Output::Need(ids));
        }
    }

    /// Whether an id the relay holds is a difference that nobody named yet.
    fn is_new(&self, id: &EventId) -> bool {
        let unplaced = self
            .authors
            .as_ref()
            .is_some_and(|authors| self.part.author.is_some() && authors.unplaced.contains(id));
        !unplaced && !self.named.contains(id)
    }

    fn end(&mut self) {
        let method = if self.paged {
            Method::Paging
        } else {
            Method::Negentropy
        };
        let verdict = Verdict {
            method,
            partial: self.partial,
            unproven_seconds: self.unproven.iter().copied().collect(),
            trouble: self.trouble.take(),
        };
        self.stop(End::Compared(verdict));
    }

    fn unreadable(&mut self, error: &IndexError) {
        let why = format!("the store could not be read: {error}");
        self.stop(End::Unreadable { why });
    }

    fn stop(&mut self, end: End) {
        self.stage = Stage::Over;
        self.todo.clear();
        self.outputs.push_back(Output::Ended(end));
    }
}

/// Room for what the relay has got since, or holds and we do not (N-6).
fn aim(cap: Option<u64>) -> Option<u64> {
    cap.map(|cap| (cap / 5 * 4 + cap % 5 * 4 / 5).max(1))
}

fn too_many_parts() -> String {
    format!("it would take more than {WINDOWS_MAX} parts")
}
