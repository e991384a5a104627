//! When a draft becomes an envelope, and which second it gets.
//!
//! Outer times lie in `[now - 300 s, now]`, at most 100 of our keys' items share a second, and none is earlier than
//! its parent's or the keyring's (DESIGN 6). Other devices' live subscriptions and pages look at the outer time: a
//! second that overflows a page could not be paged (field guide P-10).

use std::collections::BTreeMap;

/// How far back a sealing time may lie, in seconds.
pub const SEAL_WINDOW: u64 = 300;
/// Items of our keys in one second.
pub const PER_SECOND_MAX: u32 = 100;
/// More drafts than this at once are an import or what was written offline, not somebody writing.
const BATCH_MIN: u64 = 10;
/// A keyring this far ahead of the clock means that the clock is wrong, in seconds (DESIGN 6).
pub const SKEW_MAX: u64 = 120;

/// Hands out sealing times. Holds how many items each second of the window has already.
#[derive(Debug, Clone)]
pub struct SealingTimes {
    load: BTreeMap<u64, u32>,
    now: u64,
    from: u64,
}

/// Why nothing can be sealed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// The clock is behind the keyring by this many seconds: outer times would lie before the key existed.
    #[error("this machine's clock is {0} s behind the history key's creation; set the clock")]
    ClockBehind(u64),
    /// Every second of the window is full; the next one frees the next places.
    #[error("{SEAL_WINDOW} s hold {PER_SECOND_MAX} messages each; the next second takes more")]
    WindowFull,
}

impl SealingTimes {
    /// Times for drafts sealed at `now`, none before `not_before`: the keyring's outer time, or a later second at which an
    /// earlier batch of the same drafts ended. `expected` is how many drafts wait: the first one goes as far back as it
    /// takes for all to fit in their order. `load` counts the items that the seconds from [`SealingTimes::first`] on hold
    /// already.
    pub fn new(
        now: u64,
        not_before: u64,
        expected: u64,
        load: impl IntoIterator<Item = u64>,
    ) -> Result<Self, NotNow> {
        if not_before > now + SKEW_MAX {
            return Err(NotNow::ClockBehind(not_before - now));
        }
        // A keyring a little ahead of this clock: its own second is the earliest there is.
        let now = now.max(not_before);
        let earliest = Self::first(now, not_before);
        let mut times = Self {
            load: BTreeMap::new(),
            now,
            from: now,
        };
        for second in load {
            *times.load.entry(second).or_default() += 1;
        }
        // As late as they all fit: what is sealed late is seen by live subscriptions. A batch does not count on the
        // current second, so that a reply to its last message finds room there at once.
        let mut room = if Self::is_writing(expected) {
            times.room(now)
        } else {
            0
        };
        while room < expected && times.from > earliest {
            times.from -= 1;
            room += times.room(times.from);
        }
        Ok(times)
    }

    /// The first second that a draft sealed at `now` may get: what lies before it need not be counted.
    pub fn first(now: u64, not_before: u64) -> u64 {
        now.saturating_sub(SEAL_WINDOW).max(not_before)
    }

    /// Whether so few drafts are somebody writing, who is read live: they are sealed in the current second if it has room.
    pub(crate) fn is_writing(expected: u64) -> bool {
        expected <= BATCH_MIN
    }

    /// The second that was handed out last, or the first one that may be.
    pub fn reached(&self) -> u64 {
        self.from
    }

    fn room(&self, second: u64) -> u64 {
        u64::from(PER_SECOND_MAX.saturating_sub(self.load.get(&second).copied().unwrap_or(0)))
    }

    /// The second for the next draft: not before its parent's `floor`, nor before the one handed out last.
    pub fn next(&mut self, floor: Option<u64>) -> Result<u64, NotNow> {
        // A parent from a device whose clock is ahead pulls its replies with it.
        let floor = floor.unwrap_or(0);
        let mut second = self.from.max(floor);
        while self.load.get(&second).is_some_and(|held| *held >= PER_SECOND_MAX) {
            second += 1;
        }
        if second > self.now.max(floor) {
            if floor <= self.from {
                // All of them were looked at, and are full.
                self.from = self.now;
            }
            return Err(NotNow::WindowFull);
        }
        *self.load.entry(second).or_default() += 1;
        // Later drafts never get an earlier second, so an imported history keeps its order on the wire. One that
        // followed a parent into the future does not take the others along.
        if second <= self.now {
            self.from = second;
        }
        Ok(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_789_000_000;

    #[test]
    fn one_message_is_sealed_now() {
        assert_eq!(SealingTimes::new(NOW, 0, 1, []).unwrap().next(None), Ok(NOW));
    }

    #[test]
    fn two_thousand_messages_spread_over_twenty_seconds_in_order() {
        let mut times = SealingTimes::new(NOW, 0, 2_000, []).unwrap();
        let sealed: Vec<u64> = (0..2_000).map(|_| times.next(None).unwrap()).collect();
        assert!(sealed.is_sorted());
        assert_eq!((sealed[0], sealed[1_999]), (NOW - 20, NOW - 1));
        assert_eq!(
            times.next(Some(NOW)),
            Ok(NOW),
            "a reply to the last one finds room"
        );
    }

    #[test]
    fn a_full_window_waits_for_the_next_second() {
        let full = (NOW - SEAL_WINDOW..=NOW).flat_map(|second| [second; 100]);
        let mut times = SealingTimes::new(NOW, 0, 5, full.clone()).unwrap();
        assert_eq!(times.next(None), Err(NotNow::WindowFull));
        assert_eq!(
            SealingTimes::new(NOW + 1, 0, 5, full).unwrap().next(None),
            Ok(NOW + 1)
        );
    }

    #[test]
    fn seconds_that_are_full_already_are_made_up_for_further_back() {
        let full = (NOW - 9..=NOW).flat_map(|second| [second; 100]);
        let mut times = SealingTimes::new(NOW, 0, 2_000, full).unwrap();
        let sealed: Vec<u64> = (0..2_000).map(|_| times.next(None).unwrap()).collect();
        assert_eq!((sealed[0], sealed[1_999]), (NOW - 29, NOW - 10));
    }

    #[test]
    fn a_batch_goes_on_where_the_one_before_it_ended() {
        let mut whole = SealingTimes::new(NOW, 0, 2_000, []).unwrap();
        let at_once: Vec<u64> = (0..2_000).map(|_| whole.next(None).unwrap()).collect();
        let (mut in_parts, mut reached) = (Vec::new(), 0);
        for part in 0..8 {
            // Only what the last second holds is counted again.
            let load = in_parts.iter().copied().filter(|second| *second >= reached);
            let mut times = SealingTimes::new(NOW, reached, 2_000 - part * 250, load).unwrap();
            let sealed: Vec<u64> = (0..250).map(|_| times.next(None).unwrap()).collect();
            in_parts.extend(sealed);
            reached = times.reached();
        }
        assert_eq!(in_parts, at_once);
    }

    #[test]
    fn nothing_is_sealed_before_its_parent_or_its_keyring() {
        let mut times = SealingTimes::new(NOW, NOW - 3, 30_000, []).unwrap();
        assert_eq!(times.next(None), Ok(NOW - 3));
        assert_eq!(times.next(Some(NOW - 1)), Ok(NOW - 1));
        assert_eq!(
            times.next(Some(NOW + 40)),
            Ok(NOW + 40),
            "the parent's device was ahead"
        );
        assert_eq!(times.next(None), Ok(NOW - 1), "the others are not taken along");
    }

    #[test]
    fn a_clock_before_the_keyring_seals_nothing() {
        assert_eq!(
            SealingTimes::new(NOW, NOW + 121, 1, []).unwrap_err(),
            NotNow::ClockBehind(121)
        );
        assert_eq!(
            SealingTimes::new(NOW, NOW + 2, 1, []).unwrap().next(None),
            Ok(NOW + 2)
        );
    }
}
