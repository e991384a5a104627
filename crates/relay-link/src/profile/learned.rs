//! A fact with the time it was learned.

use serde::{Deserialize, Serialize};

/// Something that was found out at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Learned<T> {
    /// When it was learned, Unix seconds by this device's clock.
    at: u64,
    /// What was learned.
    pub(super) what: T,
}

/// Something that was found out and is still believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Believed<'a, T> {
    /// When it was learned, Unix seconds.
    pub at: u64,
    /// Until when it is believed, Unix seconds, exclusive.
    pub until: u64,
    /// What was learned.
    pub what: &'a T,
}

impl<T> Learned<T> {
    pub(super) fn new(what: T, at: u64) -> Self {
        Self { at, what }
    }

    /// The fact, if it is believed at `now`, Unix seconds. What was learned in the future is from before the clock was
    /// set, and would otherwise be believed until that future is over.
    pub(super) fn believed(&self, now: u64, kept_secs: u64) -> Option<Believed<'_, T>> {
        let until = self.at.saturating_add(kept_secs);
        (self.at..until).contains(&now).then_some(Believed {
            at: self.at,
            until,
            what: &self.what,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fact_is_believed_from_its_second_until_it_expires() {
        let fact = Learned::new((), 1_000);
        let expected = Believed {
            at: 1_000,
            until: 1_060,
            what: &(),
        };
        assert_eq!(fact.believed(1_000, 60), Some(expected));
        assert_eq!(fact.believed(1_059, 60), Some(expected));
        assert_eq!(fact.believed(1_060, 60), None, "expired");
        assert_eq!(fact.believed(999, 60), None, "the clock was set back");
    }

    proptest! {
        #[test]
        fn no_fact_is_believed_longer_than_it_is_kept(at: u64, now: u64, kept in 0..=u64::MAX / 2) {
            let believed = Learned::new((), at).believed(now, kept).is_some();
            prop_assert_eq!(believed, now >= at && now - at < kept && now < at.saturating_add(kept));
        }
    }
}
