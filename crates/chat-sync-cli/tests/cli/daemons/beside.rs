//! What once needed the store for itself: the same beside a daemon as without one.

use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind, Tag};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::{Value, json};

use super::api::{Api, daemon};
use crate::program::{Ended, Home};
use crate::stores::damage;
use crate::{NOBODY, SECRET, export};

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

/// Waits for a status that is as wanted.
fn until(api: &Api, wanted: impl Fn(&Value) -> bool) {
    let mut events = api.events("", None);
    loop {
        if wanted(&events.until("status")) {
            return;
        }
    }
}

fn said(ended: &Ended) -> (i32, &str) {
    (ended.code, &ended.stdout)
}

#[test]
fn an_export_is_imported_as_without_a_daemon_and_twice_is_once() {
    let (alone, beside) = (Home::new(), Home::new());
    for home in [&alone, &beside] {
        home.log_in(SECRET, &[NOBODY]);
    }
    let (_running, api) = daemon(&beside);
    for args in [
        &["--dry-run"][..],
        &["--dry-run", "--json"],
        &["--json"],
        &[],
        &["--dry-run"],
    ] {
        let run = |home: &Home| {
            let file = home.file("export.json", &export());
            home.run(&[&["import", file.to_str().unwrap()], args].concat())
        };
        let (with, without) = (run(&beside), run(&alone));
        assert_eq!(said(&with), said(&without), "{args:?}");
        assert_eq!(with.code, 0, "{with:?}");
    }
    assert_eq!(api.get("/conversations")["total"], 3);
    let broken = beside.file("broken.json", "[{]");
    beside
        .run(&["import", broken.to_str().unwrap()])
        .refused(1, "not JSON");
}

#[test]
fn a_long_export_goes_in_bit_by_bit_and_goes_on_where_it_was_cut_off() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let messages: Vec<Value> = (0..1_700)
        .map(|n| {
            let role = if n % 2 == 0 { "user" } else { "assistant" };
            json!({ "role": role, "content": format!("{n} {}", "word ".repeat(400)) })
        })
        .collect();
    let text = json!([{ "id": "1764001000000", "messages": messages }]).to_string();
    let file = home.file("long.json", &text);
    let (running, api) = daemon(&home);
    // As much as one request has, as if the rest had been cut off.
    let half = json!([{ "id": "1764001000000", "messages": messages[..600] }]).to_string();
    let part = home.file("part.json", &half);
    let begun = home
        .run(&["import", part.to_str().unwrap(), "--json"])
        .succeeded()
        .json();
    assert_eq!(begun["added"], 600);
    let whole = ["import", file.to_str().unwrap(), "--json"];
    let taken = home.run(&whole).succeeded().json();
    assert_eq!(
        (&taken["added"], &taken["known"]),
        (&1_100.into(), &600.into()),
        "{taken}"
    );
    assert_eq!(api.get("/conversations/1764001000000?limit=1")["total"], 1_700);
    running.kill();
    let again = home.run(&whole).succeeded().json();
    assert_eq!(
        (&again["added"], &again["known"]),
        (&0.into(), &1_700.into()),
        "{again}"
    );
}

#[test]
fn a_version_is_picked_and_what_is_shown_counts_as_read() {
    let relay = relay();
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        home.log_in(SECRET, &[&relay.url()]);
    }
    let question = other
        .run(&["chats", "send", "talk", "Which flour?", "--json"])
        .succeeded()
        .json()["id"]
        .clone();
    other.run(&["sync"]).succeeded();
    home.run(&["sync"]).succeeded();
    let parent = question.as_str().unwrap();
    for answer in ["White.", "Rye."] {
        other
            .run(&[
                "chats",
                "send",
                "talk",
                answer,
                "--role",
                "assistant",
                "--parent",
                parent,
            ])
            .succeeded();
    }
    let (running, api) = daemon(&home);
    other.run(&["sync"]).succeeded();
    until(&api, |status| status["messages"] == 3);
    let unread = || home.run(&["chats", "list", "--json"]).json()["conversations"][0]["unread"].clone();
    assert_ne!(unread(), 0);
    let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(unread(), 0);
    let versions = shown["messages"][1]["version_ids"].as_array().unwrap().clone();
    let picked = shown["messages"][1]["id"].clone();
    let pick = versions
        .iter()
        .find(|id| **id != picked)
        .unwrap()
        .as_str()
        .unwrap();
    let with = home.run(&["chats", "pick", pick, "--json"]).succeeded();
    assert_eq!(with.json()["messages"][1]["id"], pick);
    let stranger = "00".repeat(32);
    let refused = home.run(&["chats", "pick", &stranger]);
    drop(running);
    assert_eq!(said(&home.run(&["chats", "pick", pick, "--json"])), said(&with));
    let without = home.run(&["chats", "pick", &stranger]);
    assert_eq!(said(&refused), said(&without));
    assert_eq!(refused.stderr, without.stderr);
}

#[test]
fn a_store_is_examined_and_measured_while_a_daemon_works_with_it() {
    let relay = relay();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    let (running, api) = daemon(&home);
    let whole = home.run(&["store", "verify", "--json"]).succeeded().json();
    assert_eq!((&whole["whole"], &whole["events"]), (&true.into(), &3.into()));
    let stats = home.run(&["store", "stats", "--json"]).succeeded().json();
    assert_eq!((&stats["messages"], &stats["events"]), (&3.into(), &3.into()));
    assert_eq!(api.get("/store")["events"], 3);
    let table = home.run(&["store", "stats"]).succeeded().stdout;
    assert!(
        table.contains("envelopes-1") && table.contains("store.redb"),
        "{table}"
    );
    let report = home.run(&["doctor", "--offline"]).succeeded().stdout;
    assert!(report.contains("3 events whole"), "{report}");
    let headers = [("Host", api.host()), ("Authorization", api.bearer())];
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let lines = api.raw("GET", "/api/v1/store/verify", &headers, "");
    assert!(lines.head.contains("application/x-ndjson"), "{lines:?}");
    let last: Value = serde_json::from_str(lines.body.trim_end().lines().last().unwrap()).unwrap();
    assert_eq!(last["whole"], true, "{lines:?}");
    drop(running);

    damage(&home);
    let (running, _api) = daemon(&home);
    let with = home.run(&["store", "verify"]);
    drop(running);
    let without = home.run(&["store", "verify"]);
    assert_eq!((said(&with), &with.stderr), (said(&without), &without.stderr));
    assert_eq!(with.code, 1, "{with:?}");
}

#[test]
fn a_store_is_made_whole_and_small_by_the_daemon_that_goes_on_afterwards() {
    let relay = relay();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    damage(&home);
    let (running, api) = daemon(&home);
    let mut events = api.events("?conversation=talk", None);
    events.until("status");
    let rebuilt = home.run(&["store", "rebuild", "--json"]).succeeded().json();
    assert_eq!(
        (&rebuilt["events"], &rebuilt["dropped"]),
        (&2.into(), &1.into()),
        "{rebuilt}"
    );
    assert!(
        std::fs::read(rebuilt["set_aside"].as_str().unwrap())
            .unwrap()
            .len()
            > 100
    );
    // The same reader hears what happens afterwards, and what was dropped comes again by itself.
    events.until("reload");
    until(&api, |status| {
        status["messages"] == 3 && status["complete"] == true
    });
    home.run(&["chats", "send", "talk", "after"]).succeeded();
    while events.until("landed")["messages"][0]["content"] != "after" {}
    home.run(&["store", "verify"]).succeeded();

    let sizes = home.run(&["store", "compact", "--json"]).succeeded().json();
    assert!(
        sizes["after_bytes"].as_u64() <= sizes["before_bytes"].as_u64(),
        "{sizes}"
    );
    let said = home.run(&["store", "compact"]).succeeded().stdout;
    assert!(said.contains("before,") && said.contains("now"), "{said}");
    home.run(&["chats", "send", "talk", "and again"]).succeeded();
    until(&api, |status| status["messages"] == 5 && status["waiting"] == 0);
    drop(running);
    home.run(&["store", "verify"]).succeeded();
    let shown = home.run(&["chats", "show", "talk"]).succeeded().stdout;
    for text in ["one", "two", "three", "after", "and again"] {
        assert!(shown.contains(text), "{shown}");
    }
}

#[test]
fn commands_that_come_while_the_store_is_looked_after_are_answered_or_told_to_come_again() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    let (_running, api) = daemon(&home);
    let _events = api.events("?all=true", None);
    std::thread::scope(|scope| {
        let compacting = scope.spawn(|| {
            for _ in 0..5 {
                let ended = home.run(&["store", "compact"]);
                assert!(
                    ended.code == 0 || ended.stderr.contains("in a moment"),
                    "{ended:?}"
                );
            }
        });
        while !compacting.is_finished() {
            let ended = home.run(&["chats", "list", "--json"]);
            match ended.code {
                0 => assert_eq!(ended.json()["conversations"][0]["id"], "talk"),
                _ => ended.refused(11, "in a moment"),
            }
        }
    });
    home.run(&["chats", "list"]).succeeded();
}

#[test]
fn relays_that_were_changed_while_the_daemon_ran_are_those_it_goes_on_with() {
    let (one, two) = (relay(), relay());
    let home = Home::new();
    home.log_in(SECRET, &[&one.url()]);
    let (_running, api) = daemon(&home);
    home.run(&["relays", "add", &two.url(), "--no-wait"]).succeeded();
    home.run(&["relays", "remove", &one.url()]).succeeded();
    home.run(&["store", "compact"]).succeeded();
    assert_eq!(api.get("/account")["relays"], json!([two.url()]));
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    until(&api, |status| {
        status["safe"] == 1 && status["relays"].as_array().unwrap().len() == 1
    });
}

#[test]
fn a_comparison_only_looks_or_moves_one_way_beside_a_daemon() {
    let relay = relay();
    let (home, other) = (Home::new(), Home::new());
    for home in [&home, &other] {
        home.log_in(SECRET, &[&relay.url()]);
        home.run(&["chats", "send", "talk", "old"]).succeeded();
        home.run(&["sync"]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    // What a daemon that moves nothing by itself sees is what a command alone sees.
    let still = [
        "daemon",
        "run",
        "--json",
        "--switch",
        "uploads=off",
        "--switch",
        "downloads=off",
    ];
    home.run(&["chats", "send", "talk", "from here", "--relay", NOBODY])
        .succeeded();
    other.run(&["chats", "send", "talk", "from there"]).succeeded();
    other.run(&["sync"]).succeeded();
    let without = home.run(&["sync", "--dry-run"]).succeeded();
    let running = home.start(&still);
    running.line();
    let with = home.run(&["sync", "--dry-run"]).succeeded();
    let would = |ended: &Ended| ended.stdout.lines().last().unwrap().to_owned();
    assert_eq!(would(&with), "Would send 1 message and fetch 1 message.");
    assert_eq!(would(&with), would(&without));
    let report = home.run(&["sync", "--dry-run", "--json"]).succeeded().json();
    assert_eq!(
        (&report["relays"][0]["need"], &report["messages"]),
        (&1.into(), &3.into()),
        "{report}"
    );
    drop(running);

    let (_running, api) = daemon(&home);
    until(&api, |status| {
        status["complete"] == true && status["messages"] == 4
    });
    for args in [
        &["sync", "--up"][..],
        &["sync", "--down"],
        &["sync", "--full"],
        &["sync", "--dry-run"],
    ] {
        let args = [args, &["--json"]].concat();
        let report = home.run(&args).succeeded().json();
        assert_eq!(
            (&report["complete"], &report["messages"]),
            (&true.into(), &4.into()),
            "{args:?}: {report}"
        );
    }
    let mut switches = api.get("/switches");
    let days = switches.as_object_mut().unwrap().remove("forget_after_days");
    assert_eq!(days, Some(Value::Null));
    assert!(
        switches.as_object().unwrap().values().all(|on| on == true),
        "{switches}"
    );
    until(&api, |status| {
        status["switches"]["uploads"] == true && status["complete"] == true
    });
    for both in [
        json!({ "up": true, "down": true }),
        json!({ "dry_run": true, "up": true }),
    ] {
        assert_eq!(api.post("/sync", both).status, 400);
    }
}

#[test]
fn the_relay_list_is_followed_or_not_beside_a_daemon() {
    let (one, two) = (relay(), relay());
    // Those of this machine are not taken from a list, which is another's as well.
    let listed = "wss://listed.invalid";
    let list = EventBuilder::new(Kind::Custom(10002), "")
        .tag(Tag::parse(["r", listed]).unwrap())
        .finalize(&Keys::parse(SECRET).unwrap())
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(one.put(&[list])).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&one.url(), &two.url()]);
    let (running, api) = daemon(&home);
    let used = |count: usize| {
        until(&api, move |status| {
            status["relays"].as_array().unwrap().len() == count
        });
    };
    used(3);
    let off = home.run(&["relays", "follow", "off", "--json"]).succeeded();
    assert_eq!(off.json(), json!({ "relays": [one.url(), two.url()] }));
    used(2);
    assert_eq!(api.get("/relays")["relays"].as_array().unwrap().len(), 2);
    let on = home.run(&["relays", "follow", "on", "--json"]).succeeded();
    assert_eq!(on.json(), json!({ "relays": [one.url(), two.url(), listed] }));
    used(3);
    home.run(&["relays", "follow", "off"]).succeeded();
    drop(running);
    let listed = home.run(&["relays", "list", "--json"]).succeeded().json();
    assert_eq!(listed["relays"].as_array().unwrap().len(), 2, "it is on disk");
}
