//! What a signer knows, and what it says to a request. No I/O and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use nostr::event::{Event, EventId, FinalizeEvent, Kind, UnsignedEvent};
use nostr::key::{Keys, PublicKey};
use nostr::nips::nip44;
use nostr::nips::nip46::{
    NostrConnectEventBuilder, NostrConnectMessage, NostrConnectResponse, ResponseResult,
};
use nostr::types::url::RelayUrl;
use serde::Deserialize;
use serde_json::Value;

use crate::Behaviour;

/// Requests that are taken; a client that sends more is in a loop, and its test should fail rather than fill the
/// memory.
const REQUESTS_MAX: usize = 10_000;

/// A request as it arrived. A retry is another one with the same id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabRequest {
    /// The id its client gave it.
    pub id: String,
    /// Its method, known or not.
    pub method: String,
    /// The key its client speaks with.
    pub client: PublicKey,
}

/// Something to say to a client, once.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) client: PublicKey,
    pub(crate) after: Duration,
    pub(crate) message: NostrConnectMessage,
}

pub(crate) struct Memory {
    /// What the signer speaks with.
    pub(crate) signer: Keys,
    account: Keys,
    behaviour: Behaviour,
    /// Given away in an address and not used yet.
    secrets: BTreeSet<String>,
    /// Who was let in, and with which secret.
    clients: BTreeMap<PublicKey, String>,
    pub(crate) requests: Vec<LabRequest>,
    /// Events of `requests`: the same one comes from every relay.
    seen: BTreeSet<EventId>,
    /// Answers since the behaviour was set.
    answers: usize,
    /// Relays that pass requests on.
    pub(crate) listening: BTreeSet<RelayUrl>,
    /// Answers to scans, and whether a relay took them.
    pub(crate) offers: BTreeMap<EventId, bool>,
}

/// A request on the wire. The message type of the `nostr` crate knows no `switch_relays`.
#[derive(Deserialize)]
struct Wire {
    id: String,
    method: String,
    #[serde(default)]
    params: Vec<String>,
}

impl Memory {
    pub(crate) fn new(account: Keys, behaviour: Behaviour) -> Self {
        Self {
            signer: Keys::generate(),
            account,
            behaviour,
            secrets: BTreeSet::new(),
            clients: BTreeMap::new(),
            requests: Vec::new(),
            seen: BTreeSet::new(),
            answers: 0,
            listening: BTreeSet::new(),
            offers: BTreeMap::new(),
        }
    }

    pub(crate) fn set_behaviour(&mut self, behaviour: Behaviour) {
        self.behaviour = behaviour;
        self.answers = 0;
    }

    /// A secret that lets one client in.
    pub(crate) fn draw_secret(&mut self) -> String {
        let secret = Keys::generate().secret_key().to_secret_hex();
        self.secrets.insert(secret.clone());
        secret
    }

    /// Lets a client in that showed its secret.
    pub(crate) fn let_in(&mut self, client: PublicKey, secret: String) {
        self.clients.insert(client, secret);
    }

    /// What to say to `event`, which a relay passed on. Nothing when it is no request that can be read, or when it
    /// came from another relay before.
    pub(crate) fn hear(&mut self, event: &Event) -> Vec<Reply> {
        let too_big = matches!(self.behaviour, Behaviour::PayloadLimit(bytes) if event.content.len() > bytes);
        if too_big || event.kind != Kind::NostrConnect || event.verify().is_err() {
            return vec![];
        }
        let client = event.pubkey;
        let json = nip44::decrypt(self.signer.secret_key(), &client, &event.content);
        let Some(wire) = json.ok().and_then(|json| serde_json::from_str(&json).ok()) else {
            return vec![];
        };
        let Wire { id, method, params } = wire;
        if self.requests.len() >= REQUESTS_MAX || !self.seen.insert(event.id) {
            return vec![];
        }
        self.requests.push(LabRequest {
            id: id.clone(),
            method: method.clone(),
            client,
        });
        let Some(response) = self.answer(client, &method, &params) else {
            return vec![];
        };
        let reply = |after, response| Reply {
            client,
            after,
            message: NostrConnectMessage::response(id.clone(), response),
        };
        let now = Duration::ZERO;
        let question = matches!(&*method, "sign_event" | "nip44_encrypt" | "nip44_decrypt");
        match &self.behaviour {
            Behaviour::AnswersTwice => vec![reply(now, response.clone()), reply(now, response)],
            Behaviour::Denies(reason) if question => {
                vec![reply(now, NostrConnectResponse::with_error(reason))]
            }
            Behaviour::AnswersAfter(delay) if question => vec![reply(*delay, response)],
            Behaviour::Silent if question => vec![],
            Behaviour::AuthUrl { url, then } if question => {
                let page = NostrConnectResponse::new(Some(ResponseResult::AuthUrl), Some(url.clone()));
                let answer = then.map(|delay| reply(delay, response));
                std::iter::once(reply(now, page)).chain(answer).collect()
            }
            _ => vec![reply(now, response)],
        }
    }

    /// The event that says `message` to `client`; `None` when the behaviour loses it.
    pub(crate) fn seal_answer(&mut self, client: PublicKey, message: NostrConnectMessage) -> Option<Event> {
        self.answers += 1;
        if self.behaviour == Behaviour::LosesEveryThird && self.answers.is_multiple_of(3) {
            return None;
        }
        self.seal(client, message)
    }

    /// The event that says `message` to `client`; `None` when its key is no point on the curve.
    pub(crate) fn seal(&self, client: PublicKey, message: NostrConnectMessage) -> Option<Event> {
        NostrConnectEventBuilder::new(client, message)
            .finalize(&self.signer)
            .ok()
    }

    /// What a person who agrees would have it answer; `None` to a method it never heard of (field guide S-4).
    fn answer(&mut self, client: PublicKey, method: &str, params: &[String]) -> Option<NostrConnectResponse> {
        let account = match &self.behaviour {
            Behaviour::OtherAccount(other) => other.clone(),
            _ => self.account.clone(),
        };
        let result = match method {
            "connect" => self.connect(client, params),
            "get_public_key" | "sign_event" | "nip44_encrypt" | "nip44_decrypt" | "ping"
            | "switch_relays"
                if !self.clients.contains_key(&client) =>
            {
                Err("no permission: connect first".to_owned())
            }
            "get_public_key" => Ok(ResponseResult::GetPublicKey(account.public_key())),
            "sign_event" => sign(&account, params),
            "nip44_encrypt" => encrypt(&account, params),
            "nip44_decrypt" => decrypt(&account, params),
            "ping" => Ok(ResponseResult::Pong),
            // It stays where it is: `null`.
            "switch_relays" => return Some(NostrConnectResponse::new(None, None)),
            _ => return None,
        };
        Some(match result {
            Ok(result) => NostrConnectResponse::with_result(result),
            Err(reason) => NostrConnectResponse::with_error(reason),
        })
    }

    /// A secret lets one client in. That client may say `connect` again, as it does when the answer was lost.
    fn connect(&mut self, client: PublicKey, params: &[String]) -> Result<ResponseResult, String> {
        if params.first() != Some(&self.signer.public_key().to_hex()) {
            return Err("this is another signer".to_owned());
        }
        let secret = params.get(1).map_or("", String::as_str);
        let known = self
            .clients
            .get(&client)
            .is_some_and(|used| secret.is_empty() || used == secret);
        if !known {
            if !self.secrets.remove(secret) {
                return Err("unauthorized: this secret is unknown or was used".to_owned());
            }
            self.let_in(client, secret.to_owned());
        }
        Ok(ResponseResult::Ack)
    }
}

/// Signs as `account`, whatever author the request names: NIP-46 leaves the author to the signer.
fn sign(account: &Keys, params: &[String]) -> Result<ResponseResult, String> {
    let read = |json: &String| {
        let mut fields: serde_json::Map<String, Value> = serde_json::from_str(json).ok()?;
        fields.remove("id");
        fields.insert("pubkey".to_owned(), account.public_key().to_hex().into());
        serde_json::from_value::<UnsignedEvent>(fields.into()).ok()
    };
    let unsigned = params.first().and_then(read).ok_or("this is not an event")?;
    let event = unsigned.finalize(account).map_err(|error| error.to_string())?;
    Ok(ResponseResult::SignEvent(Box::new(event)))
}

fn encrypt(account: &Keys, params: &[String]) -> Result<ResponseResult, String> {
    let (peer, text) = peer_and_text(params)?;
    let ciphertext = nip44::encrypt(account.secret_key(), &peer, text, nip44::Version::V2)
        .map_err(|error| error.to_string())?;
    Ok(ResponseResult::Nip44Encrypt { ciphertext })
}

fn decrypt(account: &Keys, params: &[String]) -> Result<ResponseResult, String> {
    let (peer, payload) = peer_and_text(params)?;
    let plaintext = nip44::decrypt(account.secret_key(), &peer, payload)
        .map_err(|error| format!("decryption failed: {error}"))?;
    Ok(ResponseResult::Nip44Decrypt { plaintext })
}

fn peer_and_text(params: &[String]) -> Result<(PublicKey, &str), String> {
    let [peer, text] = params else {
        return Err("a public key and a text are needed".to_owned());
    };
    let peer = PublicKey::from_hex(peer).map_err(|error| error.to_string())?;
    Ok((peer, text))
}
