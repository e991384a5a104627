//! How fast something gets done: what was counted over the last few seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Over how long it is measured: short enough to follow a change, long enough to level out bursts.
const WINDOW: Duration = Duration::from_secs(10);
/// Between samples that are kept; [`WINDOW`] holds forty.
const STEP: Duration = Duration::from_millis(250);
/// Measured over less, a speed says nothing.
const LEAST: Duration = Duration::from_millis(500);

/// How fast a relay is worked with, over the last ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// Events done in a second.
    pub events_per_second: f64,
    /// Bytes moved in a second, both ways.
    pub bytes_per_second: u64,
    /// Seconds until the rest is done at this speed.
    pub seconds_left: u64,
}

/// Keeps what was counted lately.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    done: u64,
    bytes: u64,
}

impl Meter {
    /// `done` of what is counted are done, and `bytes` moved so far.
    pub(crate) fn observe(&mut self, at: Instant, done: u64, bytes: u64) {
        let sample = Sample { at, done, bytes };
        // Fewer than before: something else is counted.
        if self.samples.back().is_some_and(|last| last.done > done) {
            self.samples.clear();
        }
        // The newest one stands for now only, until it is a step away from the one before.
        let newest = self.samples.len().checked_sub(2).map(|n| (n, n + 1));
        if newest.is_some_and(|(before, last)| self.samples[last].at - self.samples[before].at < STEP) {
            self.samples.pop_back();
        }
        self.samples.push_back(sample);
        while self
            .samples
            .front()
            .is_some_and(|first| at.saturating_duration_since(first.at) > WINDOW)
        {
            self.samples.pop_front();
        }
    }

    /// Nothing is counted now.
    pub(crate) fn stop(&mut self) {
        self.samples.clear();
    }

    /// The speed, when something was done in the last seconds; `left` are still to be done.
    pub(crate) fn speed(&self, now: Instant, left: u64) -> Option<Speed> {
        let recent = |sample: &&Sample| now.saturating_duration_since(sample.at) <= WINDOW;
        let first = self.samples.iter().find(recent)?;
        let last = self.samples.back()?;
        let took = last.at.saturating_duration_since(first.at);
        if took < LEAST || last.done == first.done {
            return None;
        }
        let seconds = took.as_secs_f64();
        let per_second = (last.done - first.done) as f64 / seconds;
        #[expect(clippy::cast_sign_loss, reason = "nothing here is below zero")]
        let speed = Speed {
            // To a tenth: more would change with every look.
            events_per_second: (per_second * 10.0).round() / 10.0,
            bytes_per_second: (last.bytes.saturating_sub(first.bytes) as f64 / seconds) as u64,
            seconds_left: (left as f64 / per_second).ceil() as u64,
        };
        Some(speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, millis: u64) -> Instant {
        begin + Duration::from_millis(millis)
    }

    #[test]
    fn a_steady_pace_is_measured_with_the_time_that_is_left() {
        let begin = tokio::time::Instant::now().into_std();
        let mut meter = Meter::default();
        for tick in 0..100 {
            meter.observe(at(begin, tick * 100), tick * 5, tick * 5_000);
        }
        let speed = meter.speed(at(begin, 9_900), 500).unwrap();
        assert!((speed.events_per_second - 50.0).abs() < 0.5, "{speed:?}");
        assert!((49_000..=51_000).contains(&speed.bytes_per_second), "{speed:?}");
        assert_eq!(speed.seconds_left, 10);
        assert!(meter.samples.len() <= 42, "{}", meter.samples.len());
    }

    #[test]
    fn what_stands_still_has_no_speed_after_ten_seconds() {
        let begin = tokio::time::Instant::now().into_std();
        let mut meter = Meter::default();
        assert_eq!(meter.speed(begin, 5), None);
        meter.observe(begin, 0, 0);
        assert_eq!(meter.speed(begin, 5), None, "one look is no speed");
        meter.observe(at(begin, 1_000), 10, 10);
        assert!(meter.speed(at(begin, 1_000), 5).is_some());
        assert_eq!(meter.speed(at(begin, 12_000), 5), None);
    }

    #[test]
    fn a_count_that_begins_anew_is_another_one() {
        let begin = tokio::time::Instant::now().into_std();
        let mut meter = Meter::default();
        meter.observe(begin, 900, 0);
        meter.observe(at(begin, 1_000), 1_000, 0);
        meter.observe(at(begin, 2_000), 1, 0);
        assert_eq!(meter.speed(at(begin, 2_000), 5), None);
        meter.stop();
        assert!(meter.samples.is_empty());
    }
}
