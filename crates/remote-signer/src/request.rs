//! What a signer is asked, and what counts as an answer. Spec: NIP-46, "Methods/Commands".

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;
use pns_keys::SignerError;
use relay_link::RelayUrl;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::bunker_uri::RELAYS_MAX;

/// Bytes of one request. Signers stop at 64 KiB of encrypted event (field guide S-5), and a keyring takes under 1 KB.
pub(crate) const REQUEST_BYTES_MAX: usize = 32 * 1024;

/// All that this program ever asks for: keyrings, and the answer to a relay that asks who is there.
pub(crate) const PERMISSIONS: &str = "nip44_encrypt,nip44_decrypt,sign_event:1081,sign_event:22242";

/// NIP-44: version byte, nonce, two length bytes with 32 of text, MAC.
const PAYLOAD_BYTES_MIN: usize = 1 + 32 + 34 + 32;

/// One request to the signer. `Debug` shows the method only.
pub(crate) enum Request {
    Connect {
        remote: PublicKey,
        secret: Option<Zeroizing<String>>,
    },
    GetPublicKey,
    Sign(Box<UnsignedEvent>),
    Encrypt {
        account: PublicKey,
        plaintext: Zeroizing<String>,
    },
    Decrypt {
        account: PublicKey,
        payload: String,
    },
    /// Which relays the signer wants from now on. Newer than the others: signers that lack it say so, or nothing.
    SwitchRelays,
}

/// What came back, checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Connected,
    Account(PublicKey),
    Signed(Box<Event>),
    Text(String),
    /// The signer wants these from now on, or has no wish.
    Relays(Option<Vec<RelayUrl>>),
}

#[derive(Serialize)]
struct Wire<'a> {
    id: &'a str,
    method: &'static str,
    params: &'a [&'a str],
}

impl Request {
    pub(crate) fn method_name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::GetPublicKey => "get_public_key",
            Self::Sign(_) => "sign_event",
            Self::Encrypt { .. } => "nip44_encrypt",
            Self::Decrypt { .. } => "nip44_decrypt",
            Self::SwitchRelays => "switch_relays",
        }
    }

    /// The request as a verb, for a person.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "let this program connect",
            Self::GetPublicKey => "tell the account",
            Self::Sign(_) => "sign an event",
            Self::Encrypt { .. } => "encrypt a keyring",
            Self::Decrypt { .. } => "decrypt a keyring",
            Self::SwitchRelays => "name its relays",
        }
    }

    /// The request as NIP-46 JSON. Fails when it is longer than a signer takes.
    pub(crate) fn encode(&self, id: &str) -> Result<Zeroizing<String>, SignerError> {
        let json = match self {
            Self::Connect { remote, secret } => {
                let secret = secret.as_ref().map_or("", |secret| secret.as_str());
                self.json(id, &[&remote.to_hex(), secret, PERMISSIONS])
            }
            Self::GetPublicKey | Self::SwitchRelays => self.json(id, &[]),
            Self::Sign(unsigned) => self.json(id, &[&unsigned.as_json()]),
            Self::Encrypt { account, plaintext } => self.json(id, &[&account.to_hex(), plaintext]),
            Self::Decrypt { account, payload } => self.json(id, &[&account.to_hex(), payload]),
        };
        if json.len() > REQUEST_BYTES_MAX {
            return Err(SignerError::Unsupported {
                method: "requests of more than 32 KiB",
            });
        }
        Ok(json)
    }

    fn json(&self, id: &str, params: &[&str]) -> Zeroizing<String> {
        // A text's JSON form takes at most six bytes a byte; enough room means no copy of a secret is left behind
        // by growing.
        let room = 128 + id.len() + params.iter().map(|param| 6 * param.len() + 3).sum::<usize>();
        let mut json = Zeroizing::new(Vec::with_capacity(room));
        let wire = Wire {
            id,
            method: self.method_name(),
            params,
        };
        serde_json::to_writer(&mut *json, &wire).expect("texts always have a JSON form");
        let text = String::from_utf8(std::mem::take(&mut *json)).expect("JSON is UTF-8");
        Zeroizing::new(text)
    }

    /// Checks that `result` answers this request. `None` when the response holds no result.
    pub(crate) fn read(&self, result: Option<String>) -> Result<Answer, SignerError> {
        let Some(result) = result else {
            return match self {
                Self::SwitchRelays => Ok(Answer::Relays(None)),
                _ => Err(bad("it holds neither a result nor an error")),
            };
        };
        match self {
            // "ack", or the secret: what it says is not needed, since only the signer can have encrypted it.
            Self::Connect { .. } => Ok(Answer::Connected),
            Self::GetPublicKey => match PublicKey::parse(&result) {
                Ok(account) => Ok(Answer::Account(account)),
                Err(_) => Err(bad("it named an account that is not a public key")),
            },
            Self::Sign(unsigned) => read_signed(unsigned, &result),
            Self::Encrypt { .. } if is_payload(&result) => Ok(Answer::Text(result)),
            // Published as it is, it might be the text itself.
            Self::Encrypt { .. } => Err(bad("it answered with something that is not encrypted by NIP-44")),
            Self::Decrypt { .. } if result.is_empty() => Err(bad("it answered with nothing")),
            Self::Decrypt { .. } => Ok(Answer::Text(result)),
            Self::SwitchRelays => read_relays(&result),
        }
    }

    /// Whether a signer may lack it: asked once, and not for long.
    pub(crate) fn is_optional(&self) -> bool {
        matches!(self, Self::SwitchRelays)
    }

    /// The end of this request, in which an optional one that is missing is no error. A method that a signer does
    /// not know is often passed over in silence (field guide S-4).
    pub(crate) fn forgive(&self, outcome: Result<Answer, SignerError>) -> Result<Answer, SignerError> {
        match (self, outcome) {
            (Self::SwitchRelays, Err(SignerError::NoAnswer { .. } | SignerError::Unsupported { .. })) => {
                Ok(Answer::Relays(None))
            }
            (_, outcome) => outcome,
        }
    }
}

/// A list of addresses as JSON; those that are none are left out. A signer that names none has no wish.
fn read_relays(text: &str) -> Result<Answer, SignerError> {
    let named: Option<Vec<serde_json::Value>> = match text {
        "" => None,
        text => {
            serde_json::from_str(text).map_err(|_| bad("it named its relays in a form that is no list"))?
        }
    };
    let mut relays: Vec<RelayUrl> = Vec::new();
    for relay in named
        .iter()
        .flatten()
        .filter_map(|url| url.as_str()?.parse().ok())
    {
        if relays.len() < RELAYS_MAX && !relays.contains(&relay) {
            relays.push(relay);
        }
    }
    Ok(Answer::Relays((!relays.is_empty()).then_some(relays)))
}

fn read_signed(unsigned: &UnsignedEvent, result: &str) -> Result<Answer, SignerError> {
    let event =
        Event::from_json(result).map_err(|_| bad("it answered with something that is not an event"))?;
    if event.pubkey != unsigned.pubkey {
        return Err(SignerError::WrongAccount {
            wanted: unsigned.pubkey,
            found: event.pubkey,
        });
    }
    let same = event.created_at == unsigned.created_at
        && event.kind == unsigned.kind
        && event.tags == unsigned.tags
        && event.content == unsigned.content;
    if !same {
        return Err(bad("it signed another event than the one it was given"));
    }
    event.verify().map_err(|_| bad("its signature is wrong"))?;
    Ok(Answer::Signed(Box::new(event)))
}

/// Whether `text` looks like a NIP-44 v2 payload; what is inside only the key can tell.
fn is_payload(text: &str) -> bool {
    STANDARD
        .decode(text)
        .is_ok_and(|bytes| bytes.len() >= PAYLOAD_BYTES_MIN && bytes.first() == Some(&2))
}

pub(crate) fn bad(reason: &str) -> SignerError {
    SignerError::BadAnswer {
        reason: reason.to_owned(),
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method_name())
    }
}

/// Leaves the content out: it may be a decrypted keyring.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connected => "Connected",
            Self::Account(_) => "Account",
            Self::Signed(_) => "Signed",
            Self::Text(_) => "Text",
            Self::Relays(_) => "Relays",
        })
    }
}
