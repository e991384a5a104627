//! How many messages are verified, remembered until it may be another number: while a long queue leaves, nothing is
//! counted again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::IndexError;

/// Numbers that are remembered. Callers ask about one list of relays, and two or three numbers of them.
const KNOWN_MAX: usize = 16;

/// Which relays, sorted, on how many of them a message has to be verified, and whether by showing it is enough.
type Question = (Vec<String>, usize, bool);

/// Numbers that hold until [`Proofs::outdated`].
#[derive(Debug, Default)]
pub(crate) struct Proofs {
    age: AtomicU64,
    /// The last sequence number that an agreement which was counted covers.
    reach: AtomicU64,
    known: Mutex<BTreeMap<Question, (u64, u64)>>,
}

impl Proofs {
    /// Takes in how far an agreement reaches that was counted.
    pub(crate) fn reach_to(&self, last_seq: u64) {
        self.reach.fetch_max(last_seq, Ordering::AcqRel);
    }

    /// Whether an agreement covers events behind this number, whenever they come.
    pub(crate) fn reach_beyond(&self, seq: u64) -> bool {
        self.reach.load(Ordering::Acquire) > seq
    }

    /// To be called after a commit that may have changed a number: only then can a reader have seen it.
    pub(crate) fn outdated(&self) {
        self.age.fetch_add(1, Ordering::AcqRel);
    }

    /// The number that was remembered, or what `count` finds.
    pub(crate) fn of(
        &self,
        question: Question,
        count: impl FnOnce(&[String]) -> Result<u64, IndexError>,
    ) -> Result<u64, IndexError> {
        // Read before the count begins: a commit meanwhile makes what is found outdated.
        let age = self.age.load(Ordering::Acquire);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, number)) = known.get(&question).filter(|(of, _)| *of == age) {
            return Ok(*number);
        }
        drop(known);
        let number = count(&question.0)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(question, (age, number));
        Ok(number)
    }
}
