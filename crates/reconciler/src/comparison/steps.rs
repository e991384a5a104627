//! What follows what: from one part of a comparison to the next.

use std::time::Instant;

use event_index::IndexError;
use nostr::event::EventId;
use relay_link::{Lesson, NegChance};

use super::part::How;
use super::probe::{Found, Probe, SAMPLE_MAX};
use super::refusals::{aim, too_many_parts};
use super::{Comparison, End, NegUse, Output, REOPENS_MAX, SUSPICIOUS_MIN, Stage, Verdict};
use crate::messages::Method;
use crate::session::{self, FRAME_BYTES_MAX, IDS_MAX, Opening, Outcome, Session};
use crate::walk::{self, Walk};

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

    pub(super) fn begin(&mut self, now: Instant) -> Result<(), IndexError> {
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

    pub(super) fn negotiate(
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
            // Without a time a session begins with equal parts of everything.
            agreed_at: self
                .ground
                .agreed
                .filter(|_| self.ground.known.recent_first)
                .map(|(at, _)| at),
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

    pub(super) fn session_ended(&mut self, outcome: Outcome, now: Instant) {
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

    pub(super) fn spoke(&mut self) {
        self.refusals = 0;
        if self.ground.known.neg != NegChance::Proven {
            self.ground.known.neg = NegChance::Proven;
            self.outputs.push_back(Output::Learned(Lesson::NegSpoken));
        }
    }

    /// Hands the have ids on, unless there are so many that the relay has to be asked first (N-13).
    pub(super) fn check(&mut self, session: Session, have: Vec<EventId>, full: bool, now: Instant) {
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

    pub(super) fn checked(&mut self, have: Vec<EventId>, full: bool, now: Instant) {
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

    pub(super) fn have(&mut self, ids: Vec<EventId>) {
        self.differences += ids.len();
        if !ids.is_empty() {
            self.outputs.push_back(Output::Have(ids));
        }
    }

    pub(super) fn need(&mut self, mut ids: Vec<EventId>) {
        ids.retain(|id| self.is_new(id));
        self.differences += ids.len();
        if !ids.is_empty() {
            self.outputs.push_back(Output::Need(ids));
        }
    }

    /// Whether an id the relay holds is a difference that nobody named yet.
    pub(super) fn is_new(&self, id: &EventId) -> bool {
        let unplaced = self
            .authors
            .as_ref()
            .is_some_and(|authors| self.part.author.is_some() && authors.unplaced.contains(id));
        !unplaced && !self.named.contains(id)
    }

    pub(super) fn end(&mut self) {
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

    pub(super) fn unreadable(&mut self, error: &IndexError) {
        let why = format!("the store could not be read: {error}");
        self.stop(End::Unreadable { why });
    }

    pub(super) fn stop(&mut self, end: End) {
        self.stage = Stage::Over;
        self.todo.clear();
        self.outputs.push_back(Output::Ended(end));
    }
}
