//! A signer that counts what it is asked and has moods.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use nostr::event::{Event, UnsignedEvent};
use nostr::key::{PublicKey, SecretKey};
use pns_keys::{DeviceSecret, LocalSigner, NewKeyring, Signer, SignerError, SignerFuture};

/// How it takes to being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Willing,
    /// Answers, this much later.
    Slow(Duration),
    Denies,
    /// Gives up after 65 s.
    Away,
}

#[derive(Debug)]
pub(crate) struct TestSigner {
    inner: LocalSigner,
    mood: Mutex<Mood>,
    asked: AtomicUsize,
    at_once: AtomicUsize,
    shows_secret: bool,
}

impl TestSigner {
    /// The signer of account number `account`.
    pub(crate) fn new(account: u8, mood: Mood) -> Self {
        Self {
            inner: local(account),
            mood: Mutex::new(mood),
            asked: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            shows_secret: false,
        }
    }

    /// A raw-key login.
    pub(crate) fn showing_its_secret(mut self) -> Self {
        self.shows_secret = true;
        self
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// How often it was asked for anything.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn permit(&self, what: &'static str) -> Result<(), SignerError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _asking = Asking::begin(&self.at_once);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Willing => Ok(()),
            Mood::Slow(delay) => {
                tokio::time::sleep(delay).await;
                Ok(())
            }
            Mood::Denies => Err(SignerError::Denied {
                what,
                reason: "the person said no".into(),
            }),
            Mood::Away => {
                let waited = Duration::from_secs(65);
                tokio::time::sleep(waited).await;
                Err(SignerError::NoAnswer {
                    signer: "the signer".into(),
                    waited,
                })
            }
        }
    }
}

/// A question in the air; whoever asked may drop it.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn begin(at_once: &'a AtomicUsize) -> Self {
        assert_eq!(
            at_once.fetch_add(1, Ordering::SeqCst),
            0,
            "one question at a time"
        );
        Self(at_once)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Signer for TestSigner {
    fn public_key(&self) -> PublicKey {
        self.inner.public_key()
    }

    fn sign(&self, unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move {
            self.permit("sign an event").await?;
            self.inner.sign(unsigned).await
        })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move {
            self.permit("encrypt").await?;
            self.inner.nip44_encrypt_to_self(plaintext).await
        })
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move {
            self.permit("decrypt").await?;
            self.inner.nip44_decrypt_from_self(payload).await
        })
    }

    fn own_secret(&self) -> Option<DeviceSecret> {
        self.shows_secret.then(|| self.inner.own_secret()).flatten()
    }
}

/// A plain signer for account number `account`.
pub(crate) fn local(account: u8) -> LocalSigner {
    let counter = AtomicU64::new(0);
    LocalSigner::new(SecretKey::from_slice(&[account; 32]).unwrap(), move || {
        let mut drawn = [account; 32];
        drawn[..8].copy_from_slice(&counter.fetch_add(1, Ordering::SeqCst).to_le_bytes());
        drawn
    })
}

/// A keyring of account number `account` that another device made.
pub(crate) fn keyring(account: u8, device: u8, created_at: u64) -> Event {
    let device = DeviceSecret::from_bytes(&[device; 32]).unwrap();
    let create = async move { NewKeyring::new(device).create(&local(account), created_at).await };
    create
        .now_or_never()
        .expect("a local signer answers at once")
        .unwrap()
        .0
}

/// A kind 1081 event of account number `account` that is no keyring.
pub(crate) fn junk(account: u8, created_at: u64) -> Event {
    let signer = local(account);
    let author = signer.public_key();
    let make = async move {
        let content = signer.nip44_encrypt_to_self("{\"not\":\"a keyring\"}").await?;
        let unsigned = UnsignedEvent::new(
            author,
            nostr::types::Timestamp::from_secs(created_at),
            nostr::event::Kind::Custom(1081),
            [],
            content,
        );
        signer.sign(unsigned).await
    };
    make.now_or_never()
        .expect("a local signer answers at once")
        .unwrap()
}
