//! A key card: the history keys of an account as one text to print or store, encrypted with a passphrase.
//!
//! ```text
//! chatkeys1 <data in bech32> <checksum of 6 characters>
//! data: version (1 byte, 1), log_n (1), length of the ciphertext (4, big endian), salt (16), nonce (24), ciphertext
//! ```
//!
//! The scheme is NIP-49's with contents of our own: the passphrase in NFKC form, scrypt (N = 2^`log_n`, r = 8, p = 1),
//! XChaCha20-Poly1305. Prefix, version, `log_n` and length are its associated data. `contents.rs` says what is inside.
//!
//! What a reader can rely on:
//! - A card reads history without any login: it holds device secrets. It never holds the account's own key.
//! - The keyring events are in it as the account signed them, so a relay that lost them can be given them again.
//! - Every changed character is noticed: by the checksum as long as few are changed, by the cipher in any case.
//! - No text makes [`KeyCard::open`] panic or ask for more than 256 MiB, and nothing is computed for one that is cut off.
//!
//! Cost: `seal` and `open` take about 0.1 s and 64 MiB at `log_n` 16, twice that for each more. The working memory of
//! scrypt is given back without being wiped; passphrase, key and contents are wiped.
//! Not here: randomness (the caller draws salt and nonce), QR codes, files.

mod card_key;
mod contents;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use zeroize::Zeroizing;

use crate::{Keyring, check_keyring};

pub use card_key::CardKey;

/// What the text of a key card begins with.
pub const KEY_CARD_PREFIX: &str = "chatkeys1";
/// The cost of guessing one passphrase when nobody asks for another: 64 MiB and 0.1 s, NIP-49's own example.
pub const KEY_CARD_LOG_N: u8 = 16;
/// No card may ask for more: 256 MiB, which a phone or a small server can spare while a card is opened.
pub const KEY_CARD_LOG_N_MAX: u8 = 18;
/// More than a thousand keyrings, and nobody has so many: read before anything is known of where a text comes from.
pub const KEY_CARD_BYTES_MAX: usize = 512 * 1024;

/// The only version there is.
const VERSION: u8 = 1;
/// Of the salt of a card.
pub const SALT_BYTES: usize = 16;
/// Of its nonce.
pub const NONCE_BYTES: usize = 24;
/// Version, `log_n` and length.
const HEADER_BYTES: usize = 6;
/// What is there besides the ciphertext.
const FRONT_BYTES: usize = HEADER_BYTES + SALT_BYTES + NONCE_BYTES;
/// What Poly1305 adds to the contents.
const TAG_BYTES: usize = 16;

/// Everything needed to read an account's history, without its login.
///
/// The secrets in it are erased when dropped. `Debug` shows public keys and counts only.
#[derive(Clone)]
pub struct KeyCard {
    /// Whose history it is.
    pub account: PublicKey,
    /// Where it is kept, as urls.
    pub relays: Vec<String>,
    /// Its keyrings, in any order.
    pub keyrings: Vec<CardKeyring>,
}

/// One keyring on a card.
#[derive(Debug, Clone)]
pub struct CardKeyring {
    /// The kind 1081 event as the account signed it.
    pub event: Event,
    /// What is in it, opened.
    pub inside: Keyring,
}

/// Why a card could not be made or opened. No variant repeats the text or the passphrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyCardError {
    /// Nothing was given.
    #[error("the key card is empty; paste the text that begins with chatkeys1")]
    Empty,
    /// A secret key instead of a card.
    #[error("this is a secret key (nsec1…), not a key card; log in with it instead")]
    SecretKey,
    /// An encrypted secret key (NIP-49) instead of a card.
    #[error("this is an encrypted secret key (ncryptsec1…), not a key card; log in with it instead")]
    EncryptedSecretKey,
    /// Anything else instead of a card.
    #[error("this is not a key card; paste the whole text that begins with chatkeys1")]
    NotACard,
    /// Upper and lower case in one text.
    #[error("the key card mixes upper and lower case; write all of it in one case")]
    MixedCase,
    /// Characters are missing, or there are too many.
    #[error("the key card has {found} characters instead of {wanted}; copy all of it, and nothing else")]
    WrongLength {
        /// How many it has, without white space.
        found: usize,
        /// How many it should have.
        wanted: usize,
    },
    /// The checksum does not match.
    #[error("the checksum of the key card does not match: a character is wrong or missing; copy it again")]
    Mistyped,
    /// Made by a later program.
    #[error("this key card has version {version}, and this program reads version {VERSION}; update it")]
    UnknownVersion {
        /// Its version.
        version: u8,
    },
    /// Opening or making it would take more memory than a card may ask for.
    #[error(
        "this key card asks for 2^{log_n} rounds of scrypt; between 1 and {KEY_CARD_LOG_N_MAX} are allowed, so that a \
         card cannot use up the memory of a machine; make it again with {KEY_CARD_LOG_N}"
    )]
    Cost {
        /// What it asks for.
        log_n: u8,
    },
    /// The text is whole and does not open.
    #[error("the passphrase is wrong; try again, capitals and spaces count")]
    WrongPassphrase,
    /// It opened, and what is in it makes no sense.
    #[error("the key card opened but {0}; it was made by another program, so restore from another card")]
    Unreadable(&'static str),
    /// A card without a passphrase would be a key in the clear.
    #[error("the passphrase is empty; choose one that nobody guesses")]
    EmptyPassphrase,
    /// A keyring that does not belong on this card.
    #[error("the keyring {id} is not one of the card's account; leave it out")]
    ForeignKeyring {
        /// Its event id.
        id: EventId,
    },
    /// More than one card can hold.
    #[error(
        "{bytes} bytes of keys are more than the {KEY_CARD_BYTES_MAX} one card holds; make several cards"
    )]
    TooLarge {
        /// How many there are.
        bytes: usize,
    },
}

impl KeyCard {
    /// Encrypts the card: lower-case text of one line. [`str::to_ascii_uppercase`] makes it shorter as a QR code, and
    /// [`KeyCard::open`] reads that too.
    ///
    /// `salt` and `nonce` are fresh randomness, used for this card alone. `log_n` is [`KEY_CARD_LOG_N`] unless a person
    /// wants to pay more.
    pub fn seal(
        &self,
        passphrase: &str,
        log_n: u8,
        salt: [u8; SALT_BYTES],
        nonce: [u8; NONCE_BYTES],
    ) -> Result<String, KeyCardError> {
        self.seal_under(&CardKey::of_passphrase(passphrase, log_n, salt)?, nonce)
    }

    /// [`KeyCard::seal`] under a key that was made of a passphrase before, maybe by another process: this one then never
    /// sees the passphrase.
    pub fn seal_under(&self, key: &CardKey, nonce: [u8; NONCE_BYTES]) -> Result<String, KeyCardError> {
        for CardKeyring { event, inside } in &self.keyrings {
            if check_keyring(&self.account, event).is_err() || inside.id() != event.id {
                return Err(KeyCardError::ForeignKeyring { id: event.id });
            }
        }
        let contents = contents::write(self);
        let length = contents.len() + TAG_BYTES;
        if FRONT_BYTES + length > KEY_CARD_BYTES_MAX {
            return Err(KeyCardError::TooLarge { bytes: length });
        }
        let mut data = Vec::with_capacity(FRONT_BYTES + length);
        data.extend([VERSION, key.log_n()]);
        data.extend((length as u32).to_be_bytes());
        let ciphertext = key
            .cipher()
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &contents,
                    aad: &associated(&data),
                },
            )
            .expect("XChaCha20-Poly1305 takes any message below 256 GiB");
        data.extend(key.salt());
        data.extend(nonce);
        data.extend(ciphertext);
        Ok(text::write(&data))
    }

    /// Opens the text of a card. White space in and around it is ignored; both cases are read.
    pub fn open(text: &str, passphrase: &str) -> Result<Self, KeyCardError> {
        let data = text::read(text)?;
        // `text::read` has compared the length that the header names with the length there is.
        let (header, rest) = data.split_at(HEADER_BYTES);
        let (salt, rest) = rest.split_at(SALT_BYTES);
        let (nonce, ciphertext) = rest.split_at(NONCE_BYTES);
        if header[0] != VERSION {
            return Err(KeyCardError::UnknownVersion { version: header[0] });
        }
        let nonce = <[u8; NONCE_BYTES]>::try_from(nonce).map_err(|_| KeyCardError::Mistyped)?;
        let salt = <[u8; SALT_BYTES]>::try_from(salt).map_err(|_| KeyCardError::Mistyped)?;
        let contents = CardKey::derived(passphrase, header[1], salt)?
            .cipher()
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: ciphertext,
                    aad: &associated(header),
                },
            )
            .map_err(|_| KeyCardError::WrongPassphrase)?;
        contents::read(&Zeroizing::new(contents))
    }
}

fn associated(header: &[u8]) -> Vec<u8> {
    [KEY_CARD_PREFIX.as_bytes(), header].concat()
}

impl fmt::Debug for KeyCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyCard")
            .field("account", &self.account.to_hex())
            .field("relays", &self.relays.len())
            .field("keyrings", &self.keyrings.len())
            .finish()
    }
}
