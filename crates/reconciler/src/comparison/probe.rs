//! Asking a relay for a few events by id, to find out whether its comparison told the truth (N-13).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nostr::event::EventId;
use nostr::filter::Filter;
use relay_link::{ClientFrame, Refusal, RelayFrame, SubId};

/// Ids in one question: most of them there, or most of them gone, is told by a few, and every relay takes as many.
pub(super) const SAMPLE_MAX: usize = 20;
/// As long as a later reply of a session may take: ids are looked up directly.
const PATIENCE: Duration = Duration::from_secs(15);

/// One question by id.
#[derive(Debug)]
pub(super) struct Probe {
    sub: SubId,
    sample: BTreeSet<EventId>,
    shown: BTreeSet<EventId>,
    deadline: Instant,
}

/// What it found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// The relay shows most of the sample.
    There,
    /// It does not.
    Gone,
    /// It gave no clean answer.
    Unknown,
}

impl Probe {
    /// The question and the frame that asks it. `filter` names kinds and authors (P-3).
    pub(super) fn ask(
        filter: &Filter,
        sample: Vec<EventId>,
        sub: SubId,
        now: Instant,
    ) -> (Self, ClientFrame) {
        let filter = filter
            .clone()
            .remove_since()
            .remove_until()
            .limit(sample.len())
            .ids(sample.iter().copied());
        let frame = ClientFrame::Req {
            sub: sub.clone(),
            filters: vec![filter],
        };
        let probe = Self {
            sub,
            sample: sample.into_iter().collect(),
            shown: BTreeSet::new(),
            deadline: now + PATIENCE,
        };
        (probe, frame)
    }

    /// A frame of the relay; the answer, once it is known.
    pub(super) fn handle_frame(&mut self, frame: &RelayFrame) -> Option<Found> {
        match frame {
            RelayFrame::Event { sub, event } if *sub == self.sub => {
                if self.sample.contains(&event.id) && event.verify_id() {
                    self.shown.insert(event.id);
                }
                None
            }
            RelayFrame::Eose { sub, .. } if *sub == self.sub => Some(if self.shows_most() {
                Found::There
            } else {
                Found::Gone
            }),
            // What was shown before a refusal was shown.
            RelayFrame::Closed { sub, .. } if *sub == self.sub => Some(self.cut_short()),
            // It may be about this question, and then an EOSE behind it proves nothing (P-2).
            RelayFrame::Notice { message } if Refusal::classify(message, None) != Refusal::NegUnavailable => {
                Some(self.cut_short())
            }
            _ => None,
        }
    }

    /// Whether its time is over, and what is known then.
    pub(super) fn handle_timeout(&self, now: Instant) -> Option<Found> {
        (now >= self.deadline).then(|| self.cut_short())
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The frame that ends it.
    pub(super) fn close(&self) -> ClientFrame {
        ClientFrame::Close {
            sub: self.sub.clone(),
        }
    }

    fn shows_most(&self) -> bool {
        2 * self.shown.len() > self.sample.len()
    }

    fn cut_short(&self) -> Found {
        if self.shows_most() {
            Found::There
        } else {
            Found::Unknown
        }
    }
}
