//! How actors live: what they send through, how their death is noticed, who brings them back, and what they are
//! given instead of a clock, a random generator and a thread pool of their own.
//!
//! - [`Outlet`] is how one actor reaches another. It is a shared slot around an [`actix::Recipient`]; a restarted
//!   actor is put into the slot, and everyone who holds a clone reaches the new one.
//! - [`Guardian`] owns the constructors. It learns of a death from the [`Lifeline`] inside the dead actor, starts a
//!   new one after a growing pause, and tells everyone with [`Restarted`], so that neighbours drive again from disk
//!   what was in flight. Five deaths in a minute stop that actor; the others keep working.
//! - [`Env`] carries the clock, the randomness and the worker pool. In production blocking work runs on threads; in
//!   simulation it runs inline and in order, so a seed replays the same decisions.
//! - [`Switchboard`] says what an engine may do ([`Switches`]), and tells its parts when that changes.
//!
//! What a reader can rely on:
//! - Sending to an empty or closed outlet is an error value, never a panic and never a silent loss.
//! - `actix::Supervisor` restarts an actor that stops, but one that panics is gone and its mailbox closes for good;
//!   the guardian handles both the same way.
//!
//! ```
//! use actix::prelude::*;
//! use supervision::Outlet;
//!
//! #[derive(Message)]
//! #[rtype(result = "u32")]
//! struct Double(u32);
//!
//! struct Doubler;
//! impl Actor for Doubler {
//!     type Context = Context<Self>;
//! }
//! impl Handler<Double> for Doubler {
//!     type Result = u32;
//!     fn handle(&mut self, Double(n): Double, _: &mut Self::Context) -> u32 {
//!         2 * n
//!     }
//! }
//!
//! actix::System::new().block_on(async {
//!     let doubles = Outlet::empty();
//!     assert!(doubles.try_send(Double(1)).is_err(), "nobody listens yet");
//!     doubles.fill(Doubler.start().recipient());
//!     assert_eq!(doubles.send(Double(21)).await.unwrap(), 42);
//! });
//! ```

mod clock;
mod crash_point;
mod days;
mod entropy;
mod env;
mod guardian;
mod lane;
mod outlet;
mod role;
mod switches;
mod tripwire;
mod workers;

pub use clock::{Clock, SimulatedClock, SystemClock};
#[cfg(debug_assertions)]
pub use crash_point::{CrashPlan, InvalidPlan};
pub use crash_point::{Side, crash_point};
pub use days::{Days, NoDays};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use env::Env;
pub use guardian::{Constructor, Guard, Guardian, GuardianReport, Inform, Lifeline, Release, Restarted};
pub use lane::Lane;
pub use outlet::{Outlet, Undelivered};
pub use role::Role;
pub use switches::{Limit, Switchboard, Switches, Turned};
pub use tripwire::Tripwire;
pub use workers::Workers;
