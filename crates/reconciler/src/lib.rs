//! What differs between this device and its relays: a snapshot and frames go in, have ids and need ids come out.
//!
//! - [`session::Session`] is one NIP-77 comparison, [`walk::Walk`] reads a relay page by page where NIP-77 is not
//!   spoken, a comparison is as many of them as a relay's bounds make necessary, and [`pass::Pass`] is the order of
//!   things around it. All of them perform no I/O: they take frames and `now`.
//! - [`neg`] is the set arithmetic of NIP-77 in both roles, over any [`event_index::View`].
//! - [`Reconciler`] is what other crates hold; its actor runs one pass per relay, on every new connection, when the
//!   set of read keys changes, on [`Compare`], and at least once a day.
//! - [`messages`] is what is said: ids for the uploader and realtime, [`PassChanged`] for whoever waits or watches.
//!
//! What a reader can rely on:
//! - *Complete* is never a guess. It says that the last comparison found no difference and that nothing is left to
//!   transfer; the [`PassReport::basis`] says whether fingerprints prove it or pages claim it. The agreement is on
//!   disk before the end of the pass is told.
//! - Comparing equal sets costs one round trip and less than a kilobyte each way. After an agreement one round
//!   trip also names what is new, up to 128 items here.
//! - Every id is named once per comparison, and none that is deleted here is asked for.
//! - A relay that is silent, chatty, forgetful or lying ends its own pass with an error, and nobody else's. Every
//!   wait has a deadline that only useful frames move.
//! - Numbers of passes grow for ever: a pass with a greater number than before began later.
//!
//! Units: times are seconds since the Unix epoch, sizes are bytes before hex. Cost: a pass copies the items (40
//! bytes each) and adds up their ids once. Not here: fetching, storing and sending events, and signatures.
//! Spec: NIP-77, NIP-01, field guide 1 and 2, DESIGN 5.
//!
//! ```
//! use std::sync::Arc;
//! use event_index::{Item, Snapshot};
//! use nostr::event::{EventId, Kind};
//! use nostr::filter::Filter;
//! use reconciler::session::{FRAME_BYTES_MAX, Opening, Outcome, Output, Session};
//! use relay_link::{ClientFrame, RelayFrame};
//!
//! let now = tokio::time::Instant::now().into_std();
//! let held = Item { created_at: 1_700_000_000, id: EventId::from_byte_array([1; 32]) };
//! let opening = Opening {
//!     filter: Filter::new().kind(Kind::from(1080)),
//!     sub: "compare-1".parse()?,
//!     proven: false,
//!     frame_bytes_max: FRAME_BYTES_MAX,
//!     agreed_at: None,
//! };
//! let mut session = Session::open(Arc::new(Snapshot::of(vec![held], 1)), opening, now);
//! let Some(Output::Send(ClientFrame::NegOpen { sub, .. })) = session.poll_output() else { panic!() };
//!
//! // The relay holds nothing: version 0x61, and an empty id list (mode 2) for everything there is.
//! session.handle_frame(RelayFrame::NegMsg { sub, message: vec![0x61, 0, 0, 2, 0] }, now);
//! let outputs: Vec<Output> = std::iter::from_fn(|| session.poll_output()).collect();
//! assert!(matches!(&outputs[0], Output::Have(ids) if *ids == [held.id]));
//! assert!(matches!(outputs.last(), Some(Output::Ended(Outcome::Reconciled { rounds: 1, have: 1, need: 0 }))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actor;
mod author_set;
mod cadence;
mod comparison;
mod engine;
mod errands;
mod forget;
mod handle;
pub mod messages;
pub mod neg;
pub mod pass;
mod profiles;
mod relay;
pub mod session;
mod subs;
mod wakes;
pub mod walk;

pub use author_set::author_set;
pub use engine::SharedView;
pub use forget::forget;
pub use handle::{Reconciler, ReconcilerParts};
pub use messages::{
    Compare, HaveIds, LessonLearned, Method, NeedIds, PageArrived, PassChanged, PassReport, Phase, Settle,
    Settled, Side, StartOver, Teach,
};
pub use profiles::{relay_profile, teach};
pub use subs::SubIds;
