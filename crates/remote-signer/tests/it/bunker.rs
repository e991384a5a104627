//! A signer, and the relay in front of it: NIP-46 as the `nostr` crate has it, on relays in memory.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::Keys;
use nostr::nips::nip44;
use nostr::nips::nip46::{
    NostrConnectEventBuilder, NostrConnectMessage, NostrConnectMethod as Method, NostrConnectRequest,
    NostrConnectResponse, ResponseResult,
};
use relay_link::{Connection, Dial, DialError, MemoryEnd, RelayUrl, memory_pair};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How it takes to being asked. Introductions are always answered, except where it says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Approves,
    Denies(&'static str),
    /// Approves this much later.
    After(Duration),
    Silent,
    /// Has a page opened, and approves this much later, or never.
    Page(Option<Duration>),
    /// Says everything twice.
    Repeats,
    /// A stranger answers first.
    Impersonated,
    /// Signs something else.
    Swaps,
    /// Answers an encryption with the text itself.
    Echoes,
    /// Every third answer is lost on the way, introductions too.
    LosesEveryThird,
    /// Lets nobody in.
    Closed,
}

/// What it was asked, as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) id: String,
    pub(crate) json: String,
    pub(crate) method: Method,
    pub(crate) secret: Option<String>,
    pub(crate) event: Event,
}

#[derive(Debug)]
struct Inner {
    account: Keys,
    mood: Mood,
    heard: Vec<Heard>,
    /// What it says to `switch_relays`, which the `nostr` crate does not know; and when it was asked.
    relays: Option<Value>,
    switches: Vec<Instant>,
    answers: usize,
    /// EVENTs the relay still refuses.
    refusals: usize,
    /// Connections the relay drops once an EVENT came.
    drops: usize,
    down: bool,
}

/// Clones are the same signer.
#[derive(Debug, Clone)]
pub(crate) struct TestBunker {
    pub(crate) keys: Keys,
    inner: Arc<Mutex<Inner>>,
}

impl TestBunker {
    pub(crate) fn new(mood: Mood) -> Self {
        let inner = Inner {
            account: Keys::generate(),
            mood,
            heard: Vec::new(),
            relays: None,
            switches: Vec::new(),
            answers: 0,
            refusals: 0,
            drops: 0,
            down: false,
        };
        Self {
            keys: Keys::generate(),
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    pub(crate) fn account(&self) -> Keys {
        self.lock().account.clone()
    }

    pub(crate) fn switch_account(&self, account: Keys) {
        self.lock().account = account;
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// It answers `switch_relays` with these members of a response.
    pub(crate) fn wants(&self, response: Value) {
        self.lock().relays = Some(response);
    }

    /// When it was asked for its relays.
    pub(crate) fn switches(&self) -> Vec<Instant> {
        self.lock().switches.clone()
    }

    pub(crate) fn refuse_next(&self, events: usize) {
        self.lock().refusals = events;
    }

    pub(crate) fn drop_next(&self, connections: usize) {
        self.lock().drops = connections;
    }

    pub(crate) fn go_down(&self) {
        self.lock().down = true;
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.lock().heard.clone()
    }

    pub(crate) fn methods(&self) -> Vec<Method> {
        self.heard().iter().map(|heard| heard.method).collect()
    }

    /// What it was asked beyond introductions.
    pub(crate) fn asked(&self) -> Vec<Heard> {
        let mut heard = self.heard();
        heard.retain(|heard| !matches!(heard.method, Method::Connect | Method::GetPublicKey));
        heard
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    async fn serve(self, mut relay: MemoryEnd) {
        let (answers, mut ready) = mpsc::unbounded_channel::<Event>();
        let mut sub = None;
        loop {
            tokio::select! {
                biased;
                text = relay.hear() => {
                    let Some(text) = text else { return };
                    let frame: Vec<Value> = serde_json::from_str(&text).unwrap();
                    match frame[0].as_str().unwrap() {
                        "REQ" => {
                            self.check_filter(&frame[2]);
                            sub = Some(frame[1].as_str().unwrap().to_owned());
                            relay.say(json!(["EOSE", sub]).to_string()).await;
                        }
                        "EVENT" => {
                            let event: Event = serde_json::from_value(frame[1].clone()).unwrap();
                            if self.drops() {
                                return;
                            }
                            let verdict = if self.refuses() { "rate-limited: slow down" } else { "" };
                            let ok = json!(["OK", event.id.to_hex(), verdict.is_empty(), verdict]);
                            relay.say(ok.to_string()).await;
                            if verdict.is_empty() {
                                self.take(event, &answers);
                            }
                        }
                        other => panic!("{other} is not for this relay"),
                    }
                }
                Some(event) = ready.recv() => {
                    let sub = sub.as_ref().expect("a subscription before the first request");
                    relay.say(json!(["EVENT", sub, event]).to_string()).await;
                }
            }
        }
    }

    fn drops(&self) -> bool {
        let mut inner = self.lock();
        let drops = inner.drops > 0;
        inner.drops = inner.drops.saturating_sub(1);
        drops
    }

    fn refuses(&self) -> bool {
        let mut inner = self.lock();
        let refuses = inner.refusals > 0;
        inner.refusals = inner.refusals.saturating_sub(1);
        refuses
    }

    fn check_filter(&self, filter: &Value) {
        assert_eq!(filter["kinds"], json!([24133]));
        assert_eq!(filter["authors"], json!([self.keys.public_key().to_hex()]));
        assert_eq!(filter["#p"].as_array().unwrap().len(), 1);
        assert!(filter["limit"].is_u64() && filter["since"].is_u64());
    }

    fn take(&self, event: Event, answers: &mpsc::UnboundedSender<Event>) {
        event.verify().unwrap();
        assert_eq!(event.kind, Kind::NostrConnect);
        let json = nip44::decrypt(self.keys.secret_key(), &event.pubkey, &event.content).unwrap();
        let request: Value = serde_json::from_str(&json).unwrap();
        if request["method"] == "switch_relays" {
            assert_eq!(request["params"], json!([]));
            return self.name_relays(&event, request["id"].clone(), answers);
        }
        let message = NostrConnectMessage::from_json(&json).unwrap();
        let id = message.id().to_owned();
        let request = message.to_request().unwrap();
        let secret = match &request {
            NostrConnectRequest::Connect {
                remote_signer_public_key,
                secret,
            } => {
                assert_eq!(*remote_signer_public_key, self.keys.public_key());
                secret.clone()
            }
            _ => None,
        };
        let client = event.pubkey;
        self.lock().heard.push(Heard {
            at: Instant::now(),
            id: id.clone(),
            json,
            method: request.method(),
            secret,
            event,
        });
        for (delay, author, response) in self.decide(&request) {
            let message = NostrConnectMessage::response(id.clone(), response);
            let answer = NostrConnectEventBuilder::new(client, message)
                .finalize(&author)
                .unwrap();
            let answers = answers.clone();
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = answers.send(answer);
            });
        }
    }

    fn name_relays(&self, event: &Event, id: Value, answers: &mpsc::UnboundedSender<Event>) {
        let mut inner = self.lock();
        inner.switches.push(Instant::now());
        let Some(mut response) = inner.relays.clone() else {
            return;
        };
        response["id"] = id;
        let text = response.to_string();
        let content =
            nip44::encrypt(self.keys.secret_key(), &event.pubkey, text, nip44::Version::V2).unwrap();
        let answer = EventBuilder::new(Kind::NostrConnect, content).tag(Tag::public_key(event.pubkey));
        answers.send(answer.finalize(&self.keys).unwrap()).unwrap();
    }

    /// Answers, each with a delay and an author.
    fn decide(&self, request: &NostrConnectRequest) -> Vec<(Duration, Keys, NostrConnectResponse)> {
        let mut inner = self.lock();
        let introduction = matches!(request.method(), Method::Connect | Method::GetPublicKey);
        let say = |delay, response| (delay, self.keys.clone(), response);
        let account = inner.account.clone();
        let yes = || NostrConnectResponse::with_result(fulfil(&account, request));
        let page = || {
            NostrConnectResponse::new(
                Some(ResponseResult::AuthUrl),
                Some("https://signer.example/7".into()),
            )
        };
        match inner.mood {
            Mood::Closed => vec![say(
                Duration::ZERO,
                NostrConnectResponse::with_error("unauthorized"),
            )],
            Mood::LosesEveryThird => {
                inner.answers += 1;
                if inner.answers.is_multiple_of(3) {
                    vec![]
                } else {
                    vec![say(Duration::ZERO, yes())]
                }
            }
            _ if introduction => vec![say(Duration::ZERO, yes())],
            Mood::Approves => vec![say(Duration::ZERO, yes())],
            Mood::Denies(why) => vec![say(Duration::ZERO, NostrConnectResponse::with_error(why))],
            Mood::After(delay) => vec![say(delay, yes())],
            Mood::Silent => vec![],
            Mood::Page(None) => vec![say(Duration::ZERO, page()), say(Duration::from_secs(100), page())],
            Mood::Page(Some(delay)) => vec![say(Duration::ZERO, page()), say(delay, yes())],
            Mood::Repeats => vec![say(Duration::ZERO, yes()), say(Duration::from_millis(1), yes())],
            Mood::Impersonated => {
                let lie = NostrConnectResponse::with_error("denied");
                vec![
                    (Duration::ZERO, Keys::generate(), lie),
                    say(Duration::from_secs(1), yes()),
                ]
            }
            Mood::Swaps => {
                let NostrConnectRequest::SignEvent(mut unsigned) = request.clone() else {
                    panic!("only for signatures");
                };
                unsigned.id = None;
                unsigned.content.push('!');
                let swapped = fulfil(&inner.account, &NostrConnectRequest::SignEvent(unsigned));
                vec![say(Duration::ZERO, NostrConnectResponse::with_result(swapped))]
            }
            Mood::Echoes => {
                let NostrConnectRequest::Nip44Encrypt { text, .. } = request.clone() else {
                    panic!("only for encryptions");
                };
                let echo = ResponseResult::Nip44Encrypt { ciphertext: text };
                vec![say(Duration::ZERO, NostrConnectResponse::with_result(echo))]
            }
        }
    }
}

fn fulfil(account: &Keys, request: &NostrConnectRequest) -> ResponseResult {
    match request.clone() {
        NostrConnectRequest::Connect { .. } => ResponseResult::Ack,
        NostrConnectRequest::GetPublicKey => ResponseResult::GetPublicKey(account.public_key()),
        NostrConnectRequest::SignEvent(mut unsigned) => {
            // A signer signs as the account it holds, whatever it is asked.
            unsigned.pubkey = account.public_key();
            unsigned.id = None;
            ResponseResult::SignEvent(Box::new(unsigned.finalize(account).unwrap()))
        }
        NostrConnectRequest::Nip44Encrypt { public_key, text } => {
            let version = nip44::Version::V2;
            let ciphertext = nip44::encrypt(account.secret_key(), &public_key, text, version).unwrap();
            ResponseResult::Nip44Encrypt { ciphertext }
        }
        NostrConnectRequest::Nip44Decrypt {
            public_key,
            ciphertext,
        } => {
            let plaintext = nip44::decrypt(account.secret_key(), &public_key, ciphertext).unwrap();
            ResponseResult::Nip44Decrypt { plaintext }
        }
        other => panic!("{other:?} is never asked"),
    }
}

impl Dial for TestBunker {
    fn dial(&self, _: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        let bunker = self.clone();
        Box::pin(async move {
            if bunker.lock().down {
                return Err(DialError::Refused);
            }
            let (connection, relay) = memory_pair();
            tokio::spawn(bunker.serve(relay));
            Ok(connection)
        })
    }
}
