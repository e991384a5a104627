//! What is known of a relay when it is compared with, and how it may be.

use relay_link::{NegChance, RelayProfile};
use supervision::Switches;

use crate::walk::PAGE_EVENTS_MAX;

/// What is known of a relay before a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What to expect of a NEG-OPEN.
    pub neg: NegChance,
    /// How many items it compares at once, if that was learned.
    pub neg_cap: Option<u64>,
    /// Events asked for per page.
    pub page_limit: usize,
    /// It takes one author per filter.
    pub one_author: bool,
    /// A session failed in this pass: another one over as much would come to the same end, and NEG is for seconds that
    /// are too full for a page.
    pub neg_failed: bool,
    /// A session begins with what is new since the last agreement; otherwise with equal parts of everything.
    pub recent_first: bool,
}

impl Known {
    /// What the profile tells at `now`, Unix seconds.
    pub fn of(profile: &RelayProfile, now: u64) -> Self {
        Self {
            neg: profile.neg(now),
            neg_cap: profile.neg_cap(now),
            page_limit: profile.page_limit(now),
            one_author: profile.one_author(now),
            neg_failed: false,
            recent_first: true,
        }
    }

    /// The same, as far as `switches` let it be used.
    #[must_use]
    pub fn allowing(self, switches: Switches) -> Self {
        let neg = if switches.negentropy {
            self.neg
        } else {
            NegChance::Unavailable
        };
        Self {
            neg,
            recent_first: switches.recent_first,
            ..self
        }
    }
}

impl Default for Known {
    fn default() -> Self {
        Self {
            neg: NegChance::Unknown,
            neg_cap: None,
            page_limit: PAGE_EVENTS_MAX,
            one_author: false,
            neg_failed: false,
            recent_first: true,
        }
    }
}
