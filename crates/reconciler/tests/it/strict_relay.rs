//! A relay with bounds: it compares so many events at once, takes one author per filter, or fails to look.

use std::collections::{BTreeMap, BTreeSet};

use event_index::Item;
use nostr::event::Event;
use nostr::filter::{Filter, MatchEventOptions};
use relay_link::{ClientFrame, RelayFrame, SubId};

use crate::fake_relay::{Habits, Pager, Responder};

/// How it says that a set is too big.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Says {
    /// In a fourth element.
    Number,
    /// In the text.
    Prose,
    /// Without a number.
    Nothing,
}

/// Answers truthfully what it answers at all.
pub(crate) struct StrictRelay {
    /// Every event there is; it holds those whose items are in the set it is asked with.
    pub(crate) universe: Vec<Event>,
    /// It compares no more at once.
    pub(crate) cap: Option<u64>,
    pub(crate) says: Says,
    /// It refuses filters with several authors, by this text.
    pub(crate) one_author: Option<&'static str>,
    pub(crate) habits: Habits,
    /// It compares an empty set, whatever it holds (N-13).
    pub(crate) blind: bool,
    /// The filters of sessions it accepted, and those it refused as too big.
    pub(crate) accepted: Vec<Filter>,
    pub(crate) refused: Vec<Filter>,
    /// The filters of REQs.
    pub(crate) asked: Vec<Filter>,
    sessions: BTreeMap<SubId, Responder>,
}

impl StrictRelay {
    pub(crate) fn of(universe: &[Event]) -> Self {
        Self {
            universe: universe.to_vec(),
            cap: None,
            says: Says::Number,
            one_author: None,
            habits: Habits::default(),
            blind: false,
            accepted: Vec::new(),
            refused: Vec::new(),
            asked: Vec::new(),
            sessions: BTreeMap::new(),
        }
    }

    pub(crate) fn hear(&mut self, frame: &ClientFrame, held: &BTreeSet<Item>) -> Vec<RelayFrame> {
        match frame {
            ClientFrame::NegOpen { sub, filter, message } => {
                if let Some(refusal) = self.too_wide(filter) {
                    return vec![RelayFrame::NegErr {
                        sub: sub.clone(),
                        reason: refusal,
                        cap: None,
                    }];
                }
                let matching: Vec<Item> = self.matching(filter, held).iter().map(Item::of).collect();
                if let Some(cap) = self.cap.filter(|cap| matching.len() as u64 > *cap) {
                    self.refused.push(filter.clone());
                    return vec![self.too_big(sub, matching.len(), cap)];
                }
                self.accepted.push(filter.clone());
                let responder = Responder::new(if self.blind { &[] } else { &matching }, 0);
                let message = responder.answer(message);
                self.sessions.insert(sub.clone(), responder);
                vec![RelayFrame::NegMsg {
                    sub: sub.clone(),
                    message,
                }]
            }
            ClientFrame::NegMsg { sub, message } => {
                let message = self.sessions[sub].answer(message);
                vec![RelayFrame::NegMsg {
                    sub: sub.clone(),
                    message,
                }]
            }
            ClientFrame::Req { filters, .. } => {
                self.asked.extend(filters.iter().cloned());
                if let Some(message) = self.too_wide(&filters[0]) {
                    return vec![RelayFrame::Notice { message }];
                }
                let held = self.matching(&Filter::new(), held);
                Pager::new(held, self.habits.clone()).hear(frame)
            }
            _ => Vec::new(),
        }
    }

    fn matching(&self, filter: &Filter, held: &BTreeSet<Item>) -> Vec<Event> {
        let matches = |event: &&Event| {
            filter.match_event(event, MatchEventOptions::new()) && held.contains(&Item::of(event))
        };
        self.universe.iter().filter(matches).cloned().collect()
    }

    fn too_wide(&self, filter: &Filter) -> Option<String> {
        let authors = filter.authors.as_ref().map_or(0, BTreeSet::len);
        self.one_author.filter(|_| authors != 1).map(str::to_owned)
    }

    fn too_big(&self, sub: &SubId, found: usize, cap: u64) -> RelayFrame {
        let (reason, cap) = match self.says {
            Says::Number => ("blocked: too many query results".to_owned(), Some(cap)),
            Says::Prose => (
                format!("blocked: query matches too many records ({found} > {cap})"),
                None,
            ),
            Says::Nothing => ("blocked: too many query results".to_owned(), None),
        };
        RelayFrame::NegErr {
            sub: sub.clone(),
            reason,
            cap,
        }
    }
}
