//! How fast one relay takes events: a token bucket that learns from refusals.
//!
//! Starts at two a second, doubles after every twenty accepted events until the first refusal, halves then, and
//! tries a doubled rate again at most once an hour (DESIGN 6, field guide U-8). A relay that still refuses after the
//! pause counts over longer than the pause: then what it took in the last minute is the measure. What was learned
//! outlives the program ([`Pace::lesson`], [`Pace::kept`]). A relay on this machine is not paced.

use std::collections::VecDeque;
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
/// What relays count over, most often (U-8).
const MINUTE: Duration = Duration::from_secs(60);
/// Accepted events remembered; a relay that takes more in a minute is not slowed by counting them.
const RECENT_MAX: usize = 1024;
/// A hair below what the relay took, because its minute and ours do not begin together.
const MARGIN: f64 = 0.9;
/// Few events in the last minute may be all there was to send: they are no measure of what the relay takes.
const RECENT_MIN: usize = 3;

/// The bucket of one relay.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Events a second; `None` is not paced.
    rate: Option<f64>,
    tokens: f64,
    refilled: Instant,
    accepted: u32,
    /// When a faster rate may be tried; `None` while the relay never refused.
    probe_at: Option<Instant>,
    /// Refused since the last accepted event.
    refusals: u32,
    /// When the relay took its last events.
    recent: VecDeque<Instant>,
    pause: Duration,
    paused_until: Option<Instant>,
    /// The rate is not the one that was last asked for by [`Pace::lesson`].
    news: bool,
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
            probe_at: None,
            refusals: 0,
            recent: VecDeque::new(),
            pause: PAUSE_FIRST,
            paused_until: None,
            news: false,
        }
    }

    /// Goes on at a rate that was learned `age` ago: so many events an hour.
    pub fn kept(now: Instant, per_hour: u64, age: Duration) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "no relay takes 2^52 events an hour")]
        let rate = (per_hour as f64 / 3600.0).clamp(RATE_MIN, RATE_MAX);
        Self {
            rate: Some(rate),
            probe_at: Some(now + PROBE_EVERY.saturating_sub(age)),
            ..Self::learning(now)
        }
    }

    /// How many events an hour the relay takes, when that was learned since this was last asked.
    pub fn lesson(&mut self) -> Option<u64> {
        if !std::mem::take(&mut self.news) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "rates lie between RATE_MIN and RATE_MAX"
        )]
        self.rate.map(|rate| (rate * 3600.0) as u64)
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
        let burst = if self.probe_at.is_some() {
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

    /// The event that was to leave did not.
    pub fn unspent(&mut self) {
        if self.rate.is_some() {
            self.tokens += 1.0;
        }
    }

    /// The relay took an event.
    pub fn accepted(&mut self, now: Instant) {
        self.pause = PAUSE_FIRST;
        self.refusals = 0;
        self.accepted += 1;
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        let may_probe = self.probe_at.is_none_or(|at| now >= at);
        if self.accepted >= ACCEPTED_PER_DOUBLING && may_probe {
            self.accepted = 0;
            if self.probe_at.is_some() {
                self.probe_at = Some(now + PROBE_EVERY);
                self.news = true;
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
        let rate = self.rate.unwrap_or(RATE_MAX);
        let slower = if self.refusals == 0 {
            rate / 2.0
        } else {
            rate.min(self.taken_in_the_last_minute(now) * MARGIN)
        };
        self.rate = Some(slower.max(RATE_MIN));
        self.refusals += 1;
        self.accepted = 0;
        self.probe_at = Some(now + PROBE_EVERY);
        self.news = true;
        self.tokens = 1.0;
        let until = now + asked.unwrap_or(self.pause).min(PAUSE_MAX);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.paused_until = Some(until);
        until
    }

    /// Events a second.
    fn taken_in_the_last_minute(&mut self, now: Instant) -> f64 {
        while self
            .recent
            .front()
            .is_some_and(|at| now.saturating_duration_since(*at) > MINUTE)
        {
            self.recent.pop_front();
        }
        #[expect(clippy::cast_precision_loss, reason = "at most RECENT_MAX")]
        let count = self.recent.len().max(RECENT_MIN) as f64;
        count / MINUTE.as_secs_f64()
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
        assert!(taken >= 270, "{taken} of at most 360 in an hour");
        assert!(refusals <= 4, "{refusals} refusals in an hour");
    }

    #[test]
    fn a_faster_rate_is_tried_once_an_hour_and_given_up_when_it_is_refused() {
        let (taken, refusals) = run(Pace::learning(start()), Duration::from_secs(10 * 3600), 6);
        assert!(taken >= 2_700, "{taken} of at most 3,600 in ten hours");
        assert!(refusals <= 40, "{refusals} refusals in ten hours");
    }

    #[test]
    fn what_was_learned_outlives_the_program() {
        let now = start();
        let mut pace = Pace::learning(now);
        assert_eq!(pace.lesson(), None, "nothing was learned");
        pace.refused(now, None);
        assert_eq!((pace.lesson(), pace.lesson()), (Some(3_600), None));
        let (taken, refusals) = run(
            Pace::kept(start(), 300, Duration::from_secs(60)),
            Duration::from_secs(3000),
            6,
        );
        assert_eq!(refusals, 0);
        assert!(taken >= 245, "{taken}");
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
