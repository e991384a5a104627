//! The engine: every part wired up, behind one handle.
//!
//! [`Engine::start`] takes a [`Config`] (who, which store, which relays) and returns a [`Handle`]: list and read
//! conversations, send and import messages, compare with every relay, watch the status and what changes.
//! [`DataDir`] finds an account's store on disk, as the program `chat-sync` keeps it.
//!
//! What a reader can rely on:
//! - A call that returned is on disk. What could not be sent is sent later, by this engine or the next.
//! - [`SyncReport::complete`] is true only when every relay's set was compared and matched and nothing waits.
//! - A part that panics is started again and goes on from the disk; five times in a minute, and the status says
//!   *failed* with the reason while the rest keeps working.
//! - Everything works without a relay; messages stay drafts until there is one.
//!
//! ```
//! use std::sync::Arc;
//! use chat_sync::{Config, Engine, MessageState, NewMessage};
//! use event_index::{Storage, Store, StoreKey};
//! use futures_executor::block_on;
//! use pns_keys::LocalSigner;
//! use supervision::{Entropy, SystemEntropy};
//!
//! let key = StoreKey::draw(&SystemEntropy);
//! let memory = Storage::Backend(Box::new(redb::backends::InMemoryBackend::new()));
//! let signer = LocalSigner::parse(&"01".repeat(32), || SystemEntropy.draw_32()).unwrap();
//! let store = Store::open(memory, &key)?;
//! let engine = Engine::start(Config::new(Arc::new(signer), Arc::new(store), vec![]))?;
//!
//! let sent = block_on(engine.send(NewMessage::user("groceries", "What rhymes with orange?")))?;
//! let conversations = block_on(engine.conversations())?;
//! assert_eq!(conversations[0].title, "What rhymes with orange?");
//! assert_eq!(block_on(engine.states(vec![sent.id]))?, [MessageState::Draft], "it waits for a relay");
//! block_on(engine.shutdown());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod data_dir;
mod deletion;
mod desk;
mod engine;
mod error;
mod extension;
mod following;
mod forgetting;
mod handle;
mod history_keys;
mod key_home;
mod list_reader;
mod login;
mod queue;
mod reading;
mod receipts;
mod refusal_words;
mod refusals;
mod relay_change;
mod relay_list;
mod relay_test;
mod relays;
mod report;
mod roster;
mod signer_login;
mod states;
mod summary;
mod upkeep;
mod waking;
mod wiring;

pub use chat_model::{ConversationSummary, FindError, Message, MessageId, Role, Snippet};
pub use config::{Config, Env, RemoteLogin};
pub use data_dir::{Account, DataDir, DataDirError, RELAYS_DEFAULT, npub};
pub use deletion::{DeletionPreview, DeletionReport, DroppedHere, RelayDeletion, Told};
pub use engine::Engine;
pub use error::EngineError;
pub use extension::{Extension, ExtensionSigner, Page, Question};
pub use handle::{CLIENT, Handle, ImportReport, NewMessage, RefusedMessage, SentMessage};
pub use history_keys::{HistoryKey, history_keys, key_card};
pub use key_home::{EntryName, KeyHome, KeyHomeError, KeyPlace, NoVault, OsVault, Vault, VaultError};
pub use login::{Login, LoginMethod};
pub use queue::{GIVEN_UP, each_open, give_up, is_given_up, nowhere_else, retry_now};
pub use realtime::{ChatUpdate, ConversationView, Excerpt, Found, FoundMessage, MessageView, Place};
pub use receipts::{MessageReceipt, RelayReceipt};
pub use refusal_words::{refusal_words, relay_name};
pub use refusals::{Refusal, keyring_copies, refusals};
pub use relay_link::{Believed, Neg, RelayInfo, RelayProfile, RelayUrl};
pub use relay_list::LISTED_MAX;
pub use relay_test::{NegTest, PageTest, RelayTest, Step};
pub use relays::{KnownRelay, RelayListError, Removed};
pub use remote_signer::{
    BunkerUri, BunkerUriError, ClientKey, ConnectOffer, OfferError, Patience, new_client_key,
};
pub use report::{RelayReport, SyncOptions, SyncReport};
pub use signer_login::{ShowPage, SignerLoginError, log_in_with_bunker, log_in_with_offer};
pub use states::MessageState;
pub use status::{AccountState, RelayState, RelayStatus, Status};
pub use summary::{grouped, summary};
pub use supervision::{Days, Switches};
pub use upkeep::{DAMAGE_NAMED_MAX, Examination, StoreRebuilt, examine_store, rebuild_store};
