//! What the review found.

use std::time::Duration;

use nostr::key::Keys;
use nostr::prelude::Kind;
use relay_lab::{Behaviour, EmbeddedRelay, EmbeddedRelayConfig, LabSigner, LabSignerConfig};

use crate::SECRET;
use crate::program::Home;

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

#[test]
fn review_a_relay_given_for_one_run_does_not_make_a_second_keyring() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (home, other) = (relay(), relay());
    let laptop = Home::new();
    laptop.log_in(SECRET, &[&home.url()]);
    laptop.run(&["sync"]).succeeded();
    let phone = Home::new();
    phone.log_in(SECRET, &[&home.url()]);
    phone.run(&["sync", "-q", "--relay", &other.url()]);
    let made = runtime.block_on(other.count_events(&[Kind::Custom(1081)], &[])).unwrap();
    assert_eq!(made, 0, "the saved relay holds one, and was not asked");
}

#[test]
fn review_sending_before_the_first_sync_does_not_cost_a_prompt_whose_answer_is_lost() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let relay = relay();
    let signer = LabSigner::start(LabSignerConfig {
        relays: vec![relay.url()],
        account: Keys::parse(SECRET).unwrap(),
        ..LabSignerConfig::default()
    })
    .unwrap();
    runtime.block_on(signer.listening());
    let laptop = Home::new();
    laptop.log_in(SECRET, &[&relay.url()]);
    laptop.run(&["sync"]).succeeded();
    let phone = Home::new();
    phone
        .run(&["login", "--bunker", &signer.bunker_uri(), "--relay", &relay.url()])
        .succeeded();
    // A person takes a few seconds to approve.
    signer.set_behaviour(Behaviour::AnswersAfter(Duration::from_secs(12)));
    phone.run(&["chats", "send", "talk", "hello"]).succeeded();
    phone.run(&["sync", "-q"]).succeeded();
    let asked = signer.requests();
    let prompts = asked.iter().filter(|method| *method == "nip44_decrypt").count();
    assert_eq!(prompts, 1, "{asked:?}");
}
