//! One NIP-77 session with one relay, as a state machine that performs no I/O.
//!
//! Feed frames and the time in, drain [`Session::poll_output`] until `None`, then arm one timer for
//! [`Session::poll_timeout`]. Terms follow the appendix of NIP-77; the refusals are those of field guide 1.1.
//!
//! What a reader can rely on:
//! - Every id is named once per session, however often the relay repeats it (N-14).
//! - Exactly one [`Output::Ended`] comes, and nothing after it.
//! - Only this session's NEG-MSG move its deadline (N-3): chatter keeps nobody waiting.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use nostr::event::EventId;
use nostr::filter::Filter;
use relay_link::{ClientFrame, Refusal, RelayFrame, SubId};

use crate::engine::{Engine, SharedView};
use crate::neg::{NAMED_MAX, NegError, Next, Step};

/// The longest message sent: N-15, strfry takes 131,072 bytes of frame, and hex doubles these.
pub const FRAME_BYTES_MAX: u64 = 60_000;
/// How long a relay that never spoke NEG may take over its first reply (field guide 7).
pub const FIRST_REPLY_UNPROVEN: Duration = Duration::from_secs(20);
/// How long one that did may take: it may have to scan a million items first (field guide 7).
pub const FIRST_REPLY_PROVEN: Duration = Duration::from_secs(120);
/// How long any relay may take over a later reply (field guide 7).
pub const NEXT_REPLY: Duration = Duration::from_secs(15);
/// Rounds in a row that name no new id; halving a range by sixteen needs six for a hundred million items.
pub const IDLE_ROUNDS_MAX: u32 = 64;
/// Ids one session names before its transfers come first: 8 MiB of memory each way (DESIGN 5).
pub const IDS_MAX: usize = NAMED_MAX;

/// What the caller carries out after each call, in order.
#[expect(clippy::large_enum_variant, reason = "three of them exist at a time")]
#[derive(Debug)]
pub enum Output {
    /// Send this frame.
    Send(ClientFrame),
    /// Held here, missing there; sorted, never empty.
    Have(Vec<EventId>),
    /// Held there, missing here; sorted, never empty.
    Need(Vec<EventId>),
    /// The session is over; the outcome names the next step.
    Ended(Outcome),
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every difference was named.
    Reconciled {
        /// Replies it took; 1 when the sets were equal.
        rounds: u32,
        /// Ids named as held here only.
        have: usize,
        /// Ids named as held there only.
        need: usize,
    },
    /// [`IDS_MAX`] ids were named: transfer those, then compare again.
    Full {
        /// Replies so far.
        rounds: u32,
    },
    /// The relay holds more items than it compares; `cap` is how many it would, if it said.
    TooBig {
        /// The relay's bound.
        cap: Option<u64>,
    },
    /// The relay does not speak NEG: page, and ask again after 24 hours.
    Unavailable {
        /// What it said or did.
        why: String,
    },
    /// The relay forgot the session: open another one, at most three times.
    Reopen {
        /// What it said.
        why: String,
    },
    /// The filter names more authors than the relay takes in one (P-20).
    FilterTooWide {
        /// What it said.
        why: String,
    },
    /// The relay wants NIP-42 first; then try once more.
    AuthRequired,
    /// The relay asks to be left alone for a while.
    RateLimited {
        /// What it said.
        why: String,
    },
    /// Anything else: page now, try NEG at the next pass.
    Failed {
        /// What happened.
        why: String,
    },
}

/// What a session starts from.
#[derive(Debug, Clone)]
pub struct Opening {
    /// Kinds and authors, without a limit: strfry honours one and compares a part of the set only.
    pub filter: Filter,
    /// Fresh (P-17).
    pub sub: SubId,
    /// The relay has answered a NEG-OPEN before.
    pub proven: bool,
    /// Bound of every message sent, in bytes before hex; 0 for none. [`FRAME_BYTES_MAX`] is what relays take.
    pub frame_bytes_max: u64,
    /// When the relay last held the same, Unix seconds: what came since is compared first. A wrong time costs rounds,
    /// never ids.
    pub agreed_at: Option<u64>,
}

/// One comparison with one relay.
pub struct Session {
    sub: SubId,
    engine: Option<Engine>,
    deadline: Option<Instant>,
    rounds: u32,
    rounds_before: u32,
    idle_rounds: u32,
    have: BTreeSet<EventId>,
    need: BTreeSet<EventId>,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Opens a session. Cost: the sums of all items, which the view may know.
    pub fn open(view: SharedView, opening: Opening, now: Instant) -> Self {
        let mut session = Self {
            sub: opening.sub.clone(),
            engine: None,
            deadline: None,
            rounds: 0,
            rounds_before: 0,
            idle_rounds: 0,
            have: BTreeSet::new(),
            need: BTreeSet::new(),
            outputs: VecDeque::new(),
        };
        let filter = opening.filter.remove_limit();
        match Engine::open(view, opening.frame_bytes_max, opening.agreed_at) {
            Ok((engine, message)) => {
                session.engine = Some(engine);
                session.send(ClientFrame::NegOpen {
                    sub: opening.sub,
                    filter,
                    message,
                });
                let patience = if opening.proven {
                    FIRST_REPLY_PROVEN
                } else {
                    FIRST_REPLY_UNPROVEN
                };
                session.deadline = Some(now + patience);
            }
            Err(error) => session.outputs.push_back(Output::Ended(Outcome::Failed {
                why: error.to_string(),
            })),
        }
        session
    }

    /// Opens it again after [`Outcome::Reopen`]; ids this one named are not named again, and rounds count on.
    #[must_use]
    pub fn reopen(self, view: SharedView, opening: Opening, now: Instant) -> Self {
        let mut session = Self::open(view, opening, now);
        (session.have, session.need) = (self.have, self.need);
        session.rounds_before = self.rounds_before + self.rounds;
        session
    }

    /// Takes a frame of the relay. Frames of other subscriptions change nothing.
    pub fn handle_frame(&mut self, frame: RelayFrame, now: Instant) {
        // In flight when the session ended.
        if self.engine.is_none() {
            return;
        }
        match frame {
            RelayFrame::NegMsg { sub, message } if sub == self.sub => self.round(&message, now),
            // The relay has closed its side already, so there is no NEG-CLOSE to send.
            RelayFrame::NegErr { sub, reason, cap } if sub == self.sub => {
                self.end(outcome_of(&reason, cap));
            }
            // khatru answers a message for a session it dropped this way.
            RelayFrame::Closed { sub, reason } if sub == self.sub => {
                self.end(match outcome_of(&reason, None) {
                    Outcome::Failed { .. } if reason.is_empty() => Outcome::Reopen {
                        why: "closed".to_owned(),
                    },
                    outcome => outcome,
                });
            }
            RelayFrame::Notice { message } if self.rounds == 0 => self.notice(&message),
            _ => {}
        }
    }

    /// Ends the session when its deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.send(ClientFrame::NegClose {
            sub: self.sub.clone(),
        });
        self.end(if self.rounds == 0 {
            Outcome::Unavailable {
                why: "no answer to NEG-OPEN".to_owned(),
            }
        } else {
            Outcome::Failed {
                why: format!("no answer to negentropy round {}", self.rounds + 1),
            }
        });
    }

    /// Closes the session on this side without an outcome.
    pub fn close(&mut self) {
        if self.engine.take().is_some() {
            self.deadline = None;
            self.send(ClientFrame::NegClose {
                sub: self.sub.clone(),
            });
        }
    }

    /// The next thing to carry out.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    /// Replies so far, those of reopened sessions included.
    pub fn rounds(&self) -> u32 {
        self.rounds_before + self.rounds
    }

    /// The need ids it named.
    pub(crate) fn into_need(self) -> BTreeSet<EventId> {
        self.need
    }

    /// The subscription it runs under.
    pub fn sub(&self) -> &SubId {
        &self.sub
    }

    fn round(&mut self, message: &[u8], now: Instant) {
        let Some(engine) = &mut self.engine else { return };
        let answer = engine.answer(message);
        self.rounds += 1;
        match answer {
            Ok(step) => self.advance(step, now),
            Err(error) => {
                self.send(ClientFrame::NegClose {
                    sub: self.sub.clone(),
                });
                self.end(match error {
                    NegError::Version { .. } => Outcome::Unavailable {
                        why: error.to_string(),
                    },
                    NegError::Malformed(_) | NegError::View(_) => Outcome::Failed {
                        why: error.to_string(),
                    },
                });
            }
        }
    }

    fn advance(&mut self, step: Step, now: Instant) {
        let have = keep_new(step.have, &mut self.have);
        let need = keep_new(step.need, &mut self.need);
        self.idle_rounds = if have.is_empty() && need.is_empty() {
            self.idle_rounds + 1
        } else {
            0
        };
        if !have.is_empty() {
            self.outputs.push_back(Output::Have(have));
        }
        if !need.is_empty() {
            self.outputs.push_back(Output::Need(need));
        }
        let full = self.have.len() + self.need.len() >= IDS_MAX;
        let message = match step.next {
            Next::Done => {
                self.send(ClientFrame::NegClose {
                    sub: self.sub.clone(),
                });
                return self.end(Outcome::Reconciled {
                    rounds: self.rounds(),
                    have: self.have.len(),
                    need: self.need.len(),
                });
            }
            Next::Send(message) if !full => message,
            Next::Send(_) | Next::Full => {
                self.send(ClientFrame::NegClose {
                    sub: self.sub.clone(),
                });
                return self.end(Outcome::Full {
                    rounds: self.rounds(),
                });
            }
        };
        if self.idle_rounds >= IDLE_ROUNDS_MAX {
            self.send(ClientFrame::NegClose {
                sub: self.sub.clone(),
            });
            let why = format!("{IDLE_ROUNDS_MAX} negentropy rounds in a row brought nothing new");
            return self.end(Outcome::Failed { why });
        }
        self.send(ClientFrame::NegMsg {
            sub: self.sub.clone(),
            message,
        });
        self.deadline = Some(now + NEXT_REPLY);
    }

    /// A NOTICE names no subscription, so only what can be about a NEG-OPEN counts, and only before the first reply.
    fn notice(&mut self, text: &str) {
        match outcome_of(text, None) {
            outcome @ (Outcome::Unavailable { .. }
            | Outcome::TooBig { .. }
            | Outcome::FilterTooWide { .. }) => self.end(outcome),
            // N-12. Other rate limits are likelier to be about an event that was sent meanwhile.
            outcome @ Outcome::RateLimited { .. } if text.to_ascii_lowercase().contains("neg") => {
                self.end(outcome);
            }
            _ => {}
        }
    }

    fn send(&mut self, frame: ClientFrame) {
        self.outputs.push_back(Output::Send(frame));
    }

    fn end(&mut self, outcome: Outcome) {
        self.engine = None;
        self.deadline = None;
        self.outputs.push_back(Output::Ended(outcome));
    }
}

/// What a refusal means for the session (field guide 1.1).
fn outcome_of(text: &str, cap: Option<u64>) -> Outcome {
    let why = || text.trim().to_owned();
    match Refusal::classify(text, cap) {
        Refusal::TooBig { cap } => Outcome::TooBig { cap },
        Refusal::NegUnavailable => Outcome::Unavailable { why: why() },
        Refusal::SessionGone => Outcome::Reopen { why: why() },
        Refusal::AuthRequired => Outcome::AuthRequired,
        Refusal::RateLimited => Outcome::RateLimited { why: why() },
        Refusal::FilterTooWide => Outcome::FilterTooWide { why: why() },
        Refusal::Other => Outcome::Failed {
            why: format!("the relay refused the comparison: {}", text.trim()),
        },
    }
}

/// The ids not in `known` yet, sorted, which are in it afterwards.
fn keep_new(ids: Vec<EventId>, known: &mut BTreeSet<EventId>) -> Vec<EventId> {
    let mut new: Vec<EventId> = ids.into_iter().filter(|id| known.insert(*id)).collect();
    new.sort_unstable();
    new
}
