//! A signer whose key is in this process.

use std::fmt;
use std::sync::Arc;

use nostr::event::{Event, UnsignedEvent};
use nostr::key::{PublicKey, SecretKey};
use nostr::nips::nip44::v2::ConversationKey;
use zeroize::Zeroizing;

use crate::{DeviceSecret, SecretTextError, Signer, SignerError, SignerFuture, payload, signing};

/// Where a [`LocalSigner`] takes nonces and auxiliary randomness from: 32 fresh bytes a call.
pub type Draw = Arc<dyn Fn() -> [u8; 32] + Send + Sync>;

/// Signs and encrypts with a secret key held in memory; every answer is there at once.
///
/// The key is erased when the signer is dropped. `Debug` shows the public key only.
#[derive(Clone)]
pub struct LocalSigner {
    secret: DeviceSecret,
    public: PublicKey,
    /// NIP-44 conversation key of the account with itself.
    conversation: Zeroizing<[u8; 32]>,
    draw: Draw,
}

impl LocalSigner {
    /// A signer for `secret`. `draw` gives 32 fresh random bytes at each call; outside simulations, those of the
    /// operating system. Costs a Diffie-Hellman with itself, about 60 us.
    pub fn new(secret: SecretKey, draw: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self::from_secret(DeviceSecret::from(secret), Arc::new(draw))
    }

    /// Reads an nsec or 64 hex digits, with spaces and line breaks around it, as a person pastes it.
    pub fn parse(
        text: &str,
        draw: impl Fn() -> [u8; 32] + Send + Sync + 'static,
    ) -> Result<Self, SecretTextError> {
        Ok(Self::from_secret(DeviceSecret::parse(text)?, Arc::new(draw)))
    }

    /// A signer for a secret that was read before; see [`LocalSigner::new`].
    pub fn with_secret(secret: DeviceSecret, draw: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self::from_secret(secret, Arc::new(draw))
    }

    fn from_secret(secret: DeviceSecret, draw: Draw) -> Self {
        let keys = secret.keys();
        let public = keys.public_key();
        let derived = ConversationKey::derive(keys.secret_key(), &public)
            .expect("a public key just computed from its secret is a point on the curve");
        let mut conversation = Zeroizing::new([0; 32]);
        conversation.copy_from_slice(derived.as_bytes());
        Self {
            secret,
            public,
            conversation,
            draw,
        }
    }

    fn sign_now(&self, unsigned: UnsignedEvent) -> Result<Event, SignerError> {
        if unsigned.pubkey != self.public {
            return Err(SignerError::WrongAccount {
                wanted: unsigned.pubkey,
                found: self.public,
            });
        }
        let UnsignedEvent {
            created_at,
            kind,
            tags,
            content,
            ..
        } = unsigned;
        let aux = (self.draw)();
        Ok(signing::sign(
            &self.secret.keys(),
            kind,
            tags.to_vec(),
            content,
            created_at.as_secs(),
            &aux,
        ))
    }

    fn encrypt_now(&self, plaintext: &str) -> Result<String, SignerError> {
        payload::encrypt(&self.conversation, plaintext.as_bytes(), (self.draw)()).ok_or_else(|| {
            SignerError::BadAnswer {
                reason: "NIP-44 cannot encrypt an empty text".to_owned(),
            }
        })
    }

    fn decrypt_now(&self, payload: &str) -> Result<String, SignerError> {
        let bytes = payload::decrypt(&self.conversation, payload).map_err(|_| SignerError::Undecryptable)?;
        // What a keyring holds is text; anything else was not written as one.
        String::from_utf8(bytes).map_err(|_| SignerError::Undecryptable)
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move { self.sign_now(unsigned) })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move { self.encrypt_now(plaintext) })
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move { self.decrypt_now(payload) })
    }

    fn own_secret(&self) -> Option<DeviceSecret> {
        Some(self.secret.clone())
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner")
            .field("public", &self.public.to_hex())
            .finish_non_exhaustive()
    }
}
