//! What a pass counts.

use event_index::{Basis, Sum};
use relay_link::{RelayUrl, Traffic};

use crate::comparison::Verdict;
use crate::messages::{Method, PassReport};

/// What both sides were found to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// Items compared.
    pub count: u64,
    /// Over all of them (NIP-77, "Fingerprint Algorithm").
    pub fingerprint: [u8; 16],
    /// The newest item here, in order of arrival.
    pub last_seq: u64,
    /// What it rests on.
    pub basis: Basis,
}

/// Our side of a comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared {
    pub(super) sum: Sum,
    pub(super) last_seq: u64,
}

impl Agreed {
    pub(super) fn on(compared: &Compared, method: Method) -> Self {
        Self {
            count: compared.sum.count(),
            fingerprint: compared.sum.fingerprint(),
            last_seq: compared.last_seq,
            basis: basis(method),
        }
    }
}

/// What the comparisons of a pass found and its transfers did.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) method: Method,
    /// Of the comparison that runs, or ran last.
    pub(super) rounds: u32,
    pub(super) have: u64,
    pub(super) need: u64,
    /// Ids named that were no difference but a part of the next view.
    pub(super) placed: u64,
    /// It stopped before every difference was named.
    pub(super) partial: bool,
    /// It could not read everything.
    pub(super) trouble: Option<String>,
    pub(super) unproven_seconds: Vec<u64>,
    /// Of `need`, those that pages handed over as events.
    pub(super) shown: u64,
    /// The progress told last.
    pub(super) told: Option<(u32, u64, u64)>,
    /// Rounds, have and need of the first comparison.
    first: Option<(u32, u64, u64)>,
    received: u64,
    sent: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            method: Method::Negentropy,
            rounds: 0,
            have: 0,
            need: 0,
            placed: 0,
            partial: false,
            trouble: None,
            unproven_seconds: Vec::new(),
            shown: 0,
            told: None,
            first: None,
            received: 0,
            sent: 0,
        }
    }
}

impl Tally {
    /// Another comparison begins.
    pub(super) fn begin(&mut self) {
        (self.rounds, self.have, self.need, self.shown) = (0, 0, 0, 0);
        self.placed = 0;
        self.partial = false;
        self.trouble = None;
        self.unproven_seconds.clear();
    }

    /// How a comparison ended.
    pub(super) fn verdict(&mut self, verdict: Verdict) {
        self.method = verdict.method;
        self.partial = verdict.partial;
        self.unproven_seconds = verdict.unproven_seconds;
        self.trouble = verdict.trouble;
    }

    /// Need ids that are fetched one by one.
    pub(super) fn fetched(&self) -> u64 {
        self.need - self.shown
    }

    /// The comparison named everything it will name.
    pub(super) fn compared(&mut self) {
        self.first.get_or_insert((self.rounds, self.have, self.need));
    }

    /// Events moved for this pass.
    pub(super) fn moved(&mut self, up: u64, down: u64) {
        self.sent += up;
        self.received += down;
    }

    /// The comparison found something to transfer.
    pub(super) fn differs(&self) -> bool {
        self.partial || self.have > 0 || self.need > 0
    }

    /// The relay holds what is held here and, as far as its method can tell, the other way round.
    pub(super) fn agrees(&self) -> bool {
        let equal = match self.method {
            Method::Negentropy => !self.differs(),
            // What pages showed was handed over with them; realtime's answer says whether it was stored.
            Method::Paging => self.have == 0 && self.fetched() == 0,
        };
        equal && !self.partial && self.unproven_seconds.is_empty()
    }

    pub(super) fn report(
        &self,
        relay: RelayUrl,
        authors: usize,
        from: Traffic,
        to: Traffic,
        complete: bool,
        error: Option<String>,
    ) -> PassReport {
        let (rounds, have, need) = self.first.unwrap_or((self.rounds, self.have, self.need));
        PassReport {
            relay,
            authors,
            method: self.method,
            basis: basis(self.method),
            rounds,
            have,
            need,
            received: self.received,
            sent: self.sent,
            bytes_in: to.bytes_in.saturating_sub(from.bytes_in),
            bytes_out: to.bytes_out.saturating_sub(from.bytes_out),
            complete,
            unproven_seconds: self.unproven_seconds.clone(),
            error,
        }
    }
}

fn basis(method: Method) -> Basis {
    match method {
        Method::Negentropy => Basis::Fingerprint,
        Method::Paging => Basis::Pages,
    }
}
