//! What a walk came to.

use std::collections::BTreeSet;

use nostr::event::EventId;

use super::{REPEATS_MAX, TAKING_MAX};

/// How a walk ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkOutcome {
    /// Every matching event the relay showed.
    pub seen: BTreeSet<EventId>,
    /// The walk got to the end, page by answered page.
    pub proven: bool,
    /// Seconds that held more than a page could show.
    pub unproven_seconds: Vec<u64>,
    /// REQs sent.
    pub pages: u32,
    /// The most events the relay puts on a page, when that is less than it was asked for (P-7).
    pub page_cap: Option<usize>,
    /// Why it did not get to the end.
    pub error: Option<WalkError>,
}

/// Why a walk stopped early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// P-11.
    #[error("the relay ignores `until`, so only its newest page can be read; use another relay beside it")]
    Unpageable,
    /// No clean answer after every repeat.
    #[error("a page got no clean answer after {REPEATS_MAX} repeats ({why}); the next pass asks again")]
    Unanswered {
        /// What the last attempt ended with.
        why: String,
    },
    /// The relay wants NIP-42 first.
    #[error("the relay wants authentication before it shows events")]
    AuthRequired,
    /// The relay asks to be left alone for a while.
    #[error("the relay limits the rate of requests ({why})")]
    RateLimited {
        /// What it said.
        why: String,
    },
    /// The filter names more authors than the relay takes in one (P-20).
    #[error("the relay takes one author per filter only ({why})")]
    FilterTooWide {
        /// What it said.
        why: String,
    },
    /// Events were not taken off this walk's hands.
    #[error("fetched events were not stored within {} s; is the disk busy or full?", TAKING_MAX.as_secs())]
    NotTaken,
}
