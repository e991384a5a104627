//! Reading a secret key that a person or a keyring spelled as text.

use nostr::key::SecretKey;
use nostr::nips::nip19::FromBech32;

use crate::DeviceSecret;

/// Characters in every correct nsec: prefix `nsec1`, 52 of data, 6 of checksum.
const NSEC_CHARACTERS: usize = 63;
/// Characters in every correct hex key: 32 bytes.
const HEX_CHARACTERS: usize = 64;

/// Why a text is not a secret key. None of the variants repeats the text: it may be most of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretTextError {
    /// Nothing was given.
    #[error("the secret key is empty; paste an nsec1… or 64 hex digits")]
    Empty,
    /// A public key, or another public identifier.
    #[error("{prefix} names something public, not a secret key; paste the nsec1… that belongs to it")]
    Public {
        /// Its NIP-19 prefix.
        prefix: &'static str,
    },
    /// A key that needs a password first (NIP-49).
    #[error("this key is encrypted with a password (ncryptsec1…); decrypt it first")]
    Encrypted,
    /// Words, but not as many as NIP-06 knows.
    #[error("{found} words are no key; a key has 12, 15, 18, 21 or 24 of them")]
    WordCount {
        /// How many there are.
        found: usize,
    },
    /// A word that is not in the list, or words whose checksum does not match.
    #[error(
        "these words are no key: one is misspelled, missing or in the wrong place; check them against your backup"
    )]
    BadMnemonic,
    /// The right beginning, and characters missing or too many.
    #[error("the secret key has {found} characters instead of {wanted}; copy all of it, and nothing else")]
    WrongLength {
        /// How many it has.
        found: usize,
        /// How many it should have.
        wanted: usize,
    },
    /// Upper and lower case in one bech32 text.
    #[error("the secret key mixes upper and lower case; write all of it in one case")]
    MixedCase,
    /// The checksum of an nsec does not match, or its bytes are no secp256k1 secret key.
    #[error("the checksum of the secret key does not match: a character is wrong; copy it again")]
    BadChecksum,
    /// Sixty-four hex digits that are zero, or past the order of the curve.
    #[error("these 64 hex digits are not a valid secret key; check where they come from")]
    OutOfRange,
    /// Nothing of the above.
    #[error("this is not a secret key; paste an nsec1… or 64 hex digits")]
    Unrecognised,
}

impl DeviceSecret {
    /// Reads exactly an nsec, as keyrings hold it: no spaces around it, no hex, no `nostr:`, one case.
    ///
    /// An nsec of other than 32 bytes, or of a number that is no secp256k1 secret key, is refused: such a key is
    /// guessable or cut off, and history sealed with it would be readable by others.
    pub fn from_nsec(text: &str) -> Result<Self, SecretTextError> {
        let lower = text.to_ascii_lowercase();
        let lower = zeroize::Zeroizing::new(lower);
        if text.is_empty() {
            return Err(SecretTextError::Empty);
        }
        for (start, prefix) in [
            ("npub1", "npub"),
            ("note1", "note"),
            ("nprofile1", "nprofile"),
            ("nevent1", "nevent"),
            ("naddr1", "naddr"),
        ] {
            if lower.starts_with(start) {
                return Err(SecretTextError::Public { prefix });
            }
        }
        if lower.starts_with("ncryptsec1") {
            return Err(SecretTextError::Encrypted);
        }
        if !lower.starts_with("nsec1") || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(SecretTextError::Unrecognised);
        }
        if text.len() != NSEC_CHARACTERS {
            return Err(SecretTextError::WrongLength {
                found: text.len(),
                wanted: NSEC_CHARACTERS,
            });
        }
        // BIP-173 allows either case, not both.
        if text.bytes().any(|byte| byte.is_ascii_lowercase())
            && text.bytes().any(|byte| byte.is_ascii_uppercase())
        {
            return Err(SecretTextError::MixedCase);
        }
        SecretKey::from_bech32(text)
            .map(Self::from)
            .map_err(|_| SecretTextError::BadChecksum)
    }

    /// Reads what a person pastes: an nsec or 64 hex digits, spaces and line breaks around it ignored.
    pub fn parse(text: &str) -> Result<Self, SecretTextError> {
        let text = text.trim();
        let all_hex = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !all_hex {
            return Self::from_nsec(text);
        }
        if text.len() != HEX_CHARACTERS {
            return Err(SecretTextError::WrongLength {
                found: text.len(),
                wanted: HEX_CHARACTERS,
            });
        }
        SecretKey::from_hex(text)
            .map(Self::from)
            .map_err(|_| SecretTextError::OutOfRange)
    }
}
