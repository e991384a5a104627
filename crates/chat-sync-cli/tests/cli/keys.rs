//! `key`: what there is, a card of it, and a history with nothing but the card.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::SECRET;
use crate::program::Home;

const PASSPHRASE: &str = "correct horse battery staple";

/// A device of the account with three messages that a relay has.
fn device(relay: &EmbeddedRelay) -> Home {
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    home
}

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

#[test]
fn every_history_key_is_listed_with_its_use() {
    let relay = relay();
    let home = device(&relay);
    let keys = home.run(&["key", "list", "--json"]).succeeded().json();
    let keys = keys["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["messages"], 3);
    assert_eq!(
        (&keys[0]["writes"], &keys[0]["on_a_relay"]),
        (&true.into(), &true.into())
    );
    let identity = home.run(&["whoami", "--json"]).succeeded().json();
    assert_eq!(keys[0]["public_key"], identity["write_key"]);
    let table = home.run(&["key", "list"]).succeeded().stdout;
    assert!(
        table.contains("reads and writes") && table.contains("store.key"),
        "{table}"
    );
}

#[test]
fn a_card_and_its_passphrase_read_and_write_the_history_without_any_login() {
    let relay = relay();
    let home = device(&relay);
    let card = home
        .run_with(&["key", "backup", "-q"], &format!("{PASSPHRASE}\n"))
        .succeeded()
        .stdout;
    assert!(card.starts_with("chatkeys1"), "{card}");
    assert_eq!(card.lines().count(), 1);

    let elsewhere = Home::new();
    let restored = elsewhere
        .run_with(&["key", "restore", "--json"], &format!("{card}{PASSPHRASE}\n"))
        .succeeded()
        .json();
    let identity = home.run(&["whoami", "--json"]).succeeded().json();
    assert_eq!(restored["method"], "history-keys");
    for same in ["npub", "write_key", "relays"] {
        assert_eq!(restored[same], identity[same], "{same}");
    }
    let sync = elsewhere.run(&["sync", "--json"]).succeeded().json();
    assert_eq!((&sync["complete"], &sync["messages"]), (&true.into(), &3.into()));
    elsewhere
        .run(&["chats", "send", "talk", "from the card"])
        .succeeded();
    elsewhere.run(&["sync"]).succeeded();
    home.run(&["sync"]).succeeded();
    let shown = home.run(&["chats", "show", "talk"]).succeeded().stdout;
    assert!(shown.contains("from the card"), "{shown}");

    for (path, bytes) in elsewhere.snapshot() {
        let secret = SECRET.as_bytes();
        assert!(
            !bytes.windows(secret.len()).any(|window| window == secret),
            "{} holds the account's key",
            path.display()
        );
    }
}

#[test]
fn a_card_with_the_wrong_passphrase_or_a_wrong_letter_restores_nothing() {
    let relay = relay();
    let home = device(&relay);
    let file = home.file("passphrase", PASSPHRASE);
    let file = file.to_str().unwrap();
    let path = home.file("unused", "");
    let card = path.with_file_name("card");
    let card = card.to_str().unwrap();
    home.run(&["key", "backup", "--output", card, "--passphrase-file", file])
        .succeeded();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(card).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    home.run(&["key", "backup", "-q", "--output", card, "--passphrase-file", file])
        .refused(1, "another path");

    let elsewhere = Home::new();
    elsewhere
        .run(&["key", "restore", "--card", card, "-q"])
        .refused(2, "--passphrase-file");
    elsewhere
        .run_with(&["key", "restore", "--card", card, "-q"], "wrong\n")
        .refused(12, "passphrase is wrong");
    let text = std::fs::read_to_string(card).unwrap();
    elsewhere
        .run_with(&["key", "restore", "-q"], &format!("{text}wrong\n"))
        .refused(12, "passphrase is wrong");
    let mistyped = text.trim().replacen('q', "p", 1);
    elsewhere
        .run_with(&["key", "restore", "-q"], &format!("{mistyped}\n{PASSPHRASE}\n"))
        .refused(2, "copy it again");
    elsewhere
        .run_with(&["key", "restore", "-q"], SECRET)
        .refused(2, "key card");
    assert!(!elsewhere.data().exists(), "nothing was created");
}

#[test]
fn an_account_without_history_keys_has_no_card() {
    let home = Home::new();
    home.log_in(SECRET, &[crate::NOBODY]);
    home.run_with(&["key", "backup"], PASSPHRASE)
        .refused(1, "chat-sync sync");
    let table = home.run(&["key", "list"]).succeeded().stdout;
    assert!(table.contains("no history key yet"), "{table}");
}

#[test]
fn a_card_gives_a_relay_the_keyring_that_it_lacks() {
    let (relay, other) = (relay(), relay());
    let home = device(&relay);
    let card = home
        .run_with(&["key", "backup", "-q"], &format!("{PASSPHRASE}\n"))
        .succeeded()
        .stdout;
    let elsewhere = Home::new();
    let (url, given) = (other.url(), format!("{card}{PASSPHRASE}\n"));
    elsewhere
        .run_with(&["key", "restore", "--relay", &url], &given)
        .succeeded();
    elsewhere.run(&["sync"]).succeeded();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let keyrings = [nostr::prelude::Kind::Custom(1081)];
    assert_eq!(runtime.block_on(other.count_events(&keyrings, &[])).unwrap(), 1);
}
