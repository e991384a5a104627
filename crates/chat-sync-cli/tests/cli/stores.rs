//! `store`: whole, damaged, mended, and small.

use redb::{Database, ReadableTable, TableDefinition};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};

use crate::SECRET;
use crate::program::Home;

const ENVELOPES: TableDefinition<u64, &[u8]> = TableDefinition::new("envelopes-1");

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

/// Flips a bit of the first envelope in the store's file.
pub(crate) fn damage(home: &Home) {
    let stats = home.run(&["store", "stats", "--json"]).succeeded().json();
    let database = Database::open(stats["file"].as_str().unwrap()).unwrap();
    let transaction = database.begin_write().unwrap();
    {
        let mut envelopes = transaction.open_table(ENVELOPES).unwrap();
        let mut bytes = envelopes.get(1).unwrap().unwrap().value().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        envelopes.insert(1, bytes.as_slice()).unwrap();
    }
    transaction.commit().unwrap();
}

#[test]
fn a_damaged_message_is_named_set_aside_and_fetched_again() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = device(&relay);
    let whole = home.run(&["store", "verify", "--json"]).succeeded().json();
    assert_eq!((&whole["whole"], &whole["events"]), (&true.into(), &3.into()));

    damage(&home);
    let found = home.run(&["store", "verify", "--json"]);
    assert_eq!(found.code, 1);
    assert_eq!(found.json()["whole"], false);
    assert_eq!(found.json()["damage"][0]["event"], true);
    assert!(found.stderr.contains("store rebuild"), "{found:?}");

    let rebuilt = home.run(&["store", "rebuild", "--json"]).succeeded().json();
    assert_eq!((&rebuilt["events"], &rebuilt["dropped"]), (&2.into(), &1.into()));
    let aside = std::fs::read(rebuilt["set_aside"].as_str().unwrap()).unwrap();
    assert!(aside.len() > 100);
    home.run(&["store", "verify"]).succeeded();

    let synced = home.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&synced["complete"], &synced["messages"]),
        (&true.into(), &3.into())
    );
    let shown = home.run(&["chats", "show", "talk"]).succeeded().stdout;
    for text in ["one", "two", "three"] {
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn a_whole_store_has_nothing_to_mend_and_tells_its_size() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = device(&relay);
    let rebuilt = home.run(&["store", "rebuild", "--json"]).succeeded().json();
    assert_eq!(
        (&rebuilt["mended"], &rebuilt["set_aside"]),
        (&0.into(), &serde_json::Value::Null)
    );
    let stats = home.run(&["store", "stats"]).succeeded().stdout;
    assert!(
        stats.contains("envelopes-1") && stats.contains("store.redb"),
        "{stats}"
    );
    let sizes = home.run(&["store", "compact", "--json"]).succeeded().json();
    assert!(sizes["after_bytes"].as_u64() <= sizes["before_bytes"].as_u64());
    home.run(&["store", "verify"]).succeeded();
    Home::new().run(&["store", "verify"]).refused(10, "login");
}
