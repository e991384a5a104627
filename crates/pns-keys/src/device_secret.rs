//! The 32 bytes that history keys are derived from.

use std::fmt;

use nostr::key::{Keys, PublicKey, SecretKey};
use nostr::nips::nip19::ToBech32;
use zeroize::Zeroizing;

/// A random secret key kept in a keyring, or, for older web apps, the account's own secret key.
///
/// Erased when dropped. `Debug` shows its public key only.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceSecret(SecretKey);

/// The bytes are zero, or past the order of secp256k1. Fresh random bytes are so once in 2^128 draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("these bytes are not a secp256k1 secret key; draw new ones")]
pub struct InvalidSecret;

impl DeviceSecret {
    /// Takes 32 random bytes. Fails for the bytes that are no secret key; the caller draws again.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, InvalidSecret> {
        SecretKey::from_slice(bytes).map(Self).map_err(|_| InvalidSecret)
    }

    /// The public key of this secret: what the `nip-pns` profile writes inside its rumors. Costs one curve
    /// multiplication, about 20 us.
    pub fn public(&self) -> PublicKey {
        self.keys().public_key()
    }

    /// The secret as NIP-19 text, for keyrings and for a person's backup.
    pub fn to_nsec(&self) -> Zeroizing<String> {
        match self.0.to_bech32() {
            Ok(text) => Zeroizing::new(text),
            Err(never) => match never {},
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_secret_bytes()
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::new(self.0.clone())
    }
}

impl From<SecretKey> for DeviceSecret {
    fn from(secret: SecretKey) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for DeviceSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceSecret")
            .field("public", &self.public().to_hex())
            .finish_non_exhaustive()
    }
}
