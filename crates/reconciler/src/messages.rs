//! What the reconciler says and what it can be told.

use actix::prelude::*;
use event_index::{Basis, IndexError};
use nostr::event::{Event, EventId};
use relay_link::{Lesson, RelayProfile, RelayUrl};
use serde::{Deserialize, Serialize};

/// Fact: these ids are held here and missing at the relay. Names each id once per comparison; a later comparison
/// names again what is still missing. At most 1,000 ids a message.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct HaveIds {
    /// Where they are missing.
    pub relay: RelayUrl,
    /// The pass that found out.
    pub pass: u64,
    /// The ids, sorted.
    pub ids: Vec<EventId>,
}

/// Fact: these ids are held by the relay and missing here. At most 1,000 ids a message.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct NeedIds {
    /// Who holds them.
    pub relay: RelayUrl,
    /// The pass that found out.
    pub pass: u64,
    /// The ids that are not deleted here, sorted.
    pub ids: Vec<EventId>,
    /// Ids that were deleted here unseen: fetched once for their time, which is where the relay keeps them, not stored,
    /// and not missed when they do not come.
    pub deleted: Vec<EventId>,
}

/// Fact: paging brought these events. They match the filter and their ids are right; their signatures were not
/// checked, and some may be known or deleted here. At most 500 events a message; the next page is asked for once
/// this was handled.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct PageArrived {
    /// Who sent them.
    pub relay: RelayUrl,
    /// The pass that asked.
    pub pass: u64,
    /// The events.
    pub events: Vec<Event>,
}

/// Fact: the comparison named everything; whoever transfers for this pass answers with [`Settled`] once nothing of
/// it is under way any more. Comes after the ids and pages it is about, and may come several times in one pass.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Settle {
    /// The relay compared with.
    pub relay: RelayUrl,
    /// The pass that waits.
    pub pass: u64,
}

/// Which way events move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// To the relay: the uploader answers.
    Up,
    /// From the relay: realtime answers.
    Down,
}

/// Fact for the reconciler: one side's answer to [`Settle`].
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct Settled {
    /// The relay of the pass.
    pub relay: RelayUrl,
    /// The pass as named in [`Settle`].
    pub pass: u64,
    /// Who answers.
    pub side: Side,
    /// Events accepted by the relay (up) or stored here (down) since the pass began or since the last `Settled`.
    pub moved: u64,
    /// Events that should have moved and did not: refused, parked, never delivered.
    pub left: u64,
    /// How many of those the relay named and did not deliver intact, although they were asked for (N-16).
    pub withheld: u64,
}

/// Fact for the reconciler, which keeps what is known of relays: another part found out something about one.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct LessonLearned {
    /// The relay.
    pub relay: RelayUrl,
    /// What it has shown.
    pub lesson: Lesson,
}

/// Command: compare with this relay, or with every relay, now. A pass that runs already starts over under a new
/// number, so a caller who sees a greater number than before sees a comparison that began after the call. A relay
/// that is not connected, and one asked before any history key is known, ends its pass at once with an error.
#[derive(Debug, Clone, Default, Message)]
#[rtype(result = "()")]
pub struct Compare {
    /// One relay, or all.
    pub relay: Option<RelayUrl>,
}

/// Command: forget what comparisons with every relay have shown, and what the relays were found to do, and compare with
/// those that are connected from nothing. Answered once that is on disk. [`forget`](crate::forget) while no engine runs.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Result<(), IndexError>")]
pub struct StartOver;

/// Command: take in what a relay has shown to somebody who tried it out; it need not be in use. Answered with all that
/// is known of it, once that is on disk. [`teach`](crate::teach) while no engine runs.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Result<RelayProfile, IndexError>")]
pub struct Teach {
    /// The relay.
    pub relay: RelayUrl,
    /// What it has shown.
    pub lessons: Vec<Lesson>,
}

/// Fact: how far the comparison with a relay is. Numbers grow over all relays and restarts; a pass that was started
/// over says nothing more under its old number.
#[derive(Debug, Clone, PartialEq, Eq, Message)]
#[rtype(result = "()")]
pub struct PassChanged {
    /// Compared with whom.
    pub relay: RelayUrl,
    /// The pass.
    pub pass: u64,
    /// How far it is.
    pub phase: Phase,
}

/// The phases of a pass, in order. `Confirming` may be followed by `Transferring` again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Differences are being named.
    Comparing {
        /// Negentropy rounds, or pages, so far.
        round: u32,
        /// Ids held here only, so far; known at the end when paging.
        have: u64,
        /// Ids held there only, so far; when paging, events shown so far.
        need: u64,
    },
    /// Events are on their way.
    Transferring,
    /// Another comparison checks that nothing is left.
    Confirming,
    /// The pass is over.
    Done(PassReport),
}

/// How a relay was compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// NIP-77.
    Negentropy,
    /// Page by page.
    Paging,
}

/// What a pass came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassReport {
    /// Compared with whom.
    pub relay: RelayUrl,
    /// How many authors were compared: every history key that was read when the pass began.
    pub authors: usize,
    /// How, in the last comparison.
    pub method: Method,
    /// What `complete` rests on: a fingerprint proves, pages claim.
    pub basis: Basis,
    /// Round trips (or pages) of the first comparison.
    pub rounds: u32,
    /// Ids held here only, in the first comparison.
    pub have: u64,
    /// Ids held there only, in the first comparison, without those deleted here.
    pub need: u64,
    /// Events stored in this pass.
    pub received: u64,
    /// Events the relay accepted in this pass.
    pub sent: u64,
    /// Bytes the relay sent since the pass began, whatever they were for.
    pub bytes_in: u64,
    /// Bytes sent to the relay since the pass began.
    pub bytes_out: u64,
    /// The last comparison found no difference, and both sides have nothing left.
    pub complete: bool,
    /// Seconds that hold more events than the relay shows on a page (P-10).
    pub unproven_seconds: Vec<u64>,
    /// What went wrong, in words for a person.
    pub error: Option<String>,
}

impl PassReport {
    /// A pass that ended before it compared anything.
    pub fn failed(relay: RelayUrl, error: String) -> Self {
        Self {
            relay,
            authors: 0,
            method: Method::Negentropy,
            basis: Basis::Fingerprint,
            rounds: 0,
            have: 0,
            need: 0,
            received: 0,
            sent: 0,
            bytes_in: 0,
            bytes_out: 0,
            complete: false,
            unproven_seconds: Vec::new(),
            error: Some(error),
        }
    }
}
