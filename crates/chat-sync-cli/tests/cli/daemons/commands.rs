//! Commands beside a daemon: they say the same, byte by byte.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::Value;

use super::api::daemon;
use crate::program::Home;
use crate::{NOBODY, SECRET, export};

/// Looks at everything that does not depend on being connected.
const LOOKS: [&[&str]; 21] = [
    &["chats", "list"],
    &["chats", "list", "--json"],
    &["chats", "show", "latest"],
    &["chats", "show", "latest", "--json"],
    &["chats", "show", "latest", "--receipts"],
    &["chats", "show", "latest", "--receipts", "--json"],
    &["chats", "show", "a/b c?d#e", "--json"],
    &["chats", "delete", "latest", "--dry-run"],
    &["chats", "delete", "latest", "--dry-run", "--json"],
    &["whoami"],
    &["whoami", "--json"],
    &["chats", "search", "hello"],
    &["chats", "search", "HELLO", "--json"],
    &["key", "list"],
    &["key", "list", "--json"],
    &["relays", "list"],
    &["queue", "list", "--json"],
    // Mistakes, too.
    &["chats", "show", "nothing of this name"],
    &["chats", "send", "talk", " "],
    &[
        "chats",
        "send",
        "latest",
        "x",
        "--parent",
        "00000000000000000000000000000000",
    ],
    &["queue", "retry", "abcdef"],
];

#[test]
fn commands_say_the_same_with_the_daemon_and_without() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    let file = home.file("export.json", &export());
    home.run(&["import", file.to_str().unwrap()]).succeeded();
    home.run(&["sync"]).succeeded();
    home.run(&["chats", "send", "a/b c?d#e", "<b>hello</b> \u{1F600}"])
        .succeeded();
    home.run(&["sync"]).succeeded();

    let (running, _api) = daemon(&home);
    home.run(&["sync"]).succeeded();
    // From here on nothing changes by itself.
    drop(relay);
    let look = || {
        LOOKS.map(|args| {
            let ended = home.run(args);
            (ended.code, ended.stdout, ended.stderr)
        })
    };
    let with = look();
    drop(running);
    let without = look();
    for ((args, without), with) in LOOKS.iter().zip(&without).zip(&with) {
        assert_eq!(with, without, "{args:?}");
    }
    let keys = |status: Value| -> Vec<String> { status.as_object().unwrap().keys().cloned().collect() };
    let without = keys(home.run(&["status", "--json"]).succeeded().json());
    let synced = keys(home.run(&["sync", "--json"]).json());
    let (_running, _api) = daemon(&home);
    assert_eq!(keys(home.run(&["status", "--json"]).succeeded().json()), without);
    assert_eq!(keys(home.run(&["sync", "--json"]).json()), synced);
}

#[test]
fn what_is_sent_deleted_and_given_up_beside_a_daemon_is_done() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    let sent = home
        .run(&["chats", "send", "talk", "hello", "--json"])
        .succeeded()
        .json();
    assert_eq!((&sent["state"], &sent["began"]), (&"draft".into(), &true.into()));
    let again = home
        .run(&["chats", "send", "talk", "again", "--json"])
        .succeeded()
        .json();
    assert_eq!(again["began"], false);
    home.run(&["chats", "delete", again["id"].as_str().unwrap(), "--yes"])
        .succeeded();
    let shown = api.get("/conversations/talk");
    assert_eq!(shown["messages"].as_array().unwrap().len(), 1, "{shown}");
    assert_eq!(shown["messages"][0]["content"], "hello");
    assert_eq!(api.get("/queue")["drafts"], 1);
    drop(running);
    let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 1, "{shown}");
}

#[test]
fn a_message_sent_beside_a_daemon_shows_where_it_is_watched() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    let (_running, _api) = daemon(&home);
    let (watching, status) = (
        home.start(&["chats", "watch", "--json"]),
        home.start(&["status", "--watch", "--json"]),
    );
    watching.says("watching 1 of 1 relay");
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    let landed: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(
        (&landed["conversation"], &landed["content"]),
        (&"talk".into(), &"hello".into()),
        "{landed}"
    );
    loop {
        let status: Value = serde_json::from_str(&status.line()).unwrap();
        if status["messages"] == 1 {
            break;
        }
    }
}

#[test]
fn what_needs_the_store_for_itself_says_what_to_do() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, _api) = daemon(&home);
    for args in [
        &["logout", "--force"][..],
        &["--relay", "ws://127.0.0.1:2", "chats", "list"],
    ] {
        home.run(args).refused(11, "daemon stop");
    }
    home.run_with(&["login"], SECRET).refused(11, "daemon stop");
    drop(running);
    home.run(&["logout", "--force"]).succeeded();
}

#[test]
fn an_account_that_the_daemon_does_not_hold_is_read_without_it() {
    let home = Home::new();
    let other = "02".repeat(32);
    let other = home.log_in(&other, &[NOBODY]);
    home.log_in(SECRET, &[NOBODY]);
    let (_running, _api) = daemon(&home);
    let npub = other["npub"].as_str().unwrap();
    home.run(&["--account", npub, "chats", "send", "elsewhere", "hello"])
        .succeeded();
    let list = home.run(&["chats", "list", "--json"]).succeeded().json();
    assert_eq!(list["conversations"], serde_json::json!([]), "{list}");
}

#[test]
fn a_version_is_picked_and_what_was_read_counts_as_read() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let send = |text: &str, parent: Option<&serde_json::Value>| {
        let body = serde_json::json!({ "text": text, "role": "assistant", "parent": parent });
        api.post("/conversations/talk/messages", body).json()["id"].clone()
    };
    let question = send("Which flour?", None);
    let (first, second) = (send("White.", Some(&question)), send("Rye.", Some(&question)));
    let shown = api.get("/conversations/talk");
    assert_eq!(shown["messages"][1]["id"], second, "the newest is shown: {shown}");
    let picked = api.post(
        "/conversations/talk/pick",
        serde_json::json!({ "message": first }),
    );
    assert_eq!(picked.json()["messages"][1]["content"], "White.", "{picked:?}");
    assert_eq!(api.get("/conversations/talk")["messages"][1]["content"], "White.");
    let none = serde_json::json!({ "message": "00".repeat(32) });
    assert_eq!(api.post("/conversations/talk/pick", none).status, 404);

    assert_eq!(api.ask("POST", "/conversations/talk/read", None).status, 204);
    assert_eq!(api.get("/conversations")["conversations"][0]["unread"], 0);
    let found = api.get("/search?q=RYE&limit=5");
    assert_eq!(found["hits"][0]["message"], second, "{found}");
    assert_eq!(api.ask("GET", "/search", None).status, 400);
}

#[test]
fn prometheus_reads_the_status() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let (host, bearer) = (api.host(), api.bearer());
    let headers = [("Host", host.as_str()), ("Authorization", bearer.as_str())];
    let metrics = api.raw("GET", "/metrics", &headers, "");
    assert_eq!(metrics.status, 200, "{metrics:?}");
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{metrics:?}");
    assert!(metrics.body.contains("# TYPE"), "{metrics:?}");
}

#[test]
fn a_daemon_takes_up_the_first_login() {
    let home = Home::new();
    let (_running, api) = daemon(&home);
    let nobody = api.ask("GET", "/account", None);
    assert_eq!(
        (nobody.status, &nobody.json()["exit"]),
        (404, &serde_json::json!(10))
    );
    home.run(&["chats", "list"]).refused(10, "chat-sync login");
    let identity = home.log_in(SECRET, &[NOBODY]);
    assert_eq!(api.get("/account"), identity);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    assert_eq!(api.get("/conversations")["total"], 1);
}
