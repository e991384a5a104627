//! Relays that refuse, hang up or are not there, and an actor that dies.

use std::time::Duration;

use nostr::nips::nip46::NostrConnectMethod as Method;
use pns_keys::{Signer, SignerError};
use remote_signer::Patience;
use supervision::Tripwire;
use tokio::time::Instant;

use crate::bunker::{Mood, TestBunker};
use crate::desk::{Desk, ROLE, settled, simulate, unsigned};

#[test]
fn a_relay_that_is_not_there_is_told_after_the_deadline() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        phone.go_down();
        let desk = Desk::new(&phone);
        settled().await;
        let asked = Instant::now();
        let error = desk.bunker.log_in().await.unwrap_err();
        assert!(matches!(error, SignerError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains("relay.example"), "{error}");
        assert!(asked.elapsed() >= Duration::from_secs(65) && asked.elapsed() < Duration::from_secs(66));
    });
}

#[test]
fn a_refused_request_goes_out_again_after_a_pause() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let signer = Desk::new(&phone).log_in().await;
        phone.refuse_next(2);
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert!(asked.elapsed() >= Duration::from_secs(2 + 4) && asked.elapsed() < Duration::from_secs(8));
    });
}

#[test]
fn a_request_lost_with_its_connection_goes_out_on_the_next() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let signer = Desk::new(&phone).log_in().await;
        phone.drop_next(1);
        let asked = Instant::now();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert!(asked.elapsed() < Duration::from_secs(30), "before its deadline");
        assert_eq!(phone.asked().len(), 1);
    });
}

#[test]
fn an_actor_that_dies_takes_no_secret_with_it() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        // Link changes, asks and answers: somewhere in the second request.
        let desk = Desk::build(&phone, Tripwire::armed([(ROLE, 10)]), false, Patience::default());
        let signer = desk.log_in().await;
        let mut restarts = 0;
        for _ in 0..5 {
            match signer.sign(unsigned(signer.public_key())).await {
                Ok(_) => {}
                Err(SignerError::Unreachable { .. }) => restarts += 1,
                Err(error) => panic!("{error}"),
            }
            settled().await;
        }
        assert_eq!(restarts, 1, "whoever waited is told");
        let count = |method| phone.methods().iter().filter(|heard| **heard == method).count();
        assert_eq!(count(Method::Connect), 1);
        assert_eq!(
            count(Method::GetPublicKey),
            1,
            "whose key it is was learned at the login"
        );
        signer.sign(unsigned(signer.public_key())).await.unwrap();
    });
}

#[test]
fn a_client_key_that_was_let_in_before_needs_no_secret() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = Desk::build(&phone, Tripwire::none(), true, Patience::default());
        settled().await;
        let signer = desk.bunker.signer_for(phone.account().public_key());
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(
            phone.methods(),
            [Method::SignEvent],
            "nor the question whose key it is"
        );
    });
}

fn never_connected(phone: &TestBunker) -> Desk {
    Desk::unconnected(phone, Tripwire::none(), false, Patience::default())
}

#[test]
fn a_signer_nobody_asks_is_not_wanted() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = never_connected(&phone);
        let hour = Duration::from_secs(3600);
        tokio::time::timeout(hour, desk.bunker.wanted())
            .await
            .unwrap_err();

        let elsewhere = desk.bunker.clone();
        let asking = actix::spawn(async move { elsewhere.log_in().await });
        let moment = Duration::from_millis(1);
        tokio::time::timeout(moment, desk.bunker.wanted()).await.unwrap();
        desk.connect();
        asking.await.unwrap().unwrap();
        tokio::time::timeout(moment, desk.bunker.wanted()).await.unwrap();
    });
}

#[test]
fn a_request_without_a_link_waits_for_one_from_when_it_was_asked() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = never_connected(&phone);
        tokio::time::sleep(Duration::from_secs(1000)).await;
        let asked = Instant::now();
        let error = desk.bunker.log_in().await.unwrap_err();
        assert!(matches!(error, SignerError::Unreachable { .. }), "{error}");
        assert!(
            error
                .to_string()
                .starts_with("the signer at wss://relay.example (npub1"),
            "{error}"
        );
        assert!(asked.elapsed() >= Duration::from_secs(65) && asked.elapsed() < Duration::from_secs(66));

        let elsewhere = desk.bunker.clone();
        let asking = actix::spawn(async move { elsewhere.log_in().await });
        tokio::time::sleep(Duration::from_secs(64)).await;
        desk.connect();
        asking.await.unwrap().unwrap();
    });
}
