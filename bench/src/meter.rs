//! What stretches of a program's run cost.

use std::fs;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What the stretches took together.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Spent {
    /// Wall time, nanoseconds.
    pub(crate) wall: u64,
    /// CPU time of the whole process, user and system, nanoseconds.
    pub(crate) cpu: u64,
    /// Instructions of this thread in user mode; `None` where the machine does not count them.
    pub(crate) instructions: Option<u64>,
}

/// Adds up stretches of work, and leaves out what lies between them.
pub(crate) struct Meter {
    spent: Spent,
    instructions: Instructions,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            spent: Spent::default(),
            instructions: Instructions::new(),
        }
    }

    /// Does `work` as one stretch.
    #[expect(clippy::disallowed_methods, reason = "this program measures")]
    pub(crate) fn stretch<T>(&mut self, work: impl FnOnce() -> T) -> T {
        self.instructions.count(true);
        let (wall, cpu) = (Instant::now(), cpu_nanos());
        let done = work();
        self.spent.cpu += cpu_nanos() - cpu;
        self.spent.wall += wall.elapsed().as_nanos() as u64;
        self.instructions.count(false);
        done
    }

    pub(crate) fn spent(&mut self) -> Spent {
        self.spent.instructions = self.instructions.read();
        self.spent
    }
}

/// CPU time of this process so far.
fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// The most memory this process has held so far, in bytes; `None` where the system does not tell.
pub(crate) fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// The processor's counter, where there is one and we may read it.
struct Instructions {
    #[cfg(target_os = "linux")]
    counter: Option<perf_event::Counter>,
}

#[cfg(target_os = "linux")]
impl Instructions {
    fn new() -> Self {
        let counter = perf_event::Builder::new(perf_event::events::Hardware::INSTRUCTIONS).build();
        Self {
            counter: counter.ok(),
        }
    }

    fn count(&mut self, on: bool) {
        let Some(counter) = &mut self.counter else { return };
        let switched = if on { counter.enable() } else { counter.disable() };
        if switched.is_err() {
            self.counter = None;
        }
    }

    fn read(&mut self) -> Option<u64> {
        self.counter.as_mut()?.read().ok()
    }
}

#[cfg(not(target_os = "linux"))]
impl Instructions {
    fn new() -> Self {
        Self {}
    }

    fn count(&mut self, _: bool) {}

    fn read(&mut self) -> Option<u64> {
        None
    }
}
