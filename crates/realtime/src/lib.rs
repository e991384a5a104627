//! What comes in: live and fetched envelopes, checked, stored, opened, shown.
//!
//! - [`Realtime`] is the handle: conversations are read through it, and facts flow into it.
//! - [`Live`] keeps one subscription per relay open. [`Fetches`] accounts for every need id. [`Intake`] gathers bursts
//!   into batches. All are state machines without I/O.
//! - [`Inquiry`] asks a relay which of some ids it serves.
//! - [`verify`] is the check every event passes before anything counts it as seen.
//! - [`RealtimeActor`] is the shell that moves frames, batches and facts, and owns the conversations in memory.
//!
//! What a reader can rely on:
//! - Nothing is stored, counted or shown before its kind, author, id and signature were checked.
//! - An event is on disk before it is shown. A burst within 50 ms is one commit and one update.
//! - Another device's deletion applies to what its own key wrote, and to nothing else; what is deleted stays gone,
//!   whoever sends it again. A copy of it that turns up later is not shown, and is deleted too.
//! - Every need id is stored or counted as unavailable; silence frees its slot.
//! - A relay that sends faster than the disk takes is read more slowly; memory stays bounded.
//! - An envelope whose key is not known yet is stored, and opened when the key appears.
//!
//! ```
//! use std::collections::BTreeSet;
//! use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind};
//! use realtime::{Rejection, verify};
//!
//! let history_key = Keys::generate();
//! let envelope = EventBuilder::new(Kind::Custom(1080), "ciphertext").finalize(&history_key).unwrap();
//! assert_eq!(verify(&envelope, &BTreeSet::from([history_key.public_key()])), Ok(()));
//!
//! let somebody_else = Keys::generate().public_key();
//! assert_eq!(verify(&envelope, &BTreeSet::from([somebody_else])), Err(Rejection::ForeignAuthor));
//! ```

mod actor;
mod author;
mod buckets;
mod catching_up;
mod excerpt;
mod fetch;
mod handle;
mod inquiry;
mod intake;
mod line;
mod list;
mod live;
pub mod messages;
mod news;
mod opening;
mod placing;
mod point;
mod queries;
mod remembering;
mod shelf;
mod storing;
mod turn;
mod verify;
mod watching;
mod weighted_sum;

pub use actor::{Facts, RealtimeActor};
pub use excerpt::{Excerpt, Place};
pub use fetch::Fetches;
pub use handle::Realtime;
pub use inquiry::Inquiry;
pub use intake::{Arrived, Intake};
pub use live::Live;
pub use messages::{
    ChatUpdate, ConversationView, DownloadsChanged, Dropped, Found, FoundMessage, MessageView, NotReady,
    Served,
};
pub use verify::{DELETION, ENVELOPE, Rejection, Verifier, verify};
