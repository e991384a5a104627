//! Negentropy protocol 0x61 (NIP-77, appendix) over any [`View`](event_index::View): bytes in, bytes and ids out.
//!
//! - [`Initiator`] is the client's side of one comparison, [`Responder`] the relay's, which keeps nothing between
//!   messages. [`Strategy`] is how the initiator opens and goes on.
//! - A fingerprint is one [`View::sum`](event_index::View::sum), ranges are ranks: what a comparison costs is decided
//!   by the view, and by how much differs.
//!
//! What a reader can rely on:
//! - Two sides that keep still are told apart exactly, whatever they hold and however small frames are.
//! - With [`Strategy::Plain`] every message is byte for byte that of the `negentropy` crate 0.5.3, in both roles and
//!   under every [`FrameLimit`].
//! - Bytes from the network never panic, and nothing is allocated for a count that the message cannot hold: the
//!   decoder borrows. Every message read is at most [`MESSAGE_BYTES_MAX`] long, and each of its ranges is visited once.
//! - A message that breaks the protocol is an error and names nothing.
//! - Under a frame limit ids may be named in more than one step (N-14); within one message they are named once,
//!   unless it lists one in two ranges. Whoever counts them keeps a set.
//!
//! ```
//! use std::sync::Arc;
//! use event_index::{Item, Snapshot};
//! use nostr::event::EventId;
//! use reconciler::neg::{FrameLimit, Initiator, Next, Responder, Strategy};
//!
//! let item = |n: u8| Item { created_at: 1_700_000_000, id: EventId::from_byte_array([n; 32]) };
//! let ours = Arc::new(Snapshot::of(vec![item(1), item(2)], 2));
//! let relay = Responder::new(Arc::new(Snapshot::of(vec![item(2), item(3)], 2)), FrameLimit::NONE);
//!
//! let (mut client, opening) = Initiator::open(ours, Strategy::Plain, FrameLimit::NONE)?;
//! let step = client.handle(&relay.answer(&opening)?)?;
//! assert_eq!((step.have, step.need, step.next), (vec![item(1).id], vec![item(3).id], Next::Done));
//! # Ok::<(), reconciler::neg::NegError>(())
//! ```

mod agenda;
mod asked;
mod bound;
mod codec;
mod error;
mod frame;
mod frame_limit;
mod initiator;
mod message;
mod named;
mod place;
mod responder;
mod rewrite;
mod strategy;

pub use error::{Malformed, NegError};
pub use frame_limit::FrameLimit;
pub use initiator::{Initiator, Next, Step};
pub use message::{MESSAGE_BYTES_MAX, VERSION};
pub use named::NAMED_MAX;
pub use responder::Responder;
pub use rewrite::rewrite;
pub use strategy::{RECENT_LIST_MAX, Strategy};
