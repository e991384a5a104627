//! What follows what: from one stage of a pass to the next.

use std::time::Instant;

use nostr::event::EventId;

use super::report::Agreed;
use super::{AUTH_PAUSE, CONFIRMATIONS_MAX, IDS_PER_MESSAGE, Output, Pass, Stage, TRANSFER_SILENCE};
use crate::comparison::{self, End, Ground};
use crate::messages::{Method, PassReport, Phase};

impl Pass {
    pub(super) fn compare(&mut self) {
        self.epoch += 1;
        self.sifting = 0;
        self.shown.clear();
        self.tally.begin();
        self.stage = Stage::Snapshotting;
        self.outputs.push_back(Output::Snapshot);
    }

    pub(super) fn ground(&mut self) -> Ground {
        Ground {
            relay: self.start.relay.clone(),
            filter: self.start.filter.clone(),
            subs: self.start.subs.branch(),
            known: self.known,
            agreed: self.agreed,
            unix: self.start.unix,
        }
    }

    /// Moves what the comparison wants on to the caller.
    pub(super) fn drain(&mut self, now: Instant) {
        while let Stage::Comparing(comparison) = &mut self.stage {
            match comparison.poll_output() {
                Some(output) => self.comparison_output(output, now),
                None => break,
            }
        }
        self.show_progress();
    }

    fn comparison_output(&mut self, output: comparison::Output, now: Instant) {
        match output {
            comparison::Output::Send(frame) => self.outputs.push_back(Output::Send(frame)),
            comparison::Output::Have(ids) => self.name_have(&ids),
            comparison::Output::Need(ids) => self.name_need(&ids),
            comparison::Output::Shown(ids) => {
                self.shown.extend(ids.iter().copied());
                self.name_need(&ids);
            }
            comparison::Output::Events(events) => self.outputs.push_back(Output::Events(events)),
            comparison::Output::Learned(lesson) => self.outputs.push_back(Output::Learned(lesson)),
            comparison::Output::SplitByAuthor(authors) => {
                self.outputs.push_back(Output::SplitByAuthor(authors));
            }
            comparison::Output::Ended(end) => self.compared(end, now),
        }
    }

    fn compared(&mut self, end: End, now: Instant) {
        if let Stage::Comparing(comparison) = std::mem::replace(&mut self.stage, Stage::Sifting) {
            self.tally.rounds = comparison.rounds();
            self.known = comparison.known();
        }
        match end {
            End::Compared(verdict) => {
                self.tally.verdict(verdict);
                self.settle_when_sifted(now);
            }
            End::AuthRequired { why } => self.authenticate(why, now),
            End::RateLimited { why } | End::Unreadable { why } => self.fail(why),
        }
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
            // Seconds that pages could not show were compared, and their ids fetched.
            Method::Paging if self.tally.fetched() > 0 => (true, up.0 + down.0),
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
        let Stage::Comparing(comparison) = &self.stage else {
            return;
        };
        let (round, held_back) = (comparison.rounds(), comparison.held_back() as u64);
        let need = self.tally.need.max(comparison.shown() as u64);
        let (have, need) = (self.tally.have + held_back, need);
        if self.confirmations == 0
            && self.tally.told.replace((round, have, need)) != Some((round, have, need))
        {
            self.outputs
                .push_back(Output::Phase(Phase::Comparing { round, have, need }));
        }
    }
}
