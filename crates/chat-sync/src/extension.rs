//! A key in a browser. An extension (NIP-07, NIP-44) holds it, and whoever shows the page puts each question to the
//! extension and brings back the answer.
//!
//! What a reader can rely on:
//! - One question at a time: extensions refuse a second call while one is under way (field guide S-7).
//! - A question that nobody could answer is not asked: without a page it fails at once, and nothing waits for a person who
//!   is not there. One that was asked waits 65 s, and once more as long (S-1); a page that is opened meanwhile takes it up.
//! - What comes back is checked: an event is the one that was asked for, by this account, with a signature that holds (S-8).
//! - The questions hold a keyring's secret, as the extension has to see it; they are erased once they are answered.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nostr::event::{Event, UnsignedEvent};
use nostr::key::PublicKey;
use pns_keys::{Signer, SignerError, SignerFuture};
use serde_json::{Value, json};
use supervision::Entropy;
use tokio::sync::{oneshot, watch};
use zeroize::Zeroizing;

/// A person reads a window of the extension and decides (field guide S-1).
const PATIENCE: Duration = Duration::from_secs(65);
/// Told again under the same id: the page may have been loaded anew meanwhile.
const TELLS: u32 = 2;
const ABSENT: &str = "the account's key is in a browser extension, and only the page reaches it; open it with \
                      `chat-sync ui`";

/// An extension that holds an account's key. Clones share it.
#[derive(Clone)]
pub struct Extension(Arc<Shared>);

struct Shared {
    account: PublicKey,
    entropy: Arc<dyn Entropy>,
    /// Held by the one that asks.
    turn: tokio::sync::Mutex<()>,
    asked: Mutex<Option<Asked>>,
    /// Counts questions, and when one is told again.
    told: watch::Sender<u64>,
    /// Pages.
    open: AtomicUsize,
}

struct Asked {
    question: Question,
    answer: oneshot::Sender<Result<Value, String>>,
}

/// What the page is to have done. `Debug` leaves out what it is about.
#[derive(Clone)]
pub struct Question {
    /// Names it in the answer.
    pub id: String,
    /// `nip44_encrypt`, `nip44_decrypt` or `sign_event`.
    pub method: &'static str,
    /// The arguments as one JSON array: the account and a text, or an event without id and signature.
    pub params: Zeroizing<String>,
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Question")
            .field("id", &self.id)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A page that can answer is there as long as this lives.
pub struct Page(Extension);

impl Drop for Page {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Extension {
    /// The extension that holds the key of `account`.
    pub fn new(account: PublicKey, entropy: Arc<dyn Entropy>) -> Self {
        Self(Arc::new(Shared {
            account,
            entropy,
            turn: tokio::sync::Mutex::new(()),
            asked: Mutex::new(None),
            told: watch::Sender::new(0),
            open: AtomicUsize::new(0),
        }))
    }

    /// Signs and decrypts through it.
    pub fn signer(&self) -> ExtensionSigner {
        ExtensionSigner(self.clone())
    }

    /// Whether both are one.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A page was opened that reads questions and answers them.
    pub fn open_page(&self) -> Page {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        Page(self.clone())
    }

    /// Changes when a question is asked, or asked again.
    pub fn told(&self) -> watch::Receiver<u64> {
        self.0.told.subscribe()
    }

    /// What is to be answered now.
    pub fn question(&self) -> Option<Question> {
        let asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.as_ref().map(|asked| asked.question.clone())
    }

    /// Brings an answer, or what the extension said instead of one. `false` when that is not the question, any more.
    pub fn answer(&self, id: &str, answer: Result<Value, String>) -> bool {
        let mut asked = self.0.asked.lock().unwrap_or_else(PoisonError::into_inner);
        match asked.take_if(|asked| asked.question.id == id) {
            Some(asked) => asked.answer.send(answer).is_ok(),
            None => false,
        }
    }

    /// Whether the extension encrypts and decrypts as keyrings need it: a text that is sealed opens again. Two questions.
    pub async fn try_out(&self) -> Result<(), SignerError> {
        let signer = self.signer();
        let text = hex(&self.0.entropy.draw_16());
        let sealed = signer.nip44_encrypt_to_self(&text).await?;
        if sealed != text && signer.nip44_decrypt_from_self(&sealed).await? == text {
            return Ok(());
        }
        Err(bad("what it encrypted does not open as it was"))
    }

    async fn ask(
        &self,
        method: &'static str,
        what: &'static str,
        params: Zeroizing<String>,
    ) -> Result<Value, SignerError> {
        let shared = &*self.0;
        if shared.open.load(Ordering::Relaxed) == 0 {
            return Err(SignerError::Absent { why: ABSENT });
        }
        // Each turn has its deadline.
        let _turn = shared.turn.lock().await;
        let id = hex(&shared.entropy.draw_16());
        let (answer, mut answered) = oneshot::channel();
        let question = Question { id, method, params };
        *shared.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Asked { question, answer });
        // Whoever asks may go away while it waits.
        let _withdrawn = Withdraw(shared);
        for _ in 0..TELLS {
            shared.told.send_modify(|told| *told += 1);
            match tokio::time::timeout(PATIENCE, &mut answered).await {
                Ok(Ok(Ok(value))) => return Ok(value),
                Ok(Ok(Err(said))) => {
                    let decrypts = method == "nip44_decrypt";
                    return Err(SignerError::from_words(&said, what, method, decrypts));
                }
                Ok(Err(_)) => return Err(SignerError::Absent { why: ABSENT }),
                Err(_) => {}
            }
        }
        Err(SignerError::NoAnswer {
            signer: "the browser extension".to_owned(),
            waited: PATIENCE * TELLS,
        })
    }

    async fn ask_text(
        &self,
        method: &'static str,
        what: &'static str,
        text: &str,
    ) -> Result<String, SignerError> {
        let params = json!([self.0.account.to_hex(), text]);
        match self.ask(method, what, Zeroizing::new(params.to_string())).await? {
            Value::String(text) => Ok(text),
            _ => Err(bad("it is not a text")),
        }
    }
}

struct Withdraw<'a>(&'a Shared);

impl Drop for Withdraw<'_> {
    fn drop(&mut self) {
        *self.0.asked.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The signer of an account whose key is in a browser.
#[derive(Debug, Clone)]
pub struct ExtensionSigner(Extension);

impl Signer for ExtensionSigner {
    fn public_key(&self) -> PublicKey {
        self.0.0.account
    }

    fn sign(&self, unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move {
            let account = self.public_key();
            if unsigned.pubkey != account {
                return Err(SignerError::WrongAccount {
                    wanted: unsigned.pubkey,
                    found: account,
                });
            }
            // Without the id, which extensions compute, and some refuse to be told.
            let template = json!([{
                "kind": unsigned.kind.as_u16(),
                "created_at": unsigned.created_at.as_secs(),
                "tags": unsigned.tags,
                "content": unsigned.content,
                "pubkey": account.to_hex(),
            }]);
            let params = Zeroizing::new(template.to_string());
            let signed = match self.0.ask("sign_event", "sign an event", params).await? {
                Value::String(text) => serde_json::from_str(&text),
                value => serde_json::from_value::<Event>(value),
            };
            checked(signed.map_err(|_| bad("it is not an event"))?, &unsigned)
        })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        Box::pin(self.0.ask_text("nip44_encrypt", "encrypt a keyring", plaintext))
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        Box::pin(self.0.ask_text("nip44_decrypt", "decrypt a keyring", payload))
    }
}

/// The event that was asked for, and nothing else.
fn checked(signed: Event, asked: &UnsignedEvent) -> Result<Event, SignerError> {
    if signed.pubkey != asked.pubkey {
        return Err(SignerError::WrongAccount {
            wanted: asked.pubkey,
            found: signed.pubkey,
        });
    }
    let same = signed.kind == asked.kind
        && signed.created_at == asked.created_at
        && signed.tags == asked.tags
        && signed.content == asked.content;
    if !same {
        return Err(bad("it signed something else"));
    }
    if signed.verify().is_err() {
        return Err(bad("its signature does not hold"));
    }
    Ok(signed)
}

fn bad(reason: &str) -> SignerError {
    SignerError::BadAnswer {
        reason: reason.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl fmt::Debug for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extension")
            .field("account", &self.0.account.to_hex())
            .field("pages", &self.0.open)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind, Timestamp};
    use supervision::SystemEntropy;

    use super::*;

    fn keys(n: u8) -> Keys {
        Keys::parse(&format!("{n:02x}").repeat(32)).unwrap()
    }

    fn extension() -> Extension {
        Extension::new(keys(1).public_key(), Arc::new(SystemEntropy))
    }

    fn unsigned(content: &str) -> UnsignedEvent {
        let mut event = UnsignedEvent::new(
            keys(1).public_key(),
            Timestamp::from_secs(9),
            Kind::from(1081),
            [],
            content,
        );
        event.ensure_id();
        event
    }

    fn signed(by: u8, content: &str) -> Event {
        EventBuilder::new(Kind::from(1081), content)
            .custom_created_at(Timestamp::from_secs(9))
            .finalize(&keys(by))
            .unwrap()
    }

    /// Asks, and answers the first question.
    async fn answered<T>(
        extension: &Extension,
        asking: SignerFuture<'_, T>,
        answer: impl FnOnce(&Question) -> Result<Value, String>,
    ) -> Result<T, SignerError> {
        let _page = extension.open_page();
        let mut told = extension.told();
        let answering = async {
            told.changed().await.unwrap();
            let question = extension.question().unwrap();
            assert!(extension.answer(&question.id, answer(&question)));
            assert!(!extension.answer(&question.id, Ok(Value::Null)), "once");
        };
        tokio::join!(asking, answering).0
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_page_nobody_is_asked() {
        let error = extension()
            .signer()
            .nip44_decrypt_from_self("x")
            .await
            .unwrap_err();
        assert!(matches!(error, SignerError::Absent { .. }) && error.to_string().contains("chat-sync ui"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_extension_gives_comes_back() {
        let extension = extension();
        let signer = extension.signer();
        let text = answered(&extension, signer.nip44_decrypt_from_self("sealed"), |question| {
            assert_eq!(question.method, "nip44_decrypt");
            let account = keys(1).public_key().to_hex();
            assert_eq!(*question.params, format!("[\"{account}\",\"sealed\"]"));
            Ok(json!("open"))
        });
        assert_eq!(text.await.unwrap(), "open");
        assert!(extension.question().is_none());

        let event = answered(&extension, signer.sign(unsigned("a")), |_| {
            Ok(json!(signed(1, "a")))
        });
        assert_eq!(event.await.unwrap().content, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_was_not_asked_for_is_not_taken() {
        let extension = extension();
        let signer = extension.signer();
        let other = answered(&extension, signer.sign(unsigned("a")), |_| {
            Ok(json!(signed(2, "a")))
        });
        assert!(matches!(other.await, Err(SignerError::WrongAccount { .. })));
        let changed = answered(&extension, signer.sign(unsigned("a")), |_| {
            Ok(json!(signed(1, "b")))
        });
        assert!(matches!(changed.await, Err(SignerError::BadAnswer { .. })));
        let mut forged = signed(1, "a");
        forged.sig = signed(1, "b").sig;
        let forged = answered(&extension, signer.sign(unsigned("a")), |_| Ok(json!(forged)));
        assert!(matches!(forged.await, Err(SignerError::BadAnswer { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_no_is_not_taken_for_a_payload_of_somebody_else() {
        let extension = extension();
        let signer = extension.signer();
        let no = answered(&extension, signer.nip44_decrypt_from_self("x"), |_| {
            Err("User rejected".to_owned())
        });
        assert!(matches!(no.await, Err(SignerError::Denied { .. })));
        let foreign = answered(&extension, signer.nip44_decrypt_from_self("x"), |_| {
            Err("invalid MAC".to_owned())
        });
        assert_eq!(foreign.await, Err(SignerError::Undecryptable));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_after_two_deadlines_and_the_next_question_is_asked() {
        let extension = extension();
        let signer = extension.signer();
        let _page = extension.open_page();
        let before = tokio::time::Instant::now();
        let told = extension.told();
        let error = signer.nip44_decrypt_from_self("x").await.unwrap_err();
        assert!(matches!(error, SignerError::NoAnswer { .. }));
        assert_eq!(before.elapsed(), PATIENCE * TELLS);
        assert_eq!(*told.borrow(), 2, "told twice");
        assert!(extension.question().is_none(), "it is withdrawn");
        let text = answered(&extension, signer.nip44_decrypt_from_self("y"), |_| {
            Ok(json!("open"))
        });
        assert_eq!(text.await.unwrap(), "open");
    }

    #[tokio::test(start_paused = true)]
    async fn one_question_at_a_time() {
        let extension = extension();
        let signer = extension.signer();
        let _page = extension.open_page();
        let (one, two) = (
            signer.nip44_decrypt_from_self("one"),
            signer.nip44_decrypt_from_self("two"),
        );
        let answering = async {
            for _ in 0..2 {
                tokio::task::yield_now().await;
                let question = extension.question().unwrap();
                let text = serde_json::from_str::<Value>(&question.params).unwrap()[1].clone();
                assert!(extension.answer(&question.id, Ok(text)));
                tokio::task::yield_now().await;
            }
        };
        let (one, two, ()) = tokio::join!(one, two, answering);
        assert_eq!((one.unwrap().as_str(), two.unwrap().as_str()), ("one", "two"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_extension_that_cannot_encrypt_is_found_out() {
        let extension = extension();
        let _page = extension.open_page();
        let mut told = extension.told();
        let lying = async {
            for _ in 0..2 {
                told.changed().await.unwrap();
                let question = extension.question().unwrap();
                extension.answer(&question.id, Ok(json!("always the same")));
            }
        };
        let (tried, ()) = tokio::join!(extension.try_out(), lying);
        assert!(matches!(tried, Err(SignerError::BadAnswer { .. })));
    }
}
