//! The events this device holds, kept in the order NIP-77 compares them, and everything the engine must not forget.
//!
//! - [`Store`] is the core: one redb file, blocking calls. [`EventIndex`] is what other crates hold: the store for
//!   reading, and the one writer (an actor) for writing.
//! - An [`Item`] is `(created_at, id)`. A [`Snapshot`] is every item at one moment, with NIP-77 fingerprints.
//! - The *fingerprint index* holds sums of the items, block by block; an [`IndexView`] reads it, so that a comparison
//!   costs what it touches. Both are a [`View`].
//! - A [`RelayView`] is what one relay is expected to hold: the items, without what it refused, with what it serves and
//!   is not taken ([`Extra`]).
//! - A *draft* is a message without an event id. [`Store::commit_sealed`] turns drafts into items.
//! - A *tombstone* is what stays of a deleted event. [`Store::bury`] makes them for what a person deleted here,
//!   [`Store::ingest`] for what a kind 5 names.
//! - A [`Delivery`] is an event on its way to one relay; an [`Agreement`] is a comparison that matched.
//!
//! What a reader can rely on:
//! - A write is one transaction: when it returns, all of it is on disk, and when it fails, nothing of it is.
//! - An id among the items has its envelope, or is *forgotten* ([`Store::forget`]): one transaction writes item and
//!   envelope, and removes them or leaves what says that the envelope went. An id is never an item
//!   and tombstoned at once, and a draft is never a draft and an item at once.
//! - A failed read is an error, never an empty set: that would fetch all history again. An envelope is returned only
//!   when its bytes still hash to its id.
//! - A snapshot is copied out of one short read transaction and stays still while commits go on.
//! - Nothing readable is on disk: envelopes are ciphertext; drafts, keyrings, tombstones, refusals, relays and values
//!   are sealed with XChaCha20-Poly1305 under the [`StoreKey`], bound to their place. Event ids, outer times, counts
//!   and the public key of the envelopes can be read.
//! - `created_at` is below `u64::MAX`, which NIP-77 reserves for infinity.
//!
//! Units: `created_at`, `at` and `next_try` are whole seconds since the Unix epoch, lengths are bytes. Cost: a commit
//! waits for the disk, so callers commit per batch, not per event; counts are lookups; a snapshot takes 40 bytes an item.
//! Not here: decryption of envelopes (keys are in `pns-keys`), signature checks (the caller's), relays (names only).
//!
//! ```
//! use event_index::{Arrival, MemoryDisk, Store, StoreKey};
//! use nostr::event::{EventBuilder, FinalizeEvent, Kind};
//! use nostr::key::Keys;
//!
//! let disk = MemoryDisk::new();
//! let key = StoreKey::from_bytes([7; 32]);
//! let event = EventBuilder::new(Kind::from(1080), "ciphertext").finalize(&Keys::generate())?;
//!
//! let store = Store::open(disk.storage(), &key)?;
//! let ingested = store.ingest(vec![Arrival { event: event.clone(), source: None }])?;
//! assert_eq!(ingested.stored, [event.id]);
//! drop(store);
//!
//! let store = Store::open(disk.storage(), &key)?;
//! assert_eq!(store.event(&event.id)?, Some(event));
//! assert_eq!(store.snapshot()?.len(), 1);
//! assert_eq!(store.counts()?.messages, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod absent;
mod actor;
mod agreements;
mod at_relay;
mod block_items;
mod blocks;
mod burials;
mod by_author;
mod counts;
mod database;
mod deliveries;
mod delivery_rows;
mod disk;
mod drafts;
mod envelopes;
mod error;
mod event_json;
mod examination;
mod extra;
mod fingerprint;
mod fingerprint_index;
mod forgetting;
mod forgotten;
mod growing;
mod handle;
mod header;
mod index_check;
#[cfg(test)]
mod index_model;
mod index_view;
mod ingest;
mod item;
mod keyring_places;
mod keyrings;
mod later_tables;
mod local_id;
mod memory;
pub mod messages;
mod missing;
mod new_file;
mod open_blocks;
mod pin;
mod proofs;
mod read_model;
mod rebuild;
mod relay_view;
mod retired;
mod sealing;
mod sizes;
mod snapshot;
mod sources;
mod standing;
mod store;
mod store_key;
mod superblocks;
mod tables;
mod tombstones;
mod values;
mod view;
mod waiting;
mod window;
mod writer;

pub use actor::EventIndexActor;
pub use agreements::{Agreement, Basis};
pub use at_relay::{AtRelay, Placed, Sorted};
pub use burials::{Burial, Buried, Unsigned};
pub use counts::Counts;
pub use deliveries::{Delivery, DeliveryState};
pub use drafts::{DRAFT_BYTES_MAX, Draft, DraftOutcome, DraftPage, NewDraft, SealedDraft};
pub use error::IndexError;
pub use event_json::computed_id;
pub use examination::Damage;
pub use extra::{EXTRA_MAX, Extra, ExtraReason};
pub use fingerprint::Sum;
pub use forgetting::{ForgottenMessage, Stretch};
pub use handle::EventIndex;
pub use index_view::IndexView;
pub use ingest::{Arrival, Ingested, OpenedArrival};
pub use item::Item;
pub use keyring_places::KeyringPlace;
pub use keyrings::KeyringRow;
pub use local_id::{LocalId, NotALocalId, SourceId};
pub use memory::MemoryDisk;
pub use messages::CountsChanged;
pub use missing::{ABSENT_MAX, FORGETS, FORGOT_ONCE, QueuedMissing};
pub use read_model::{
    Advance, Built, ConversationTag, Hit, Marks, OpenConversation, OpenedEnvelope, SEARCH_MAX, Stale,
    SummaryRow, Unopened,
};
pub use rebuild::{RawEnvelope, Rebuilt};
pub use relay_view::RelayView;
pub use sizes::{Sizes, TableSize};
pub use snapshot::Snapshot;
pub use sources::MessageRef;
pub use standing::{Parked, Receipt, Standing};
pub use store::{Storage, Store};
pub use store_key::{KeyFileError, StoreKey};
pub use tombstones::Remembered;
pub use view::View;
pub use window::Window;

/// The kind of an envelope: one message (DESIGN 3).
pub const MESSAGE_KIND: u16 = 1080;
