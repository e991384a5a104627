//! Whether the machine slept: time that only the wall clock counted.

use std::time::{Duration, Instant};

/// How often to look.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Slept through without a comparison at most, in one go or in naps (field guide 7).
const SLEEP_MAX: u64 = 3600;
/// A wall clock that is behind by more was set back; less is the fraction of a second it does not show.
const SET_BACK: u64 = 5;

/// Compares the two clocks since a moment when they agreed. Somebody who sets the wall clock ahead by more than an hour
/// causes a comparison too many.
#[derive(Debug)]
pub(crate) struct Wakes {
    since: (Instant, u64),
}

impl Wakes {
    pub(crate) fn since(now: Instant, unix: u64) -> Self {
        Self { since: (now, unix) }
    }

    /// Whether more than an hour was slept since this last said so.
    pub(crate) fn woke(&mut self, now: Instant, unix: u64) -> bool {
        let awake = now.saturating_duration_since(self.since.0).as_secs();
        let passed = unix.saturating_sub(self.since.1);
        let woke = passed > awake + SLEEP_MAX;
        if woke || passed + SET_BACK < awake {
            self.since = (now, unix);
        }
        woke
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_add_up_and_a_clock_that_is_set_back_hides_none() {
        let begin = tokio::time::Instant::now().into_std();
        let at = |awake: u64| begin + Duration::from_secs(awake);
        let mut wakes = Wakes::since(begin, 1_000_000);
        assert!(!wakes.woke(at(86_400), 1_086_400), "a day awake");
        assert!(!wakes.woke(at(86_500), 1_088_500));
        assert!(wakes.woke(at(86_600), 1_090_400), "2,000 and 1,800 seconds");
        assert!(!wakes.woke(at(86_700), 1_090_500));
        // Set back by a day, then an hour and a minute of sleep.
        assert!(!wakes.woke(at(86_800), 1_004_200));
        assert!(wakes.woke(at(86_900), 1_004_300 + 3_660));
    }
}
