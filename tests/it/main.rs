//! Whole-flow tests: devices and relays through public doors, real stores, real sockets; simulated time where time
//! matters.

mod bench;
mod converges;
mod deaths;
mod deletions;
mod keyring_lab;
mod locked;
mod refusals;
mod relays;
mod signers;
