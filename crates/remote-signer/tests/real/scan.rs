//! The other direction: an offer that the signer scans.

use std::time::Duration;

use nostr::key::Keys;
use pns_keys::{Signer, SignerError};
use relay_lab::{Behaviour, LabSigner};
use remote_signer::{BunkerUri, ConnectOffer, OfferError, Patience, Reception};
use supervision::{Lifeline, Role};

use crate::bench::{Bench, Device, NOBODY, PATIENT, connect, environment, relay, run, unsigned};

/// An offer to meet at `relay`, and a device that waits there.
fn show(relay: &str, patience: Patience) -> (ConnectOffer, Reception) {
    let env = environment();
    let meeting_point = relay.parse().unwrap();
    let offer = ConnectOffer::draw([meeting_point], &*env.entropy).unwrap();
    let reception = Reception::new(offer.clone(), patience);
    reception.start(env.clone(), Lifeline::unwatched(Role::Keeper));
    for relay in offer.relays() {
        connect(&env, relay, vec![reception.links.clone()]);
    }
    (offer, reception)
}

/// Scans `text` until `reception` is over: relays keep no answer for a device that does not listen yet.
async fn scan(phone: &LabSigner, text: &str, reception: &Reception) -> Result<BunkerUri, OfferError> {
    let scanning = async {
        loop {
            phone.scan(text).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        outcome = reception.signer() => outcome,
        () = scanning => unreachable!("it never ends"),
    }
}

#[test]
fn a_signer_that_scans_the_offer_needs_no_connect() {
    run(async {
        // The signer has never heard of the relay in the offer.
        let (bench, meeting_point) = (Bench::new(Behaviour::Approves).await, relay());
        let (offer, reception) = show(&meeting_point.url(), PATIENT);
        let uri = scan(&bench.phone, &offer.to_text(), &reception).await.unwrap();
        assert_eq!(uri.remote(), bench.phone.signer_key());
        assert_eq!(uri.relays(), offer.relays());

        let device = Device::let_in(uri, offer.client().clone(), PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        assert_eq!(signer.public_key(), bench.phone.account());
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(bench.phone.requests(), ["get_public_key", "sign_event"]);
        let client = offer.client().public();
        assert!(bench.phone.heard().iter().all(|request| request.client == client));
    });
}

#[test]
fn a_signer_that_read_another_secret_is_not_let_near() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let patience = Patience {
            page: Duration::from_millis(900),
            ..PATIENT
        };
        let (offer, reception) = show(&bench.relay.url(), patience);
        let text = offer.to_text();
        let (open, _) = text.split_once("&secret=").unwrap();
        let outcome = scan(&bench.phone, &format!("{open}&secret=guessed"), &reception).await;
        let error = outcome.unwrap_err();
        // Had the relay not been there, it would be `Unreachable`.
        assert!(matches!(error, OfferError::NoSigner { .. }), "{error}");
        assert!(error.to_string().contains(&bench.relay.url()), "{error}");
    });
}

#[test]
fn an_offer_without_a_relay_that_answers_is_unreachable() {
    run(async {
        let patience = Patience {
            page: Duration::from_millis(500),
            ..PATIENT
        };
        let (_, reception) = show(NOBODY, patience);
        let error = reception.signer().await.unwrap_err();
        assert!(matches!(error, OfferError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(NOBODY), "{error}");
    });
}

#[test]
fn a_signer_that_changed_its_account_after_the_scan_is_noticed() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let (offer, reception) = show(&bench.relay.url(), PATIENT);
        let uri = scan(&bench.phone, &offer.to_text(), &reception).await.unwrap();
        let other = Keys::generate();
        bench.phone.set_behaviour(Behaviour::OtherAccount(other.clone()));
        let device = Device::let_in(uri, offer.client().clone(), PATIENT);
        let signer = device.bunker.signer_for(bench.phone.account());
        let error = signer.nip44_encrypt_to_self("a keyring").await.unwrap_err();
        let expected = SignerError::WrongAccount {
            wanted: bench.phone.account(),
            found: other.public_key(),
        };
        assert_eq!(
            error, expected,
            "nothing is encrypted before it is known by whose key"
        );
        assert_eq!(bench.phone.requests(), ["get_public_key"]);
        let account = bench.phone.account();
        assert_eq!(signer.sign(unsigned(account)).await.unwrap_err(), expected);
    });
}
