//! Everything one comparison with one relay consists of, in order, as a state machine that performs no I/O.
//!
//! ```text
//! snapshot -> comparison -> sift -> Settle, both sides answer --+-> Done
//!    ^                                                          |
//!    '----- something moved: confirm, at most three times ------'
//! ```
//!
//! What a reader can rely on:
//! - Equal sets cost one negentropy round and end complete.
//! - What is compared is what the relay is expected to hold: without what it refused, with what it serves and is not
//!   taken. A match is an agreement about that.
//! - *Complete* is said only when the last comparison found no difference, neither side has anything left, and the
//!   relay refused nothing. Ids deleted here are no difference: they are neither stored nor counted, and the view is
//!   told where the relay keeps them.
//! - Ids are handed out while the comparison goes on; nothing waits for transfers between rounds (N-8).
//! - After [`Output::Done`] nothing follows.

mod expected;
mod report;
mod steps;

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use event_index::Agreement;
use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use nostr::key::PublicKey;
use relay_link::{ClientFrame, Lesson, RelayFrame, RelayUrl, Traffic};

pub use self::expected::Expected;
pub use self::report::Agreed;
use self::report::{Compared, Tally};
use crate::author_set::author_set;
use crate::comparison::{self, Comparison};
pub use crate::comparison::{AuthorViews, Known, REFUSALS_MAX, REOPENS_MAX, WINDOWS_MAX};
use crate::engine::SharedView;
use crate::messages::{PassReport, Phase, Side};
use crate::subs::SubIds;

/// Confirming comparisons: more means that events keep moving, which the next pass finds as well.
pub const CONFIRMATIONS_MAX: u32 = 3;
/// Ids per message: one commit of the receiver, which pays from about 1,000 on (DESIGN 7).
pub const IDS_PER_MESSAGE: usize = 1_000;
/// How long to wait after `auth-required` before the one retry: the link's AUTH takes up to 10 s, and then some.
pub const AUTH_PAUSE: Duration = Duration::from_secs(15);
/// How long transfers may go on without a frame to or from the relay.
pub const TRANSFER_SILENCE: Duration = Duration::from_secs(600);

/// What the caller carries out after each call, in order.
#[derive(Debug)]
pub enum Output {
    /// Take a snapshot of the store and hand it to [`Pass::snapshot_taken`].
    Snapshot,
    /// Send this frame to the relay.
    Send(ClientFrame),
    /// Find out which of these ids are deleted here and hand the others to [`Pass::sifted`].
    Sift {
        /// To be handed back.
        epoch: u32,
        /// At most [`IDS_PER_MESSAGE`].
        ids: Vec<EventId>,
    },
    /// The relay does not serve these any more, which are deleted here: forget that it did, tell [`Pass::view_changed`],
    /// and answer with [`Pass::sifted`] and no ids.
    Gone {
        /// To be handed back.
        epoch: u32,
        /// At most [`IDS_PER_MESSAGE`].
        ids: Vec<EventId>,
    },
    /// For the uploader: held here only. At most [`IDS_PER_MESSAGE`].
    Have(Vec<EventId>),
    /// For realtime: held there only. At most [`IDS_PER_MESSAGE`].
    Need(Vec<EventId>),
    /// For realtime: events of a page; answer with [`Pass::events_taken`].
    Events(Vec<Event>),
    /// For both: answer with what was moved, through [`Pass::settled`].
    Settle,
    /// Find out whether the store got an item after this sequence number and tell [`Pass::looked`].
    Look {
        /// The last one that was compared.
        after: u64,
    },
    /// The relay takes one author per filter: part the items of [`Pass::compared_view`] by these authors, as
    /// [`AuthorViews::of`] does, and hand them to [`Pass::authors_split`].
    SplitByAuthor(Vec<PublicKey>),
    /// To be remembered of the relay.
    Learned(Lesson),
    /// Tell everyone.
    Phase(Phase),
    /// The pass is over.
    Done {
        /// What it came to.
        report: PassReport,
        /// To be recorded, when the sets agree.
        agreed: Option<Agreed>,
    },
}

/// What a pass starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// Compared with whom.
    pub relay: RelayUrl,
    /// Kinds and authors.
    pub filter: Filter,
    /// Fresh.
    pub subs: SubIds,
    /// What is known of it.
    pub known: Known,
    /// Now, Unix seconds: where a set is cut when its items do not tell.
    pub unix: u64,
    /// The link's counters now.
    pub traffic: Traffic,
}

enum Stage {
    Snapshotting,
    Comparing(Box<Comparison>),
    Authenticating {
        until: Instant,
    },
    /// Every difference is named; some ids are being looked up.
    Sifting,
    Transferring {
        up: Option<(u64, u64)>,
        down: Option<(u64, u64)>,
        deadline: Instant,
        frames: u64,
    },
    /// Events moved although the sets were equal: meanwhile, or before.
    Looking {
        up: (u64, u64),
        down: (u64, u64),
    },
    Ended,
}

/// One pass with one relay.
pub struct Pass {
    start: Start,
    known: Known,
    stage: Stage,
    /// What is compared; let go of before the transfers, since it may hold the disk's state of that moment.
    view: Option<SharedView>,
    /// What was compared.
    compared: Option<Compared>,
    /// How that differs from the items.
    expected: Expected,
    /// When the relay last agreed on the set that is compared, Unix seconds, and how much it was.
    agreed: Option<(u64, u64)>,
    traffic: Traffic,
    tally: Tally,
    epoch: u32,
    sifting: usize,
    /// Need ids that were handed over as events.
    shown: BTreeSet<EventId>,
    confirmations: u32,
    auth_retried: bool,
    outputs: VecDeque<Output>,
}

impl Pass {
    /// Starts a pass; the first output asks for a snapshot.
    pub fn start(start: Start) -> Self {
        let mut pass = Self {
            known: start.known,
            traffic: start.traffic,
            start,
            stage: Stage::Snapshotting,
            view: None,
            compared: None,
            agreed: None,
            expected: Expected::default(),
            tally: Tally::default(),
            epoch: 0,
            sifting: 0,
            shown: BTreeSet::new(),
            confirmations: 0,
            auth_retried: false,
            outputs: VecDeque::new(),
        };
        pass.outputs.push_back(Output::Phase(Phase::Comparing {
            round: 0,
            have: 0,
            need: 0,
        }));
        pass.compare();
        pass
    }

    /// The link's counters, to be told before any other call: the report counts bytes from the start.
    pub fn observe(&mut self, traffic: Traffic) {
        self.traffic = traffic;
    }

    /// The agreement with the relay that is on record; one about other authors is about another set. To be told before
    /// [`Pass::snapshot_taken`]: it decides what is compared first.
    pub fn agreement_found(&mut self, agreement: &Agreement) {
        let same = agreement.authors == self.author_set();
        self.agreed = same.then_some((agreement.at, agreement.count));
    }

    /// Which authors are compared, for the record of an agreement.
    pub fn author_set(&self) -> u32 {
        author_set(self.start.filter.authors.iter().flatten())
    }

    /// What the relay is expected to hold now, and the last sequence number given out before. Cost: that of the sum of all its items.
    pub fn snapshot_taken(&mut self, view: SharedView, last_seq: u64, now: Instant) {
        if !matches!(self.stage, Stage::Snapshotting) {
            return;
        }
        match view.sum(0..view.len()) {
            Ok(sum) => self.compared = Some(Compared { sum, last_seq }),
            Err(error) => return self.fail(format!("the store could not be read: {error}")),
        }
        self.view = Some(view.clone());
        let comparison = Comparison::start(view, self.ground(), now);
        self.stage = Stage::Comparing(Box::new(comparison));
        self.drain(now);
    }

    /// What is being compared, until transfers begin.
    pub fn compared_view(&self) -> Option<SharedView> {
        self.view.clone()
    }

    /// The answer to [`Output::SplitByAuthor`].
    pub fn authors_split(&mut self, authors: AuthorViews, now: Instant) {
        if let Stage::Comparing(comparison) = &mut self.stage {
            comparison.authors_split(authors, now);
            self.drain(now);
        }
    }

    /// A frame of the relay.
    pub fn handle_frame(&mut self, frame: RelayFrame, now: Instant) {
        if let Stage::Comparing(comparison) = &mut self.stage {
            comparison.handle_frame(frame, now);
            self.drain(now);
        }
    }

    /// The ids of one [`Output::Sift`] that are not deleted here.
    pub fn sifted(&mut self, epoch: u32, mut live: Vec<EventId>, now: Instant) {
        if matches!(self.stage, Stage::Ended) {
            return;
        }
        let named = live.len() as u64;
        live.retain(|id| !self.shown.contains(id));
        if epoch == self.epoch {
            self.sifting = self.sifting.saturating_sub(1);
            self.tally.need += named;
            self.tally.shown += named - live.len() as u64;
        }
        if !live.is_empty() {
            self.outputs.push_back(Output::Need(live));
        }
        self.settle_when_sifted(now);
    }

    /// Realtime has the events of one [`Output::Events`].
    pub fn events_taken(&mut self, now: Instant) {
        if let Stage::Comparing(comparison) = &mut self.stage {
            comparison.taken(now);
            self.drain(now);
        }
    }

    /// One side's answer to [`Output::Settle`]: how many events moved since the last answer, how many did not.
    pub fn settled(&mut self, side: Side, moved: u64, left: u64, now: Instant) {
        let Stage::Transferring {
            up, down, deadline, ..
        } = &mut self.stage
        else {
            return;
        };
        *deadline = now + TRANSFER_SILENCE;
        let slot = match side {
            Side::Up => &mut *up,
            Side::Down => &mut *down,
        };
        // One that answers twice moved the sum, and its last word on what is left holds.
        *slot = Some((slot.map_or(0, |(before, _)| before) + moved, left));
        if let (Some(up), Some(down)) = (*up, *down) {
            self.transferred(up, down);
        }
    }

    /// The answer to [`Output::Look`]. When the store got nothing new, what moved was compared already, and is not of
    /// this pass.
    pub fn looked(&mut self, advanced: bool) {
        let Stage::Looking { up, down } = self.stage else {
            return;
        };
        if advanced {
            self.tally.moved(up.0, down.0);
        }
        self.conclude(advanced, up.1 + down.1);
    }

    /// Acts on a deadline that has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let moving = self.traffic.frames_in + self.traffic.frames_out;
        match &mut self.stage {
            Stage::Comparing(comparison) => comparison.handle_timeout(now),
            Stage::Authenticating { until } if now >= *until => self.compare(),
            Stage::Transferring { deadline, frames, .. } if now >= *deadline => {
                if moving == *frames {
                    let minutes = TRANSFER_SILENCE.as_secs() / 60;
                    return self.fail(format!("transfers made no progress for {minutes} minutes"));
                }
                *frames = moving;
                *deadline = now + TRANSFER_SILENCE;
            }
            _ => return,
        }
        self.drain(now);
    }

    /// Ends the pass with an error, closing what is open at the relay.
    pub fn fail(&mut self, error: String) {
        if !matches!(self.stage, Stage::Ended) {
            self.abandon();
            let report = self.report(false, Some(error));
            self.outputs.push_back(Output::Done { report, agreed: None });
        }
    }

    /// Ends the pass without a report, closing what is open at the relay: another one takes its place.
    pub fn abandon(&mut self) {
        if let Stage::Comparing(mut comparison) = std::mem::replace(&mut self.stage, Stage::Ended) {
            comparison.close();
            while let Some(output) = comparison.poll_output() {
                if let comparison::Output::Send(frame) = output {
                    self.outputs.push_back(Output::Send(frame));
                }
            }
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Pass::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Comparing(comparison) => comparison.poll_timeout(),
            Stage::Authenticating { until } => Some(*until),
            Stage::Transferring { deadline, .. } => Some(*deadline),
            Stage::Snapshotting | Stage::Sifting | Stage::Looking { .. } | Stage::Ended => None,
        }
    }
}
