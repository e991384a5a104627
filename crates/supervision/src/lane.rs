//! One thread for work that has to be done in order, such as everything that writes to one file.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::Workers;

type Work = Box<dyn FnOnce() + Send>;

/// Runs one piece of work after the other, on a thread of its own.
///
/// A pool would do the same work on whichever of its threads is idle. An allocator keeps memory by thread, so a cache that is
/// filled by many of them takes several times its size.
pub struct Lane {
    /// Absent when work runs on the caller's thread.
    work: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    /// A lane whose thread has this name. When `workers` are inline, or the system has no thread to give, work is done by whoever
    /// hands it in.
    pub fn new(workers: Workers, name: &str) -> Self {
        let (sender, receiver) = channel::<Work>();
        let run = move || receiver.into_iter().for_each(|work| work());
        let thread = if workers.are_inline() {
            None
        } else {
            std::thread::Builder::new().name(name.to_owned()).spawn(run).ok()
        };
        Self {
            work: thread.is_some().then_some(sender),
            thread,
        }
    }

    /// Hands `work` in behind everything that was handed in before; the future gives what it returned. It is done also when
    /// nobody waits for it. A panic in `work` goes on in the caller. The queue has no bound of its own: whoever hands work in
    /// awaits it.
    pub fn run<T, F>(&self, work: F) -> impl Future<Output = T> + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (done, outcome) = oneshot::channel::<Result<T, Box<dyn Any + Send>>>();
        let work = move || {
            // Whoever waited may be gone.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        };
        match &self.work {
            // The thread ends after the lane.
            Some(lane) => drop(lane.send(Box::new(work))),
            // Not when the future is asked first: futures are asked in any order.
            None => work(),
        }
        async move {
            match outcome.await {
                Ok(Ok(value)) => value,
                Ok(Err(panic)) => resume_unwind(panic),
                // The lane is being dropped; nobody is left to take an answer.
                Err(_) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Lane {
    /// Waits for what was handed in: nothing is half done when the lane is gone.
    fn drop(&mut self) {
        drop(self.work.take());
        if let Some(thread) = self.thread.take() {
            // It catches every panic of what it runs.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lane")
            .field(
                "thread",
                &self.thread.as_ref().map(|thread| thread.thread().name()),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order_on_one_thread() {
        for workers in [Workers::threads(), Workers::inline()] {
            let lane = Lane::new(workers, "lane");
            let (order, order_of) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
            let all = (0..50).map(|n| {
                let (order, threads) = (Arc::clone(&order), Arc::clone(&order_of));
                lane.run(move || {
                    order.lock().unwrap().push(n);
                    threads.lock().unwrap().push(std::thread::current().id());
                    n
                })
            });
            let answers = futures_util::future::join_all(all).await;
            assert_eq!(answers, (0..50).collect::<Vec<_>>());
            assert_eq!(*order.lock().unwrap(), answers);
            let mut threads = order_of.lock().unwrap().clone();
            threads.dedup();
            assert_eq!(threads.len(), 1);
        }
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_caller_and_the_lane_goes_on_too() {
        let lane = Arc::new(Lane::new(Workers::threads(), "lane"));
        let same = Arc::clone(&lane);
        let caller = tokio::spawn(async move { same.run(|| panic!("on purpose")).await });
        assert!(caller.await.unwrap_err().is_panic());
        assert_eq!(lane.run(|| 7).await, 7);
    }

    #[tokio::test]
    async fn what_was_handed_in_is_done_when_the_lane_is_gone() {
        let lane = Lane::new(Workers::threads(), "lane");
        let done = Arc::new(AtomicUsize::new(0));
        for _ in 0..20 {
            let done = Arc::clone(&done);
            let work = lane.run(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
            // Handed in, and awaited by nobody.
            let _ = futures_util::FutureExt::now_or_never(work);
        }
        drop(lane);
        assert_eq!(done.load(Ordering::SeqCst), 20);
    }
}
