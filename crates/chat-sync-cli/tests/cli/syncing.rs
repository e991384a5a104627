//! Devices and a relay, each a process of its own.

use serde_json::Value;

use crate::program::{Home, Running};
use crate::{NOBODY, SECRET, export};

/// A relay on a free port, and its address.
fn relay(home: &Home, port: &str) -> (Running, String) {
    let data = home.data().with_file_name("relay");
    let relay = home.start(&["relay", "--port", port, "--data", data.to_str().unwrap()]);
    let url = relay.line();
    assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
    (relay, url)
}

fn list(home: &Home) -> Value {
    home.run(&["chats", "list", "--json"]).succeeded().json()
}

#[test]
fn two_devices_become_equal_and_a_second_sync_moves_nothing() {
    let (bench, one, two) = (Home::new(), Home::new(), Home::new());
    let (_relay, url) = relay(&bench, "0");
    for device in [&one, &two] {
        device.log_in(SECRET, &[&url]);
    }
    let file = one.file("export.json", &export());
    let added = one
        .run(&["import", file.to_str().unwrap(), "--json"])
        .succeeded()
        .json()["added"]
        .clone();

    let first = one.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&first["complete"], &first["waiting"]),
        (&Value::from(true), &Value::from(0)),
        "{first}"
    );
    let second = two.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&second["complete"], &second["messages"]),
        (&Value::from(true), &added),
        "{second}"
    );
    assert_eq!(second["relays"][0]["received"], added, "{second}");
    assert_eq!(list(&one), list(&two));
    assert!(!list(&one)["conversations"].as_array().unwrap().is_empty());

    for device in [&one, &two] {
        let again = device.run(&["sync", "--json"]).succeeded().json();
        assert_eq!(again["complete"], true, "{again}");
        let line = &again["relays"][0];
        assert_eq!(
            (&line["method"], &line["basis"]),
            (&"negentropy".into(), &"fingerprint".into()),
            "{line}"
        );
        for (key, number) in [
            ("have", 0),
            ("need", 0),
            ("received", 0),
            ("sent", 0),
            ("rounds", 1),
        ] {
            assert_eq!(line[key], number, "{key}: {line}");
        }
        let status = device.run(&["status", "--json"]).succeeded().json();
        assert_eq!(
            (&status["complete"], &status["safe"]),
            (&Value::from(true), &added),
            "{status}"
        );
    }
    let known = two
        .run(&["import", file.to_str().unwrap(), "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&known["added"], &known["known"]),
        (&Value::from(0), &added),
        "what came by relay is known"
    );
    let identities = [&one, &two].map(|device| device.run(&["whoami", "--json"]).succeeded().json());
    assert!(identities[0]["write_key"].is_string());
    assert_eq!(identities[0], identities[1], "they write with one key");
}

#[test]
fn what_one_device_sends_the_other_shows() {
    let (bench, one, two) = (Home::new(), Home::new(), Home::new());
    let (_relay, url) = relay(&bench, "0");
    for device in [&one, &two] {
        device.log_in(SECRET, &[&url]);
    }
    one.run(&["chats", "send", "talk", "before"]).succeeded();
    one.run(&["sync"]).succeeded();
    two.run(&["sync"]).succeeded();

    let watching = two.start(&["chats", "watch", "--json"]);
    watching.says("watching");
    let sent = one
        .run(&["chats", "send", "talk", "good morning", "--json"])
        .succeeded()
        .json();
    // The relay may show it again before the command ends.
    assert!(
        sent["state"] == "accepted" || sent["state"] == "verified",
        "{sent}"
    );
    let shown: Value = serde_json::from_str(&watching.line()).unwrap();
    assert_eq!(
        (&shown["conversation"], &shown["content"]),
        (&"talk".into(), &"good morning".into()),
        "{shown}"
    );
    assert_eq!(shown["state"], "verified");
    watching.kill();

    let messages =
        |home: &Home| home.run(&["chats", "show", "talk", "--json"]).succeeded().json()["messages"].clone();
    let ids = |messages: &Value| {
        messages
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&messages(&one)), ids(&messages(&two)));
    assert_eq!(messages(&two)[1]["id"], shown["id"]);
    // The local id still names it.
    one.run(&[
        "chats",
        "send",
        "talk",
        "reply",
        "--parent",
        sent["id"].as_str().unwrap(),
    ])
    .succeeded();
}

#[test]
fn what_was_written_while_the_relay_was_away_goes_out_once() {
    let (bench, one, two) = (Home::new(), Home::new(), Home::new());
    let (first_relay, url) = relay(&bench, "0");
    for device in [&one, &two] {
        device.log_in(SECRET, &[&url]);
        device.run(&["sync"]).succeeded();
    }
    first_relay.kill();
    one.run(&["chats", "send", "talk", "anybody there?"]).succeeded();
    one.run(&["sync"]).refused(4, "1 message stays");
    assert_eq!(one.run(&["status", "--json"]).succeeded().json()["waiting"], 1);

    let port = url.rsplit(':').next().unwrap();
    let (_relay, again) = relay(&bench, port);
    assert_eq!(again, url);
    let report = one.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["waiting"]),
        (&Value::from(true), &Value::from(0)),
        "{report}"
    );
    let received = two.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(received["relays"][0]["received"], 1, "{received}");
    let show = two.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(show["messages"].as_array().unwrap().len(), 1, "{show}");
}

#[test]
fn relays_of_a_run_replace_the_saved_ones_and_are_not_saved() {
    let (bench, one) = (Home::new(), Home::new());
    let (_relay, url) = relay(&bench, "0");
    one.log_in(SECRET, &[NOBODY]);
    let report = one.run(&["sync", "--json", "--relay", &url]).succeeded().json();
    assert_eq!(report["relays"].as_array().unwrap().len(), 1, "{report}");
    assert_eq!(report["relays"][0]["url"], Value::from(url));
    assert_eq!(
        one.run(&["whoami", "--json"]).succeeded().json()["relays"],
        Value::from(vec![NOBODY])
    );
}

#[test]
fn one_relay_of_two_is_a_part() {
    let (bench, one) = (Home::new(), Home::new());
    let (_relay, url) = relay(&bench, "0");
    one.log_in(SECRET, &[&url]);
    one.run(&["chats", "send", "talk", "hello"]).succeeded();
    one.run(&["sync"]).succeeded();
    one.run(&["sync", "--relay", &url, "--relay", NOBODY])
        .refused(3, "1 of 2 relays");
}

#[test]
fn the_demo_ends_with_equal_histories() {
    let home = Home::new();
    let demo = home
        .run(&["demo", "--json", "--messages", "60"])
        .succeeded()
        .json();
    assert_eq!(
        (&demo["converged"], &demo["devices"]),
        (&Value::from(true), &Value::from(4)),
        "{demo}"
    );
    assert_eq!(
        (&demo["lost"], &demo["duplicates"]),
        (&Value::from(0), &Value::from(0)),
        "{demo}"
    );
    assert_eq!(demo["messages"], 67, "60 imported, 7 written on the way");
    assert!(!home.data().exists(), "it leaves the person's own data alone");
}
