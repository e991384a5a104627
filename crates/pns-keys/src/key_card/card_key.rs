//! What a passphrase becomes for one card.

use std::fmt;

use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use scrypt::Params;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::{KEY_CARD_LOG_N_MAX, KeyCardError, SALT_BYTES};

/// The key that seals one card, made of a passphrase. Who has it opens that card, and learns nothing of the passphrase
/// that guessing would not tell. `Debug` shows none of it; it is erased when dropped.
pub struct CardKey {
    log_n: u8,
    salt: [u8; SALT_BYTES],
    key: Zeroizing<[u8; 32]>,
}

impl CardKey {
    /// Makes the key; cost as of [`KeyCard::seal`](super::KeyCard::seal). `salt` is fresh randomness, used for one card
    /// alone.
    pub fn of_passphrase(passphrase: &str, log_n: u8, salt: [u8; SALT_BYTES]) -> Result<Self, KeyCardError> {
        if passphrase.is_empty() {
            return Err(KeyCardError::EmptyPassphrase);
        }
        Self::derived(passphrase, log_n, salt)
    }

    /// A key that was made elsewhere, with what it was made with.
    pub fn from_parts(
        log_n: u8,
        salt: [u8; SALT_BYTES],
        key: Zeroizing<[u8; 32]>,
    ) -> Result<Self, KeyCardError> {
        checked(log_n)?;
        Ok(Self { log_n, salt, key })
    }

    /// The key that opens a card with these parameters.
    pub(super) fn derived(passphrase: &str, log_n: u8, salt: [u8; SALT_BYTES]) -> Result<Self, KeyCardError> {
        let params = checked(log_n)?;
        // Sized at once: growing would leave copies behind.
        let bytes = passphrase.nfkc().map(char::len_utf8).sum();
        let mut normal = Zeroizing::new(String::with_capacity(bytes));
        normal.extend(passphrase.nfkc());
        let mut key = Zeroizing::new([0; 32]);
        scrypt::scrypt(normal.as_bytes(), &salt, &params, &mut *key)
            .expect("scrypt gives outputs of any length up to 128 GiB, and 32 bytes are asked for");
        Ok(Self { log_n, salt, key })
    }

    /// Two to the power of it are the rounds of scrypt.
    pub fn log_n(&self) -> u8 {
        self.log_n
    }

    /// What the passphrase was salted with.
    pub fn salt(&self) -> &[u8; SALT_BYTES] {
        &self.salt
    }

    /// The key itself.
    pub fn key(&self) -> &Zeroizing<[u8; 32]> {
        &self.key
    }

    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

/// What scrypt is to do, if no card may ask for more.
fn checked(log_n: u8) -> Result<Params, KeyCardError> {
    let cost = KeyCardError::Cost { log_n };
    if !(1..=KEY_CARD_LOG_N_MAX).contains(&log_n) {
        return Err(cost);
    }
    Params::new(log_n, 8, 1).map_err(|_| cost)
}

impl fmt::Debug for CardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardKey")
            .field("log_n", &self.log_n)
            .finish_non_exhaustive()
    }
}
