//! The key this program speaks to the signer with. It signs nothing of the account's.

use std::fmt;

use nostr::key::{Keys, PublicKey, SecretKey};
use supervision::Entropy;
use zeroize::Zeroizing;

/// A key pair that the signer knows this program by. Keep it: a signer that allowed a client once knows it by this
/// key, and the secret of a `bunker://` address works a single time (field guide S-6).
///
/// Erased when dropped. `Debug` shows the public key only.
#[derive(Clone)]
pub struct ClientKey {
    secret: SecretKey,
    public: PublicKey,
}

/// The text is not the client key that [`ClientKey::to_hex`] wrote. The text itself is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the saved client key is not 64 hex digits of a secret key; log in to the remote signer again")]
pub struct BadClientKey;

/// Draws a fresh client key, for a first login.
pub fn new_client_key(entropy: &dyn Entropy) -> ClientKey {
    loop {
        let bytes = Zeroizing::new(entropy.draw_32());
        // Refused once in 2^128 draws: zero, or past the order of the curve.
        if let Ok(secret) = SecretKey::from_slice(&*bytes) {
            return ClientKey::from(secret);
        }
    }
}

impl ClientKey {
    /// Reads what [`ClientKey::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Result<Self, BadClientKey> {
        SecretKey::from_hex(text)
            .map(Self::from)
            .map_err(|_| BadClientKey)
    }

    /// The secret as 64 hex digits, to be kept where secrets are kept.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(self.secret.to_secret_hex())
    }

    /// What the signer sees as the author of requests.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    pub(crate) fn secret(&self) -> &SecretKey {
        &self.secret
    }

    pub(crate) fn keys(&self) -> Keys {
        Keys::new(self.secret.clone())
    }
}

impl From<SecretKey> for ClientKey {
    fn from(secret: SecretKey) -> Self {
        let public = Keys::new(secret.clone()).public_key();
        Self { secret, public }
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey")
            .field("public", &self.public.to_hex())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use supervision::SeededEntropy;

    use super::*;

    #[test]
    fn a_key_reads_back_and_stays_out_of_debug_output() {
        let key = new_client_key(&SeededEntropy::new(1));
        let hex = key.to_hex();
        assert_eq!(ClientKey::from_hex(&hex).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&**hex));
        assert!(matches!(ClientKey::from_hex("nsec1"), Err(BadClientKey)));
    }
}
