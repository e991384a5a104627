//! Answers that come late, or never, and a relay that is not there.

use std::time::Duration;

use pns_keys::{Signer, SignerError, SignerNextStep};
use relay_lab::Behaviour;
use remote_signer::{BunkerUri, Patience};
use tokio::time::Instant;

use crate::bench::{Bench, Device, NOBODY, PATIENT, run, unsigned};

const PAGE: &str = "https://signer.example/7";

fn milliseconds(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn answer_within(answer: u64) -> Patience {
    Patience {
        answer: milliseconds(answer),
        ..PATIENT
    }
}

fn page(then: Option<Duration>) -> Behaviour {
    let url = PAGE.to_owned();
    Behaviour::AuthUrl { url, then }
}

#[test]
fn a_late_answer_is_waited_for() {
    run(async {
        let delay = milliseconds(300);
        let bench = Bench::new(Behaviour::AnswersAfter(delay)).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(bench.ids("sign_event").len(), 1);
    });
}

#[test]
fn an_answer_that_comes_after_the_retry_settles_the_request_once() {
    run(async {
        let bench = Bench::new(Behaviour::AnswersAfter(milliseconds(1800))).await;
        let device = bench.device(answer_within(1200));
        let signer = device.bunker.log_in().await.unwrap();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        let ids = bench.ids("sign_event");
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1]);
        // The retry's own answer arrives while this one waits for its turn, and is nobody's.
        let text = signer.nip44_encrypt_to_self("a text").await.unwrap();
        bench.phone.set_behaviour(Behaviour::Approves);
        assert_eq!(signer.nip44_decrypt_from_self(&text).await.unwrap(), "a text");
    });
}

#[test]
fn a_silent_signer_is_asked_twice_under_one_id_and_given_up() {
    run(async {
        let bench = Bench::new(Behaviour::Silent).await;
        let device = bench.device(answer_within(600));
        let signer = device.bunker.log_in().await.unwrap();
        let asked = Instant::now();
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(
            matches!(error, SignerError::NoAnswer { waited, .. } if waited >= milliseconds(1200)),
            "{error}"
        );
        assert!(asked.elapsed() >= milliseconds(1200));
        assert_eq!(error.next_step(), SignerNextStep::RetryLater);
        assert!(error.to_string().contains(&bench.relay.url()), "{error}");
        let ids = bench.ids("sign_event");
        assert_eq!(ids.len(), 2);
        assert_eq!(ids[0], ids[1]);
    });
}

#[test]
fn a_page_to_open_is_told_once_and_its_answer_waited_for() {
    run(async {
        let bench = Bench::new(page(Some(milliseconds(1500)))).await;
        let mut device = bench.device(answer_within(1000));
        let signer = device.bunker.log_in().await.unwrap();
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        let told = device.pages.try_recv().unwrap();
        assert_eq!((told.remote, &*told.url), (bench.phone.signer_key(), PAGE));
        assert!(device.pages.try_recv().is_err(), "told once");
        assert_eq!(
            bench.ids("sign_event").len(),
            1,
            "a person at a page is not asked twice"
        );
    });
}

#[test]
fn a_page_nobody_opens_is_given_up() {
    run(async {
        let bench = Bench::new(page(None)).await;
        let patience = Patience {
            answer: milliseconds(2000),
            page: milliseconds(700),
        };
        let mut device = bench.device(patience);
        let signer = device.bunker.log_in().await.unwrap();
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(
            matches!(error, SignerError::NoAnswer { waited, .. } if waited >= milliseconds(700)),
            "{error}"
        );
        assert_eq!(device.pages.try_recv().unwrap().url, PAGE);
        assert!(device.pages.try_recv().is_err(), "told once");
        assert_eq!(bench.ids("sign_event").len(), 1);
    });
}

#[test]
fn a_relay_that_is_not_there_is_named() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let address = BunkerUri::new(bench.phone.signer_key(), [NOBODY.parse().unwrap()], None).unwrap();
        let device = Device::new(&address.to_text(), answer_within(500));
        let asked = Instant::now();
        let error = device.bunker.log_in().await.unwrap_err();
        assert!(matches!(error, SignerError::Unreachable { .. }), "{error}");
        assert_eq!(error.next_step(), SignerNextStep::RetryLater);
        assert!(error.to_string().contains(NOBODY), "{error}");
        assert!(asked.elapsed() >= milliseconds(500));
        assert!(bench.phone.requests().is_empty());
    });
}

#[test]
fn a_signer_that_is_switched_off_gives_no_answer_to_a_login() {
    run(async {
        let Bench { relay, phone } = Bench::new(Behaviour::Approves).await;
        let uri = phone.bunker_uri();
        phone.shutdown().await;
        let device = Device::new(&uri, answer_within(500));
        let error = device.bunker.log_in().await.unwrap_err();
        assert!(matches!(error, SignerError::NoAnswer { .. }), "{error}");
        assert!(!device.bunker.is_accepted());
        relay.shutdown().await;
    });
}
