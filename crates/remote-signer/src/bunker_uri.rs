//! The address a remote signer hands out: `bunker://<public key>?relay=…&secret=…`.

use std::fmt;
use std::str::FromStr;

use nostr::key::PublicKey;
use nostr::nips::nip19::ToBech32;
use nostr::types::url::Url;
use relay_link::{RelayUrl, RelayUrlError};
use zeroize::Zeroizing;

/// A longer text is a mistake: an address is a key, a few relays and a secret.
const CHARACTERS_MAX: usize = 4096;
/// Each relay is a connection that is held open; signers name one to three.
pub(crate) const RELAYS_MAX: usize = 8;
/// Signers draw 16 to 64 characters; a request must stay far below 4 KB (field guide S-5).
const SECRET_BYTES_MAX: usize = 512;

/// A relay's address may take a kilobyte; what is shown of it fits in a line.
const RELAY_CHARACTERS_SHOWN: usize = 80;

/// Where a remote signer is reached (NIP-46, "Direct connection initiated by remote-signer").
///
/// `Debug` leaves the secret out, and there is no `Display`: [`BunkerUri::to_text`] erases its text when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct BunkerUri {
    remote: PublicKey,
    relays: Vec<RelayUrl>,
    secret: Option<Zeroizing<String>>,
}

/// Why a text is not the address of a remote signer; each says what to change. None repeats the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BunkerUriError {
    /// Over 4,096 bytes.
    #[error("the signer's address is {bytes} bytes long; copy only the text that begins with bunker://")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The other direction of NIP-46.
    #[error(
        "a nostrconnect:// address is what a program shows to a signer; copy the one beginning with bunker:// from \
         the signer"
    )]
    OtherDirection,
    /// Anything else that does not start with `bunker://`.
    #[error("a signer's address begins with bunker://; copy it again from the signer")]
    NotBunker,
    /// What follows `bunker://` is no public key.
    #[error(
        "bunker:// is not followed by a public key of 64 hex digits; copy the whole address from the signer"
    )]
    BadKey,
    /// No `relay=`.
    #[error("the signer's address names no relay; add ?relay=wss://… with a relay the signer listens on")]
    NoRelay,
    /// More than eight.
    #[error("the signer's address names {relays} relays; leave at most {RELAYS_MAX}")]
    TooManyRelays {
        /// How many.
        relays: usize,
    },
    /// A `relay=` that is not one.
    #[error("a relay in the signer's address cannot be used: {0}")]
    BadRelay(#[from] RelayUrlError),
    /// Two different secrets, or one that is too long.
    #[error(
        "the secret in the signer's address is repeated or too long; copy the address again from the signer"
    )]
    BadSecret,
}

impl BunkerUri {
    /// The address of the signer with the key `remote`; what [`FromStr`] checks is checked here too.
    pub fn new(
        remote: PublicKey,
        relays: impl IntoIterator<Item = RelayUrl>,
        secret: Option<Zeroizing<String>>,
    ) -> Result<Self, BunkerUriError> {
        // Half of all 32-byte values are no point on the curve, and nothing could be encrypted to them.
        remote.xonly().map_err(|_| BunkerUriError::BadKey)?;
        let mut distinct: Vec<RelayUrl> = Vec::new();
        for relay in relays {
            if !distinct.contains(&relay) {
                distinct.push(relay);
            }
        }
        match distinct.len() {
            0 => return Err(BunkerUriError::NoRelay),
            1..=RELAYS_MAX => {}
            relays => return Err(BunkerUriError::TooManyRelays { relays }),
        }
        let secret = secret.filter(|secret| !secret.is_empty());
        if secret
            .as_ref()
            .is_some_and(|secret| secret.len() > SECRET_BYTES_MAX)
        {
            return Err(BunkerUriError::BadSecret);
        }
        Ok(Self {
            remote,
            relays: distinct,
            secret,
        })
    }

    /// The signer's own key. It need not be the account's.
    pub fn remote(&self) -> PublicKey {
        self.remote
    }

    /// Where it listens: one to eight, in the order given, each once.
    pub fn relays(&self) -> &[RelayUrl] {
        &self.relays
    }

    /// What proves to the signer that this program was given the address. Works a single time.
    pub fn secret(&self) -> Option<&str> {
        self.secret.as_ref().map(|secret| secret.as_str())
    }

    /// The address without its secret: what is kept after a login, and may be shown.
    #[must_use]
    pub fn without_secret(&self) -> Self {
        Self {
            secret: None,
            ..self.clone()
        }
    }

    /// Who this is, for errors and status lines: `the signer at wss://relay.example (npub1abcde…vwxyz)`. One line of
    /// at most 128 characters, without the secret.
    pub fn signer(&self) -> String {
        let relay = self.relays.first().map_or("", RelayUrl::as_str);
        let shown: String = relay.chars().take(RELAY_CHARACTERS_SHOWN).collect();
        let cut = if shown.len() < relay.len() { "…" } else { "" };
        let Ok(key) = self.remote.to_bech32();
        // The text is ASCII, and 63 characters long.
        let (head, tail) = (&key[..10], &key[key.len() - 5..]);
        format!("the signer at {shown}{cut} ({head}…{tail})")
    }

    /// The text that reads back as this address.
    pub fn to_text(&self) -> Zeroizing<String> {
        let Ok(mut url) = Url::parse(&format!("bunker://{}", self.remote)) else {
            unreachable!("hex digits are a host");
        };
        {
            let mut query = url.query_pairs_mut();
            for relay in &self.relays {
                query.append_pair("relay", relay.as_str());
            }
            if let Some(secret) = &self.secret {
                query.append_pair("secret", secret);
            }
        }
        Zeroizing::new(url.into())
    }
}

impl FromStr for BunkerUri {
    type Err = BunkerUriError;

    /// Reads an address, with spaces around it as a person pastes it. Parameters it does not know are passed over.
    fn from_str(text: &str) -> Result<Self, BunkerUriError> {
        let text = text.trim();
        if text.len() > CHARACTERS_MAX {
            return Err(BunkerUriError::TooLong { bytes: text.len() });
        }
        let scheme = text
            .split_once("://")
            .map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("bunker") => {}
            Some("nostrconnect") => return Err(BunkerUriError::OtherDirection),
            _ => return Err(BunkerUriError::NotBunker),
        }
        let url = Url::parse(text).map_err(|_| BunkerUriError::BadKey)?;
        let remote = url
            .host_str()
            .and_then(|host| PublicKey::from_hex(host).ok())
            .ok_or(BunkerUriError::BadKey)?;
        let (mut relays, mut secret) = (Vec::new(), None::<Zeroizing<String>>);
        for (name, value) in url.query_pairs() {
            match &*name {
                "relay" => relays.push(value.parse()?),
                "secret" => {
                    let value = Zeroizing::new(value.into_owned());
                    if secret
                        .replace(value.clone())
                        .is_some_and(|before| before != value)
                    {
                        return Err(BunkerUriError::BadSecret);
                    }
                }
                _ => {}
            }
        }
        Self::new(remote, relays, secret)
    }
}

impl fmt::Debug for BunkerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BunkerUri")
            .field("remote", &self.remote.to_hex())
            .field("relays", &self.relays)
            .field("secret", &self.secret.as_ref().map(|_| "hidden"))
            .finish()
    }
}
