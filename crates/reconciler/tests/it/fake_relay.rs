//! The other end of a comparison: a NEG responder and a pager whose habits are set by name.

use std::collections::BTreeSet;

use event_index::Item;
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use nostr::event::Event;
use nostr::filter::{Filter, MatchEventOptions};
use relay_link::{ClientFrame, RelayFrame, SubId};

/// Answers negentropy messages from a fixed set, with the crate that is the reference for it.
pub(crate) struct Responder {
    set: NegentropyStorageVector,
    frame_bytes_max: u64,
}

impl Responder {
    pub(crate) fn new(items: &[Item], frame_bytes_max: u64) -> Self {
        let mut set = NegentropyStorageVector::with_capacity(items.len());
        for item in items {
            set.insert(item.created_at, Id::from_byte_array(item.id.to_bytes()))
                .unwrap();
        }
        set.seal().unwrap();
        Self { set, frame_bytes_max }
    }

    pub(crate) fn answer(&self, message: &[u8]) -> Vec<u8> {
        Negentropy::borrowed(&self.set, self.frame_bytes_max)
            .unwrap()
            .reconcile(message)
            .unwrap()
    }

    /// What the relay says to a frame of a NEG session.
    pub(crate) fn hear(&self, frame: &ClientFrame) -> Option<RelayFrame> {
        match frame {
            ClientFrame::NegOpen { sub, message, .. } | ClientFrame::NegMsg { sub, message } => {
                Some(RelayFrame::NegMsg {
                    sub: sub.clone(),
                    message: self.answer(message),
                })
            }
            _ => None,
        }
    }
}

/// How a relay answers pages.
#[derive(Debug, Clone)]
pub(crate) struct Habits {
    /// Never more events than this, whatever was asked.
    pub(crate) cap: usize,
    /// `until` excludes its second (P-9).
    pub(crate) until_excludes: bool,
    /// `until` changes nothing (P-11).
    pub(crate) until_ignored: bool,
    /// Pages come in another order, each event this often (P-12).
    pub(crate) shuffled_times: usize,
    /// The EOSE says `finish` on the last page (NIP-67).
    pub(crate) says_finish: bool,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            cap: 500,
            until_excludes: false,
            until_ignored: false,
            shuffled_times: 1,
            says_finish: false,
        }
    }
}

/// Answers REQs from a fixed set of events.
pub(crate) struct Pager {
    events: Vec<Event>,
    habits: Habits,
    pub(crate) asked: Vec<Filter>,
    pub(crate) subs: BTreeSet<SubId>,
}

impl Pager {
    pub(crate) fn new(mut events: Vec<Event>, habits: Habits) -> Self {
        events.sort_by_key(|event| (std::cmp::Reverse(event.created_at), event.id));
        Self {
            events,
            habits,
            asked: Vec::new(),
            subs: BTreeSet::new(),
        }
    }

    /// The whole answer to a REQ, the EOSE last; nothing to anything else.
    pub(crate) fn hear(&mut self, frame: &ClientFrame) -> Vec<RelayFrame> {
        let ClientFrame::Req { sub, filters } = frame else {
            return Vec::new();
        };
        assert!(self.subs.insert(sub.clone()), "a subscription id was used twice");
        let [filter] = filters.as_slice() else {
            panic!("a page is one filter")
        };
        assert!(
            filter.authors.is_some() && filter.kinds.is_some(),
            "P-3: authors and kinds are always named"
        );
        self.asked.push(filter.clone());
        let limit = filter
            .limit
            .expect("P-6: a page has an explicit limit")
            .min(self.habits.cap);
        let until = filter.until.filter(|_| !self.habits.until_ignored);
        let anytime = filter.clone().remove_until();
        let below = |event: &&Event| {
            anytime.match_event(event, MatchEventOptions::new())
                && until.is_none_or(|until| {
                    event.created_at < until || (event.created_at == until && !self.habits.until_excludes)
                })
        };
        let matching: Vec<&Event> = self.events.iter().filter(below).collect();
        let mut page: Vec<&Event> = matching.iter().copied().take(limit).collect();
        if self.habits.shuffled_times > 1 {
            page.sort_by_key(|event| event.id);
            page = page.repeat(self.habits.shuffled_times);
        }
        let last = self.habits.says_finish && matching.len() <= limit;
        let hints = if last {
            vec!["finish".to_owned()]
        } else {
            Vec::new()
        };
        let shown = page.into_iter().map(|event| shown(sub, event));
        shown
            .chain([RelayFrame::Eose {
                sub: sub.clone(),
                hints,
            }])
            .collect()
    }
}

pub(crate) fn shown(sub: &SubId, event: &Event) -> RelayFrame {
    RelayFrame::Event {
        sub: sub.clone(),
        event: Box::new(event.clone()),
    }
}
