//! What a signer is for: keyrings.

use std::time::Duration;

use pns_keys::{DeviceSecret, NewKeyring, Profile, Signer, SignerError, open_keyring};
use relay_lab::Behaviour;
use remote_signer::Patience;

use crate::bench::{Bench, PATIENT, run};

const NOON: u64 = 1_789_000_000;

async fn make_and_open(signer: &dyn Signer) {
    let device = DeviceSecret::from_bytes(&[7; 32]).unwrap();
    let (event, made) = NewKeyring::new(device).create(signer, NOON).await.unwrap();
    let opened = open_keyring(signer, &event).await.unwrap();
    let key = |keyring: &pns_keys::Keyring| keyring.key(Profile::Routstr).public();
    assert_eq!(key(&opened), key(&made));
}

#[test]
fn requests_of_four_kilobytes_are_enough_for_a_keyring() {
    run(async {
        let bench = Bench::new(Behaviour::PayloadLimit(4096)).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        make_and_open(&signer).await;
        let asked = [
            "connect",
            "get_public_key",
            "nip44_encrypt",
            "sign_event",
            "nip44_decrypt",
        ];
        assert_eq!(bench.phone.requests(), asked);
    });
}

#[test]
fn a_request_over_the_signers_limit_ends_like_any_silence() {
    run(async {
        let bench = Bench::new(Behaviour::PayloadLimit(4096)).await;
        let patience = Patience {
            answer: Duration::from_millis(500),
            ..PATIENT
        };
        let device = bench.device(patience);
        let signer = device.bunker.log_in().await.unwrap();
        let error = signer.nip44_encrypt_to_self(&"x".repeat(4096)).await.unwrap_err();
        assert!(matches!(error, SignerError::NoAnswer { .. }), "{error}");
        assert!(bench.ids("nip44_encrypt").is_empty());
    });
}

#[test]
fn with_every_third_answer_lost_a_keyring_is_made_and_opened() {
    run(async {
        let bench = Bench::new(Behaviour::LosesEveryThird).await;
        let patience = Patience {
            answer: Duration::from_millis(800),
            ..PATIENT
        };
        let device = bench.device(patience);
        let signer = device.bunker.log_in().await.unwrap();
        make_and_open(&signer).await;
        let heard = bench.phone.heard();
        let mut ids: Vec<_> = heard.iter().map(|request| &request.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 2 + 3, "a retry carries the id of its request");
        assert!(heard.len() >= ids.len() + 2, "two answers were lost: {heard:?}");
    });
}
