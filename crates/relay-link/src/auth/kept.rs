//! What was sent on a connection and may still be refused for want of authentication.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;
use std::time::Instant;

use nostr::event::{EventId, Kind};
use nostr::filter::{Filter, SingleLetterTag};
use nostr::key::PublicKey;

use crate::{ClientFrame, RelayFrame, SubId};

/// Frames kept of each kind: eight times what a relay gets at once (6 REQ, 2 NEG, 32 EVENT), so that memory is bounded
/// at relays that never answer. One that was forgotten is not sent again; its refusal goes to whoever asked.
const KEPT_MAX: usize = 256;
/// Keys that are proven for one filter: a dozen keyrings with two history keys each, and some room. Each costs a local
/// signature and a frame.
const NAMES_MAX: usize = 32;

/// What a frame of the relay can answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Asked {
    Req(SubId),
    Neg(SubId),
    Event(EventId),
}

/// One frame that was sent.
#[derive(Debug)]
pub(super) struct Question {
    /// Absent when it can't be sent again: a session that goes on.
    frame: Option<ClientFrame>,
    /// Whose it is.
    pub(super) names: BTreeSet<PublicKey>,
    kinds: BTreeSet<Kind>,
    answered: bool,
    /// It was sent again already.
    pub(super) again: bool,
    held: Option<Held>,
    place: u64,
}

/// A question that was refused and waits.
#[derive(Debug)]
pub(super) struct Held {
    /// What to hand on when it comes to nothing; absent when somebody else's question has it.
    refusal: Option<RelayFrame>,
    /// Keys that are being proven for it.
    pub(super) names: BTreeSet<PublicKey>,
    pub(super) since: Instant,
}

impl Question {
    /// Whether it is about these kinds and no others.
    pub(super) fn only_of(&self, kinds: &[Kind]) -> bool {
        !self.kinds.is_empty() && self.kinds.iter().all(|kind| kinds.contains(kind))
    }
}

/// Questions by what answers them.
#[derive(Debug, Default)]
pub(super) struct Kept {
    questions: BTreeMap<Asked, Question>,
    next: u64,
}

impl Kept {
    pub(super) fn sent(&mut self, frame: ClientFrame) {
        let (asked, names, kinds) = match &frame {
            ClientFrame::Req { sub, filters } => {
                let (names, kinds) = of_filters(filters);
                (Asked::Req(sub.clone()), names, kinds)
            }
            ClientFrame::NegOpen { sub, filter, .. } => {
                let (names, kinds) = of_filters(std::slice::from_ref(filter));
                (Asked::Neg(sub.clone()), names, kinds)
            }
            ClientFrame::Event(event) => (
                Asked::Event(event.id),
                BTreeSet::from([event.pubkey]),
                BTreeSet::from([event.kind]),
            ),
            ClientFrame::Close { sub } => return self.remove(&Asked::Req(sub.clone())),
            ClientFrame::NegClose { sub } => return self.remove(&Asked::Neg(sub.clone())),
            ClientFrame::NegMsg { .. } | ClientFrame::Auth(_) => return,
        };
        let question = Question {
            frame: Some(frame),
            names,
            kinds,
            answered: false,
            again: false,
            held: None,
            place: self.next,
        };
        self.next += 1;
        self.questions.insert(asked.clone(), question);
        self.forget_oldest_like(&asked);
    }

    fn forget_oldest_like(&mut self, asked: &Asked) {
        let alike = |other: &&Asked| discriminant(*other) == discriminant(asked);
        if self.questions.len() <= KEPT_MAX || self.questions.keys().filter(alike).count() <= KEPT_MAX {
            return;
        }
        let alike = self.questions.iter().filter(|(other, _)| alike(other));
        if let Some((oldest, _)) = alike.min_by_key(|(_, question)| question.place) {
            let oldest = oldest.clone();
            self.questions.remove(&oldest);
        }
    }

    pub(super) fn contains(&self, asked: &Asked) -> bool {
        self.questions.contains_key(asked)
    }

    pub(super) fn get(&self, asked: &Asked) -> Option<&Question> {
        self.questions.get(asked)
    }

    pub(super) fn remove(&mut self, asked: &Asked) {
        self.questions.remove(asked);
    }

    /// The relay serves it.
    pub(super) fn answered(&mut self, asked: &Asked) {
        if let Some(question) = self.questions.get_mut(asked) {
            question.answered = true;
            if matches!(asked, Asked::Neg(_)) {
                question.frame = None;
            }
        }
    }

    /// What the relay has not answered at all, oldest first.
    pub(super) fn unanswered(&self) -> Vec<Asked> {
        let open = |question: &Question| !question.answered && !question.again && question.held.is_none();
        let mut open: Vec<_> = self
            .questions
            .iter()
            .filter(|(_, question)| open(question))
            .collect();
        open.sort_by_key(|(_, question)| question.place);
        open.into_iter().map(|(asked, _)| asked.clone()).collect()
    }

    /// Keeps it back until it can be sent again. Returns the refusal when it cannot be.
    pub(super) fn hold(
        &mut self,
        asked: &Asked,
        refusal: Option<RelayFrame>,
        names: BTreeSet<PublicKey>,
        since: Instant,
    ) -> Option<RelayFrame> {
        let question = self.questions.get_mut(asked)?;
        if question.frame.is_none() {
            self.questions.remove(asked);
            return refusal;
        }
        question.held = Some(Held {
            refusal,
            names,
            since,
        });
        None
    }

    /// What waits, in the order of what answers it.
    pub(super) fn held(&self) -> impl Iterator<Item = (&Asked, &Held)> {
        let questions = self.questions.iter();
        questions.filter_map(|(asked, question)| Some((asked, question.held.as_ref()?)))
    }

    /// Every key that something waits for.
    pub(super) fn held_for(&self) -> BTreeSet<PublicKey> {
        self.held()
            .flat_map(|(_, held)| held.names.iter().copied())
            .collect()
    }

    /// Lets it go out again.
    pub(super) fn again(&mut self, asked: &Asked) -> Option<ClientFrame> {
        let question = self.questions.get_mut(asked)?;
        question.held = None;
        question.again = true;
        question.answered = false;
        question.frame.clone()
    }

    /// It stays refused. What only a NOTICE may have meant stays open, and may yet be answered.
    pub(super) fn give_up(&mut self, asked: &Asked) -> Option<RelayFrame> {
        let question = self.questions.get_mut(asked)?;
        question.again = true;
        let refusal = question.held.take()?.refusal;
        if !matches!(refusal, None | Some(RelayFrame::Notice { .. })) {
            self.questions.remove(asked);
        }
        refusal
    }
}

/// Whom filters name: their authors, or whom they are for where they name none.
fn of_filters(filters: &[Filter]) -> (BTreeSet<PublicKey>, BTreeSet<Kind>) {
    let recipients = SingleLetterTag::LOWERCASE_P;
    let names = filters.iter().flat_map(|filter| {
        let authors = filter.authors.iter().flatten().copied();
        let tagged = filter.generic_tags.get(&recipients).into_iter().flatten();
        let tagged = tagged.filter_map(|key| PublicKey::from_hex(key).ok());
        let tagged = tagged.filter(|_| filter.authors.is_none());
        authors.chain(tagged)
    });
    let kinds = filters
        .iter()
        .flat_map(|filter| filter.kinds.iter().flatten().copied());
    (names.take(NAMES_MAX).collect(), kinds.collect())
}
