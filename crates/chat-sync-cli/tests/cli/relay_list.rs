//! `relays list`, `add`, `remove` and `test`: with a relay, one that does not compare sets, and nobody.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use chat_sync::DataDir;
use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Kind, Tag};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy};
use serde_json::{Value, json};
use supervision::{Entropy, SystemEntropy};

use crate::program::Home;
use crate::{NOBODY, SECRET};

const OTHER: &str = "wss://other.example.com";

fn logged_in(relays: &[&str]) -> Home {
    let home = Home::new();
    home.log_in(SECRET, relays);
    home
}

fn listed(home: &Home) -> Vec<Value> {
    let list = home.run(&["relays", "list", "--json"]).succeeded().json();
    list["relays"].as_array().unwrap().clone()
}

fn urls(home: &Home) -> Vec<String> {
    let urls = listed(home).into_iter();
    urls.map(|relay| relay["url"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn relays_are_added_and_removed_for_good() {
    let home = logged_in(&[NOBODY]);
    let added = home
        .run(&[
            "relays",
            "add",
            "WSS://Other.Example.com:443/",
            OTHER,
            "--no-wait",
            "--json",
        ])
        .succeeded();
    assert_eq!(added.json(), json!({ "relays": [NOBODY, OTHER] }));
    assert_eq!(urls(&home), [NOBODY, OTHER]);
    let removed = home.run(&["relays", "remove", NOBODY]).succeeded();
    assert_eq!(removed.stdout, format!("{OTHER}\n"));
    assert_eq!(urls(&home), [OTHER]);
}

#[test]
fn a_mistake_changes_nothing_and_says_what_to_do() {
    let home = logged_in(&[NOBODY]);
    for (args, code, saying) in [
        (vec!["relays", "add", OTHER, NOBODY], 2, "already"),
        (
            vec!["relays", "add", OTHER, "https://host"],
            2,
            "use ws:// or wss://",
        ),
        (vec!["relays", "add"], 2, "<URL>"),
        (
            vec!["relays", "add", OTHER, "--relay", OTHER],
            2,
            "--relay is for one run",
        ),
        (
            vec!["relays", "remove", NOBODY, OTHER],
            2,
            "is not one of the account's relays",
        ),
        (vec!["relays", "remove", NOBODY], 1, "--force"),
    ] {
        home.run(&args).refused(code, saying);
    }
    assert_eq!(urls(&home), [NOBODY]);
    Home::new().run(&["relays", "list"]).refused(10, "login");
}

#[test]
fn the_last_relay_goes_only_by_force_and_no_message_goes_with_it() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = logged_in(&[&relay.url()]);
    home.run(&["chats", "send", "talk", "kept"]).succeeded();
    home.run(&["sync"]).succeeded();

    let removed = home
        .run(&["relays", "remove", &relay.url(), "--force"])
        .succeeded();
    assert!(
        removed
            .stderr
            .contains("1 message here is not known to be on any relay"),
        "{removed:?}"
    );
    assert_eq!(urls(&home), Vec::<String>::new());
    home.run(&["relays", "test"]).refused(2, "no relay to test");
    let shown = home.run(&["chats", "show", "talk"]).succeeded();
    assert!(shown.stdout.contains("kept"), "{shown:?}");

    // Added again it counts for nothing until it was compared.
    home.run(&["relays", "add", &relay.url(), "--no-wait"])
        .succeeded();
    let line = &listed(&home)[0];
    assert_eq!(
        (&line["agreed_at"], &line["method"]),
        (&Value::Null, &Value::Null),
        "{line}"
    );
    home.run(&["sync"]).succeeded();
    assert_eq!(listed(&home)[0]["basis"], "fingerprint");
}

#[test]
fn a_relay_that_is_added_is_filled_at_once() {
    let (one, two) = (
        EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap(),
        EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap(),
    );
    let home = logged_in(&[&one.url()]);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    let added = home.run(&["relays", "add", &two.url()]).succeeded();
    assert_eq!(added.stdout, format!("{}\n{}\n", one.url(), two.url()));
    assert!(
        added.stderr.contains("holds everything now: 3 messages sent"),
        "{added:?}"
    );
    assert_eq!(listed(&home)[1]["basis"], "fingerprint");
    // One that is away is added all the same.
    let away = home.run(&["relays", "add", NOBODY]).succeeded();
    assert!(away.stderr.contains("cannot be reached"), "{away:?}");
    assert_eq!(urls(&home).len(), 3);
}

#[test]
fn relays_of_the_accounts_own_list_are_marked_and_can_be_left_out() {
    let home = logged_in(&[NOBODY]);
    // As an engine leaves it that has read the list.
    let list = EventBuilder::new(Kind::Custom(10002), "")
        .tags([Tag::parse(["r", OTHER]).unwrap()])
        .finalize(&Keys::parse(SECRET).unwrap())
        .unwrap();
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let account = DataDir::new(home.data()).open(&entropy).unwrap();
    let kept = json!({ "event": list }).to_string();
    account.store.put_meta("relay-list", kept.as_bytes()).unwrap();
    drop(account);

    let origins = |home: &Home| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let relays = listed(home).into_iter();
        relays
            .map(|relay| (text(&relay["url"]), text(&relay["origin"])))
            .collect()
    };
    let pair = |url: &str, origin: &str| (url.to_owned(), origin.to_owned());
    assert_eq!(origins(&home), [pair(NOBODY, "added"), pair(OTHER, "list")]);
    let shown = home.run(&["relays", "list"]).succeeded();
    assert!(shown.stdout.contains("from your relay list"), "{shown:?}");
    let alone = home
        .run(&["relays", "list", "--relay", NOBODY, "--json"])
        .succeeded()
        .json();
    assert_eq!(
        alone["relays"].as_array().unwrap().len(),
        1,
        "given for one run, and no others"
    );

    let off = home.run(&["relays", "follow", "off"]).succeeded();
    assert_eq!(off.stdout, format!("{NOBODY}\n"));
    assert_eq!(urls(&home), [NOBODY]);
    home.run(&["relays", "follow", "on"]).succeeded();
    assert_eq!(urls(&home), [NOBODY, OTHER]);
    home.run(&["relays", "remove", OTHER]).succeeded();
    assert_eq!(urls(&home), [NOBODY], "removed, it does not come back by itself");
    home.run(&["relays", "add", OTHER, "--no-wait"]).succeeded();
    assert_eq!(origins(&home)[1], pair(OTHER, "added"));
}

#[test]
fn a_comparison_leaves_behind_what_the_relay_can_do() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let proxy = Proxy::start(&relay.url(), Fault::RefusesNeg).unwrap();
    let home = logged_in(&[&relay.url(), &proxy.url()]);
    let before = listed(&home);
    assert_eq!(
        (&before[0]["method"], &before[0]["profile"]["negentropy"]),
        (&Value::Null, &Value::Null)
    );

    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    home.run(&["sync"]).succeeded();
    let [speaks, pages] = listed(&home).try_into().unwrap();
    assert_eq!(
        (&speaks["method"], &speaks["basis"]),
        (&"negentropy".into(), &"fingerprint".into())
    );
    assert_eq!(
        (&pages["method"], &pages["basis"]),
        (&"paging".into(), &"pages".into())
    );
    let refusal = &pages["profile"]["negentropy"];
    assert_eq!(refusal["value"]["speaks"], false, "{pages}");
    assert!(
        refusal["value"]["why"]
            .as_str()
            .is_some_and(|why| !why.is_empty()),
        "{pages}"
    );
    let time = |of: &str| refusal[of].as_u64().unwrap();
    assert_eq!(time("expires_at") - time("learned_at"), 24 * 3600);

    let text = home.run(&["relays", "list"]).succeeded().stdout;
    assert!(
        text.contains("negentropy") && text.contains("does not compare sets"),
        "{text}"
    );
    // A full comparison begins by forgetting.
    proxy.set_fault(Fault::None);
    home.run(&["sync", "--full"]).succeeded();
    assert_eq!(listed(&home)[1]["method"], "negentropy");
}

#[test]
fn testing_tells_what_each_relay_does_and_publishes_nothing() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let proxy = Proxy::start(&relay.url(), Fault::RefusesNeg).unwrap();
    let home = logged_in(&[&relay.url(), &proxy.url()]);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    home.run(&["sync", "--relay", &relay.url()]).succeeded();
    home.run(&["chats", "send", "talk", "not sent by a test", "--relay", NOBODY])
        .succeeded();

    let test = home.run(&["relays", "test", "--json"]).succeeded().json();
    let [speaks, pages] = test["relays"].as_array().unwrap().clone().try_into().unwrap();
    for (line, compares) in [(&speaks, true), (&pages, false)] {
        assert_eq!(
            (&line["reachable"], &line["error"]),
            (&true.into(), &Value::Null),
            "{line}"
        );
        assert_eq!(line["negentropy"]["speaks"], compares, "{line}");
        assert_eq!(
            (&line["page"]["brought"], &line["page"]["messages"]),
            (&1.into(), &1.into()),
            "{line}"
        );
        assert!(
            line["connect_ms"].is_u64() && line["page"]["ms"].is_u64(),
            "{line}"
        );
        assert!(
            line["info"]["error"].is_string(),
            "this relay has no document: {line}"
        );
    }
    assert!(pages["negentropy"]["why"].is_string(), "{pages}");
    // What was found out is known afterwards.
    let methods: Vec<Value> = listed(&home).iter().map(|line| line["method"].clone()).collect();
    assert_eq!(methods, ["negentropy", "paging"]);

    let shown = home.run(&["relays", "test", &proxy.url()]).succeeded().stdout;
    assert!(
        shown.starts_with(&proxy.url()) && shown.contains("compares sets   no: "),
        "{shown}"
    );
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["drafts"], 1, "the message was not sent: {status}");
}

#[test]
fn testing_relays_that_are_away_says_which() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = logged_in(&[&relay.url(), NOBODY]);
    let some = home.run(&["relays", "test", "--json", "-q"]);
    some.refused(3, NOBODY);
    let away = &some.json()["relays"][1];
    assert_eq!(
        (&away["reachable"], &away["connect_ms"]),
        (&false.into(), &Value::Null),
        "{away}"
    );
    assert!(
        away["error"].as_str().unwrap().contains("connection refused"),
        "{away}"
    );
    assert_eq!(away["negentropy"], Value::Null);

    home.run(&["relays", "test", NOBODY, "-q"])
        .refused(4, "no relay could be reached");
}

#[test]
fn what_a_relay_says_about_itself_is_shown_and_its_limit_is_kept() {
    let (url, asked) = web_server(
        r#"{"name":"front","software":"https://example.com/r.git","version":"7",
        "supported_nips":[1,77],"limitation":{"max_limit":123,"auth_required":"what"}}"#,
    );
    let home = logged_in(&[&url]);
    // It has a document, and takes nobody in.
    let test = home.run(&["relays", "test", "--json", "-q"]);
    test.refused(4, "no relay could be reached");
    let info = &test.json()["relays"][0]["profile"]["info"]["value"];
    assert_eq!(
        (&info["name"], &info["supported_nips"]),
        (&"front".into(), &json!([1, 77])),
        "{info}"
    );
    assert!(
        asked
            .recv()
            .unwrap()
            .to_ascii_lowercase()
            .contains("accept: application/nostr+json")
    );
    assert_eq!(listed(&home)[0]["profile"]["page_limit"], 123);
    let shown = home.run(&["relays", "list"]).succeeded().stdout;
    assert!(shown.contains("r 7") && shown.contains("123"), "{shown}");
}

/// Answers every request for a document with `document`, and everything else with HTTP 503.
fn web_server(document: &str) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let document = document.to_owned();
    let (send, asked) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).is_ok_and(|read| read == 1) {
                request.push(byte[0]);
            }
            let request = String::from_utf8(request).unwrap();
            let (status, body) = if request.contains("nostr+json") {
                let _ = send.send(request);
                ("200 OK", document.as_str())
            } else {
                ("503 Service Unavailable", "")
            };
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    (url, asked)
}
