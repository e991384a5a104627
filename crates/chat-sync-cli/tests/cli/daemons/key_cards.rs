//! `key backup` beside a daemon: the passphrase stays with the command, and no page gets a card.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::json;

use super::api::{Answer, Api, daemon, record};
use crate::SECRET;
use crate::program::Home;

const PASSPHRASE: &str = "correct horse battery staple";

fn device() -> (EmbeddedRelay, Home) {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["chats", "send", "talk", "one"]).succeeded();
    home.run(&["sync"]).succeeded();
    (relay, home)
}

#[test]
fn a_card_that_is_made_beside_a_daemon_reads_the_history_elsewhere() {
    let (_relay, home) = device();
    let file = home.file("passphrase", &format!("{PASSPHRASE}\n"));
    let file = file.to_str().unwrap();
    let started = home.run(&["daemon", "start", "-vvv"]).succeeded();
    assert!(started.stdout.contains("started"), "{started:?}");
    let card = home
        .run_with(&["key", "backup", "-q"], &format!("{PASSPHRASE}\n"))
        .succeeded()
        .stdout;
    assert!(
        card.starts_with("chatkeys1") && card.lines().count() == 1,
        "{card}"
    );
    let backup = ["key", "backup", "--json", "--passphrase-file", file];
    let told = home.run(&backup).succeeded();
    assert_eq!(told.json()["keyrings"], 1);
    home.run_with(&["key", "backup", "-q"], "\n")
        .refused(2, "passphrase");
    home.run(&["daemon", "stop"]).succeeded();
    let alone = home.run(&backup).succeeded();
    // The same words but for the card, whose salt is another each time.
    let about = |ended: &crate::program::Ended| {
        let stderr = ended.stderr.clone();
        (ended.code, stderr, ended.json()["keyrings"].clone())
    };
    assert_eq!(about(&told), about(&alone));

    let elsewhere = Home::new();
    let restored = elsewhere
        .run_with(&["key", "restore", "--json"], &format!("{card}{PASSPHRASE}\n"))
        .succeeded()
        .json();
    assert_eq!(restored["method"], "history-keys");
    let sync = elsewhere.run(&["sync", "--json"]).succeeded().json();
    assert_eq!((&sync["complete"], &sync["messages"]), (&true.into(), &1.into()));
    let wrong = format!("{card}wrong\n");
    elsewhere
        .run_with(&["key", "restore", "-q"], &wrong)
        .refused(12, "passphrase is wrong");
    for (path, bytes) in home.snapshot() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            !text.contains(PASSPHRASE) && !text.contains(card.trim()),
            "{}",
            path.display()
        );
    }
}

/// Asks for a card with these headers beside the token.
fn ask(api: &Api, headers: &[(&str, &str)]) -> Answer {
    let (host, bearer) = (api.host(), api.bearer());
    let mut all = vec![
        ("Host", host.as_str()),
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
    ];
    all.extend(headers);
    let body = json!({ "log_n": 16, "salt": "07".repeat(16), "key": "09".repeat(32) });
    api.raw("POST", "/api/v1/keyrings/card", &all, &body.to_string())
}

#[test]
fn the_token_of_the_page_is_not_enough_for_a_card() {
    let (_relay, home) = device();
    let (_running, api) = daemon(&home);
    let record = record(&home);
    let keys = record["key_token"].as_str().unwrap();
    assert_eq!(keys.len(), 64);
    assert_ne!(keys, api.token);
    let page = home.run(&["ui", "--no-open"]).succeeded();
    assert!(!page.stdout.contains(keys), "{page:?}");

    let origin = format!("http://{}", api.host());
    for headers in [
        vec![],
        vec![("X-Chat-Sync-Keys", api.token.as_str())],
        vec![("X-Chat-Sync-Keys", "")],
        vec![("X-Chat-Sync-Keys", keys), ("Origin", origin.as_str())],
    ] {
        let refused = ask(&api, &headers);
        assert_eq!(
            (refused.status, &refused.json()["code"]),
            (403, &json!("keys")),
            "{headers:?}"
        );
        assert!(!refused.body.contains("chatkeys1"), "{refused:?}");
    }
    let card = ask(&api, &[("X-Chat-Sync-Keys", keys)]);
    assert_eq!(card.status, 200, "{card:?}");
    assert!(
        card.json()["card"].as_str().unwrap().starts_with("chatkeys1"),
        "{card:?}"
    );
}

#[test]
fn an_account_without_history_keys_has_no_card_beside_a_daemon_either() {
    let home = Home::new();
    home.log_in(SECRET, &[crate::NOBODY]);
    let (_running, _api) = daemon(&home);
    home.run_with(&["key", "backup"], PASSPHRASE)
        .refused(1, "chat-sync sync");
}
