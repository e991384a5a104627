//! Signers whose approval is a person's: they can be made to wait, refuse and be another account's, and they count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nostr::prelude::{Event, PublicKey, UnsignedEvent};
use pns_keys::{LocalSigner, Signer, SignerError, SignerFuture};
use supervision::{Entropy, SeededEntropy};
use tokio::sync::watch;

use crate::bench::SECRET;

/// How long a signer waits for a person before it says that nobody answered (field guide S-1).
pub(crate) const PATIENCE_OF_SIGNERS: Duration = Duration::from_secs(65);
/// The same after it showed a page to open.
pub(crate) const PATIENCE_WITH_A_PAGE: Duration = Duration::from_secs(300);

/// What the person at the signer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Approves at once, open requests too.
    Approves,
    /// Looks elsewhere: a request fails after this long, unless the mood changes before.
    LooksElsewhere(Duration),
    /// Encrypts at once, and looks elsewhere when asked for anything else.
    EncryptsOnly,
    /// Says no.
    Denies,
    /// Switched to another account.
    OtherAccount,
}

/// Requests a signer got, by method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) encrypt: usize,
    pub(crate) sign: usize,
    pub(crate) decrypt: usize,
}

/// The account's key behind a person's approval. It never shows its secret, as a telephone does not.
#[derive(Debug)]
pub(crate) struct Handheld {
    key: LocalSigner,
    other: LocalSigner,
    mood: watch::Sender<Mood>,
    asked: watch::Sender<Asked>,
    open: AtomicUsize,
}

impl Handheld {
    pub(crate) fn new(seed: u64, mood: Mood) -> Arc<Self> {
        Arc::new(Self {
            key: local(SECRET, seed),
            other: local(&"02".repeat(32), seed),
            mood: watch::Sender::new(mood),
            asked: watch::Sender::default(),
            open: AtomicUsize::new(0),
        })
    }

    /// What the person does from now on, about an open request too.
    pub(crate) fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Asked {
        *self.asked.borrow()
    }

    /// Waits until it was asked so.
    pub(crate) async fn until_asked(&self, so: impl FnMut(&Asked) -> bool) {
        self.asked
            .subscribe()
            .wait_for(so)
            .await
            .expect("the signer is here");
    }

    async fn approval(
        &self,
        what: &'static str,
        count: impl FnOnce(&mut Asked),
    ) -> Result<bool, SignerError> {
        let _open = Open::one(&self.open);
        self.asked.send_modify(count);
        let mut moods = self.mood.subscribe();
        let unseen = |mood: &Mood| match mood {
            Mood::LooksElsewhere(waited) => Some(*waited),
            Mood::EncryptsOnly if what != "encrypt" => Some(PATIENCE_OF_SIGNERS),
            _ => None,
        };
        let first = *moods.borrow_and_update();
        let mood = match unseen(&first) {
            None => first,
            Some(waited) => {
                let looks = moods.wait_for(|mood| unseen(mood).is_none());
                match tokio::time::timeout(waited, looks).await {
                    Ok(mood) => *mood.expect("the signer is here"),
                    Err(_) => {
                        return Err(SignerError::NoAnswer {
                            signer: "the signer in the test".to_owned(),
                            waited,
                        });
                    }
                }
            }
        };
        match mood {
            Mood::OtherAccount => Ok(false),
            Mood::Denies => Err(SignerError::Denied {
                what,
                reason: "the person said no".to_owned(),
            }),
            Mood::Approves | Mood::EncryptsOnly | Mood::LooksElsewhere(_) => Ok(true),
        }
    }

    fn wrong_account(&self) -> SignerError {
        SignerError::WrongAccount {
            wanted: self.key.public_key(),
            found: self.other.public_key(),
        }
    }
}

impl Signer for Handheld {
    fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    fn sign(&self, mut unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move {
            if self.approval("sign an event", |asked| asked.sign += 1).await? {
                return self.key.sign(unsigned).await;
            }
            // As browser extensions do: it signs, with the account that is switched on.
            unsigned.pubkey = self.other.public_key();
            unsigned.id = None;
            self.other.sign(unsigned).await
        })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move {
            // Another account encrypts just as well; that it was another one shows in the signature.
            let own = self.approval("encrypt", |asked| asked.encrypt += 1).await?;
            let signer = if own { &self.key } else { &self.other };
            signer.nip44_encrypt_to_self(plaintext).await
        })
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        Box::pin(async move {
            if self.approval("decrypt", |asked| asked.decrypt += 1).await? {
                return self.key.nip44_decrypt_from_self(payload).await;
            }
            Err(self.wrong_account())
        })
    }
}

/// A request in the air; whoever asked may drop it.
struct Open<'a>(&'a AtomicUsize);

impl<'a> Open<'a> {
    fn one(open: &'a AtomicUsize) -> Self {
        let before = open.fetch_add(1, Ordering::SeqCst);
        assert_eq!(before, 0, "a signer is asked one thing at a time");
        Self(open)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A signer with `secret` in memory, whose randomness follows from `seed`.
pub(crate) fn local(secret: &str, seed: u64) -> LocalSigner {
    let entropy = SeededEntropy::new(seed ^ 0x5167_0000);
    LocalSigner::parse(secret, move || entropy.draw_32()).unwrap()
}

/// The account's own key on this device, as a raw-key login has it.
pub(crate) fn raw(seed: u64) -> Arc<dyn Signer> {
    Arc::new(local(SECRET, seed))
}
