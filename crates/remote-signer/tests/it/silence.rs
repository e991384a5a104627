//! Answers that come late, or never.

use std::time::Duration;

use nostr::nips::nip19::ToBech32;
use pns_keys::{Signer, SignerError};
use remote_signer::Patience;
use tokio::time::Instant;

use crate::bunker::{Mood, TestBunker};
use crate::desk::{Desk, simulate, unsigned};

/// Spacing and timers round up a little.
const SLACK: Duration = Duration::from_secs(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn an_answer_after_61_seconds_counts() {
    simulate(async {
        let phone = TestBunker::new(Mood::After(seconds(61)));
        let signer = Desk::new(&phone).log_in().await;
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert!(asked.elapsed() >= seconds(61) && asked.elapsed() < seconds(61) + SLACK);
        assert_eq!(phone.asked().len(), 1);
    });
}

#[test]
fn a_silent_signer_is_asked_once_more_under_the_same_id() {
    simulate(async {
        let phone = TestBunker::new(Mood::Silent);
        let signer = Desk::new(&phone).log_in().await;
        let asked = Instant::now();
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        let key = phone.keys.public_key().to_bech32().unwrap();
        let text = format!(
            "the signer at wss://relay.example ({}…{}) did not answer in 130 s; approve the request there and run \
             `chat-sync sync`",
            &key[..10],
            &key[58..]
        );
        assert_eq!(error.to_string(), text);
        let SignerError::NoAnswer { waited, .. } = error else {
            panic!("{error}");
        };
        assert!(waited >= seconds(130) && waited < seconds(130) + SLACK);
        assert!(asked.elapsed() < seconds(130) + SLACK);
        let heard = phone.asked();
        assert_eq!(heard.len(), 2);
        assert_eq!((&heard[0].id, &heard[0].json), (&heard[1].id, &heard[1].json));
        let pause = heard[1].at - heard[0].at;
        assert!(pause >= seconds(65) && pause < seconds(65) + SLACK);
        // Relays refuse ephemeral events older than a minute.
        let written = |n: usize| heard[n].event.created_at.as_secs();
        assert!(written(1) >= written(0) + 65);
    });
}

#[test]
fn a_late_answer_to_the_first_request_settles_the_second() {
    simulate(async {
        let phone = TestBunker::new(Mood::After(seconds(100)));
        let signer = Desk::new(&phone).log_in().await;
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert!(asked.elapsed() < seconds(100) + SLACK);
        assert_eq!(phone.asked().len(), 2);
        // The answer to the retry comes when nobody waits for it.
        tokio::time::sleep(seconds(200)).await;
        phone.set(Mood::Approves);
        signer.sign(unsigned(signer.public_key())).await.unwrap();
    });
}

#[test]
fn a_page_to_open_is_told_once_and_waited_for() {
    simulate(async {
        let phone = TestBunker::new(Mood::Page(Some(seconds(299))));
        let mut desk = Desk::new(&phone);
        let signer = desk.log_in().await;
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert!(asked.elapsed() >= seconds(299));
        let page = desk.pages.try_recv().unwrap();
        assert_eq!(page.url, "https://signer.example/7");
        assert_eq!(page.remote, phone.keys.public_key());
        assert!(desk.pages.try_recv().is_err());
        assert_eq!(phone.asked().len(), 1, "a person at a page is not asked twice");
    });
}

#[test]
fn a_page_nobody_opens_ends_after_five_minutes() {
    simulate(async {
        let phone = TestBunker::new(Mood::Page(None));
        let mut desk = Desk::new(&phone);
        let signer = desk.log_in().await;
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        let SignerError::NoAnswer { waited, .. } = error else {
            panic!("{error}");
        };
        assert!(waited >= seconds(300) && waited < seconds(300) + SLACK);
        assert!(desk.pages.try_recv().is_ok());
        assert!(
            desk.pages.try_recv().is_err(),
            "said again, it buys no time and shows nothing"
        );
    });
}

#[test]
fn with_every_third_answer_lost_everything_is_done() {
    simulate(async {
        let phone = TestBunker::new(Mood::LosesEveryThird);
        let signer = Desk::new(&phone).log_in().await;
        for n in 0..10 {
            let text = format!("text {n}");
            let payload = signer.nip44_encrypt_to_self(&text).await.unwrap();
            assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), text);
        }
        assert!(phone.asked().len() > 20, "some were asked twice");
    });
}

#[test]
fn a_dropped_request_frees_its_place() {
    simulate(async {
        let phone = TestBunker::new(Mood::Silent);
        let signer = Desk::new(&phone).log_in().await;
        let asks = (0..2).map(|_| signer.nip44_encrypt_to_self("text"));
        let both = futures_util::future::join_all(asks);
        tokio::time::timeout(seconds(5), both).await.unwrap_err();
        phone.set(Mood::Approves);
        let asked = Instant::now();
        signer.nip44_encrypt_to_self("text").await.unwrap();
        assert!(asked.elapsed() < SLACK);
    });
}

#[test]
fn whoever_has_less_patience_waits_less() {
    simulate(async {
        let phone = TestBunker::new(Mood::Silent);
        let patience = Patience {
            answer: seconds(2),
            page: seconds(7),
        };
        let mut desk = Desk::with_patience(&phone, patience);
        let signer = desk.log_in().await;
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(asked.elapsed() >= seconds(4) && asked.elapsed() < seconds(4) + SLACK);
        assert_eq!(phone.asked().len(), 2);

        phone.set(Mood::Page(None));
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(asked.elapsed() >= seconds(7) && asked.elapsed() < seconds(7) + SLACK);
        desk.pages.try_recv().unwrap();
    });
}
