//! Whole-flow tests live in `it/`.
