//! What the fuzz targets do with their bytes: one module a target, each with a `run` that panics when a promise of the
//! crates is broken. The files in `fuzz_targets/` only hand the bytes over.
//!
//! What each target promises, how it is run and how a finding is replayed: `docs/FUZZING.md`.

pub mod decode;
pub mod frames;
pub mod index;
pub mod reconcile;

mod items;
mod player;
mod script;
