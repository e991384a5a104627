//! What benchmarks against a relay share: processes of their own, a history, the relay, and what a process used.

pub mod child;
pub mod history;
pub mod relay;
pub mod transport;
pub mod usage;

/// What a part of a benchmark ends with; what went wrong is for the person who started it.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;
