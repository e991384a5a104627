//! From a device secret to the key that signs envelopes and the key that encrypts them.

use std::fmt;

use hkdf::Hkdf;
use nostr::event::{Event, Kind, Tag};
use nostr::key::{Keys, PublicKey, SecretKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{DeviceSecret, Profile, signing};

/// The salt NIP-44 v2 gives its conversation keys.
const CONVERSATION_SALT: &[u8] = b"nip44-v2";

/// A history key: signs envelopes and deletions, encrypts and decrypts what is in them.
///
/// Erased when dropped. `Debug` shows the public key and the profile only.
#[derive(Clone)]
pub struct PnsKey {
    profile: Profile,
    keys: Keys,
    conversation: Zeroizing<[u8; 32]>,
    device: PublicKey,
}

/// The derivation gave a number that is no secp256k1 secret key: once in 2^128 device secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no {profile} key can be derived from this device secret; make a keyring with another one")]
pub struct DeriveError {
    /// The profile that failed; another one may work.
    pub profile: Profile,
}

impl PnsKey {
    /// Derives the key of `device` under `profile`.
    ///
    /// `salt` is what the keyring names; it counts under [`Profile::Routstr`] only, where an empty one means
    /// [`Profile::default_salt`]. The other profiles have fixed salts. Costs two curve multiplications (40 us).
    pub fn derive(profile: Profile, device: &DeviceSecret, salt: &str) -> Result<Self, DeriveError> {
        let salt = match profile {
            Profile::Routstr if !salt.is_empty() => salt,
            _ => profile.default_salt(),
        };
        let secret = match profile {
            Profile::RoutstrFirst => extract_and_expand(salt.as_bytes(), device.as_bytes()),
            _ => extract(salt.as_bytes(), device.as_bytes()),
        };
        let conversation = match profile {
            Profile::Routstr => secret.clone(),
            Profile::RoutstrEarly | Profile::NipPns => extract(CONVERSATION_SALT, &*secret),
            Profile::RoutstrFirst => extract_and_expand(CONVERSATION_SALT, &*secret),
        };
        let secret = SecretKey::from_slice(&*secret).map_err(|_| DeriveError { profile })?;
        Ok(Self {
            profile,
            keys: Keys::new(secret),
            conversation,
            device: device.public(),
        })
    }

    /// The author of the envelopes: what to subscribe to.
    pub fn public(&self) -> PublicKey {
        self.keys.public_key()
    }

    /// How this key was derived.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// The public key of the device secret. Rumors may name it in place of the account.
    pub fn device(&self) -> PublicKey {
        self.device
    }

    /// The pubkey a new rumor names as its author (DESIGN 3): the device key under `nip-pns`, else `account`.
    pub fn rumor_author(&self, account: PublicKey) -> PublicKey {
        match self.profile {
            Profile::NipPns => self.device,
            Profile::Routstr | Profile::RoutstrEarly | Profile::RoutstrFirst => account,
        }
    }

    pub(crate) fn conversation(&self) -> &[u8; 32] {
        &self.conversation
    }

    pub(crate) fn sign(
        &self,
        kind: Kind,
        tags: Vec<Tag>,
        content: String,
        created_at: u64,
        aux: &[u8; 32],
    ) -> Event {
        signing::sign(&self.keys, kind, tags, content, created_at, aux)
    }
}

impl fmt::Debug for PnsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PnsKey")
            .field("public", &self.public().to_hex())
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

fn extract(salt: &[u8], secret: &[u8]) -> Zeroizing<[u8; 32]> {
    let (mut key, _) = Hkdf::<Sha256>::extract(Some(salt), secret);
    let copy = Zeroizing::new(key.into());
    zeroize::Zeroize::zeroize(key.as_mut_slice());
    copy
}

fn extract_and_expand(salt: &[u8], secret: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Hkdf::<Sha256>::new(Some(salt), secret)
        .expand(&[], &mut *key)
        .expect("HKDF-SHA256 gives up to 8,160 bytes, and 32 are asked for");
    key
}
