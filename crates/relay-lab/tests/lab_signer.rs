//! The remote signer of the bench, asked by hand over a real relay.

mod bench;

use std::time::Duration;

use bench::Client;
use nostr::event::{Event, FinalizeEvent, Kind};
use nostr::key::{Keys, PublicKey};
use nostr::nips::nip44;
use nostr::types::url::Url;
use relay_lab::{
    Behaviour, EmbeddedRelay, EmbeddedRelayConfig, Fault, LabError, LabSigner, LabSignerConfig, Proxy,
};
use serde_json::{Value, json};

/// A client key with a subscription for what the signer says.
struct Program {
    keys: Keys,
    signer: PublicKey,
    client: Client,
    asked: usize,
}

impl Program {
    async fn new(relay: &EmbeddedRelay, signer: &LabSigner) -> Self {
        let (keys, mut client) = (Keys::generate(), Client::websocket(&relay.url()).await.unwrap());
        let filter = json!({"kinds": [24133], "authors": [signer.signer_key()], "#p": [keys.public_key()]});
        client.say(json!(["REQ", "answers", filter])).await;
        assert_eq!(client.hear().await.unwrap(), json!(["EOSE", "answers"]));
        Self {
            keys,
            signer: signer.signer_key(),
            client,
            asked: 0,
        }
    }

    async fn send(&mut self, method: &str, params: &[&str]) -> String {
        self.asked += 1;
        let id = format!("r{}", self.asked);
        let request = json!({"id": id, "method": method, "params": params}).to_string();
        let version = nip44::Version::V2;
        let content = nip44::encrypt(self.keys.secret_key(), &self.signer, request, version).unwrap();
        let tag = nostr::event::Tag::public_key(self.signer);
        let event = nostr::event::EventBuilder::new(Kind::NostrConnect, content).tag(tag);
        let event = event.finalize(&self.keys).unwrap();
        self.client.say(json!(["EVENT", event])).await;
        id
    }

    /// The next answer, decrypted.
    async fn answer(&mut self) -> Value {
        loop {
            let frame = self.client.hear().await.unwrap();
            if frame[0] == "EVENT" {
                let event: Event = serde_json::from_value(frame[2].clone()).unwrap();
                let json = nip44::decrypt(self.keys.secret_key(), &self.signer, &event.content).unwrap();
                return serde_json::from_str(&json).unwrap();
            }
        }
    }

    async fn ask(&mut self, method: &str, params: &[&str]) -> Value {
        let id = self.send(method, params).await;
        let answer = self.answer().await;
        assert_eq!(answer["id"], json!(id));
        answer
    }

    async fn connect(&mut self, secret: &str) -> Value {
        let signer = self.signer.to_hex();
        self.ask("connect", &[&signer, secret, "sign_event:1081"]).await
    }
}

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

async fn signer(relay: &EmbeddedRelay, behaviour: Behaviour) -> LabSigner {
    let relays = vec![relay.url()];
    let config = LabSignerConfig {
        relays,
        behaviour,
        ..LabSignerConfig::default()
    };
    let signer = LabSigner::start(config).unwrap();
    signer.listening().await;
    signer
}

fn secret_of(uri: &str) -> String {
    let uri = Url::parse(uri).unwrap();
    let secret = uri.query_pairs().find(|(name, _)| name == "secret");
    secret.unwrap().1.into_owned()
}

/// A program that was let in.
async fn guest(relay: &EmbeddedRelay, signer: &LabSigner) -> Program {
    let mut program = Program::new(relay, signer).await;
    let answer = program.connect(&secret_of(&signer.bunker_uri())).await;
    assert_eq!(answer["result"], "ack");
    program
}

#[tokio::test]
async fn a_program_with_the_secret_gets_everything_signed_and_encrypted() {
    let relay = relay();
    let phone = signer(&relay, Behaviour::Approves).await;
    let mut program = guest(&relay, &phone).await;
    let account = phone.account();
    assert_ne!(account, phone.signer_key());

    let named = program.ask("get_public_key", &[]).await;
    assert_eq!(named["result"], account.to_hex());
    let payload = program.ask("nip44_encrypt", &[&account.to_hex(), "a text"]).await;
    let payload = payload["result"].as_str().unwrap();
    let text = program.ask("nip44_decrypt", &[&account.to_hex(), payload]).await;
    assert_eq!(text["result"], "a text");
    // NIP-46: the author is the signer's business.
    let unsigned = json!({"kind": 1081, "content": "c", "tags": [], "created_at": 1_789_000_000}).to_string();
    let signed = program.ask("sign_event", &[&unsigned]).await;
    let signed: Event = serde_json::from_str(signed["result"].as_str().unwrap()).unwrap();
    signed.verify().unwrap();
    assert_eq!((signed.pubkey, &*signed.content), (account, "c"));
    assert_eq!(program.ask("ping", &[]).await["result"], "pong");
    assert_eq!(program.ask("switch_relays", &[]).await["result"], Value::Null);

    program.send("batch", &[]).await;
    assert_eq!(
        program.ask("ping", &[]).await["result"],
        "pong",
        "nothing in between"
    );
    let asked = [
        "connect",
        "get_public_key",
        "nip44_encrypt",
        "nip44_decrypt",
        "sign_event",
        "ping",
        "switch_relays",
        "batch",
        "ping",
    ];
    assert_eq!(phone.requests(), asked);
    assert!(
        phone
            .heard()
            .iter()
            .all(|request| request.client == program.keys.public_key())
    );
}

#[tokio::test]
async fn a_secret_lets_one_program_in() {
    let relay = relay();
    let phone = signer(&relay, Behaviour::Approves).await;
    let secret = secret_of(&phone.bunker_uri());
    assert_ne!(secret, secret_of(&phone.bunker_uri()));
    let mut first = Program::new(&relay, &phone).await;
    assert!(first.ask("get_public_key", &[]).await["error"].is_string());
    assert_eq!(first.connect(&secret).await["result"], "ack");
    assert_eq!(
        first.connect(&secret).await["result"],
        "ack",
        "the answer may have been lost"
    );
    let mut second = Program::new(&relay, &phone).await;
    for wrong in [&*secret, "", "guessed"] {
        assert!(second.connect(wrong).await["error"].is_string(), "{wrong}");
    }
    assert!(second.ask("get_public_key", &[]).await["error"].is_string());
}

#[tokio::test]
async fn behaviours_concern_questions_and_leave_introductions_alone() {
    let relay = relay();
    let phone = signer(&relay, Behaviour::Denies("not today".to_owned())).await;
    let mut program = guest(&relay, &phone).await;
    let account = phone.account().to_hex();
    let question: (&str, &[&str]) = ("nip44_encrypt", &[&account, "a text"]);

    assert_eq!(program.ask(question.0, question.1).await["error"], "not today");
    assert_eq!(program.ask("get_public_key", &[]).await["result"], account);

    phone.set_behaviour(Behaviour::Silent);
    program.send(question.0, question.1).await;
    assert_eq!(program.ask("get_public_key", &[]).await["result"], account);

    phone.set_behaviour(Behaviour::AnswersAfter(Duration::from_millis(200)));
    let late = program.send(question.0, question.1).await;
    assert_eq!(
        program.ask("get_public_key", &[]).await["result"],
        account,
        "not kept waiting"
    );
    assert_eq!(program.answer().await["id"], late);

    let url = "https://signer.example/7".to_owned();
    let then = Some(Duration::from_millis(100));
    phone.set_behaviour(Behaviour::AuthUrl {
        url: url.clone(),
        then,
    });
    let page = program.ask(question.0, question.1).await;
    assert_eq!(
        (&page["result"], &page["error"]),
        (&json!("auth_url"), &json!(url))
    );
    let answer = program.answer().await;
    assert_eq!(answer["id"], page["id"]);
    assert!(answer["result"].is_string() && answer["error"].is_null());

    phone.set_behaviour(Behaviour::AuthUrl { url, then: None });
    assert_eq!(program.ask(question.0, question.1).await["result"], "auth_url");
    assert_eq!(
        program.ask("ping", &[]).await["result"],
        "pong",
        "no answer in between"
    );
}

#[tokio::test]
async fn some_behaviours_concern_everything() {
    let relay = relay();
    let phone = signer(&relay, Behaviour::LosesEveryThird).await;
    let mut program = guest(&relay, &phone).await;
    program.ask("ping", &[]).await;
    program.send("ping", &[]).await;
    for _ in 0..2 {
        program.ask("ping", &[]).await;
    }

    phone.set_behaviour(Behaviour::AnswersTwice);
    assert_eq!(program.ask("ping", &[]).await, program.answer().await);

    let other = Keys::generate();
    phone.set_behaviour(Behaviour::OtherAccount(other.clone()));
    let named = program.ask("get_public_key", &[]).await;
    assert_eq!(named["result"], other.public_key().to_hex());

    phone.set_behaviour(Behaviour::PayloadLimit(4096));
    let (account, before) = (phone.account().to_hex(), phone.requests().len());
    program
        .send("nip44_encrypt", &[&account, &"x".repeat(4096)])
        .await;
    assert!(program.ask("nip44_encrypt", &[&account, "x"]).await["result"].is_string());
    assert_eq!(phone.requests().len(), before + 1);
}

#[tokio::test]
async fn a_scan_lets_the_program_in_and_repeats_its_secret() {
    let (home, relay) = (relay(), relay());
    let phone = signer(&home, Behaviour::Approves).await;
    let mut program = Program::new(&relay, &phone).await;
    let client = program.keys.public_key().to_hex();
    let uri = format!(
        "nostrconnect://{client}?relay={}&perms=sign_event%3A1081&secret=0s8j2djs",
        relay.url()
    );
    phone.scan(&uri).await.unwrap();
    assert_eq!(program.answer().await["result"], "0s8j2djs");
    let named = program.ask("get_public_key", &[]).await;
    assert_eq!(named["result"], phone.account().to_hex(), "it listens there now");
    assert!(phone.requests() == ["get_public_key"]);
    assert!(matches!(
        phone.scan("bunker://x").await,
        Err(LabError::ConnectUri)
    ));
}

#[tokio::test]
async fn a_request_that_two_relays_pass_on_is_heard_once_and_answered_at_both() {
    let (one, two) = (relay(), relay());
    let config = LabSignerConfig {
        relays: vec![one.url(), two.url()],
        ..LabSignerConfig::default()
    };
    let phone = LabSigner::start(config).unwrap();
    phone.listening().await;
    let mut program = guest(&one, &phone).await;
    let mut elsewhere = Client::websocket(&two.url()).await.unwrap();
    let filter = json!({"kinds": [24133], "#p": [program.keys.public_key()]});
    elsewhere.say(json!(["REQ", "answers", filter])).await;
    assert_eq!(elsewhere.hear().await.unwrap()[0], "EOSE");
    program.ask("ping", &[]).await;
    assert_eq!(elsewhere.hear().await.unwrap()[0], "EVENT");
    assert_eq!(phone.requests(), ["connect", "ping"]);
}

#[tokio::test]
async fn a_relay_that_comes_later_is_found_and_one_that_returns_too() {
    let first = relay();
    let (port, phone) = (first.port(), signer(&first, Behaviour::Approves).await);
    first.shutdown().await;
    let config = EmbeddedRelayConfig {
        port,
        ..EmbeddedRelayConfig::default()
    };
    let again = EmbeddedRelay::start(config).unwrap();
    // The relay forgot the subscription, so the first requests may find nobody.
    let mut program = Program::new(&again, &phone).await;
    let secret = secret_of(&phone.bunker_uri());
    let signer_key = phone.signer_key().to_hex();
    while tokio::time::timeout(Duration::from_millis(50), phone.asked(1))
        .await
        .is_err()
    {
        program.send("connect", &[&signer_key, &secret]).await;
    }
    assert_eq!(program.answer().await["result"], "ack");
}

#[tokio::test]
async fn a_signer_that_ends_hangs_up() {
    let relay = relay();
    let door = Proxy::start(&relay.url(), Fault::None).unwrap();
    for dropped in [false, true] {
        let config = LabSignerConfig {
            relays: vec![door.url()],
            ..LabSignerConfig::default()
        };
        let phone = LabSigner::start(config).unwrap();
        phone.listening().await;
        assert_eq!(door.connections(), 1);
        if dropped {
            drop(phone);
        } else {
            phone.shutdown().await;
        }
        tokio::time::timeout(Duration::from_secs(10), door.idle())
            .await
            .expect("its connection ends");
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_named_and_secrets_are_not() {
    let config = LabSignerConfig {
        relays: vec!["signer.example".to_owned()],
        ..LabSignerConfig::default()
    };
    let error = LabSigner::start(config).unwrap_err();
    assert!(error.to_string().contains("`signer.example`"), "{error}");
    let phone = signer(&relay(), Behaviour::Approves).await;
    assert!(!format!("{phone:?}").contains(&secret_of(&phone.bunker_uri())));
}
