//! A device that keeps a recent window, as a person sees it.

use nostr::event::{Event, Kind};
use pns_keys::{LocalSigner, Profile, Signer, open_keyring, seal};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::{Value, json};
use supervision::{Entropy, SystemEntropy};

use crate::SECRET;
use crate::daemons::api::daemon;
use crate::program::Home;

const DAY: u64 = 24 * 3600;

/// What another program wrote: a conversation of so many messages, sealed ten days apart, the last of them today.
async fn history(relay: &EmbeddedRelay, count: u64) -> Vec<Event> {
    let keyrings = relay.events(&[Kind::Custom(1081)], &[]).await.unwrap();
    let signer = LocalSigner::parse(SECRET, || SystemEntropy.draw_32()).unwrap();
    let keyring = open_keyring(&signer, &keyrings[0]).await.unwrap();
    let now = keyrings[0].created_at.as_secs() + 300;
    let mut parent = "0".repeat(64);
    let mut events = Vec::new();
    for n in 0..count {
        let at = now - 60 - (count - 1 - n) * 10 * DAY;
        let role = if n % 2 == 0 { "user" } else { "assistant" };
        let rumor = json!({
            "kind": 20001, "pubkey": signer.public_key().to_hex(), "created_at": at,
            "tags": [["d", "trip"], ["role", role], ["client", "routstr-chat"], ["e", parent]],
            "content": format!("step {n}"),
        });
        let (text, key) = (rumor.to_string(), keyring.key(Profile::Routstr));
        let event = seal(
            key,
            text.as_bytes(),
            at,
            SystemEntropy.draw_32(),
            SystemEntropy.draw_32(),
        )
        .unwrap();
        parent = event.id.to_hex();
        events.push(event);
    }
    relay.put(&events).await.unwrap();
    events
}

/// An account whose keyring is on the relay, and eight messages that come with its next sync; four are older than 35 days.
async fn begun() -> (Home, EmbeddedRelay) {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["sync"]).succeeded();
    history(&relay, 8).await;
    (home, relay)
}

fn keeping(home: &Home, days: &str) {
    let text = format!("[switches]\nforget_after_days = {days}\n");
    std::fs::write(home.data().join("config.toml"), text).unwrap();
}

fn shown(home: &Home) -> Vec<Value> {
    let view = home.run(&["chats", "show", "trip", "--json"]).succeeded().json();
    assert_eq!(view["title"], "step 0", "it keeps its title");
    let messages = view["messages"].as_array().unwrap();
    messages
        .iter()
        .map(|message| message["content"].clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_forgets_what_is_old_and_safe_and_brings_it_back_when_it_is_wanted() {
    let (home, relay) = begun().await;
    home.run(&["sync"]).succeeded();
    assert_eq!(shown(&home).len(), 8);
    home.run(&["chats", "list"]).succeeded();
    keeping(&home, "35");
    let report = home.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["messages"]),
        (&true.into(), &4.into()),
        "{report}"
    );
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(
        (&status["messages"], &status["forgotten"], &status["safe"]),
        (&4.into(), &4.into(), &4.into()),
        "{status}"
    );
    assert_eq!(status["complete"], true);
    let text = home.run(&["status"]).succeeded().stdout;
    assert!(
        text.contains("kept      for 35 days; 4 older messages on relays only"),
        "{text}"
    );
    assert_eq!(shown(&home), ["step 4", "step 5", "step 6", "step 7"]);
    let sizes = home.run(&["store", "stats", "--json"]).succeeded().json();
    assert_eq!((&sizes["forgotten"], &sizes["messages"]), (&4.into(), &4.into()));
    home.run(&["store", "verify"]).succeeded();
    home.run(&["store", "rebuild"]).succeeded();
    let again = home.run(&["sync", "--json"]).succeeded().json();
    let line = &again["relays"][0];
    assert_eq!(
        (&line["need"], &line["have"], &line["rounds"]),
        (&0.into(), &0.into(), &1.into()),
        "{again}"
    );
    assert_eq!(again["messages"], 4);

    // It is nowhere else.
    home.run(&["relays", "add", "ws://127.0.0.1:1", "--no-wait"])
        .succeeded();
    home.run(&["relays", "remove", &relay.url()])
        .refused(1, "4 older messages are forgotten on this device");
    home.run(&["relays", "remove", "ws://127.0.0.1:1"]).succeeded();

    // A look changes nothing, whatever it is told.
    let looked = home.run(&["sync", "--dry-run", "--json", "--switch", "forget_after_days=off"]);
    assert_eq!(looked.succeeded().json()["messages"], 4);
    let back = home
        .run(&["sync", "--json", "--switch", "forget_after_days=off"])
        .succeeded()
        .json();
    assert_eq!(
        (&back["complete"], &back["messages"]),
        (&true.into(), &8.into()),
        "{back}"
    );
    assert_eq!(shown(&home).len(), 8);
    keeping(&home, "15");
    home.run(&["sync"]).succeeded();
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(
        (&status["messages"], &status["forgotten"]),
        (&2.into(), &6.into())
    );
    let events = relay.count_events(&[Kind::Custom(1080)], &[]).await.unwrap();
    let deletions = relay.count_events(&[Kind::Custom(5)], &[]).await.unwrap();
    assert_eq!((events, deletions), (8, 0), "the relay was asked for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_keeps_the_window_while_it_runs() {
    let (home, _relay) = begun().await;
    keeping(&home, "35");
    let (_running, api) = daemon(&home);
    let until = |messages: u64, forgotten: u64| {
        let mut events = api.events("", None);
        loop {
            let status = events.until("status");
            let counts = (status["messages"].as_u64(), status["forgotten"].as_u64());
            if counts == (Some(messages), Some(forgotten)) && status["complete"] == true {
                return;
            }
        }
    };
    let turn = |days: Value| {
        let body = json!({ "forget_after_days": days });
        assert_eq!(api.ask("PATCH", "/switches", Some(body)).status, 200);
    };
    until(4, 4);
    turn(55.into());
    until(6, 2);
    turn(Value::Null);
    until(8, 0);
    turn(5.into());
    until(1, 7);
}
