//! What the keeper promises, with a store, links and relays around it.

#![cfg(feature = "actor")]

mod creation;
mod device;
mod keyrings;
mod relay;
mod signer;
mod signing;

/// Authors of one keyring: it is read under both profiles that devices write.
const PER_KEYRING: usize = 2;
