//! One comparison of the whole set with one relay, by as many sessions and pages as that takes.
//!
//! ```text
//! parts to do, newest first -> NEG session -> probe, when too much is missing there --+-> next part, or the end
//!    ^   ^   ^                  |     |  '- not there, failing -> pages: all that is left
//!    |   |   '--- cut by time --'     '- one second too big ---> pages: that second
//!    |   '--- author by author: the filter is too wide
//!    '--- a second that a page cannot show: NEG, then author by author, then unproven
//! ```
//!
//! It performs no I/O: frames and the time go in, [`Comparison::poll_output`] is drained, one timer is armed for
//! [`Comparison::poll_timeout`].
//!
//! What a reader can rely on:
//! - Every part of the set is compared by fingerprints, read to its end by pages, or named: as a trouble, as an
//!   unproven second, or as partial. The top part has no upper end (N-7).
//! - Need ids are named while a session runs (N-8). Have ids of a session are named at its end, because a relay that
//!   compares as empty may only have failed to look (N-13): it is asked for some of them by id first.
//! - Only a relay's word about size cuts the set, at most [`WINDOWS_MAX`] times, and not at all once cutting does not
//!   help (N-4, N-5).
//! - Exactly one [`Output::Ended`] comes, and nothing after it.

mod authors;
mod known;
mod output;
mod part;
mod probe;
mod refusals;
mod span;
mod steps;
mod walked;

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use nostr::event::EventId;
use nostr::filter::Filter;
use relay_link::{NegChance, RelayFrame, RelayUrl};

pub use self::authors::AuthorViews;
pub use self::known::Known;
pub(crate) use self::output::{End, Output, Verdict};
use self::part::Part;
use self::probe::Probe;
use crate::engine::SharedView;
use crate::session::{self, Session};
use crate::subs::SubIds;
use crate::walk::{self, Walk};

/// A session the relay forgot is opened again this often per comparison (N-9).
pub const REOPENS_MAX: u32 = 3;
/// Sessions of one comparison; with the commonest cap, a million, they compare 800 million events. What is left is paged.
pub const WINDOWS_MAX: usize = 1_000;
/// Refusals for size in a row: halving the time since 2020 comes down to one second in 31 steps, and twice as many show
/// that the relay does not look at the time at all.
pub const REFUSALS_MAX: u32 = 64;
/// Seconds too full for a page that other ways are tried for, at up to a page per author each.
const CROWDED_MAX: usize = 64;
/// Walks that end in an error before the rest is left to the next pass: each may take two minutes.
const WALK_TROUBLES_MAX: u32 = 3;
/// Fewer missing ids than this are sent again rather than asked about, unless they are all there was.
const SUSPICIOUS_MIN: usize = 20;

/// What a comparison starts from.
pub(crate) struct Ground {
    pub(crate) relay: RelayUrl,
    /// Kinds and authors.
    pub(crate) filter: Filter,
    pub(crate) subs: SubIds,
    pub(crate) known: Known,
    /// When the relay last held the same, Unix seconds, and how much.
    pub(crate) agreed: Option<(u64, u64)>,
    /// Now, Unix seconds.
    pub(crate) unix: u64,
}

/// What is compared by NEG for the rest of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NegUse {
    /// It is not there, does not tell the truth, or would take as long again.
    Nothing,
    /// Seconds that are too full for a page.
    Seconds,
    /// Everything.
    Whole,
}

enum Stage {
    Negotiating {
        session: Box<Session>,
        /// Held back until it ends.
        have: Vec<EventId>,
    },
    Probing {
        probe: Probe,
        have: Vec<EventId>,
        /// The session was full.
        full: bool,
    },
    Paging(Box<Walk>),
    /// Waiting for [`Comparison::authors_split`]; with everything, or with the crowded second at hand only.
    Splitting {
        everything: bool,
    },
    Over,
}

/// One comparison.
pub(crate) struct Comparison {
    ground: Ground,
    view: SharedView,
    authors: Option<AuthorViews>,
    todo: VecDeque<Part>,
    /// What is being compared.
    part: Part,
    stage: Stage,
    neg: NegUse,
    /// The relay proved to have lost what it held.
    wiped: bool,
    windows: usize,
    refusals: u32,
    reopens: u32,
    crowded: usize,
    walk_troubles: u32,
    /// Need ids of sessions that did not get to their end: what takes their place names them no more.
    named: BTreeSet<EventId>,
    /// Ids named so far: past [`IDS_MAX`](crate::session::IDS_MAX) they are transferred before the rest is compared.
    differences: usize,
    /// Rounds and pages of parts that are over.
    rounds: u32,
    paged: bool,
    partial: bool,
    unproven: BTreeSet<u64>,
    trouble: Option<String>,
    outputs: VecDeque<Output>,
}

impl Comparison {
    /// Starts comparing what is in `view`.
    pub(crate) fn start(view: SharedView, ground: Ground, now: Instant) -> Self {
        let whole = Part::whole(view.clone());
        let mut comparison = Self {
            neg: match ground.known.neg {
                NegChance::Unavailable => NegUse::Nothing,
                _ if ground.known.neg_failed => NegUse::Seconds,
                _ => NegUse::Whole,
            },
            ground,
            view,
            authors: None,
            todo: VecDeque::new(),
            part: whole.clone(),
            stage: Stage::Over,
            wiped: false,
            windows: 0,
            refusals: 0,
            reopens: 0,
            crowded: 0,
            walk_troubles: 0,
            named: BTreeSet::new(),
            differences: 0,
            rounds: 0,
            paged: false,
            partial: false,
            unproven: BTreeSet::new(),
            trouble: None,
            outputs: VecDeque::new(),
        };
        if comparison.ground.known.one_author && comparison.author_count() > 1 {
            comparison.by_author(true, now);
        } else {
            comparison.todo.push_back(whole);
            comparison.next(now);
        }
        comparison.advance(now);
        comparison
    }

    /// Takes a frame of the relay. Frames of other subscriptions change nothing.
    pub(crate) fn handle_frame(&mut self, frame: RelayFrame, now: Instant) {
        match &mut self.stage {
            Stage::Negotiating { session, .. } => session.handle_frame(frame, now),
            Stage::Paging(walk) => walk.handle_frame(frame, now),
            Stage::Probing { probe, .. } => {
                if let Some(found) = probe.handle_frame(&frame) {
                    self.probed(found, now);
                }
            }
            Stage::Splitting { .. } | Stage::Over => {}
        }
        self.advance(now);
    }

    /// Acts on a deadline that has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        match &mut self.stage {
            Stage::Negotiating { session, .. } => session.handle_timeout(now),
            Stage::Paging(walk) => walk.handle_timeout(now),
            Stage::Probing { probe, .. } => {
                if let Some(found) = probe.handle_timeout(now) {
                    self.probed(found, now);
                }
            }
            Stage::Splitting { .. } | Stage::Over => {}
        }
        self.advance(now);
    }

    /// The receiver has one more batch of [`Output::Events`].
    pub(crate) fn taken(&mut self, now: Instant) {
        if let Stage::Paging(walk) = &mut self.stage {
            walk.taken(now);
            self.advance(now);
        }
    }

    /// The answer to [`Output::SplitByAuthor`].
    pub(crate) fn authors_split(&mut self, authors: AuthorViews, now: Instant) {
        if let Stage::Splitting { everything } = self.stage {
            self.authors = Some(authors);
            self.by_author(everything, now);
            self.advance(now);
        }
    }

    /// Stops without an end, closing what is open at the relay.
    pub(crate) fn close(&mut self) {
        self.outputs.clear();
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Negotiating { mut session, .. } => {
                session.close();
                while let Some(output) = session.poll_output() {
                    if let session::Output::Send(frame) = output {
                        self.outputs.push_back(Output::Send(frame));
                    }
                }
            }
            Stage::Paging(mut walk) => {
                walk.close();
                while let Some(output) = walk.poll_output() {
                    if let walk::Output::Send(frame) = output {
                        self.outputs.push_back(Output::Send(frame));
                    }
                }
            }
            Stage::Probing { probe, .. } => self.outputs.push_back(Output::Send(probe.close())),
            Stage::Splitting { .. } | Stage::Over => {}
        }
    }

    /// The next thing to carry out.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Comparison::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Negotiating { session, .. } => session.poll_timeout(),
            Stage::Paging(walk) => walk.poll_timeout(),
            Stage::Probing { probe, .. } => Some(probe.deadline()),
            Stage::Splitting { .. } | Stage::Over => None,
        }
    }

    /// Rounds and pages so far.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
            + match &self.stage {
                Stage::Negotiating { session, .. } => session.rounds(),
                Stage::Paging(walk) => walk.pages(),
                _ => 0,
            }
    }

    /// Events that the pages being read have shown, whether they are new here or not.
    pub(crate) fn shown(&self) -> usize {
        match &self.stage {
            Stage::Paging(walk) => walk.seen(),
            _ => 0,
        }
    }

    /// Have ids that are held back until a session ends.
    pub(crate) fn held_back(&self) -> usize {
        match &self.stage {
            Stage::Negotiating { have, .. } | Stage::Probing { have, .. } => have.len(),
            _ => 0,
        }
    }

    /// What is known of the relay by now.
    pub(crate) fn known(&self) -> Known {
        self.ground.known
    }

    fn author_count(&self) -> usize {
        self.ground.filter.authors.as_ref().map_or(0, BTreeSet::len)
    }
}
