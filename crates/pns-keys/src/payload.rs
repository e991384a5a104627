//! NIP-44 v2 payloads under a conversation key that is already known.
//!
//! The cipher is `nostr`'s. This file adds what it leaves open: which rule a bad payload breaks, and a bound.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::error::ErrorKind;
use nostr::nips::nip44::v2::{self, ConversationKey};

/// NIP-44: a payload is at least 132 characters.
const PAYLOAD_CHARACTERS_MIN: usize = 132;
/// No frame from a relay is longer than 4 MiB (DESIGN 5), so no payload is.
const PAYLOAD_CHARACTERS_MAX: usize = 4 * 1024 * 1024;
/// NIP-44: version byte, nonce, two length bytes with 32 of text, MAC.
const PAYLOAD_BYTES_MIN: usize = 1 + 32 + 34 + 32;
/// The version byte this crate reads and writes.
const VERSION: u8 = 2;

/// Which rule of NIP-44 a payload breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not canonical, padded base64.
    #[error("the payload is not canonical padded base64")]
    Encoding,
    /// A version this crate does not know. A leading `#` announces one that is not even base64.
    #[error("the payload is not of NIP-44 version 2; a newer program may read it")]
    Version,
    /// Shorter than any payload can be, or longer than a frame.
    #[error("a payload of {characters} characters is outside what NIP-44 and a relay's frame allow")]
    Length {
        /// Its length.
        characters: usize,
    },
    /// The MAC does not match: another key, or changed bytes.
    #[error("the payload was encrypted with another key, or was changed on the way")]
    Mac,
    /// The MAC matches and the length inside does not.
    #[error("the length inside the payload contradicts its size")]
    Padding,
}

/// Checks what can be seen without a key, so that no signer is asked about a text that is no payload.
pub(crate) fn decode(payload: &str) -> Result<Vec<u8>, PayloadError> {
    let characters = payload.len();
    if payload.starts_with('#') {
        return Err(PayloadError::Version);
    }
    if !(PAYLOAD_CHARACTERS_MIN..=PAYLOAD_CHARACTERS_MAX).contains(&characters) {
        return Err(PayloadError::Length { characters });
    }
    // `STANDARD` insists on padding and on zero bits behind the last symbol.
    let bytes = STANDARD.decode(payload).map_err(|_| PayloadError::Encoding)?;
    if bytes.first() != Some(&VERSION) {
        return Err(PayloadError::Version);
    }
    if bytes.len() < PAYLOAD_BYTES_MIN {
        return Err(PayloadError::Length { characters });
    }
    Ok(bytes)
}

/// The bytes inside `payload`. Texts of 65,536 bytes and more (the 6-byte length prefix) are read too.
pub(crate) fn decrypt(conversation: &[u8; 32], payload: &str) -> Result<Vec<u8>, PayloadError> {
    let bytes = decode(payload)?;
    v2::decrypt_to_bytes(&ConversationKey::new(*conversation), &bytes).map_err(|error| match error.kind() {
        ErrorKind::Crypto => PayloadError::Mac,
        _ => PayloadError::Padding,
    })
}

/// Encrypts 1 to 4 GiB of `plaintext`; `None` outside that.
pub(crate) fn encrypt(conversation: &[u8; 32], plaintext: &[u8], nonce: [u8; 32]) -> Option<String> {
    let bytes =
        v2::encrypt_to_bytes_with_nonce(&ConversationKey::new(*conversation), plaintext, nonce).ok()?;
    Some(STANDARD.encode(bytes))
}
