//! Everything an actor is given instead of reaching for the machine.

use std::fmt;
use std::sync::Arc;

use crate::{Clock, Entropy, SystemClock, SystemEntropy, Tripwire, Workers};

/// Clock, randomness and worker pool. Clones are cheap and share all three. The factory of links and the storage
/// are injected beside it by the engine, because this crate knows neither sockets nor disks.
#[derive(Clone)]
pub struct Env {
    /// Monotonic and wall-clock time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where blocking work runs.
    pub workers: Workers,
    /// Panics on purpose; [`Tripwire::none`] outside tests.
    pub tripwire: Tripwire,
}

impl Env {
    /// The machine's clock and randomness, work on threads.
    pub fn production() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            workers: Workers::threads(),
            tripwire: Tripwire::none(),
        }
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("workers", &self.workers)
            .finish_non_exhaustive()
    }
}
