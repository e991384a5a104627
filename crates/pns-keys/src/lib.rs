//! Who you are: signers, history keys, keyrings, and the envelopes sealed and opened with them.
//!
//! An account never signs its own history. It keeps a random *device secret* in a *keyring*, an event it encrypts to
//! itself; from that secret come the *history keys* ([`PnsKey`]) that sign and encrypt envelopes. So any login that
//! can encrypt to itself works ([`Signer`]), and only keyrings ever go through it.
//!
//! - [`DeviceSecret`], [`Profile`], [`PnsKey`]: derivation (DESIGN 3, "Derivation profiles").
//! - [`seal`], [`open`], [`sign_deletion`], [`open_deletion`]: kinds 1080 and 5.
//! - [`open_keyring`], [`NewKeyring`], [`KeySet`]: kind 1081; what to read with, what to write with.
//! - [`KeyCard`]: a backup of history keys under a passphrase.
//! - [`Discovery`]: when a first keyring may be made.
//! - `keeper` (feature `actor`): the supervised actor around all of this.
//!
//! What a reader can rely on:
//! - Nothing here reads a clock or a random generator: times, nonces and auxiliary randomness are arguments, so equal
//!   arguments give equal bytes.
//! - [`open`] gives back the bytes that were sealed, untouched. Whether they are a rumor is for `chat-model` to say.
//! - One event that does not open is an error value with a reason of its own, never a panic.
//! - A kind 1081 event of the account that does not open makes the account *locked*, never *without a keyring*.
//! - Secrets are erased when dropped and appear in no `Debug` output and no error text.
//!
//! Units: times are unix seconds, lengths are bytes.
//! Not here: relays, disks, and what a rumor says.
//!
//! ```
//! use pns_keys::{DeviceSecret, PnsKey, Profile, open, seal};
//!
//! let device = DeviceSecret::parse("nsec158dzttt307k2kxudmjnryqy3cxx4gw84c9wssldl5cp76f0y8qcq0vk40y")?;
//! let key = PnsKey::derive(Profile::Routstr, &device, "")?;
//!
//! // The nonce and the auxiliary bytes are fresh randomness in a program.
//! let rumor = br#"{"kind":20001,"content":"What is a Cashu mint?"}"#;
//! let envelope = seal(&key, rumor, 1_789_000_000, [7; 32], [9; 32])?;
//!
//! assert_eq!(envelope.pubkey, key.public());
//! assert!(envelope.tags.is_empty(), "a relay learns a size and a time");
//! assert_eq!(open(&key, &envelope)?, rumor);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account_key;
mod derive;
mod device_secret;
mod discovery;
mod event_json;
mod key_card;
mod key_set;
mod keyring;
mod local_signer;
mod new_keyring;
mod no_signer;
mod open;
mod payload;
mod profile;
mod seal;
mod secret_text;
mod signer;
mod signer_words;
mod signing;

#[cfg(feature = "actor")]
pub mod keeper;

#[cfg(test)]
mod golden;

pub use account_key::{AccountKey, EncryptedKey, PassphraseError};
pub use derive::{DeriveError, PnsKey};
pub use device_secret::{DeviceSecret, InvalidSecret};
pub use discovery::*;
pub use event_json::{read_event, read_event_value};
pub use key_card::{
    CardKey, CardKeyring, KEY_CARD_BYTES_MAX, KEY_CARD_LOG_N, KEY_CARD_LOG_N_MAX, KEY_CARD_PREFIX, KeyCard,
    KeyCardError, NONCE_BYTES, SALT_BYTES,
};
pub use key_set::{KeySet, KeySetState, WritingKey};
pub use keyring::{Keyring, KeyringError, check_keyring, open_keyring};
pub use local_signer::{Draw, LocalSigner};
pub use new_keyring::NewKeyring;
pub use no_signer::NoSigner;
pub use open::{OpenError, deletion_targets, open, open_deletion, open_verified, verify};
pub use payload::PayloadError;
pub use profile::{Profile, UnknownProfile};
pub use seal::{DELETED_IDS_MAX, RUMOR_BYTES_MAX, SealError, seal, sign_deletion};
pub use secret_text::SecretTextError;
pub use signer::{Signer, SignerError, SignerFuture, SignerNextStep};
pub use signer_words::shown_reason;

use nostr::event::Kind;

/// The kind of an envelope: one encrypted message.
pub const ENVELOPE: Kind = Kind::Custom(1080);
/// The kind of a keyring.
pub const KEYRING: Kind = Kind::Custom(1081);
