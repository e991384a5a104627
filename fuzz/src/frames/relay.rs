//! The relay of a script: what was asked of it, and what it would honestly answer.

use std::sync::{Arc, LazyLock};

use event_index::{Item, Snapshot};
use nostr::event::{Event, EventId, Kind, Signature, Tags};
use nostr::filter::{Filter, MatchEventOptions};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use reconciler::neg::{FrameLimit, Responder};
use relay_link::{ClientFrame, RelayFrame, SubId};

use crate::items::view;
use crate::script::{Line, retarget};

/// Their ids fill two frames of [`SMALL`] bytes.
const EVENTS: u64 = 300;

/// The smallest frames there are (NIP-77 appendix).
const SMALL: u64 = 4_096;

/// Every event there is, newest first: some to a second, and 40 in one.
static POOL: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let event = |n: u64| event(1_700_000_000 + if n < 40 { 0 } else { n / 3 }, &n.to_string());
    (0..EVENTS).rev().map(event).collect()
});

/// What is held here: all but every seventh.
pub(super) static HELD: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let held = (0_u64..).zip(&*POOL).filter(|(n, _)| n % 7 != 3);
    view(&held.map(|(_, event)| Item::of(event)).collect::<Vec<_>>())
});

/// All but every eleventh.
static THERE: LazyLock<Vec<Event>> = LazyLock::new(|| {
    let there = (0_u64..).zip(&*POOL).filter(|(n, _)| n % 11 != 5);
    there.map(|(_, event)| event.clone()).collect()
});

static RESPONDER: LazyLock<Responder<Snapshot>> = LazyLock::new(|| responder(FrameLimit::NONE));

static SMALL_RESPONDER: LazyLock<Responder<Snapshot>> = LazyLock::new(|| responder(FrameLimit::of(SMALL)));

fn responder(limit: FrameLimit) -> Responder<Snapshot> {
    let items: Vec<Item> = THERE.iter().map(Item::of).collect();
    Responder::new(view(&items), limit)
}

/// Kinds and author of the history.
pub(super) fn history() -> Filter {
    Filter::new()
        .kinds([Kind::from(1080), Kind::from(5)])
        .author(author())
}

fn author() -> PublicKey {
    PublicKey::from_byte_array([7; 32])
}

/// Its id is right, its signature is no good, which the cores leave to others.
fn event(created_at: u64, content: &str) -> Event {
    let (created_at, kind) = (Timestamp::from(created_at), Kind::from(1080));
    let id = EventId::compute(&author(), &created_at, &kind, &Tags::new(), content);
    let signature = Signature::from_byte_array([0; 64]);
    Event::new(id, author(), created_at, kind, [], content, signature)
}

/// What the client last asked.
#[derive(Debug, Default)]
pub(super) struct Relay {
    open: Option<SubId>,
    /// The relay ended what is open.
    ended: bool,
    message: Option<Vec<u8>>,
    filter: Option<Filter>,
    /// Its frames are small.
    small: bool,
    said: Vec<RelayFrame>,
}

impl Relay {
    /// One that answers honestly in frames of any size, or in small ones.
    pub(super) fn new(small: bool) -> Self {
        Self {
            small,
            ..Self::default()
        }
    }

    /// The client is done: nothing of it may still be open.
    pub(super) fn leave(&self) {
        assert!(self.open.is_none() || self.ended, "left open: {:?}", self.open);
    }

    fn opens(&mut self, sub: SubId, message: Option<Vec<u8>>, filter: Option<Filter>) {
        self.leave();
        *self = Self {
            open: Some(sub),
            message,
            filter,
            ..Self::new(self.small)
        };
    }

    /// The client sends this.
    pub(super) fn hear(&mut self, frame: ClientFrame) {
        assert_eq!(ClientFrame::parse(&frame.encode()).as_ref(), Ok(&frame));
        match frame {
            ClientFrame::NegOpen { sub, filter, message } => {
                assert!(filter.limit.is_none(), "strfry honours a limit in a NEG filter");
                self.opens(sub, Some(message), None);
            }
            ClientFrame::NegMsg { sub, message } => {
                assert_eq!(
                    Some(&sub),
                    self.open.as_ref(),
                    "a message for a session that is closed"
                );
                self.message = Some(message);
            }
            ClientFrame::Req { sub, mut filters } => {
                let filter = filters.pop().filter(|filter| {
                    filters.is_empty()
                        && filter.limit.is_some()
                        && filter.authors.is_some()
                        && filter.kinds.is_some()
                });
                assert!(filter.is_some(), "a page names kinds, authors and a limit, once");
                self.opens(sub, None, filter);
            }
            ClientFrame::Close { sub } | ClientFrame::NegClose { sub } => {
                assert_eq!(Some(&sub), self.open.as_ref(), "closed, and never opened");
                *self = Self::new(self.small);
            }
            ClientFrame::Event(_) | ClientFrame::Auth(_) => panic!("a comparison sends no events"),
        }
    }

    /// What the relay says to the client at this line.
    pub(super) fn say(&mut self, line: &Line<'_>) -> Vec<RelayFrame> {
        let open = self.open.as_ref();
        let frames: Vec<RelayFrame> = match line {
            Line::Event(number) => {
                let event = Box::new(POOL[number % POOL.len()].clone());
                open.map(|sub| RelayFrame::Event {
                    sub: sub.clone(),
                    event,
                })
                .into_iter()
                .collect()
            }
            Line::Honest => open.map_or_else(Vec::new, |sub| self.answer(sub)),
            Line::Again => self.said.clone(),
            Line::Frame(text) => {
                let frame = RelayFrame::parse(text).ok();
                frame.map(|frame| retarget(frame, open)).into_iter().collect()
            }
            Line::Seconds(_) | Line::Answer => Vec::new(),
        };
        if matches!(line, Line::Honest) {
            self.said.clone_from(&frames);
        }
        self.ended |= frames.iter().any(|frame| match frame {
            RelayFrame::Closed { sub, .. } | RelayFrame::NegErr { sub, .. } => {
                Some(sub) == self.open.as_ref()
            }
            // A relay that knows nothing of NEG says so in words only, and would say so to a NEG-CLOSE too.
            RelayFrame::Notice { .. } => self.message.is_some(),
            _ => false,
        });
        frames
    }

    fn answer(&self, sub: &SubId) -> Vec<RelayFrame> {
        if let Some(message) = &self.message {
            let responder = if self.small { &SMALL_RESPONDER } else { &RESPONDER };
            let message = responder.answer(message).expect("an honest question is read");
            return vec![RelayFrame::NegMsg {
                sub: sub.clone(),
                message,
            }];
        }
        let Some(filter) = &self.filter else {
            return Vec::new();
        };
        let matching = THERE
            .iter()
            .filter(|event| filter.match_event(event, MatchEventOptions::new()));
        let shown = matching
            .take(filter.limit.unwrap_or(0))
            .map(|event| RelayFrame::Event {
                sub: sub.clone(),
                event: Box::new(event.clone()),
            });
        let eose = RelayFrame::Eose {
            sub: sub.clone(),
            hints: Vec::new(),
        };
        shown.chain([eose]).collect()
    }
}
