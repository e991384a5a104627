//! What follows what: from one stage of a pass to the next.

use std::time::Instant;

use nostr::event::EventId;
use relay_link::ClientFrame;

use super::report::Agreed;
use super::{
    AUTH_PAUSE, CONFIRMATIONS_MAX, IDS_PER_MESSAGE, NegChance, Output, Pass, REOPENS_MAX, Stage,
    TRANSFER_SILENCE,
};
use crate::messages::{Method, PassReport, Phase};
use crate::session::{self, FRAME_BYTES_MAX, Opening, Outcome, Session};
use crate::walk::{self, Walk, WalkError, WalkOutcome};

impl Pass {
    pub(super) fn compare(&mut self) {
        self.reopens = 0;
        self.epoch += 1;
        self.sifting = 0;
        self.tally.begin();
        self.stage = Stage::Snapshotting;
        self.outputs.push_back(Output::Snapshot);
    }

    pub(super) fn negotiate(&mut self, before: Option<Session>, now: Instant) {
        let Some(view) = self.view.clone() else {
            return;
        };
        self.tally.method = Method::Negentropy;
        let opening = Opening {
            filter: self.start.filter.clone(),
            sub: self.start.subs.fresh(),
            proven: self.neg == NegChance::Proven,
            frame_bytes_max: FRAME_BYTES_MAX,
            agreed_at: self.agreed_at,
        };
        let session = match before {
            Some(before) => before.reopen(view, opening, now),
            None => Session::open(view, opening, now),
        };
        self.stage = Stage::Negotiating(Box::new(session));
        self.drain(now);
    }

    pub(super) fn page(&mut self, now: Instant) {
        // What the session named keeps moving, but pages are counted from the start.
        self.epoch += 1;
        self.sifting = 0;
        self.tally.begin();
        self.tally.method = Method::Paging;
        let walk = Walk::start(
            self.start.filter.clone(),
            self.start.page_limit,
            self.start.subs.branch(),
            now,
        );
        self.stage = Stage::Paging(Box::new(walk));
        self.drain(now);
    }

    /// Moves what the session or the walk wants on to the caller.
    pub(super) fn drain(&mut self, now: Instant) {
        loop {
            match &mut self.stage {
                Stage::Negotiating(session) => match session.poll_output() {
                    Some(output) => self.session_output(output, now),
                    None => break,
                },
                Stage::Paging(walk) => match walk.poll_output() {
                    Some(output) => self.walk_output(output, now),
                    None => break,
                },
                _ => break,
            }
        }
        self.show_progress();
    }

    pub(super) fn session_output(&mut self, output: session::Output, now: Instant) {
        match output {
            session::Output::Send(frame) => self.outputs.push_back(Output::Send(frame)),
            session::Output::Have(ids) => self.name_have(&ids),
            session::Output::Need(ids) => self.name_need(&ids),
            session::Output::Ended(outcome) => self.session_ended(outcome, now),
        }
    }

    pub(super) fn session_ended(&mut self, outcome: Outcome, now: Instant) {
        let Stage::Negotiating(session) = std::mem::replace(&mut self.stage, Stage::Sifting) else {
            return;
        };
        self.tally.rounds = session.rounds();
        let spoke = matches!(outcome, Outcome::Reconciled { .. } | Outcome::Full { .. });
        if spoke && self.neg != NegChance::Proven {
            self.neg = NegChance::Proven;
            self.outputs.push_back(Output::NegProven);
        }
        match outcome {
            Outcome::Reconciled { .. } => self.settle_when_sifted(now),
            Outcome::Full { .. } => {
                self.tally.partial = true;
                self.settle_when_sifted(now);
            }
            // One that spoke NEG before and is silent now is busy, not without NEG.
            Outcome::Unavailable { why } if self.neg == NegChance::Proven => self.page_because(&why, now),
            Outcome::Unavailable { why } => {
                self.neg = NegChance::Unavailable;
                self.page_because(&why, now);
                self.outputs.push_back(Output::NegUnavailable { why });
            }
            Outcome::Reopen { .. } if self.reopens < REOPENS_MAX => {
                self.reopens += 1;
                self.negotiate(Some(*session), now);
            }
            Outcome::Reopen { why } | Outcome::Failed { why } => self.page_because(&why, now),
            Outcome::TooBig { cap } => {
                let why = cap.map_or("too many items".to_owned(), |cap| {
                    format!("more than {cap} items")
                });
                self.page_because(&why, now);
            }
            Outcome::AuthRequired => {
                self.authenticate(
                    "the relay wants authentication before it compares".to_owned(),
                    now,
                );
            }
            Outcome::RateLimited { why } => {
                self.fail(format!("the relay limits the rate of requests ({why})"));
            }
        }
    }

    pub(super) fn page_because(&mut self, why: &str, now: Instant) {
        tracing::info!(relay = %self.start.relay, why, "paging instead of negentropy");
        self.page(now);
    }

    pub(super) fn authenticate(&mut self, error: String, now: Instant) {
        if self.auth_retried {
            return self.fail(error);
        }
        self.auth_retried = true;
        self.stage = Stage::Authenticating {
            until: now + AUTH_PAUSE,
        };
    }

    pub(super) fn walk_output(&mut self, output: walk::Output, now: Instant) {
        match output {
            walk::Output::Send(frame) => self.outputs.push_back(Output::Send(frame)),
            walk::Output::Events(events) => self.outputs.push_back(Output::Events(events)),
            walk::Output::Ended(outcome) => self.walk_ended(outcome, now),
        }
    }

    pub(super) fn walk_ended(&mut self, outcome: WalkOutcome, now: Instant) {
        self.stage = Stage::Sifting;
        self.tally.rounds = outcome.pages;
        if outcome.error == Some(WalkError::AuthRequired) && !self.auth_retried {
            return self.authenticate(WalkError::AuthRequired.to_string(), now);
        }
        self.tally.trouble = outcome.error.map(|error| error.to_string());
        let Some(view) = self.view.clone() else {
            return;
        };
        let mut need = outcome.seen;
        let mut have = Vec::new();
        let read = view.each(0..view.len(), &mut |item| {
            // What an unread second hides, and what lies below an unread page, is not missing there for certain.
            let unread = !outcome.proven || outcome.unproven_seconds.contains(&item.created_at);
            if !need.remove(&item.id) && !unread {
                have.push(item.id);
            }
        });
        if let Err(error) = read {
            return self.fail(format!("the store could not be read: {error}"));
        }
        self.tally.unproven_seconds = outcome.unproven_seconds;
        self.name_have(&have);
        self.name_need(&need.into_iter().collect::<Vec<_>>());
        self.settle_when_sifted(now);
    }

    pub(super) fn name_have(&mut self, ids: &[EventId]) {
        let ids = self.held_of(ids);
        self.tally.have += ids.len() as u64;
        self.outputs
            .extend(ids.chunks(IDS_PER_MESSAGE).map(|ids| Output::Have(ids.to_vec())));
    }

    pub(super) fn name_need(&mut self, ids: &[EventId]) {
        for ids in ids.chunks(IDS_PER_MESSAGE) {
            self.sifting += 1;
            self.outputs.push_back(Output::Sift {
                epoch: self.epoch,
                ids: ids.to_vec(),
            });
        }
    }

    pub(super) fn settle_when_sifted(&mut self, now: Instant) {
        if !matches!(self.stage, Stage::Sifting) || self.sifting > 0 {
            return;
        }
        self.tally.compared();
        if self.tally.differs() {
            self.outputs.push_back(Output::Phase(Phase::Transferring));
        }
        self.view = None;
        self.outputs.push_back(Output::Settle);
        let frames = self.traffic.frames_in + self.traffic.frames_out;
        self.stage = Stage::Transferring {
            up: None,
            down: None,
            deadline: now + TRANSFER_SILENCE,
            frames,
        };
    }

    pub(super) fn transferred(&mut self, up: (u64, u64), down: (u64, u64)) {
        let (differed, moved) = match self.tally.method {
            Method::Negentropy => (self.tally.differs() || self.tally.placed > 0, up.0 + down.0),
            // What pages brought was seen at the relay already; what went up was not.
            Method::Paging => (self.tally.have > 0, up.0),
        };
        if !differed && moved > 0 && self.tally.trouble.is_none() {
            let after = self.compared.as_ref().map_or(0, |compared| compared.last_seq);
            self.outputs.push_back(Output::Look { after });
            self.stage = Stage::Looking { up, down };
            return;
        }
        self.tally.moved(up.0, down.0);
        let once = self.tally.method == Method::Negentropy && self.confirmations == 0;
        self.conclude(differed && (moved > 0 || once), up.1 + down.1);
    }

    /// Compares once more, or ends the pass.
    pub(super) fn conclude(&mut self, worth_confirming: bool, left: u64) {
        // A session that was full names more each time, as long as something moves.
        let allowed = self.confirmations < CONFIRMATIONS_MAX || (self.tally.partial && worth_confirming);
        if worth_confirming && allowed && self.tally.trouble.is_none() {
            self.confirmations += 1;
            self.outputs.push_back(Output::Phase(Phase::Confirming));
            return self.compare();
        }
        self.stage = Stage::Ended;
        let trouble = self.tally.trouble.take();
        let matched = trouble.is_none() && left == 0 && self.tally.agrees();
        let complete = matched && self.expected.is_level();
        let agreed = self
            .compared
            .as_ref()
            .filter(|_| matched)
            .map(|compared| Agreed::on(compared, self.tally.method));
        let report = self.report(complete, trouble.or_else(|| self.expected.shortcoming()));
        self.outputs.push_back(Output::Done { report, agreed });
    }

    pub(super) fn report(&self, complete: bool, error: Option<String>) -> PassReport {
        self.tally.report(
            self.start.relay.clone(),
            self.start
                .filter
                .authors
                .as_ref()
                .map_or(0, std::collections::BTreeSet::len),
            self.start.traffic,
            self.traffic,
            complete,
            error,
        )
    }

    pub(super) fn show_progress(&mut self) {
        let (round, have, need) = match &self.stage {
            Stage::Negotiating(session) => (session.rounds(), self.tally.have, self.tally.need),
            Stage::Paging(walk) => (walk.pages(), self.tally.have, walk.seen() as u64),
            _ => return,
        };
        if self.confirmations == 0
            && self.tally.shown.replace((round, have, need)) != Some((round, have, need))
        {
            self.outputs
                .push_back(Output::Phase(Phase::Comparing { round, have, need }));
        }
    }

    pub(super) fn drain_closing(&mut self, mut next: impl FnMut() -> Option<Option<ClientFrame>>) {
        while let Some(frame) = next() {
            self.outputs.extend(frame.map(Output::Send));
        }
    }
}
