//! Whole-flow tests: devices and relays through public doors, real stores, real sockets; simulated time where time
//! matters.

mod bench;
mod converges;
mod deaths;
mod deletions;
mod refusals;
mod relays;
