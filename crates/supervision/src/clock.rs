//! The time, as something that is handed in.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Tells the time. Cores never hold one: they take `now`.
pub trait Clock: Send + Sync + 'static {
    /// Monotonic time, for deadlines.
    fn now(&self) -> Instant;
    /// Wall-clock time in whole seconds since the Unix epoch, for `created_at`.
    fn unix(&self) -> u64;
}

/// The machine's clocks. Monotonic time is tokio's, so a paused runtime pauses it.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn unix(&self) -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }
}

/// A wall clock that starts at a chosen second and follows tokio's (pausable) time.
#[derive(Debug)]
pub struct SimulatedClock {
    base: Instant,
    unix: AtomicI64,
}

impl SimulatedClock {
    /// Reads `unix` seconds now. Create it inside the runtime whose time it follows.
    pub fn starting_at(unix: u64) -> Self {
        Self {
            base: tokio::time::Instant::now().into_std(),
            unix: AtomicI64::new(i64::try_from(unix).unwrap_or(i64::MAX)),
        }
    }

    /// Moves the wall clock by `seconds` without moving monotonic time, as a person setting the clock does.
    pub fn shift(&self, seconds: i64) {
        self.unix.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn unix(&self) -> u64 {
        let elapsed: Duration = self.now().saturating_duration_since(self.base);
        let start = self.unix.load(Ordering::Relaxed);
        u64::try_from(start)
            .unwrap_or(0)
            .saturating_add(elapsed.as_secs())
    }
}
