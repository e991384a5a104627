//! Signers that want to be reached elsewhere, and signers that do not know the question.

use std::time::Duration;

use pns_keys::{Signer, SignerError};
use relay_link::RelayUrl;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::bunker::{Mood, TestBunker};
use crate::desk::{Desk, simulate, unsigned};

/// What a login makes of this response.
fn asked(response: Option<Value>) -> Result<Option<Vec<RelayUrl>>, SignerError> {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = Desk::new(&phone);
        desk.log_in().await;
        if let Some(response) = response {
            phone.wants(response);
        }
        let before = Instant::now();
        let relays = desk.bunker.switch_relays().await;
        assert!(
            before.elapsed() <= Duration::from_secs(6),
            "a login does not wait for it"
        );
        assert_eq!(phone.switches().len(), 1, "asked once");
        relays
    })
}

fn relays(urls: &[&str]) -> Vec<RelayUrl> {
    urls.iter().map(|url| url.parse().unwrap()).collect()
}

#[test]
fn the_relays_it_wants_are_told() {
    let wanted = relays(&["wss://new.example", "wss://newer.example"]);
    let text = json!(["wss://new.example", "wss://newer.example/"]).to_string();
    assert_eq!(asked(Some(json!({ "result": text }))), Ok(Some(wanted.clone())));
    let list = ["wss://new.example", "wss://newer.example"];
    assert_eq!(
        asked(Some(json!({ "result": list, "error": "" }))),
        Ok(Some(wanted))
    );
}

#[test]
fn what_is_no_relay_is_left_out_and_eight_are_enough() {
    let odd = json!([
        "https://web.example",
        "wss://a.example",
        7,
        "wss://a.example",
        null,
        "wss://b.example"
    ]);
    let wanted = relays(&["wss://a.example", "wss://b.example"]);
    assert_eq!(
        asked(Some(json!({ "result": odd.to_string() }))),
        Ok(Some(wanted))
    );
    let many: Vec<String> = (0..20).map(|n| format!("wss://r{n}.example")).collect();
    let told = asked(Some(json!({ "result": many }))).unwrap().unwrap();
    let told: Vec<&str> = told.iter().map(RelayUrl::as_str).collect();
    assert_eq!(told, many[..8]);
}

#[test]
fn a_signer_without_a_wish_or_without_the_method_keeps_its_relays() {
    assert_eq!(asked(None), Ok(None), "silence");
    for response in [
        json!({ "result": null }),
        json!({ "result": "null" }),
        json!({ "result": "" }),
        json!({ "result": "[]" }),
        json!({ "result": ["nowhere"] }),
        json!({ "error": "unknown method switch_relays" }),
    ] {
        assert_eq!(asked(Some(response.clone())), Ok(None), "{response}");
    }
}

#[test]
fn a_refusal_and_nonsense_are_told() {
    let error = asked(Some(json!({ "error": "no permission" }))).unwrap_err();
    assert!(matches!(error, SignerError::Denied { .. }), "{error}");
    let error = asked(Some(json!({ "result": "ack" }))).unwrap_err();
    assert!(matches!(error, SignerError::BadAnswer { .. }), "{error}");
}

#[test]
fn silence_about_relays_holds_up_nothing_else() {
    simulate(async {
        let phone = TestBunker::new(Mood::Approves);
        let desk = Desk::new(&phone);
        let signer = desk.log_in().await;
        let before = Instant::now();
        let question = desk.bunker.switch_relays();
        let keyring = signer.sign(unsigned(signer.public_key()));
        let (relays, event) = futures_util::future::join(question, keyring).await;
        event.unwrap();
        assert_eq!(relays, Ok(None));
        assert!(before.elapsed() >= Duration::from_secs(5) && before.elapsed() < Duration::from_secs(6));
    });
}
