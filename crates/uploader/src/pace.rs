//! How fast one relay takes events: a token bucket that learns from refusals.
//!
//! Starts at two a second, doubles after every twenty accepted events until the first refusal, halves then, and
//! tries a doubled rate again at most once an hour (DESIGN 6, field guide U-8). A relay on this machine is not paced.

use std::time::{Duration, Instant};

const RATE_FIRST: f64 = 2.0;
/// One event in ten minutes: slower than any limit seen in the field guide, so a relay is never given up.
const RATE_MIN: f64 = 1.0 / 600.0;
/// Far above what one connection can acknowledge; keeps the arithmetic finite.
const RATE_MAX: f64 = 4096.0;
const ACCEPTED_PER_DOUBLING: u32 = 20;
const PROBE_EVERY: Duration = Duration::from_secs(3600);
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);

/// The bucket of one relay.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Events a second; `None` is not paced.
    rate: Option<f64>,
    tokens: f64,
    refilled: Instant,
    accepted: u32,
    /// When the rate was last refused; `None` while the relay never refused.
    refused: Option<Instant>,
    pause: Duration,
    paused_until: Option<Instant>,
}

impl Pace {
    /// Never waits: for relays on this machine.
    pub fn unlimited(now: Instant) -> Self {
        Self {
            rate: None,
            ..Self::learning(now)
        }
    }

    /// Starts slow and learns.
    pub fn learning(now: Instant) -> Self {
        Self {
            rate: Some(RATE_FIRST),
            tokens: 1.0,
            refilled: now,
            accepted: 0,
            refused: None,
            pause: PAUSE_FIRST,
            paused_until: None,
        }
    }

    /// The earliest moment the next event may leave: `now` when it may at once.
    pub fn ready_at(&mut self, now: Instant) -> Instant {
        if let Some(until) = self.paused_until {
            if until > now {
                return until;
            }
            self.paused_until = None;
            self.refilled = now;
        }
        let Some(rate) = self.rate else { return now };
        let elapsed = now.saturating_duration_since(self.refilled).as_secs_f64();
        // Half a second's worth may leave in one burst; a relay that refused once gets no bursts.
        let burst = if self.refused.is_some() {
            1.0
        } else {
            (rate / 2.0).max(1.0)
        };
        self.tokens = (self.tokens + elapsed * rate).min(burst);
        self.refilled = now;
        // A hair under one is one: the clock's rounding must not cost a turn.
        if self.tokens >= 1.0 - 1e-6 {
            now
        } else {
            now + Duration::from_secs_f64((1.0 - self.tokens) / rate)
        }
    }

    /// An event left.
    pub fn spent(&mut self) {
        if self.rate.is_some() {
            self.tokens -= 1.0;
        }
    }

    /// The relay took an event.
    pub fn accepted(&mut self, now: Instant) {
        self.pause = PAUSE_FIRST;
        self.accepted += 1;
        let may_probe = self
            .refused
            .is_none_or(|at| now.saturating_duration_since(at) >= PROBE_EVERY);
        if self.accepted >= ACCEPTED_PER_DOUBLING && may_probe {
            self.accepted = 0;
            if self.refused.is_some() {
                self.refused = Some(now);
            }
            self.rate = self.rate.map(|rate| (rate * 2.0).min(RATE_MAX));
        }
    }

    /// The relay asked for less. Returns when it may be tried again; `asked` is a wait the relay named itself.
    pub fn refused(&mut self, now: Instant, asked: Option<Duration>) -> Instant {
        // Several events in flight are refused together; they are one refusal.
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return until;
        }
        self.accepted = 0;
        self.refused = Some(now);
        self.rate = Some((self.rate.unwrap_or(RATE_MAX) / 2.0).max(RATE_MIN));
        self.tokens = 1.0;
        let until = now + asked.unwrap_or(self.pause).min(PAUSE_MAX);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.paused_until = Some(until);
        until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Sends as fast as the pace allows for `long`; `limit` is what the relay takes in a minute.
    fn run(mut pace: Pace, long: Duration, limit: usize) -> (usize, usize) {
        let (begin, mut now) = (start(), start());
        let (mut taken, mut refusals, mut minute) = (0, 0, std::collections::VecDeque::new());
        while now < begin + long {
            now = pace.ready_at(now);
            pace.spent();
            while minute
                .front()
                .is_some_and(|at| now.duration_since(*at) > Duration::from_secs(60))
            {
                minute.pop_front();
            }
            if minute.len() < limit {
                minute.push_back(now);
                taken += 1;
                pace.accepted(now);
            } else {
                refusals += 1;
                pace.refused(now, None);
            }
            now += Duration::from_millis(20);
        }
        (taken, refusals)
    }

    #[test]
    fn a_patient_relay_is_used_faster_and_faster() {
        let (taken, refusals) = run(Pace::learning(start()), Duration::from_secs(60), usize::MAX);
        assert_eq!(refusals, 0);
        assert!(taken > 1_000, "{taken} in the first minute");
    }

    #[test]
    fn a_slow_relay_is_not_hammered() {
        let (taken, refusals) = run(Pace::learning(start()), Duration::from_secs(3600), 6);
        assert!(taken >= 60, "{taken} of at most 360 in an hour");
        assert!(refusals <= 16, "{refusals} refusals in an hour");
    }

    #[test]
    fn a_relay_on_this_machine_is_not_paced() {
        let now = start();
        let mut pace = Pace::unlimited(now);
        for _ in 0..10_000 {
            assert_eq!(pace.ready_at(now), now);
            pace.spent();
        }
    }

    #[test]
    fn refusals_in_one_burst_count_once() {
        let now = start();
        let mut pace = Pace::learning(now);
        let first = pace.refused(now, None);
        assert_eq!(pace.refused(now, None), first);
        assert_eq!(first, now + PAUSE_FIRST);
        assert_eq!(pace.refused(first, None), first + 2 * PAUSE_FIRST);
    }
}
