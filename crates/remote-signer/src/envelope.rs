//! Requests and answers inside kind 24133 events, encrypted between client and signer (NIP-46, "Request Events").

use std::fmt;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use nostr::event::{Event, EventId, Kind, Tag, Tags};
use nostr::filter::Filter;
use nostr::key::PublicKey;
use nostr::nips::nip44::v2::{self, ConversationKey};
use nostr::types::Timestamp;
use relay_link::SignAuth;
use secp256k1::{Secp256k1, SignOnly};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::ClientKey;

/// Multiplication tables for signing. `nostr` has its own, and keeps it private.
static SECP256K1: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

/// Encrypted characters of one answer. A signed 32 KiB event fits; more is not decrypted.
const CONTENT_CHARACTERS_MAX: usize = 128 * 1024;
/// Answers a relay may still hold: two requests are in flight, each asked at most twice.
const ANSWERS_MAX: usize = 16;
/// Relays apply `since` to live events too, and the answer carries the signer's clock, which may be behind ours.
const CLOCKS_APART: u64 = 3600;

/// Puts requests into events and takes answers out. No randomness: nonces are arguments.
pub(crate) struct Sealer {
    client: ClientKey,
    remote: PublicKey,
    conversation: Zeroizing<[u8; 32]>,
}

/// What the signer said to the request `id`.
#[derive(serde::Deserialize)]
pub(crate) struct Response {
    pub(crate) id: String,
    /// Lists are kept as their JSON text: `switch_relays` is answered with one, and not every signer writes it as a
    /// text.
    #[serde(default, deserialize_with = "text_or_list")]
    pub(crate) result: Option<String>,
    /// The error, or the URL when the result is `auth_url`. Some signers send an empty one with every answer.
    #[serde(default)]
    pub(crate) error: Option<String>,
}

impl Sealer {
    /// Between `client` and `remote`, which is a point on the curve: [`crate::BunkerUri`] checked it.
    pub(crate) fn new(client: ClientKey, remote: PublicKey) -> Self {
        let conversation = conversation(&client, &remote)
            .expect("a bunker address holds a key that is a point on the curve");
        Self {
            client,
            remote,
            conversation,
        }
    }

    /// A signed event for the signer. `nonce` and `aux` are fresh randomness.
    pub(crate) fn seal(&self, json: &str, created_at: u64, nonce: [u8; 32], aux: &[u8; 32]) -> Event {
        let key = ConversationKey::new(*self.conversation);
        let bytes = v2::encrypt_to_bytes_with_nonce(&key, json.as_bytes(), nonce)
            .expect("a request is neither empty nor longer than 4 GiB");
        let content = STANDARD.encode(bytes);
        let keys = self.client.keys();
        let (created_at, kind) = (Timestamp::from_secs(created_at), Kind::NostrConnect);
        let tags = Tags::from_list(vec![Tag::public_key(self.remote)]);
        let id = EventId::compute(&keys.public_key(), &created_at, &kind, &tags, &content);
        let signature = keys.sign_schnorr_with_aux_rand(&SECP256K1, id.as_bytes(), aux);
        Event::new(id, keys.public_key(), created_at, kind, tags, content, signature)
    }

    /// Proves to a relay that this client asks (NIP-42): the relay knows no more of it than that it speaks with a signer.
    pub(crate) fn prove(&self, asked: &SignAuth, created_at: u64, aux: &[u8; 32]) -> Event {
        let keys = self.client.keys();
        let (tags, created_at) = (
            Tags::from_list(asked.tags().to_vec()),
            Timestamp::from_secs(created_at),
        );
        let id = EventId::compute(&keys.public_key(), &created_at, &SignAuth::KIND, &tags, "");
        let signature = keys.sign_schnorr_with_aux_rand(&SECP256K1, id.as_bytes(), aux);
        Event::new(
            id,
            keys.public_key(),
            created_at,
            SignAuth::KIND,
            tags,
            "",
            signature,
        )
    }

    /// What `event` says, when it is an answer of the signer to this client; anything else is nobody's business.
    /// Costs a signature check and a decryption, about 100 us.
    pub(crate) fn open(&self, event: &Event) -> Option<Response> {
        if event.pubkey != self.remote || !is_message(event) {
            return None;
        }
        read(&self.conversation, event)
    }

    /// What to subscribe to at `now`, in unix seconds.
    pub(crate) fn filter(&self, now: u64) -> Filter {
        anyones_filter(&self.client, now).author(self.remote)
    }
}

/// What somebody unknown says to `client` in `event`: its author. Costs a key agreement more than [`Sealer::open`].
pub(crate) fn open_from_anyone(client: &ClientKey, event: &Event) -> Option<Response> {
    if !is_message(event) {
        return None;
    }
    read(&*conversation(client, &event.pubkey)?, event)
}

/// What to subscribe to at `now`, in unix seconds, to hear from somebody unknown.
pub(crate) fn anyones_filter(client: &ClientKey, now: u64) -> Filter {
    Filter::new()
        .kind(Kind::NostrConnect)
        .pubkey(client.public())
        .since(Timestamp::from_secs(now.saturating_sub(CLOCKS_APART)))
        .limit(ANSWERS_MAX)
}

fn text_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(TextOrList)
}

/// Takes texts as they are, without a copy: they may be decrypted keyrings.
struct TextOrList;

impl<'de> Visitor<'de> for TextOrList {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or null")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
        Ok(Some(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        let list = Value::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(Some(list.to_string()))
    }
}

fn conversation(client: &ClientKey, other: &PublicKey) -> Option<Zeroizing<[u8; 32]>> {
    let derived = ConversationKey::derive(client.secret(), other).ok()?;
    let mut conversation = Zeroizing::new([0; 32]);
    conversation.copy_from_slice(derived.as_bytes());
    Some(conversation)
}

/// Checks what is cheap before the signature.
fn is_message(event: &Event) -> bool {
    event.kind == Kind::NostrConnect
        && event.content.len() <= CONTENT_CHARACTERS_MAX
        && event.verify().is_ok()
}

fn read(conversation: &[u8; 32], event: &Event) -> Option<Response> {
    let payload = STANDARD.decode(&event.content).ok()?;
    let json = v2::decrypt_to_bytes(&ConversationKey::new(*conversation), &payload).ok()?;
    serde_json::from_slice(&Zeroizing::new(json)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_learns_the_client_key_and_nothing_else() {
        let client = ClientKey::from_hex(&"05".repeat(32)).unwrap();
        let sealer = Sealer::new(client.clone(), client.public());
        let asked = SignAuth {
            relay: "wss://relay.example".parse().unwrap(),
            challenge: "c".to_owned(),
            key: client.public(),
        };
        let proof = sealer.prove(&asked, 1_700_000_000, &[7; 32]);
        proof.verify().unwrap();
        assert_eq!((proof.pubkey, proof.kind), (client.public(), SignAuth::KIND));
        assert_eq!(proof.tags.to_vec(), asked.tags());
    }

    #[test]
    fn a_result_is_a_text_a_list_or_nothing() {
        let result = |json: &str| serde_json::from_str::<Response>(json).map(|response| response.result);
        assert_eq!(
            result(r#"{"id":"1","result":"ack"}"#).unwrap().as_deref(),
            Some("ack")
        );
        assert_eq!(
            result(r#"{"id":"1","result":"a\nb"}"#).unwrap().as_deref(),
            Some("a\nb")
        );
        let list = result(r#"{"id":"1","result":["wss://a.example", 7]}"#).unwrap();
        assert_eq!(list.as_deref(), Some(r#"["wss://a.example",7]"#));
        assert_eq!(result(r#"{"id":"1","result":null}"#).unwrap(), None);
        assert_eq!(result(r#"{"id":"1","error":"no"}"#).unwrap(), None);
        result(r#"{"id":"1","result":{"a":1}}"#).unwrap_err();
    }
}
