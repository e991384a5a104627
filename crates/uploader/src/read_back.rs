//! Whether a relay that said yes holds what it said yes to: samples are asked for by id (field guide U-3).
//!
//! No I/O: the shell sends what [`ReadBack::next`] names and hands in what the relay answers. One small question is
//! open at a time, so that reading back never keeps a relay from anything else. What is not in a sample is proven by the
//! next comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use event_index::Delivery;
use nostr::prelude::EventId;
use relay_link::SubId;

/// How long after a yes the relay is asked: relays that write in batches have written by then, and a person learns
/// within a minute that a message was forgotten.
pub const READ_BACK_AFTER: Duration = Duration::from_secs(20);
/// Between two questions.
const QUESTION_EVERY: Duration = Duration::from_secs(30);
/// An answer may take as long as a page's (field guide 7).
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// Ids in a question: at most half a megabyte of answer, and usually 10 KB.
pub const SAMPLE: usize = 8;
/// A relay that refuses questions by id this often in a row is not asked again about these; comparisons prove.
const REFUSED_MAX: u32 = 3;
/// Accepted events that a sample is drawn from; of more, the next comparison says whether they are there.
const CANDIDATES_MAX: usize = 1024;

/// What one relay accepted and was not asked for yet.
#[derive(Debug, Default)]
pub struct ReadBack {
    candidates: BTreeMap<u64, (Delivery, Instant)>,
    /// Those of them that the relay also refused, or forgot once: every sample begins with these.
    doubted: BTreeSet<u64>,
    open: Option<Question>,
    asked: Option<Instant>,
    /// Questions in a row that the relay refused.
    refused: u32,
}

#[derive(Debug)]
struct Question {
    sub: SubId,
    rows: BTreeMap<EventId, Delivery>,
    found: BTreeSet<EventId>,
    deadline: Instant,
    /// Something was said before the end of the answer after which that end proves nothing.
    spoiled: bool,
}

/// What a question came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The relay holds these.
    pub present: Vec<Delivery>,
    /// The relay said that there is nothing more, and these were not there.
    pub absent: Vec<Delivery>,
}

impl ReadBack {
    /// The relay said yes to the event of this row.
    pub fn accepted(&mut self, row: Delivery, now: Instant) {
        if row.absent > 0 {
            self.doubted.insert(row.seq);
        }
        if self.candidates.len() < CANDIDATES_MAX || row.absent > 0 {
            self.candidates.insert(row.seq, (row, now));
        }
    }

    /// The relay said no to an event that it had said yes to.
    pub fn contradicted(&mut self, id: &EventId) {
        let said = self.candidates.values().map(|(row, _)| row);
        let seq = said.filter(|row| row.id == *id).map(|row| row.seq).next();
        self.doubted.extend(seq);
    }

    /// The ids to ask for now under `sub`, or when to look again; `None` when there is nothing to ask.
    pub fn next(
        &mut self,
        now: Instant,
        sub: impl FnOnce() -> SubId,
    ) -> Option<Result<(SubId, Vec<EventId>), Instant>> {
        if let Some(open) = &self.open {
            return Some(Err(open.deadline));
        }
        let first = self.candidates.values().map(|(_, at)| *at).min()?;
        let earliest = self.asked.map_or(now, |at| at + QUESTION_EVERY);
        let at = (first + READ_BACK_AFTER).max(earliest);
        if at > now {
            return Some(Err(at));
        }
        let rows: BTreeMap<EventId, Delivery> = self.draw(now).into_iter().map(|row| (row.id, row)).collect();
        let (sub, ids) = (sub(), rows.keys().copied().collect());
        self.open = Some(Question {
            sub: sub.clone(),
            rows,
            found: BTreeSet::new(),
            deadline: now + ANSWER_DEADLINE,
            spoiled: false,
        });
        self.asked = Some(now);
        Some(Ok((sub, ids)))
    }

    /// Takes the sample: first what is in doubt, then evenly from the rest. The others are let go of.
    fn draw(&mut self, now: Instant) -> Vec<Delivery> {
        let ripe: Vec<u64> = self
            .candidates
            .iter()
            .filter(|(_, (_, at))| *at + READ_BACK_AFTER <= now)
            .map(|(seq, _)| *seq)
            .collect();
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        for seq in ripe {
            let doubted = self.doubted.contains(&seq);
            if doubted && rows.len() == SAMPLE {
                // Asked for next time.
                continue;
            }
            self.doubted.remove(&seq);
            let Some((row, _)) = self.candidates.remove(&seq) else {
                continue;
            };
            if doubted { &mut rows } else { &mut others }.push(row);
        }
        let room = SAMPLE - rows.len();
        let step = others.len().div_ceil(room.max(1)).max(1);
        rows.extend(others.into_iter().rev().step_by(step).take(room));
        rows
    }

    /// Whether a frame of this subscription is an answer to what was asked.
    pub fn is_about(&self, sub: &SubId) -> bool {
        self.open.as_ref().is_some_and(|open| open.sub == *sub)
    }

    /// The relay showed this event. It counts when its id was asked for; that its bytes are right is not needed here,
    /// because a relay that shows the id could have kept quiet.
    pub fn showed(&mut self, id: EventId) {
        if let Some(open) = &mut self.open
            && open.rows.contains_key(&id)
        {
            open.found.insert(id);
        }
    }

    /// The relay said something beside the answer, such as that its database failed (field guide P-2): what it does not
    /// show this time may be there all the same.
    pub fn noticed(&mut self) {
        if let Some(open) = &mut self.open {
            open.spoiled = true;
        }
    }

    /// The relay said at `now` that this is all. What a spoiled answer did not show is asked for again.
    pub fn ended(&mut self, now: Instant) -> Answer {
        let Some(open) = self.open.take() else {
            return Answer::default();
        };
        self.refused = 0;
        let (present, mut absent): (Vec<_>, Vec<_>) = open
            .rows
            .into_values()
            .partition(|row| open.found.contains(&row.id));
        if open.spoiled {
            self.ask_again(absent.drain(..), now);
        }
        Answer { present, absent }
    }

    /// The relay refused the question.
    pub fn refused(&mut self, now: Instant) {
        self.refused += 1;
        self.unanswered(now);
        if self.refused >= REFUSED_MAX {
            self.refused = 0;
            self.candidates.clear();
            self.doubted.clear();
        }
    }

    /// There was no answer: it took too long, or the connection ended. It is asked again.
    pub fn unanswered(&mut self, now: Instant) {
        if let Some(open) = self.open.take() {
            self.ask_again(open.rows.into_values(), now);
        }
    }

    fn ask_again(&mut self, rows: impl Iterator<Item = Delivery>, now: Instant) {
        for row in rows {
            if row.absent > 0 {
                self.doubted.insert(row.seq);
            }
            self.candidates.insert(row.seq, (row, now));
        }
    }

    /// Gives up a question whose answer is overdue; returns its subscription, to be closed.
    pub fn expire(&mut self, now: Instant) -> Option<SubId> {
        let open = self.open.as_ref().filter(|open| open.deadline <= now)?;
        let sub = open.sub.clone();
        self.unanswered(now);
        Some(sub)
    }
}

#[cfg(test)]
mod tests {
    use event_index::DeliveryState;
    use supervision::SeededEntropy;

    use super::*;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn row(seq: u64) -> Delivery {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&seq.to_be_bytes());
        Delivery {
            relay: "wss://relay.example".to_owned(),
            seq,
            id: EventId::from_byte_array(id),
            state: DeliveryState::Accepted,
            at: 0,
            attempts: 1,
            next_try: 0,
            reason: None,
            absent: 0,
        }
    }

    fn sub() -> SubId {
        SubId::fresh("kept", &SeededEntropy::new(1))
    }

    #[test]
    fn what_the_relay_does_not_show_is_absent() {
        let (now, mut reading) = (start(), ReadBack::default());
        reading.accepted(row(1), now);
        reading.accepted(row(2), now);
        assert!(matches!(reading.next(now, sub), Some(Err(at)) if at == now + READ_BACK_AFTER));
        let later = now + READ_BACK_AFTER;
        let Some(Ok((asked, ids))) = reading.next(later, sub) else {
            panic!("it asks")
        };
        assert_eq!(ids, [row(1).id, row(2).id]);
        assert!(reading.is_about(&asked));
        reading.showed(row(2).id);
        reading.showed(row(3).id);
        let answer = reading.ended(later);
        assert_eq!((answer.present, answer.absent), (vec![row(2)], vec![row(1)]));
        assert!(reading.next(later, sub).is_none());
    }

    #[test]
    fn a_sample_is_small_and_covers_old_and_new() {
        let (now, mut reading) = (start(), ReadBack::default());
        (0..500).for_each(|seq| reading.accepted(row(seq), now));
        reading.accepted(
            Delivery {
                absent: 1,
                ..row(900)
            },
            now,
        );
        let Some(Ok((_, ids))) = reading.next(now + READ_BACK_AFTER, sub) else {
            panic!("it asks")
        };
        assert_eq!(ids.len(), SAMPLE);
        assert!(ids.contains(&row(900).id), "what was forgotten once is asked for");
        assert!(ids.contains(&row(499).id), "and the newest");
        assert!(ids.iter().any(|id| *id < row(100).id), "and an old one");
    }

    #[test]
    fn no_answer_is_asked_again_and_proves_nothing() {
        let (now, mut reading) = (start(), ReadBack::default());
        reading.accepted(row(1), now);
        let later = now + READ_BACK_AFTER;
        assert!(matches!(reading.next(later, sub), Some(Ok(_))));
        assert_eq!(reading.expire(later), None);
        assert!(reading.expire(later + ANSWER_DEADLINE).is_some());
        assert_eq!(reading.ended(later), Answer::default());
        assert!(
            matches!(reading.next(later + Duration::from_secs(120), sub), Some(Ok((_, ids))) if ids == [row(1).id])
        );
    }
    #[test]
    fn a_notice_before_the_end_of_an_answer_makes_nothing_absent() {
        let (now, mut reading) = (start(), ReadBack::default());
        reading.accepted(row(1), now);
        reading.accepted(row(2), now);
        let later = now + READ_BACK_AFTER;
        assert!(matches!(reading.next(later, sub), Some(Ok(_))));
        reading.showed(row(2).id);
        reading.noticed();
        let answer = reading.ended(later);
        assert_eq!((answer.present, answer.absent), (vec![row(2)], vec![]));
        let again = reading.next(later + Duration::from_secs(60), sub);
        assert!(
            matches!(again, Some(Ok((_, ids))) if ids == [row(1).id]),
            "it is asked again"
        );
    }

    #[test]
    fn what_the_relay_took_and_refused_is_asked_for_first() {
        let (now, mut reading) = (start(), ReadBack::default());
        (0..500).for_each(|seq| reading.accepted(row(seq), now));
        for seq in 3..6 {
            reading.contradicted(&row(seq).id);
        }
        reading.contradicted(&row(777).id);
        let Some(Ok((_, ids))) = reading.next(now + READ_BACK_AFTER, sub) else {
            panic!("it asks")
        };
        assert_eq!(ids.len(), SAMPLE);
        assert!((3..6).all(|seq| ids.contains(&row(seq).id)), "{ids:?}");
    }
}
