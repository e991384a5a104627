//! What a signer says, and what comes of it.

use std::time::Duration;

use nostr::key::Keys;
use nostr::nips::nip46::NostrConnectMethod as Method;
use pns_keys::{DeviceSecret, NewKeyring, Signer, SignerError, open_keyring};

use crate::bunker::{Mood, TestBunker};
use crate::desk::{Desk, SECRET, settled, simulate, unsigned};

#[test]
fn an_approved_request_is_answered() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = Desk::new(&phone);
        let signer = desk.log_in().await;
        assert_eq!(signer.public_key(), phone.account().public_key());
        assert!(desk.bunker.is_accepted());

        let event = signer.sign(unsigned(signer.public_key())).await.unwrap();
        event.verify().unwrap();
        assert_eq!(event.content, "payload");
        let payload = signer.nip44_encrypt_to_self("text").await.unwrap();
        assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), "text");

        let asked = [Method::Connect, Method::GetPublicKey, Method::SignEvent];
        assert_eq!(phone.methods()[..3], asked);
        assert_eq!(phone.methods()[3..], [Method::Nip44Encrypt, Method::Nip44Decrypt]);
        assert_eq!(phone.heard()[0].secret.as_deref(), Some(SECRET));
        assert!(!format!("{signer:?} {:?}", desk.bunker).contains(SECRET));
    });
}

#[test]
fn connecting_asks_for_what_is_needed_and_no_more() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        Desk::new(&phone).log_in().await;
        let connect: serde_json::Value = serde_json::from_str(&phone.heard()[0].json).unwrap();
        let permissions = "nip44_encrypt,nip44_decrypt,sign_event:1081,sign_event:22242";
        let remote = phone.keys.public_key().to_hex();
        assert_eq!(connect["method"], "connect");
        assert_eq!(
            connect["params"],
            serde_json::json!([remote, SECRET, permissions])
        );
    });
}

#[test]
fn a_keyring_takes_two_requests_of_under_4_kilobytes() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let signer = Desk::new(&phone).log_in().await;
        let device = DeviceSecret::from_bytes(&[5; 32]).unwrap();
        let created = NewKeyring::new(device).create(&signer, 1_789_000_000).await;
        let (event, keyring) = created.unwrap();
        assert_eq!(phone.asked().len(), 2);
        assert_eq!(open_keyring(&signer, &event).await.unwrap().id(), keyring.id());
        for heard in phone.heard() {
            assert!(heard.event.as_json().len() < 4096, "{:?}", heard.method);
        }
    });
}

#[test]
fn a_refusal_is_denied_and_may_be_allowed_later() {
    simulate(async {
        let phone = TestBunker::new(Mood::Denies("User rejected"));
        let signer = Desk::new(&phone).log_in().await;
        let denied = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        let (what, reason) = ("sign an event", "User rejected".to_owned());
        assert_eq!(denied, SignerError::Denied { what, reason });
        assert_eq!(phone.asked().len(), 1, "a no is not asked again");
        phone.set(Mood::Approves);
        signer.sign(unsigned(signer.public_key())).await.unwrap();
    });
}

#[test]
fn a_payload_of_another_key_is_undecryptable_and_a_missing_method_unsupported() {
    simulate(async {
        let phone = TestBunker::new(Mood::Denies("invalid MAC"));
        let signer = Desk::new(&phone).log_in().await;
        let error = signer.nip44_decrypt_from_self("payload").await.unwrap_err();
        assert_eq!(error, SignerError::Undecryptable);
        phone.set(Mood::Denies("unknown method"));
        let error = signer.nip44_decrypt_from_self("payload").await.unwrap_err();
        let method = "nip44_decrypt";
        assert_eq!(error, SignerError::Unsupported { method });
    });
}

#[test]
fn the_first_error_of_a_login_is_told() {
    simulate(async {
        let phone = TestBunker::new(Mood::Closed);
        let desk = Desk::new(&phone);
        settled().await;
        let error = desk.bunker.log_in().await.unwrap_err();
        let (what, reason) = ("let this program connect", "unauthorized".to_owned());
        assert_eq!(error, SignerError::Denied { what, reason });
        assert!(!desk.bunker.is_accepted());
        assert_eq!(phone.methods(), [Method::Connect]);
    });
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    simulate(async {
        let phone = TestBunker::new(Mood::Repeats);
        let signer = Desk::new(&phone).log_in().await;
        for _ in 0..3 {
            let payload = signer.nip44_encrypt_to_self("text").await.unwrap();
            assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), "text");
        }
        assert_eq!(phone.asked().len(), 6);
    });
}

#[test]
fn an_answer_of_somebody_else_is_none() {
    simulate(async {
        let phone = TestBunker::new(Mood::Impersonated);
        let signer = Desk::new(&phone).log_in().await;
        signer.sign(unsigned(signer.public_key())).await.unwrap();
    });
}

#[test]
fn the_signer_of_another_account_is_asked_for_nothing() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = Desk::new(&phone);
        settled().await;
        let (mine, other) = (Keys::generate(), phone.account());
        let signer = desk.bunker.signer_for(mine.public_key());
        let wrong = SignerError::WrongAccount {
            wanted: mine.public_key(),
            found: other.public_key(),
        };
        assert_eq!(signer.nip44_encrypt_to_self("text").await.unwrap_err(), wrong);
        assert!(phone.asked().is_empty());
        // The person switches back.
        phone.switch_account(mine);
        signer.nip44_encrypt_to_self("text").await.unwrap();
    });
}

#[test]
fn an_account_switched_in_the_middle_is_noticed() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let signer = Desk::new(&phone).log_in().await;
        phone.switch_account(Keys::generate());
        let wrong = SignerError::WrongAccount {
            wanted: signer.public_key(),
            found: phone.account().public_key(),
        };
        assert_eq!(
            signer.sign(unsigned(signer.public_key())).await.unwrap_err(),
            wrong
        );
        assert_eq!(signer.nip44_encrypt_to_self("text").await.unwrap_err(), wrong);
    });
}

#[test]
fn what_was_not_asked_for_is_a_bad_answer() {
    simulate(async {
        let phone = TestBunker::new(Mood::Swaps);
        let signer = Desk::new(&phone).log_in().await;
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(matches!(error, SignerError::BadAnswer { .. }), "{error}");
        phone.set(Mood::Echoes);
        let error = signer.nip44_encrypt_to_self("a secret").await.unwrap_err();
        assert!(matches!(error, SignerError::BadAnswer { .. }), "{error}");
        assert!(!error.to_string().contains("a secret"));
    });
}

#[test]
fn a_request_no_signer_takes_is_not_sent() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let signer = Desk::new(&phone).log_in().await;
        let error = signer
            .nip44_decrypt_from_self(&"A".repeat(40_000))
            .await
            .unwrap_err();
        assert!(matches!(error, SignerError::Unsupported { .. }), "{error}");
        signer.nip44_encrypt_to_self("text").await.unwrap();
        assert_eq!(phone.asked().len(), 1);
    });
}

#[test]
fn at_most_two_requests_are_in_flight_400_ms_apart() {
    simulate(async {
        let window = Duration::from_secs(3);
        let phone = TestBunker::new(Mood::After(window));
        let signer = Desk::new(&phone).log_in().await;
        let asks = (0..7).map(|_| signer.nip44_encrypt_to_self("text"));
        for outcome in futures_util::future::join_all(asks).await {
            outcome.unwrap();
        }
        let at: Vec<_> = phone.heard().iter().map(|heard| heard.at).collect();
        assert_eq!(at.len(), 2 + 7, "connect and get_public_key came first");
        for pair in at.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(400));
        }
        for triple in at[2..].windows(3) {
            assert!(triple[2] - triple[0] >= window, "two others were still open");
        }
    });
}
