//! What a signer is asked, and what counts as an answer. Spec: NIP-46, "Methods/Commands".

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;
use nostr::nips::nip46::NostrConnectMethod as Method;
use pns_keys::SignerError;
use serde::Serialize;
use zeroize::Zeroizing;

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
}

/// What came back, checked.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Connected,
    Account(PublicKey),
    Signed(Box<Event>),
    Text(String),
}

#[derive(Serialize)]
struct Wire<'a> {
    id: &'a str,
    method: Method,
    params: &'a [&'a str],
}

impl Request {
    pub(crate) fn method(&self) -> Method {
        match self {
            Self::Connect { .. } => Method::Connect,
            Self::GetPublicKey => Method::GetPublicKey,
            Self::Sign(_) => Method::SignEvent,
            Self::Encrypt { .. } => Method::Nip44Encrypt,
            Self::Decrypt { .. } => Method::Nip44Decrypt,
        }
    }

    pub(crate) fn method_name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "connect",
            Self::GetPublicKey => "get_public_key",
            Self::Sign(_) => "sign_event",
            Self::Encrypt { .. } => "nip44_encrypt",
            Self::Decrypt { .. } => "nip44_decrypt",
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
        }
    }

    /// The request as NIP-46 JSON. Fails when it is longer than a signer takes.
    pub(crate) fn encode(&self, id: &str) -> Result<Zeroizing<String>, SignerError> {
        let json = match self {
            Self::Connect { remote, secret } => {
                let secret = secret.as_ref().map_or("", |secret| secret.as_str());
                self.json(id, &[&remote.to_hex(), secret, PERMISSIONS])
            }
            Self::GetPublicKey => self.json(id, &[]),
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
            method: self.method(),
            params,
        };
        serde_json::to_writer(&mut *json, &wire).expect("texts always have a JSON form");
        let text = String::from_utf8(std::mem::take(&mut *json)).expect("JSON is UTF-8");
        Zeroizing::new(text)
    }

    /// Checks that `result` answers this request.
    pub(crate) fn read(&self, result: String) -> Result<Answer, SignerError> {
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
            Self::Decrypt { .. } => Ok(Answer::Text(result)),
        }
    }
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
        })
    }
}
