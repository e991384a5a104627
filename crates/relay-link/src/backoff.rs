//! How long to wait before the next dial.
//!
//! 1 s x 2^n up to 300 s, of which 50 to 100 % are waited, so that a relay that restarts does not see all its
//! clients at once (field guide C-1, C-3). The `backoff` crate doubles; jitter is ours, because it would draw
//! unseeded randomness, and it would give up after 15 minutes.

use std::time::{Duration, Instant};

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use supervision::Entropy;

use crate::{DialError, RelayUrl};

const FIRST: Duration = Duration::from_secs(1);
const CAP: Duration = Duration::from_secs(300);
/// A relay on this machine costs nothing to dial, and a person who restarts it is looking at the screen.
const CAP_LOOPBACK: Duration = Duration::from_secs(2);
/// A connection that lasted this long was a good one.
const STABLE: Duration = Duration::from_secs(60);
/// The longest that a relay's Retry-After is believed: more would be a way to switch a client off.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How a failure moves the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The next step.
    Step,
    /// A connection opened and did not last: two steps. That keeps a relay that accepts and resets to 20 dials in
    /// 40 minutes even when every jitter comes out at 50 %.
    Flap,
    /// Trying soon cannot help: the longest wait at once.
    Cap,
    /// The relay said when.
    After(Duration),
}

impl Pace {
    /// What a failed dial calls for.
    pub(crate) fn of(error: &DialError) -> Self {
        match error {
            DialError::Http {
                retry_after: Some(after),
                ..
            } => Self::After(*after),
            DialError::Http {
                status: 400..=499, ..
            }
            | DialError::NoAddress { .. } => Self::Cap,
            _ => Self::Step,
        }
    }
}

/// Remembers how often it went wrong.
#[derive(Debug)]
pub(crate) struct Backoff {
    steps: ExponentialBackoff,
    cap: Duration,
    opened: Option<Instant>,
}

impl Backoff {
    pub(crate) fn for_relay(url: &RelayUrl) -> Self {
        let cap = if url.is_loopback() { CAP_LOOPBACK } else { CAP };
        let steps = ExponentialBackoff {
            initial_interval: FIRST,
            current_interval: FIRST,
            randomization_factor: 0.0,
            multiplier: 2.0,
            max_interval: cap,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self {
            steps,
            cap,
            opened: None,
        }
    }

    /// A connection opened. That alone forgives nothing.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
    }

    /// Forgets earlier failures: the network changed or a person asked.
    pub(crate) fn reset(&mut self) {
        self.steps.reset();
    }

    /// The wait after a connection ended. Forgets earlier failures if it was stable.
    pub(crate) fn after_connection(&mut self, now: Instant, entropy: &dyn Entropy) -> Duration {
        let opened = self.opened.take();
        if opened.is_some_and(|opened| now.saturating_duration_since(opened) >= STABLE) {
            self.reset();
            return self.wait(Pace::Step, entropy);
        }
        self.wait(Pace::Flap, entropy)
    }

    /// The wait after a failure.
    pub(crate) fn wait(&mut self, pace: Pace, entropy: &dyn Entropy) -> Duration {
        let step = match pace {
            Pace::Step | Pace::After(_) => self.step(),
            Pace::Flap => {
                let step = self.step();
                self.step();
                step
            }
            Pace::Cap => {
                self.steps.current_interval = self.cap;
                self.step()
            }
        };
        let jittered = step.mul_f64(0.5 + entropy.draw_fraction() / 2.0);
        match pace {
            // Never earlier than asked; the jitter comes on top.
            Pace::After(after) => after.min(RETRY_AFTER_MAX).max(step) + jittered.min(FIRST * 10),
            _ => jittered,
        }
    }

    fn step(&mut self) -> Duration {
        let step = self.steps.next_backoff().unwrap_or(self.cap);
        // The crate adds a random part of a nanosecond; whole milliseconds replay from a seed.
        Duration::from_millis(u64::try_from(step.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use supervision::SeededEntropy;

    use super::*;

    fn far() -> Backoff {
        Backoff::for_relay(&"wss://relay.example.com".parse().unwrap())
    }

    /// Draws the lowest jitter.
    struct Lowest;

    impl Entropy for Lowest {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn waits_double_up_to_the_cap_with_half_of_each_random() {
        let entropy = SeededEntropy::new(3);
        let mut backoff = far();
        for expected in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            let full = Duration::from_secs(expected);
            let wait = backoff.wait(Pace::Step, &entropy);
            assert!(wait >= full / 2 && wait <= full, "{wait:?} for {full:?}");
        }
    }

    #[test]
    fn two_clients_do_not_wait_alike() {
        let waits = |seed| {
            let entropy = SeededEntropy::new(seed);
            let mut backoff = far();
            (0..8)
                .map(|_| backoff.wait(Pace::Step, &entropy))
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert!(waits(1).iter().zip(waits(2)).all(|(one, two)| *one != two));
    }

    #[test]
    fn only_a_connection_that_lasted_a_minute_is_forgiven() {
        let start = tokio::time::Instant::now().into_std();
        let mut backoff = far();
        for lasted in [0, 30, 59] {
            backoff.opened(start);
            backoff.after_connection(start + Duration::from_secs(lasted), &Lowest);
        }
        assert_eq!(
            backoff.wait(Pace::Step, &Lowest),
            Duration::from_secs(32),
            "1 s doubled six times, halved"
        );
        backoff.opened(start);
        let wait = backoff.after_connection(start + STABLE, &Lowest);
        assert_eq!(wait, FIRST / 2);
    }

    #[test]
    fn a_relay_that_accepts_and_resets_is_dialled_20_times_in_40_minutes_at_worst() {
        let start = tokio::time::Instant::now().into_std();
        let (mut now, mut dials, mut backoff) = (start, 0, far());
        while now < start + Duration::from_secs(40 * 60) {
            dials += 1;
            backoff.opened(now);
            now += backoff.after_connection(now, &Lowest);
        }
        assert!((10..=20).contains(&dials), "{dials}");
    }

    #[test]
    fn failures_that_time_alone_does_not_heal_go_to_the_cap() {
        let http = |status| DialError::Http {
            status,
            retry_after: None,
        };
        for error in [
            http(403),
            http(404),
            http(429),
            DialError::NoAddress {
                host: "nowhere".into(),
            },
        ] {
            assert_eq!(far().wait(Pace::of(&error), &Lowest), CAP / 2, "{error}");
        }
        for error in [http(200), http(503), DialError::Refused] {
            assert_eq!(far().wait(Pace::of(&error), &Lowest), FIRST / 2, "{error}");
        }
    }

    #[test]
    fn a_relay_that_says_when_is_not_dialled_earlier() {
        let error = |seconds| DialError::Http {
            status: 429,
            retry_after: Some(Duration::from_secs(seconds)),
        };
        for (asked, lowest, highest) in [(120, 120, 130), (0, 1, 2), (u64::MAX, 3600, 3610)] {
            let wait = far().wait(Pace::of(&error(asked)), &SeededEntropy::new(1));
            assert!(
                wait >= Duration::from_secs(lowest) && wait <= Duration::from_secs(highest),
                "{wait:?}"
            );
        }
    }

    #[test]
    fn a_relay_on_this_machine_is_dialled_every_two_seconds() {
        let mut backoff = Backoff::for_relay(&"ws://127.0.0.1:7777".parse().unwrap());
        let entropy = SeededEntropy::new(9);
        for pace in [Pace::Step, Pace::Flap, Pace::Cap, Pace::Step, Pace::Step] {
            assert!(backoff.wait(pace, &entropy) <= CAP_LOOPBACK);
        }
    }
}
