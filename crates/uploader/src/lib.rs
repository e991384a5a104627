//! What goes out: drafts become envelopes, have ids become deliveries, deliveries end with a relay's word.
//!
//! - [`Uploader`] is the handle; [`Compose`] keeps messages without event ids and gets them out.
//! - [`Outbox`] is the queue of one relay as a state machine without I/O: what to send next, what an OK means, when to
//!   try again. [`Pace`] learns how fast a relay takes events. [`ReadBack`] asks for samples of what it said yes to.
//! - [`SealingTimes`] decides which second a draft's envelope gets.
//! - [`Delete`] takes messages back: tombstones first, then kind 5s of at most 500 ids, each by the key that wrote what it
//!   names ([`split_deletions`]), on the way that every event goes.
//! - [`UploaderActor`] is the shell that moves rows, frames and facts.
//!
//! What a reader can rely on:
//! - A message that [`Compose`] answered for is on disk. Order: draft, then envelope with a waiting delivery for every
//!   relay in one transaction, then the wire.
//! - A retry sends the same bytes. Only `OK true`, or a reason that means "I have it", counts as accepted; silence, a
//!   NOTICE and a dropped socket are no answer.
//! - Parents are sealed before their replies, and leave first.
//! - A yes is checked: samples are read back by id, and every comparison names what is missing. What a relay forgot
//!   twice is parked there with the reason, and never counts as safe.
//! - One event that a relay refuses stops no other; a refusal is kept with its reason and tried again in its time.
//! - Nothing here is remembered that the disk does not know: after a restart the queue is read again.
//!
//! ```
//! use uploader::SealingTimes;
//!
//! // 150 drafts sealed at second 1000 share the two seconds before it, in order, at most 100 in each.
//! let mut times = SealingTimes::new(1000, 0, 150, []).unwrap();
//! let seconds: Vec<u64> = (0..150).map(|_| times.next(None).unwrap()).collect();
//! assert_eq!((seconds[0], seconds[99], seconds[100], seconds[149]), (998, 998, 999, 999));
//! ```

mod actor;
mod compose;
mod deletions;
mod drafts;
mod handle;
pub mod messages;
mod outbox;
mod pace;
mod read_back;
mod relay;
mod sealing;
mod window;

#[cfg(test)]
mod costs;

pub use actor::{Facts, UploaderActor, UploaderParts};
pub use deletions::{Deletion, split_deletions};
pub use handle::Uploader;
pub use messages::{
    Compose, ComposeError, Composed, Delete, DeleteFailed, Deleted, Drafted, ParkedChanged, Sealed,
    SealedMessage, SealingHeld, UploadsChanged,
};
pub use outbox::{
    CLOSED_TWICE, IN_FLIGHT_MAX, NO_ANSWER, Next, OK_DEADLINE, Outbox, SETTLE_PATIENCE, WINDOW,
};
pub use pace::Pace;
pub use read_back::{Answer, READ_BACK_AFTER, ReadBack, SAMPLE};
pub use sealing::{NotNow, PER_SECOND_MAX, SEAL_WINDOW, SKEW_MAX, SealingTimes};
pub use window::{Later, Window};
