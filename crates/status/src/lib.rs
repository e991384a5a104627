//! What people see: facts from everyone become one readable state.
//!
//! - [`Status`] is that state: account, counts, what is safe, and a line for each relay.
//! - [`Board`] turns facts into it, as a state machine without I/O.
//! - [`metrics_text`] writes it as Prometheus reads it.
//! - [`StatusActor`] takes the facts and publishes the value through a `tokio::sync::watch` channel.
//!
//! What a reader can rely on:
//! - Facts are snapshots: losing one delays the value, and never makes it wrong for good.
//! - `complete` is true only when the newest comparison with every relay found no difference and nothing waits. When
//!   nothing was compared in this run, the last agreement stands, with its time in `agreed_at`.
//! - It works without any relay, and it holds no text and no key.
//!
//! ```
//! use std::time::Instant;
//! use nostr::prelude::Keys;
//! use relay_link::{LinkState, RelayUrl};
//! use status::{Board, RelayState};
//!
//! let relay: RelayUrl = "wss://relay.example".parse().unwrap();
//! let mut board = Board::new(Keys::generate().public_key(), [relay.clone()]);
//! # #[allow(clippy::disallowed_methods)]
//! let now = Instant::now();
//! assert_eq!(board.status(now, 1_789_000_000).relays[0].state, RelayState::Off);
//!
//! board.link(relay, LinkState::Connecting);
//! let status = board.status(now, 1_789_000_000);
//! assert_eq!(status.relays[0].state, RelayState::Connecting);
//! assert!(!status.complete, "nothing was compared");
//! ```

mod actor;
mod board;
mod handle;
mod meter;
mod metrics;
mod state;
mod whole;

pub use actor::{StatusActor, UseRelays, read_board};
pub use board::Board;
pub use handle::StatusDesk;
pub use meter::Speed;
pub use metrics::metrics_text;
pub use state::{AccountState, AccountStatus, RelayState, RelayStatus, Status, basis_word};
