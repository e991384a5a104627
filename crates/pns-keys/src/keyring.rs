//! Opening one keyring: the event in which an account keeps a device secret for itself.

use std::fmt;
use std::sync::Arc;

use nostr::event::{Event, EventId};
use nostr::key::PublicKey;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    DeriveError, DeviceSecret, KEYRING, OpenError, PnsKey, Profile, SecretTextError, Signer, SignerError,
    open, payload,
};

/// An opened keyring (kind 1081): a device secret, its salt, and the history keys they give.
///
/// Erased when dropped. `Debug` shows the event id and the public keys only.
#[derive(Clone)]
pub struct Keyring {
    id: EventId,
    created_at: u64,
    device: DeviceSecret,
    salt: Zeroizing<String>,
    routstr: Arc<PnsKey>,
    nip_pns: Arc<PnsKey>,
}

/// Why an event is not, or not yet, an open keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not kind 1081.
    #[error("an event of kind {kind} is not a keyring")]
    WrongKind {
        /// Its kind.
        kind: u16,
    },
    /// Another author's. A key that a stranger hands us is never taken.
    #[error("this keyring belongs to {author}, not to this account")]
    WrongAuthor {
        /// Its author.
        author: PublicKey,
    },
    /// Names the account and is not signed by it, or was changed since.
    #[error("this keyring is not signed by the account it names; a relay forged or damaged it")]
    BadSignature,
    /// Ours, and not a text we encrypted to ourselves. Another project uses kind 1081 for shared storage.
    #[error(
        "this kind 1081 event is not encrypted from the account to itself; it is no keyring of this program"
    )]
    NotEncryptedToSelf,
    /// Ours, decrypted, and not JSON.
    #[error("the text in this keyring is not JSON")]
    NotJson,
    /// JSON without a text under `nsec`.
    #[error("this keyring holds no device key under \"nsec\"")]
    NoNsec,
    /// Its `nsec` is not a secret key.
    #[error("the device key in this keyring cannot be used: {0}")]
    BadNsec(#[source] SecretTextError),
    /// Nothing can be derived from it.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// The signer did not answer, or refused. The keyring may well be good: ask again as the error says.
    #[error(transparent)]
    Signer(SignerError),
}

impl KeyringError {
    /// A short stable word for logs and the golden data.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::WrongKind { .. } => "wrong_kind",
            Self::WrongAuthor { .. } => "wrong_author",
            Self::BadSignature => "bad_signature",
            Self::NotEncryptedToSelf => "not_encrypted_to_self",
            Self::NotJson => "not_json",
            Self::NoNsec => "no_nsec",
            Self::BadNsec(_) => "bad_nsec",
            Self::Derive(_) => "derive",
            Self::Signer(_) => "signer",
        }
    }

    /// Whether the account itself signed this kind 1081 event. One that does not open locks the account rather
    /// than inviting a second keyring.
    pub fn signed_by_account(&self) -> bool {
        !matches!(
            self,
            Self::WrongKind { .. } | Self::WrongAuthor { .. } | Self::BadSignature
        )
    }
}

/// Checks that `event` is a kind 1081 event that `account` signed. What is inside is not looked at.
pub fn check_keyring(account: &PublicKey, event: &Event) -> Result<(), KeyringError> {
    if event.kind != KEYRING {
        return Err(KeyringError::WrongKind {
            kind: event.kind.as_u16(),
        });
    }
    open::verify(event, account, KEYRING).map_err(|error| match error {
        OpenError::WrongAuthor { author } => KeyringError::WrongAuthor { author },
        _ => KeyringError::BadSignature,
    })
}

/// Checks `event` and asks `signer` to decrypt it, once. Texts that are no NIP-44 payload never reach the signer.
pub async fn open_keyring(signer: &dyn Signer, event: &Event) -> Result<Keyring, KeyringError> {
    check_keyring(&signer.public_key(), event)?;
    payload::decode(&event.content).map_err(|_| KeyringError::NotEncryptedToSelf)?;
    let plaintext = signer
        .nip44_decrypt_from_self(&event.content)
        .await
        .map_err(|error| match error {
            SignerError::Undecryptable => KeyringError::NotEncryptedToSelf,
            other => KeyringError::Signer(other),
        })?;
    Keyring::from_plaintext(event, Zeroizing::new(plaintext).as_bytes())
}

impl Keyring {
    /// Reads the decrypted text of `event`: what a signer gave, or what [`Keyring::to_plaintext`] kept.
    ///
    /// The caller has checked the event with [`check_keyring`]. A salt that is missing or is no text counts as
    /// empty, and of a repeated name the last value counts, as in the web app.
    pub fn from_plaintext(event: &Event, plaintext: &[u8]) -> Result<Self, KeyringError> {
        let mut value: Value = serde_json::from_slice(plaintext).map_err(|_| KeyringError::NotJson)?;
        let mut text = |name| match value.get_mut(name).map(Value::take) {
            Some(Value::String(text)) => Some(Zeroizing::new(text)),
            _ => None,
        };
        let nsec = text("nsec").ok_or(KeyringError::NoNsec)?;
        let salt = text("salt").unwrap_or_default();
        let device = DeviceSecret::from_nsec(&nsec).map_err(KeyringError::BadNsec)?;
        Self::assemble(event, device, salt)
    }

    pub(crate) fn assemble(
        event: &Event,
        device: DeviceSecret,
        salt: Zeroizing<String>,
    ) -> Result<Self, KeyringError> {
        let routstr = Arc::new(PnsKey::derive(Profile::Routstr, &device, &salt)?);
        let nip_pns = Arc::new(PnsKey::derive(Profile::NipPns, &device, &salt)?);
        Ok(Self {
            id: event.id,
            created_at: event.created_at.as_secs(),
            device,
            salt,
            routstr,
            nip_pns,
        })
    }

    /// The id of the keyring event.
    pub fn id(&self) -> EventId {
        self.id
    }

    /// The outer time of the keyring event, in unix seconds. No envelope is sealed before it.
    pub fn created_at(&self) -> u64 {
        self.created_at
    }

    /// The history key under a writable profile; under [`Profile::Routstr`] for the read-only ones, which never
    /// came from keyrings.
    pub fn key(&self, profile: Profile) -> &Arc<PnsKey> {
        match profile {
            Profile::NipPns => &self.nip_pns,
            Profile::Routstr | Profile::RoutstrEarly | Profile::RoutstrFirst => &self.routstr,
        }
    }

    /// The device secret, for a person's backup.
    pub fn device(&self) -> &DeviceSecret {
        &self.device
    }

    /// The salt as the keyring names it; empty for the default.
    pub fn salt(&self) -> &str {
        &self.salt
    }

    /// `{"nsec":…,"salt":…}`: what the event holds encrypted, to be kept sealed on this device, so that no signer
    /// is asked twice.
    pub fn to_plaintext(&self) -> Zeroizing<String> {
        plaintext(&self.device, &self.salt)
    }
}

/// The text of a keyring, in the web app's key order.
pub(crate) fn plaintext(device: &DeviceSecret, salt: &str) -> Zeroizing<String> {
    let nsec = device.to_nsec();
    // A text's JSON form takes at most six bytes a byte; enough room means no copy is left behind by growing.
    let mut text = Zeroizing::new(String::with_capacity(32 + nsec.len() + 6 * salt.len()));
    text.push_str("{\"nsec\":\"");
    text.push_str(&nsec);
    text.push_str("\",\"salt\":");
    text.push_str(&Zeroizing::new(Value::from(salt).to_string()));
    text.push('}');
    text
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("id", &self.id)
            .field("created_at", &self.created_at)
            .field("public", &self.routstr.public().to_hex())
            .finish_non_exhaustive()
    }
}
