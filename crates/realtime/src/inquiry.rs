//! Asking one relay which of some ids it serves, as a state machine: one REQ at a time, until a clean end says that the
//! rest is not there.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nostr::prelude::EventId;
use relay_link::SubId;

/// Ids in one REQ, as in a fetch: relays answer 300 to 1,900 of them (field guide 9).
const BATCH: usize = 100;
/// Silence after which the relay has given no answer (field guide 7, "page silence").
const SILENCE: Duration = Duration::from_secs(15);
/// A relay may want to know who asks first, and says no once.
const REFUSALS_MAX: u32 = 2;
const REFUSED_PAUSE: Duration = Duration::from_secs(2);

/// One question to one relay.
#[derive(Debug)]
pub struct Inquiry {
    /// Not asked yet, sorted.
    left: BTreeSet<EventId>,
    served: BTreeSet<EventId>,
    open: Option<Open>,
    refusals: u32,
    not_before: Option<Instant>,
    failed: Option<String>,
}

#[derive(Debug)]
struct Open {
    sub: SubId,
    ids: BTreeSet<EventId>,
    shown: BTreeSet<EventId>,
    deadline: Instant,
}

impl Inquiry {
    /// Asks for these.
    pub fn new(ids: impl IntoIterator<Item = EventId>) -> Self {
        Self {
            left: ids.into_iter().collect(),
            served: BTreeSet::new(),
            open: None,
            refusals: 0,
            not_before: None,
            failed: None,
        }
    }

    /// The ids of the next REQ under the subscription id `sub`; `None` while one is open, and when there is nothing (more)
    /// to ask, or not yet.
    pub fn next(&mut self, sub: SubId, now: Instant) -> Option<Vec<EventId>> {
        let early = self.not_before.is_some_and(|at| at > now);
        if self.open.is_some() || self.failed.is_some() || self.left.is_empty() || early {
            return None;
        }
        let ids: BTreeSet<EventId> = self.left.iter().copied().take(BATCH).collect();
        self.left.retain(|id| !ids.contains(id));
        let asked = ids.iter().copied().collect();
        self.open = Some(Open {
            sub,
            ids,
            shown: BTreeSet::new(),
            deadline: now + SILENCE,
        });
        Some(asked)
    }

    /// The link could not take the REQ.
    pub fn unsent(&mut self) {
        if let Some(open) = self.open.take() {
            self.left.extend(open.ids);
        }
    }

    /// An event came under `sub`. Returns whether it was asked for.
    pub fn showed(&mut self, sub: &SubId, id: EventId, now: Instant) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.sub == *sub) else {
            return false;
        };
        let asked = open.ids.contains(&id);
        // Only what was asked for is progress (N-3).
        if asked && open.shown.insert(id) {
            open.deadline = now + SILENCE;
        }
        asked
    }

    /// The relay says that this is all (EOSE). Returns whether the subscription was ours.
    pub fn answered(&mut self, sub: &SubId) -> bool {
        let Some(Open { ids, shown, .. }) = self.open.take_if(|open| open.sub == *sub) else {
            return false;
        };
        // An answer with something in it may have been cut short; one with nothing is an answer about all of them.
        if !shown.is_empty() {
            self.left.extend(ids.difference(&shown));
        }
        self.served.extend(shown);
        self.refusals = 0;
        true
    }

    /// The relay refused (CLOSED). Returns whether the subscription was ours.
    pub fn refused(&mut self, sub: &SubId, reason: &str, now: Instant) -> bool {
        let Some(open) = self.open.take_if(|open| open.sub == *sub) else {
            return false;
        };
        self.served.extend(open.shown.iter().copied());
        self.left.extend(open.ids.difference(&open.shown));
        self.refusals += 1;
        self.not_before = Some(now + REFUSED_PAUSE);
        if self.refusals >= REFUSALS_MAX {
            self.fail(if reason.is_empty() {
                "it refused to say"
            } else {
                reason
            });
        }
        true
    }

    /// There will be no answer.
    pub fn fail(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
    }

    /// Gives up a REQ that has been silent too long; returns it, to be closed.
    pub fn expire(&mut self, now: Instant) -> Option<SubId> {
        let Open { sub, shown, .. } = self.open.take_if(|open| open.deadline <= now)?;
        self.served.extend(shown);
        self.fail("no answer");
        Some(sub)
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.open {
            Some(open) => Some(open.deadline),
            None if self.left.is_empty() || self.failed.is_some() => None,
            None => self.not_before,
        }
    }

    /// The relay serves these, or why that is not known for all of them; `None` while it is being asked.
    pub fn outcome(&self) -> Option<Result<Vec<EventId>, String>> {
        match &self.failed {
            Some(why) => Some(Err(why.clone())),
            None if self.open.is_none() && self.left.is_empty() => {
                Some(Ok(self.served.iter().copied().collect()))
            }
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u32>) -> Vec<EventId> {
        let id = |n: u32| {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            EventId::from_byte_array(bytes)
        };
        range.map(id).collect()
    }

    fn sub(n: u32) -> SubId {
        SubId::try_from(format!("served-{n}")).unwrap()
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// A relay that shows what `serve` makes of each question, until there is nothing more to ask.
    fn play(inquiry: &mut Inquiry, serve: impl Fn(&[EventId]) -> Vec<EventId>) -> u32 {
        let mut asked = 0;
        while let Some(wanted) = inquiry.next(sub(asked), now()) {
            for id in serve(&wanted) {
                assert!(inquiry.showed(&sub(asked), id, now()));
            }
            assert!(inquiry.answered(&sub(asked)));
            asked += 1;
            assert!(asked < 1_000, "it ends");
        }
        asked
    }

    #[test]
    fn what_is_not_shown_is_gone() {
        let mut inquiry = Inquiry::new(ids(0..2_000));
        assert_eq!(play(&mut inquiry, |_| Vec::new()), 20);
        assert_eq!(inquiry.outcome(), Some(Ok(Vec::new())));
    }

    #[test]
    fn a_relay_that_shows_a_few_at_a_time_is_asked_until_it_has_no_more() {
        let mut inquiry = Inquiry::new(ids(0..250));
        let kept = ids(20..90);
        play(&mut inquiry, |wanted| {
            let held = wanted.iter().filter(|id| kept.contains(id));
            held.take(7).copied().collect()
        });
        assert_eq!(inquiry.outcome(), Some(Ok(kept)));
    }

    #[test]
    fn no_answer_is_not_an_empty_one() {
        let begin = now();
        let mut inquiry = Inquiry::new(ids(0..10));
        inquiry.next(sub(0), begin).unwrap();
        assert_eq!((inquiry.outcome(), inquiry.expire(begin)), (None, None));
        assert_eq!(inquiry.deadline(), Some(begin + SILENCE));
        assert_eq!(inquiry.expire(begin + SILENCE), Some(sub(0)));
        assert_eq!(inquiry.outcome(), Some(Err("no answer".to_owned())));
    }

    #[test]
    fn a_refusal_is_asked_once_more() {
        let begin = now();
        let mut inquiry = Inquiry::new(ids(0..10));
        inquiry.next(sub(0), begin).unwrap();
        assert!(inquiry.refused(&sub(0), "auth-required: who are you?", begin));
        assert!(inquiry.next(sub(1), begin).is_none(), "not at once");
        let later = inquiry.deadline().unwrap();
        assert_eq!(inquiry.next(sub(1), later).unwrap(), ids(0..10));
        assert!(!inquiry.refused(&sub(0), "late", later), "of an older question");
        assert!(inquiry.refused(&sub(1), "restricted: no", later));
        assert_eq!(inquiry.outcome(), Some(Err("restricted: no".to_owned())));
    }

    #[test]
    fn what_nobody_asked_for_is_no_progress() {
        let begin = now();
        let mut inquiry = Inquiry::new(ids(0..10));
        inquiry.next(sub(0), begin).unwrap();
        assert!(!inquiry.showed(&sub(0), ids(11..12)[0], begin + SILENCE / 2));
        assert_eq!(inquiry.deadline(), Some(begin + SILENCE));
    }
}
