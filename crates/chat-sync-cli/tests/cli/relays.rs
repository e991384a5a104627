//! Relays that behave in their own way: no NIP-77, a keyring that nobody can open.

use nostr::event::{EventBuilder, FinalizeEvent, Kind};
use nostr::key::Keys;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy};
use serde_json::Value;

use crate::program::Home;
use crate::{SECRET, export};

fn synced_by_pages(fault: Fault) {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let proxy = Proxy::start(&relay.url(), Fault::None).unwrap();
    let (one, two) = (Home::new(), Home::new());
    for device in [&one, &two] {
        device.log_in(SECRET, &[&proxy.url()]);
    }
    let file = one.file("export.json", &export());
    let added = one
        .run(&["import", file.to_str().unwrap(), "--json"])
        .succeeded()
        .json()["added"]
        .clone();
    one.run(&["sync"]).succeeded();

    proxy.set_fault(fault);
    let report = two.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(report["messages"], added, "{report}");
    let line = &report["relays"][0];
    assert_eq!(
        (&line["method"], &line["basis"]),
        (&"paging".into(), &"pages".into()),
        "{line}"
    );
    assert_eq!(
        (&report["complete"], &line["complete"]),
        (&Value::from(true), &Value::from(true)),
        "{report}"
    );
    let again = two.run(&["sync"]).succeeded();
    assert!(
        again.stdout.contains("by pages: the relay does not compare sets"),
        "{again:?}"
    );
    let lists = [&one, &two].map(|device| device.run(&["chats", "list", "--json"]).succeeded().json());
    assert_eq!(lists[0], lists[1]);
}

#[test]
fn a_relay_that_refuses_to_compare_is_read_by_pages() {
    synced_by_pages(Fault::RefusesNeg);
}

#[test]
fn a_relay_that_ignores_comparisons_is_read_by_pages() {
    synced_by_pages(Fault::IgnoresNeg);
}

#[test]
fn a_keyring_that_does_not_open_locks_the_account() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let keys = Keys::parse(SECRET).unwrap();
    let foreign = EventBuilder::new(Kind::from(1081), "for another program")
        .finalize(&keys)
        .unwrap();
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(relay.put(&[foreign]))
        .unwrap();

    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["chats", "send", "talk", "kept meanwhile"]).succeeded();
    let sync = home.run(&["sync", "--json"]);
    sync.refused(5, "1 message stays");
    assert_eq!(
        (&sync.json()["complete"], &sync.json()["drafts"]),
        (&Value::from(false), &Value::from(1))
    );
    assert!(sync.json()["locked"].is_string(), "{sync:?}");
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Command;
    let home = Home::new();
    home.log_in(SECRET, &[]);
    let program = env!("CARGO_BIN_EXE_chat-sync");
    let script = format!(
        "'{program}' whoami --data-dir '{}' | true; echo ${{PIPESTATUS[0]}}",
        home.data().display()
    );
    let ended = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "0\n");
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
