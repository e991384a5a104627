//! The promises of this crate over real sockets: a relay, and a signer that shares no code with this crate.

mod answers;
mod bench;
mod keyrings;
mod scan;
mod silence;
