//! Where blocking and wide work runs.

use std::fmt;
use std::sync::LazyLock;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// A pool for work that would hold up an actor: commits, signature checks, opening many envelopes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Workers {
    inline: bool,
}

impl Workers {
    /// Work runs on tokio's blocking threads; wide work spreads over all cores with rayon inside it. On Linux it takes what
    /// the rest of the program leaves: one thread writes to the disk while thousands of signatures could be checked, and
    /// whatever holds that one up holds up everybody.
    pub fn threads() -> Self {
        Self { inline: false }
    }

    /// Work runs at once on the calling thread, in the order it was asked for: for simulations.
    pub fn inline() -> Self {
        Self { inline: true }
    }

    /// Whether work runs at once on the calling thread.
    pub(crate) fn are_inline(self) -> bool {
        self.inline
    }

    /// Runs `work` and returns what it returned. A panic in `work` goes on in the caller, so that the guardian
    /// sees it in the actor that asked.
    pub async fn run<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if self.inline {
            return work();
        }
        match tokio::task::spawn_blocking(work).await {
            Ok(value) => value,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down; nobody is left to take an answer.
                Err(_) => futures_util::future::pending().await,
            },
        }
    }

    /// Applies `each` to every item, over all cores unless inline; the order of results is that of `items`.
    pub fn map<T, U, F>(&self, items: Vec<T>, each: F) -> Vec<U>
    where
        T: Send,
        U: Send,
        F: Fn(T) -> U + Send + Sync,
    {
        use rayon::prelude::*;
        // One item, such as a message that just came, waits for no thread that lets others go first.
        let wide = !self.inline && items.len() > 1;
        match pool().filter(|_| wide) {
            Some(pool) => pool.install(|| items.into_par_iter().map(each).collect()),
            None => items.into_iter().map(each).collect(),
        }
    }
}

/// The threads for wide work, as many as there are cores; `None` when the system gives none, and the caller is alone.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
        let threads = ThreadPoolBuilder::new()
            .thread_name(|number| format!("wide-{number}"))
            .start_handler(|_| step_back());
        threads.build().ok()
    });
    POOL.as_ref()
}

/// Lets everything else go first, without standing still when the machine is busy: a ninth of what another thread gets.
fn step_back() {
    // Elsewhere this would be about the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inline {
            "Workers::inline"
        } else {
            "Workers::threads"
        })
    }
}
