//! A fact with the time it was learned.

use serde::{Deserialize, Serialize};

/// Something that was found out at a moment, and is believed for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned<T> {
    /// When it was learned, Unix seconds by this device's clock.
    pub at: u64,
    /// What was learned.
    pub what: T,
}

impl<T> Learned<T> {
    pub(super) fn new(what: T, at: u64) -> Self {
        Self { at, what }
    }

    /// Whether it is still believed at `now`, Unix seconds. What was learned in the future is from before the clock was
    /// set, and would otherwise be believed until that future is over.
    pub(super) fn holds(&self, now: u64, kept_secs: u64) -> bool {
        (self.at..self.at.saturating_add(kept_secs)).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_fact_is_believed_from_its_second_until_it_expires() {
        let fact = Learned::new((), 1_000);
        assert!(fact.holds(1_000, 60) && fact.holds(1_059, 60));
        assert!(!fact.holds(1_060, 60), "expired");
        assert!(!fact.holds(999, 60), "the clock was set back");
    }

    proptest! {
        #[test]
        fn no_fact_is_believed_longer_than_it_is_kept(at: u64, now: u64, kept in 0..=u64::MAX / 2) {
            prop_assert_eq!(Learned::new((), at).holds(now, kept), now >= at && now - at < kept && now < at.saturating_add(kept));
        }
    }
}
