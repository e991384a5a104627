//! What the pages of a part came to.

use std::time::Instant;

use event_index::IndexError;
use nostr::event::EventId;
use relay_link::Lesson;

use super::part::How;
use super::span::Span;
use super::{CROWDED_MAX, Comparison, End, Output, Stage, WALK_TROUBLES_MAX};
use crate::walk::{WalkError, WalkOutcome};

impl Comparison {
    pub(super) fn walk_ended(&mut self, outcome: WalkOutcome, now: Instant) {
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
    pub(super) fn name_walked(&mut self, mut outcome: WalkOutcome) -> Result<(), IndexError> {
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
}
