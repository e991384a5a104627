//! Conversations as they are shown, kept on disk beside the envelopes: opened once, sealed under the store key, and found by
//! conversation. docs/READ-MODEL.md says what follows from what.
//!
//! [`ModelWriter`] is the part of a write transaction that keeps it up; everything else reads it.

mod building;
mod conversation;
mod marks;
mod place;
mod row;
mod searching;
mod summaries;
mod writer;

pub use building::{Built, OpenedEnvelope, Unopened};
pub use conversation::{Advance, OpenConversation};
pub use place::Marks;
pub(crate) use row::kept_message;
pub use searching::{Hit, SEARCH_MAX};
pub use summaries::{ConversationTag, Stale, SummaryRow};
pub(crate) use writer::{Arrived, ModelWriter};
