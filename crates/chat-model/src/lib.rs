//! What is synced: one chat message and its wire form, conversations as trees of versions, titles, and readers for
//! files of older programs. Pure: no I/O, no clock, no randomness, no Nostr types.
//!
//! - [`Message`] is one chat message. [`Message::to_rumor`] and [`Message::from_rumor`] are its wire form (DESIGN 3),
//!   [`Message::to_draft`] and [`Message::from_draft`] its form while it waits on this device without an event id.
//! - [`Library`] holds every conversation in memory and takes messages one by one, in any order.
//! - [`Conversation`] is one of them as a tree: [`Conversation::branch`] is what a person reads from top to bottom.
//! - [`Picks`] are the versions a person chose, [`Wanted`] is what a person searches for.
//! - [`import`] reads files of other programs into messages.
//!
//! What a reader can rely on:
//! - What a library shows depends on the set of its messages and removals, never on the order in which they came.
//! - Two outer events with the same conversation and `src` are one message; each of their ids finds it.
//! - Reading never panics, whatever the bytes are. A lone surrogate escape becomes U+FFFD, and nothing else changes.
//! - A rumor written by the web app comes back out byte for byte.
//! - `Debug` of a message, its content or a library prints lengths, never words.
//!
//! Units: `created_at` and outer times are whole seconds since the Unix epoch.
//!
//! ```
//! use chat_model::{Content, Library, Message, MessageId, Parent, Role, Selection};
//!
//! let question = Message::new("groceries", Role::User, Content::new("What rhymes with orange?"), 1_789_000_000);
//! let mut answer = Message::new("groceries", Role::Assistant, Content::new("Nothing does."), 1_789_000_004);
//! answer.parent = Parent::Message(MessageId::Event([1; 32]));
//!
//! let mut library = Library::new();
//! library.insert(MessageId::Event([2; 32]), 1_789_000_005, answer); // the reply happens to arrive first
//! library.insert(MessageId::Event([1; 32]), 1_789_000_001, question);
//!
//! let conversation = library.conversation("groceries").unwrap();
//! let texts: Vec<&str> =
//!     conversation.branch(&Selection::new()).iter().map(|shown| shown.message.content.raw()).collect();
//! assert_eq!(texts, ["What rhymes with orange?", "Nothing does."]);
//! assert_eq!(conversation.title(), "What rhymes with orange?");
//! ```

mod chat;
mod content;
mod conversation;
mod deletion;
mod draft;
mod find;
mod id;
pub mod import;
mod js;
mod json;
mod library;
mod message;
mod order;
mod picks;
mod rumor;
mod search;
mod split;
mod title;
mod tombstone;
mod tree;
mod wholes;

pub use chat::Held;
pub use content::Content;
pub use conversation::{Conversation, ConversationSummary, Selection, Shown};
pub use deletion::Doomed;
pub use draft::DraftError;
pub use find::FindError;
pub use id::{IdError, MessageId};
pub use library::{Inserted, Library};
pub use message::{CLIENT_ROUTSTR, Message, Parent, Part, Role};
pub use picks::Picks;
pub use rumor::{CREATED_AT_MAX, RUMOR_BYTES_MAX, RumorError, UNKNOWN_MODEL, WriteError};
pub use search::{Snippet, Wanted};
pub use split::{PIECES_MAX, SplitError};
pub use title::NEW_CONVERSATION;
pub use tombstone::{Removed, Tombstone};
pub use tree::Slot;
