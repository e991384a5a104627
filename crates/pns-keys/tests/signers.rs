//! What the crate asks of a signer, what it never asks, and what it never tells.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use nostr::event::{Event, Kind, UnsignedEvent};
use nostr::key::PublicKey;
use nostr::types::Timestamp;
use pns_keys::{
    DeviceSecret, KEYRING, KeySet, KeySetState, KeyringError, LocalSigner, NewKeyring, PnsKey, Profile,
    Signer, SignerError, SignerFuture, SignerNextStep, open_keyring,
};

const ACCOUNT: &str = "2e79401e8b3dc1577525d5bba4f51ae3bc1d69ba909a66908b695bf176643ec4";
const DEVICE: &str = "eb12e1b5b30c53108c461c5fc3a56c790687d07798df8acf7ff18b136093ff38";

fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waited for something"),
    }
}

fn local() -> LocalSigner {
    LocalSigner::parse(ACCOUNT, || [3; 32]).expect("a secret key")
}

fn device() -> DeviceSecret {
    DeviceSecret::parse(DEVICE).expect("a secret key")
}

/// A signer that answers like a local one, but for one thing.
#[derive(Debug)]
struct Odd {
    inner: LocalSigner,
    oddity: Oddity,
    asked: AtomicUsize,
}

#[derive(Debug, PartialEq)]
enum Oddity {
    RefusesToDecrypt,
    ChangesTheTime,
    AddsATag,
    SignsForAnother,
}

impl Odd {
    fn new(oddity: Oddity) -> Self {
        Self {
            inner: local(),
            oddity,
            asked: AtomicUsize::new(0),
        }
    }
}

impl Signer for Odd {
    fn public_key(&self) -> PublicKey {
        self.inner.public_key()
    }

    fn sign(&self, mut unsigned: UnsignedEvent) -> SignerFuture<'_, Event> {
        Box::pin(async move {
            match self.oddity {
                Oddity::ChangesTheTime => unsigned.created_at = Timestamp::from_secs(7),
                Oddity::AddsATag => unsigned.tags.push(nostr::event::Tag::protected()),
                Oddity::SignsForAnother => {
                    let other = LocalSigner::parse(DEVICE, || [3; 32]).expect("a secret key");
                    unsigned.pubkey = other.public_key();
                    return other.sign(unsigned).await;
                }
                Oddity::RefusesToDecrypt => {}
            }
            self.inner.sign(unsigned).await
        })
    }

    fn nip44_encrypt_to_self<'a>(&'a self, plaintext: &'a str) -> SignerFuture<'a, String> {
        self.inner.nip44_encrypt_to_self(plaintext)
    }

    fn nip44_decrypt_from_self<'a>(&'a self, payload: &'a str) -> SignerFuture<'a, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.oddity == Oddity::RefusesToDecrypt {
            let reason = "ask me each time".to_owned();
            return Box::pin(async {
                Err(SignerError::Denied {
                    what: "decrypt a keyring",
                    reason,
                })
            });
        }
        self.inner.nip44_decrypt_from_self(payload)
    }
}

fn keyring_event(content: &str) -> Event {
    let account = local();
    let unsigned = UnsignedEvent::new(
        account.public_key(),
        Timestamp::from_secs(5),
        KEYRING,
        [],
        content,
    );
    at_once(account.sign(unsigned)).expect("signs")
}

#[test]
fn a_signer_that_refuses_leaves_the_keyring_locked_and_worth_asking_again() {
    let signer = Odd::new(Oddity::RefusesToDecrypt);
    let (event, _) = at_once(NewKeyring::new(device()).create(&local(), 5)).expect("made");
    let error = at_once(open_keyring(&signer, &event)).expect_err("refused");
    let KeyringError::Signer(reason) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(reason.next_step(), SignerNextStep::AskPerson);

    let mut keys = KeySet::new(signer.public_key());
    keys.add_unopened(event.id, error);
    assert_eq!(keys.state(), KeySetState::Locked);
}

#[test]
fn a_text_that_is_no_payload_never_reaches_the_signer() {
    let signer = Odd::new(Oddity::RefusesToDecrypt);
    for content in ["", "{\"nsec\":\"\"}", "c2hvcnQ=?iv=c2hvcnQ=", &"A".repeat(200)] {
        let error = at_once(open_keyring(&signer, &keyring_event(content))).expect_err("no payload");
        assert_eq!(error, KeyringError::NotEncryptedToSelf);
    }
    assert_eq!(signer.asked.load(Ordering::Relaxed), 0);
}

#[test]
fn a_keyring_that_the_signer_changed_is_not_used() {
    for oddity in [Oddity::ChangesTheTime, Oddity::AddsATag] {
        let error = at_once(NewKeyring::new(device()).create(&Odd::new(oddity), 5)).expect_err("changed");
        assert!(
            matches!(error, KeyringError::Signer(SignerError::BadAnswer { .. })),
            "{error:?}"
        );
    }
    let error =
        at_once(NewKeyring::new(device()).create(&Odd::new(Oddity::SignsForAnother), 5)).expect_err("other");
    assert!(
        matches!(error, KeyringError::Signer(SignerError::WrongAccount { .. })),
        "{error:?}"
    );
}

#[test]
fn a_local_signer_signs_for_its_own_account_only() {
    let signer = local();
    let stranger = device().public();
    let unsigned = UnsignedEvent::new(stranger, Timestamp::from_secs(5), Kind::TextNote, [], "x");
    let error = at_once(signer.sign(unsigned)).expect_err("another author");
    assert_eq!(
        error,
        SignerError::WrongAccount {
            wanted: stranger,
            found: signer.public_key()
        }
    );
}

#[test]
fn a_local_signer_opens_what_it_encrypted_and_nothing_else() {
    let signer: Arc<dyn Signer> = Arc::new(local());
    let payload = at_once(signer.nip44_encrypt_to_self("gruß")).expect("encrypts");
    assert_eq!(
        at_once(signer.nip44_decrypt_from_self(&payload)).as_deref(),
        Ok("gruß")
    );
    let other = LocalSigner::parse(DEVICE, || [3; 32]).expect("a secret key");
    assert_eq!(
        at_once(other.nip44_decrypt_from_self(&payload)),
        Err(SignerError::Undecryptable)
    );
    assert_eq!(
        at_once(other.nip44_decrypt_from_self("hello")),
        Err(SignerError::Undecryptable)
    );
}

#[test]
fn a_raw_key_login_reads_what_older_web_apps_derived_from_it() {
    let signer = local();
    let secret = signer.own_secret().expect("in memory");
    let mut keys = KeySet::new(signer.public_key());
    assert!(keys.add_own_secret(&secret));
    assert!(!keys.add_own_secret(&secret), "nothing new the second time");
    for profile in Profile::ALL {
        let key = PnsKey::derive(profile, &secret, "").expect("derives");
        assert!(keys.key(&key.public()).is_some(), "{profile}");
    }
    assert_eq!(keys.read().len(), 4);
    assert!(keys.writing_key().is_none(), "only a keyring is written with");
    assert_eq!(keys.state(), KeySetState::Empty);
}

#[test]
fn writing_under_nip_pns_still_reads_what_the_web_app_writes() {
    let (_, keyring) = at_once(NewKeyring::new(device()).create(&local(), 5)).expect("made");
    let (today, draft) = (
        keyring.key(Profile::Routstr).public(),
        keyring.key(Profile::NipPns).public(),
    );
    let mut keys = KeySet::new(local().public_key());
    keys.add(keyring);
    assert_eq!(keys.writing_key().expect("a key").key.public(), today);
    let keys = keys.writing_under(Profile::NipPns);
    assert_eq!(keys.read(), [today, draft].into());
    let writing = keys.writing_key().expect("a key");
    assert_eq!(writing.key.public(), draft);
    assert_eq!(writing.key.rumor_author(keys.account()), device().public());
    assert_eq!(
        keys.writing_under(Profile::RoutstrFirst)
            .writing_key()
            .expect("a key")
            .key
            .public(),
        draft
    );
}

#[test]
fn no_secret_is_printed() {
    let signer = local();
    let new = NewKeyring::new(device());
    let (_, keyring) = at_once(new.create(&signer, 5)).expect("made");
    let mut keys = KeySet::new(signer.public_key());
    keys.add(keyring.clone());
    keys.add_own_secret(&signer.own_secret().expect("in memory"));
    let written = keys.writing_key().expect("a key");
    let printed = [
        format!("{signer:?} {signer:#?}"),
        format!("{new:?} {:?} {keyring:#?}", device()),
        format!("{keys:?} {keys:#?} {written:?}"),
        format!("{:?}", PnsKey::derive(Profile::NipPns, &device(), "")),
        format!("{:?}", DeviceSecret::parse(&DEVICE[1..])),
        DeviceSecret::parse(&DEVICE[1..]).expect_err("short").to_string(),
    ]
    .concat()
    .to_lowercase();

    // The `routstr` key of this device: PNS secret and conversation key are the same 32 bytes.
    let derived = "cb7aa034aaa66fd2461601c45ebd401456e3139e143c511a255c98ca27f667a1";
    assert!(
        printed.contains(&device().public().to_hex()),
        "public keys are printed"
    );
    for secret in [
        ACCOUNT,
        DEVICE,
        derived,
        &device().to_nsec(),
        &keyring.to_plaintext(),
    ] {
        // A part gives a secret away too, and so does the list form that byte arrays print as.
        for part in secret.as_bytes().chunks_exact(16) {
            let part = std::str::from_utf8(part).expect("ASCII").to_lowercase();
            assert!(!printed.contains(&part), "{part} is printed");
        }
    }
    for secret in [ACCOUNT, DEVICE, derived] {
        let first: Vec<String> = (0..4)
            .map(|at| {
                u8::from_str_radix(&secret[2 * at..2 * at + 2], 16)
                    .expect("hex")
                    .to_string()
            })
            .collect();
        assert!(
            !printed.contains(&first.join(", ")),
            "bytes of a secret are printed"
        );
    }
}
