//! Whether this machine's clock is right, as far as relays tell: a web server dates its answers (field guide C-8).

use std::time::Instant;

/// A clock this far off is wrong, in seconds (DESIGN 6).
pub const CLOCK_SKEW_MAX: u64 = 120;
/// The wall clock and the monotonic one that come apart by more than this since a reading: the machine slept or its clock
/// was set, and the reading says nothing any more.
const APART_MAX: u64 = 10;

/// What a relay's clock showed, and what ours did at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockReading {
    /// The relay's, Unix seconds.
    pub relay: u64,
    /// Ours, monotonic.
    pub at: Instant,
    /// Ours, Unix seconds.
    pub unix: u64,
}

impl ClockReading {
    /// How far the relay's clock was ahead of ours, in seconds; `None` when ours was set since, or the machine slept.
    pub fn ahead(&self, now: Instant, unix: u64) -> Option<i64> {
        let passed = now.saturating_duration_since(self.at).as_secs();
        let expected = self.unix.saturating_add(passed);
        (unix.abs_diff(expected) <= APART_MAX).then(|| difference(self.relay, self.unix))
    }
}

/// How far the clocks of relays are ahead of ours, in seconds: the one in the middle, and of two in the middle the one
/// that finds ours less wrong. `None` when none is known.
pub fn clock_skew(readings: impl IntoIterator<Item = ClockReading>, now: Instant, unix: u64) -> Option<i64> {
    let mut ahead: Vec<i64> = readings
        .into_iter()
        .filter_map(|reading| reading.ahead(now, unix))
        .collect();
    ahead.sort_unstable();
    let upper = *ahead.get(ahead.len() / 2)?;
    let lower = ahead[(ahead.len() - 1) / 2];
    Some(if lower.unsigned_abs() < upper.unsigned_abs() {
        lower
    } else {
        upper
    })
}

/// What a wrong clock is called, and what to do.
pub fn clock_words(skew: i64) -> String {
    let seconds = skew.unsigned_abs();
    let way = if skew > 0 { "behind" } else { "ahead of" };
    format!("this machine's clock is {seconds} s {way} the relays'; set the clock")
}

fn difference(left: u64, right: u64) -> i64 {
    let magnitude = i64::try_from(left.abs_diff(right)).unwrap_or(i64::MAX);
    if left < right { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_789_000_000;

    #[test]
    fn most_relays_are_believed_and_two_that_disagree_prove_nothing() {
        let now = tokio::time::Instant::now().into_std();
        let skew = |ahead: &[i64]| {
            let readings = ahead.iter().map(|ahead| ClockReading {
                relay: NOW.saturating_add_signed(*ahead),
                at: now,
                unix: NOW,
            });
            clock_skew(readings, now, NOW)
        };
        assert_eq!(skew(&[]), None);
        assert_eq!(skew(&[3_600]), Some(3_600));
        assert_eq!(skew(&[-3_600, 1]), Some(1));
        assert_eq!(skew(&[0, 7_200]), Some(0));
        assert_eq!(skew(&[3_600, -1, 3_601]), Some(3_600));
        assert_eq!(skew(&[86_400, 86_401, 0, 86_399]), Some(86_399));
    }

    #[test]
    fn a_clock_that_was_set_since_is_not_known_to_be_wrong() {
        let at = tokio::time::Instant::now().into_std();
        let reading = ClockReading {
            relay: NOW,
            at,
            unix: NOW - 3_600,
        };
        let later = at + Duration::from_secs(60);
        assert_eq!(reading.ahead(later, NOW - 3_540), Some(3_600));
        assert_eq!(reading.ahead(later, NOW + 60), None, "it was set right");
        assert_eq!(reading.ahead(later, NOW - 7_000), None);
    }
}
