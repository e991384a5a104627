//! Proving to a relay who asks (NIP-42), on one connection: a core without socket, clock or keys.
//!
//! ```text
//! refused -> held -> challenge known -> sign -> AUTH -> OK true  -> what was refused is sent again, once
//!                    (5 s)                      (10 s)  OK false -> whoever asked gets the refusal
//! ```
//!
//! What a reader can rely on:
//! - Nothing is proven before something was refused: a challenge alone is no reason to tell a relay who we are.
//! - A relay hears of the keys that the refused filter or event names, and of no others. The [`Reserved`] key is proven
//!   only for what consists of its kinds alone.
//! - Each key signs each challenge at most once, however many requests were refused and however often it is repeated.
//! - What was refused goes out again once. Refused once more, it goes back to whoever asked (field guide U-12, F33).
//! - One key's refusal stops nothing that another key may ask.
//!
//! Spec: NIP-42, field guide U-12, U-13.

mod kept;
mod messages;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use nostr::event::{Event, EventId};
use nostr::key::PublicKey;

use self::kept::{Asked, Kept, Question};
pub use self::messages::{AuthChanged, AuthDeclined, Identity, Reserved, SignAuth};
use crate::{ClientFrame, OkClass, Refusal, RelayFrame};

/// For a challenge to come after a refusal. With [`OK_DEADLINE`] this stays below the 20 s that a NEG-OPEN is given.
const CHALLENGE_DEADLINE: Duration = Duration::from_secs(5);
/// For the OK to an AUTH (field guide 7).
const OK_DEADLINE: Duration = Duration::from_secs(10);
/// Signatures of one key on one connection: a relay that changes its challenge with every refusal ends here.
const SIGNATURES_MAX: u32 = 8;

/// What is carried out after each call, in order.
#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    /// Have this challenge signed with this key; answer with [`Auth::signed`].
    Sign { key: PublicKey, challenge: String },
    /// Write it.
    Send(ClientFrame),
    /// Hand it to whoever asked.
    Pass(RelayFrame),
    /// How the relay takes us now, when that changed: why it does not, or that it does.
    Told(Option<String>),
}

/// What one key is to the relay on this connection.
#[derive(Debug)]
struct Standing {
    challenge: String,
    signatures: u32,
    step: Step,
}

#[derive(Debug)]
enum Step {
    Signing,
    Sent { id: EventId, deadline: Instant },
    Accepted,
    Refused(String),
}

/// The authentication of one connection.
#[derive(Debug)]
pub(crate) struct Auth {
    reserved: Option<Reserved>,
    challenge: Option<String>,
    keys: BTreeMap<PublicKey, Standing>,
    kept: Kept,
    told: Option<String>,
    outputs: VecDeque<Output>,
}

impl Auth {
    pub(crate) fn new(reserved: Option<Reserved>) -> Self {
        Self {
            reserved,
            challenge: None,
            keys: BTreeMap::new(),
            kept: Kept::default(),
            told: None,
            outputs: VecDeque::new(),
        }
    }

    /// A frame goes out. It is kept until it was answered.
    pub(crate) fn sent(&mut self, frame: ClientFrame) {
        self.kept.sent(frame);
    }

    /// A frame came. What of it is for others comes out as [`Output::Pass`]; answers to an AUTH and challenges do not.
    pub(crate) fn heard(&mut self, frame: RelayFrame, now: Instant) {
        match &frame {
            RelayFrame::Auth { challenge } => return self.challenged(challenge, now),
            RelayFrame::Ok {
                id: Some(id),
                accepted,
                reason,
            } => {
                if let Some(key) = self.proving(id) {
                    return self.answered(key, *accepted, reason, now);
                }
                let asked = Asked::Event(*id);
                if OkClass::classify(*accepted, reason) == OkClass::NeedsAuth {
                    return self.refused(&asked, frame, now);
                }
                self.kept.remove(&asked);
            }
            RelayFrame::Closed { sub, reason } => {
                // The two kinds of id are separate spaces, and some relays refuse a NEG-OPEN with CLOSED.
                let (req, neg) = (Asked::Req(sub.clone()), Asked::Neg(sub.clone()));
                let asked = if self.kept.contains(&req) { req } else { neg };
                if needs_auth(reason) {
                    return self.refused(&asked, frame, now);
                }
                self.kept.remove(&asked);
            }
            RelayFrame::NegErr { sub, reason, .. } => {
                let asked = Asked::Neg(sub.clone());
                if needs_auth(reason) {
                    return self.refused(&asked, frame, now);
                }
                self.kept.remove(&asked);
            }
            RelayFrame::Eose { sub, .. } => self.kept.answered(&Asked::Req(sub.clone())),
            // Our next message is built on this answer, so the session cannot be opened again in its place.
            RelayFrame::NegMsg { sub, .. } => self.kept.answered(&Asked::Neg(sub.clone())),
            RelayFrame::Notice { message } if needs_auth(message) => return self.all_refused(frame, now),
            RelayFrame::Event { .. } | RelayFrame::Notice { .. } | RelayFrame::Ok { id: None, .. } => {}
        }
        self.outputs.push_back(Output::Pass(frame));
    }

    /// The answer to [`Output::Sign`].
    pub(crate) fn signed(
        &mut self,
        key: PublicKey,
        challenge: &str,
        outcome: Result<Event, AuthDeclined>,
        now: Instant,
    ) {
        let Some(standing) = self.keys.get_mut(&key) else {
            return;
        };
        if !matches!(standing.step, Step::Signing) || standing.challenge != challenge {
            return;
        }
        let stale = self
            .challenge
            .as_ref()
            .is_some_and(|current| current != challenge);
        match outcome {
            // The relay has asked something else meanwhile, and takes no answer to this.
            Ok(_) if stale && standing.signatures < SIGNATURES_MAX => {
                standing.step = Step::Refused("the challenge changed while it was signed".to_owned());
                self.prove(key);
            }
            Ok(event) => {
                standing.step = Step::Sent {
                    id: event.id,
                    deadline: now + OK_DEADLINE,
                };
                self.outputs
                    .push_back(Output::Send(ClientFrame::Auth(Box::new(event))));
            }
            Err(declined) => {
                standing.step = Step::Refused(declined.to_string());
            }
        }
        self.settle(now);
    }

    /// Acts on a deadline that has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let overdue: Vec<PublicKey> = self
            .keys
            .iter()
            .filter(|(_, standing)| matches!(standing.step, Step::Sent { deadline, .. } if deadline <= now))
            .map(|(key, _)| *key)
            .collect();
        for key in overdue {
            self.answered(key, false, "it did not answer", now);
        }
        self.settle(now);
    }

    /// When [`Auth::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let answers = self.keys.values().filter_map(|standing| match standing.step {
            Step::Sent { deadline, .. } => Some(deadline),
            _ => None,
        });
        let challenges = self.kept.held().filter(|_| self.challenge.is_none());
        let challenges = challenges.map(|(_, held)| held.since + CHALLENGE_DEADLINE);
        answers.chain(challenges).min()
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn challenged(&mut self, challenge: &str, now: Instant) {
        self.challenge = Some(challenge.to_owned());
        for key in self.kept.held_for() {
            self.prove(key);
        }
        self.settle(now);
    }

    fn refused(&mut self, asked: &Asked, refusal: RelayFrame, now: Instant) {
        let names = self.kept.get(asked).map(|question| self.names(question));
        let provable = names.is_some_and(|names| self.provable(&names));
        if !provable || self.kept.get(asked).is_none_or(|question| question.again) {
            self.kept.remove(asked);
            let refusal = self.explained(refusal);
            return self.outputs.push_back(Output::Pass(refusal));
        }
        self.hold(asked, Some(refusal), now);
        self.settle(now);
    }

    /// A NOTICE names nobody: it refuses whatever was not answered yet.
    fn all_refused(&mut self, notice: RelayFrame, now: Instant) {
        let mut notice = Some(notice);
        for asked in self.kept.unanswered() {
            let names = self.kept.get(&asked).map(|question| self.names(question));
            if names.is_some_and(|names| self.provable(&names)) {
                self.hold(&asked, notice.take(), now);
            }
        }
        self.outputs.extend(notice.map(Output::Pass));
        self.settle(now);
    }

    fn hold(&mut self, asked: &Asked, refusal: Option<RelayFrame>, now: Instant) {
        let Some(question) = self.kept.get(asked) else {
            return;
        };
        let names = self.names(question);
        for key in &names {
            self.prove(*key);
        }
        if let Some(refusal) = self.kept.hold(asked, refusal, names, now) {
            // A session that had begun: its owner opens another one, once this is proven.
            self.outputs.push_back(Output::Pass(refusal));
        }
    }

    /// The keys that stand behind a question and may be proven for it.
    fn names(&self, question: &Question) -> BTreeSet<PublicKey> {
        let mut names = question.names.clone();
        if let Some(reserved) = &self.reserved
            && !question.only_of(reserved.kinds)
        {
            names.remove(&reserved.key);
        }
        names
    }

    /// Whether one of them is still to be proven, or is being proven.
    fn provable(&self, names: &BTreeSet<PublicKey>) -> bool {
        names.iter().any(|key| match self.keys.get(key) {
            None => true,
            Some(standing) => match standing.step {
                Step::Signing | Step::Sent { .. } => true,
                Step::Accepted | Step::Refused(_) => self.fresh(standing),
            },
        })
    }

    /// Whether the relay has asked something that this key has not answered.
    fn fresh(&self, standing: &Standing) -> bool {
        let new = self
            .challenge
            .as_ref()
            .is_some_and(|challenge| *challenge != standing.challenge);
        new && standing.signatures < SIGNATURES_MAX
    }

    /// Begins to prove `key`, unless that goes on, was done with this challenge, or there is none yet.
    fn prove(&mut self, key: PublicKey) {
        let Some(challenge) = self.challenge.clone() else {
            return;
        };
        let signatures = match self.keys.get(&key) {
            None => 0,
            Some(Standing {
                step: Step::Signing | Step::Sent { .. },
                ..
            }) => return,
            Some(standing) if !self.fresh(standing) => return,
            Some(standing) => standing.signatures,
        };
        self.outputs.push_back(Output::Sign {
            key,
            challenge: challenge.clone(),
        });
        self.keys.insert(
            key,
            Standing {
                challenge,
                signatures: signatures + 1,
                step: Step::Signing,
            },
        );
    }

    fn proving(&self, event: &EventId) -> Option<PublicKey> {
        let mut keys = self.keys.iter();
        let sent = |standing: &Standing| matches!(standing.step, Step::Sent { id, .. } if id == *event);
        keys.find(|(_, standing)| sent(standing)).map(|(key, _)| *key)
    }

    fn answered(&mut self, key: PublicKey, accepted: bool, reason: &str, now: Instant) {
        if let Some(standing) = self.keys.get_mut(&key) {
            if accepted {
                standing.step = Step::Accepted;
            } else {
                standing.step = Step::Refused(messages::refusal_words(reason));
                // Asked something else together with the no: the old challenge had expired.
                self.prove(key);
            }
        }
        self.settle(now);
    }

    /// Sends again what is held for keys that are proven, and gives back what is held for nothing.
    fn settle(&mut self, now: Instant) {
        self.tell();
        let ready: Vec<(Asked, bool)> = self
            .kept
            .held()
            .filter_map(|(asked, held)| {
                let steps = || held.names.iter().filter_map(|key| self.keys.get(key));
                let waits = steps().any(|known| matches!(known.step, Step::Signing | Step::Sent { .. }));
                let late = self.challenge.is_none() && held.since + CHALLENGE_DEADLINE <= now;
                let unasked = self.challenge.is_none() && !late && steps().next().is_none();
                let proven = steps().any(|known| matches!(known.step, Step::Accepted));
                (!waits && !unasked).then(|| (asked.clone(), proven))
            })
            .collect();
        for (asked, proven) in ready {
            if proven {
                let again = self.kept.again(&asked);
                self.outputs.extend(again.map(Output::Send));
            } else if let Some(refusal) = self.kept.give_up(&asked) {
                let refusal = self.explained(refusal);
                self.outputs.push_back(Output::Pass(refusal));
            }
        }
    }

    /// The refusal, with what became of the attempt to prove who we are.
    fn explained(&self, mut refusal: RelayFrame) -> RelayFrame {
        if let (
            Some(why),
            RelayFrame::Closed { reason, .. }
            | RelayFrame::NegErr { reason, .. }
            | RelayFrame::Ok { reason, .. },
        ) = (self.why(), &mut refusal)
        {
            *reason = format!("{} ({why})", reason.trim());
        }
        refusal
    }

    /// Why one of the keys is not believed, if one is not.
    fn why(&self) -> Option<&String> {
        self.keys.values().find_map(|standing| match &standing.step {
            Step::Refused(why) => Some(why),
            _ => None,
        })
    }

    fn tell(&mut self) {
        let why = self.why().cloned();
        if self.told != why {
            self.told.clone_from(&why);
            self.outputs.push_back(Output::Told(why));
        }
    }
}

fn needs_auth(text: &str) -> bool {
    Refusal::classify(text, None) == Refusal::AuthRequired
}
