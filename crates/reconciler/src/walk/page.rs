//! What one REQ brought so far.

use std::collections::BTreeSet;

use nostr::event::EventId;
use relay_link::SubId;

/// One open REQ of a walk.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) sub: SubId,
    /// The `until` that was sent.
    pub(super) until: Option<u64>,
    /// The `limit` that was sent.
    pub(super) limit: usize,
    /// Matching events at or below `until`, each once: a relay may send the same one three times (P-12).
    pub(super) ids: BTreeSet<EventId>,
    /// The lowest outer time among them.
    pub(super) oldest: Option<u64>,
    /// One of them lies at `until` itself, so the relay takes `until` as inclusive.
    pub(super) reached_until: bool,
    /// Matching events above `until` that earlier pages showed: the relay ignores `until` (P-11).
    pub(super) newer_seen: usize,
    /// Matching events above `until` that nobody showed before, as live ones.
    pub(super) newer_fresh: usize,
    /// Frames that brought nothing: duplicates, forged ids, events off the filter.
    pub(super) useless: usize,
    /// A NOTICE came, so the EOSE proves nothing (P-2).
    pub(super) notice: Option<String>,
}

impl Page {
    pub(super) fn new(sub: SubId, until: Option<u64>, limit: usize) -> Self {
        Self {
            sub,
            until,
            limit,
            ids: BTreeSet::new(),
            oldest: None,
            reached_until: false,
            newer_seen: 0,
            newer_fresh: 0,
            useless: 0,
            notice: None,
        }
    }

    /// Counts a matching event; `fresh` when the walk sees it for the first time. `false` when it brings nothing.
    pub(super) fn count(&mut self, id: EventId, created_at: u64, fresh: bool) -> bool {
        if self.until.is_some_and(|until| created_at > until) {
            *(if fresh {
                &mut self.newer_fresh
            } else {
                &mut self.newer_seen
            }) += 1;
            return fresh;
        }
        self.reached_until |= self.until == Some(created_at);
        self.oldest = Some(self.oldest.map_or(created_at, |oldest| oldest.min(created_at)));
        self.ids.insert(id)
    }
}
