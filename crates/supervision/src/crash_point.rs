//! Ends the process on purpose, on a chosen side of a chosen durable step: how tests prove that `kill -9` costs repeated
//! work and nothing else (field guide F45).
//!
//! A step names itself where it is taken: the store's transactions, files that appear whole, frames that leave or arrive.
//! Nothing is armed unless the program says so, and a release build has neither the plan nor the points.

/// Which side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Everything is prepared, and nothing of it is durable.
    Before,
    /// It is durable, and nobody was told.
    After,
}

/// Marks one side of a durable step. Free in a release build; elsewhere a lookup in an empty place unless a `CrashPlan` is
/// armed. `step` names the step, and is asked only then.
#[inline]
pub fn crash_point<N: AsRef<str>>(side: Side, step: impl FnOnce() -> N) {
    #[cfg(debug_assertions)]
    armed::reached(side, step);
    #[cfg(not(debug_assertions))]
    let _ = (side, step);
}

#[cfg(debug_assertions)]
pub use armed::{CrashPlan, InvalidPlan};

#[cfg(debug_assertions)]
mod armed {
    use std::fs::File;
    use std::io::Write;
    use std::str::FromStr;
    use std::sync::{Mutex, OnceLock, PoisonError};

    use super::Side;

    static ARMED: OnceLock<Mutex<Armed>> = OnceLock::new();

    /// Where the process ends: `before:ingest:2` is before the second commit of `ingest`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct CrashPlan {
        point: String,
        left: u64,
    }

    /// The text names no point.
    #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
    #[error(
        "`{0}` is no crash point; write `before:<step>:<number>` or `after:<step>:<number>`, the number from 1"
    )]
    pub struct InvalidPlan(String);

    struct Armed {
        plan: Option<CrashPlan>,
        log: Option<File>,
    }

    impl FromStr for CrashPlan {
        type Err = InvalidPlan;

        fn from_str(text: &str) -> Result<Self, InvalidPlan> {
            let invalid = || InvalidPlan(text.to_owned());
            let (point, number) = text.rsplit_once(':').ok_or_else(invalid)?;
            let (side, step) = point.split_once(':').ok_or_else(invalid)?;
            let left: u64 = number.parse().map_err(|_| invalid())?;
            if left == 0 || step.is_empty() || !matches!(side, "before" | "after") {
                return Err(invalid());
            }
            Ok(Self {
                point: point.to_owned(),
                left,
            })
        }
    }

    impl CrashPlan {
        /// Arms this process: with a plan it ends there; every point that is reached becomes a line of `log`. The first
        /// call counts.
        pub fn arm(plan: Option<Self>, log: Option<File>) {
            let _ = ARMED.set(Mutex::new(Armed { plan, log }));
        }

        /// Takes one point that was reached. True when it is the one to end at.
        fn ends_at(&mut self, point: &str) -> bool {
            if self.point == point {
                self.left = self.left.saturating_sub(1);
            }
            self.left == 0
        }
    }

    pub(super) fn reached<N: AsRef<str>>(side: Side, step: impl FnOnce() -> N) {
        let Some(armed) = ARMED.get() else { return };
        let side = match side {
            Side::Before => "before",
            Side::After => "after",
        };
        let point = format!("{side}:{}", step().as_ref());
        // Whoever comes second waits here for ever, as behind a power cut.
        let mut armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &mut armed.log {
            // A log that cannot be written shows as points that were not reached, which a test notices.
            let _ = log.write_all(format!("{point}\n").as_bytes());
        }
        if armed.plan.as_mut().is_some_and(|plan| plan.ends_at(&point)) {
            // As with SIGKILL, nothing is unwound, flushed or closed by this process.
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_plan_ends_at_its_own_point_the_time_it_says() {
            let mut plan: CrashPlan = "after:send:1080:2".parse().unwrap();
            assert!(!plan.ends_at("after:send:1080"));
            assert!(
                !plan.ends_at("before:send:1080"),
                "the other side is another point"
            );
            assert!(!plan.ends_at("after:send:5"));
            assert!(plan.ends_at("after:send:1080"));
        }

        #[test]
        fn what_names_no_point_is_refused() {
            for text in [
                "",
                "before",
                "before:ingest",
                "before:ingest:0",
                "during:ingest:1",
                "after::1",
            ] {
                assert_eq!(
                    text.parse::<CrashPlan>(),
                    Err(InvalidPlan(text.to_owned())),
                    "{text}"
                );
            }
        }

        #[test]
        fn without_a_plan_a_point_is_passed_and_not_even_named() {
            reached(Side::Before, || -> String { unreachable!("nobody is armed") });
        }
    }
}
