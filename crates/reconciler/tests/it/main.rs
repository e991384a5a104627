//! What the crate promises, driven from outside: cores against scripted relays, the actor on paused time.

mod actor;
mod fake_relay;
mod neg;
mod pass;
mod refusals;
mod session;
mod strict_relay;
mod vectors;
mod walk;
mod windows;
mod world;
