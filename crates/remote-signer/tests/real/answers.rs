//! A signer that agrees, refuses, repeats itself or holds another account.

use nostr::key::Keys;
use pns_keys::{Signer, SignerError, SignerNextStep};
use relay_lab::Behaviour;

use crate::bench::{Bench, Device, PATIENT, run, unsigned};

#[test]
fn a_signer_that_approves_is_asked_once_for_everything() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        assert_eq!(signer.public_key(), bench.phone.account());
        let relays = device.bunker.switch_relays().await.unwrap();
        assert_eq!(relays, None, "this signer stays where it is");
        let payload = signer.nip44_encrypt_to_self("a text").await.unwrap();
        assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), "a text");
        let unsigned = unsigned(signer.public_key());
        let event = signer.sign(unsigned.clone()).await.unwrap();
        event.verify().unwrap();
        assert_eq!((event.pubkey, event.content), (unsigned.pubkey, unsigned.content));
        let asked = [
            "connect",
            "get_public_key",
            "switch_relays",
            "nip44_encrypt",
            "nip44_decrypt",
            "sign_event",
        ];
        assert_eq!(bench.phone.requests(), asked);
    });
}

#[test]
fn a_refusal_is_told_in_the_signers_words_and_can_be_taken_back() {
    run(async {
        let bench = Bench::new(Behaviour::Denies("user rejected".to_owned())).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        assert!(
            matches!(&error, SignerError::Denied { reason, .. } if reason == "user rejected"),
            "{error}"
        );
        assert_eq!(error.next_step(), SignerNextStep::AskPerson);
        bench.phone.set_behaviour(Behaviour::Approves);
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(bench.ids("sign_event").len(), 2, "no refusal was argued with");
    });
}

#[test]
fn a_secret_that_was_used_is_refused_by_name() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let uri = bench.phone.bunker_uri();
        let first = Device::new(&uri, PATIENT);
        first.bunker.log_in().await.unwrap();
        let second = Device::new(&uri, PATIENT);
        let error = second.bunker.log_in().await.unwrap_err();
        assert!(matches!(error, SignerError::Denied { .. }), "{error}");
        assert!(!second.bunker.is_accepted());
    });
}

#[test]
fn an_answer_that_comes_twice_counts_once() {
    run(async {
        let bench = Bench::new(Behaviour::AnswersTwice).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        let payload = signer.nip44_encrypt_to_self("a text").await.unwrap();
        assert_eq!(signer.nip44_decrypt_from_self(&payload).await.unwrap(), "a text");
        assert_eq!(bench.phone.requests().len(), 2 + 2);
    });
}

#[test]
fn a_signer_of_another_account_is_asked_for_nothing() {
    run(async {
        let other = Keys::generate();
        let bench = Bench::new(Behaviour::OtherAccount(other.clone())).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.signer_for(bench.phone.account());
        let error = signer.nip44_encrypt_to_self("a keyring").await.unwrap_err();
        let expected = SignerError::WrongAccount {
            wanted: bench.phone.account(),
            found: other.public_key(),
        };
        assert_eq!(error, expected);
        assert_eq!(bench.phone.requests(), ["connect", "get_public_key"]);
    });
}

#[test]
fn an_account_that_is_switched_between_two_requests_is_noticed_and_can_be_switched_back() {
    run(async {
        let bench = Bench::new(Behaviour::Approves).await;
        let device = bench.device(PATIENT);
        let signer = device.bunker.log_in().await.unwrap();
        let other = Keys::generate();
        bench.phone.set_behaviour(Behaviour::OtherAccount(other.clone()));
        let error = signer.sign(unsigned(signer.public_key())).await.unwrap_err();
        let expected = SignerError::WrongAccount {
            wanted: signer.public_key(),
            found: other.public_key(),
        };
        assert_eq!(error, expected);
        assert_eq!(error.next_step(), SignerNextStep::AskPerson);
        bench.phone.set_behaviour(Behaviour::Approves);
        signer.sign(unsigned(signer.public_key())).await.unwrap();
        assert_eq!(
            bench.ids("get_public_key").len(),
            2,
            "the account is asked for anew"
        );
    });
}
