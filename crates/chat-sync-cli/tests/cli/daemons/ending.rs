//! How a daemon begins and ends: one at a time, cleanly, or killed without a loss.

use serde_json::Value;

use super::api::{Api, daemon, record};
use crate::program::Home;
use crate::{NOBODY, SECRET};

#[test]
fn a_killed_daemon_loses_nothing_and_is_replaced() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, first) = daemon(&home);
    let mut sent = Vec::new();
    for n in 0..5 {
        let message = home
            .run(&["chats", "send", "talk", &format!("message {n}"), "--json"])
            .succeeded()
            .json();
        sent.push(message["id"].clone());
    }
    running.kill();
    assert!(
        home.data().join("daemon.json").exists(),
        "it had no time to tidy up"
    );
    let status = home.run(&["daemon", "status", "--json"]).succeeded().json();
    assert_eq!(status["running"], false);
    let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    let ids = |shown: &Value| -> Vec<Value> {
        let messages = shown["messages"].as_array().unwrap();
        messages.iter().map(|message| message["id"].clone()).collect()
    };
    assert_eq!(ids(&shown), sent);

    let (_running, second) = daemon(&home);
    assert_ne!(first.token, second.token);
    assert_eq!(ids(&second.get("/conversations/talk")), sent);
}

#[test]
fn it_starts_once_and_stops_cleanly() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let started = home.run(&["daemon", "start", "--json"]).succeeded().json();
    assert_eq!(started["started"], true);
    let again = home.run(&["daemon", "start", "--json"]).succeeded().json();
    assert_eq!(
        (&again["started"], &again["pid"]),
        (&false.into(), &started["pid"])
    );
    let status = home.run(&["daemon", "status", "--json"]).succeeded().json();
    assert_eq!(
        (&status["running"], &status["pid"]),
        (&true.into(), &started["pid"])
    );
    home.run(&["daemon", "run"])
        .refused(11, "a daemon runs here already");
    // Somebody listens to events, and that does not hold it up.
    let mut events = Api::of(&record(&home)).events("", None);
    assert_eq!(events.next().unwrap().0, "reload");
    let stopped = home.run(&["daemon", "stop", "--json"]).succeeded().json();
    assert_eq!(stopped["stopped"], true);
    while events.next().is_some() {}
    assert!(!home.data().join("daemon.json").exists());
    let stopped = home.run(&["daemon", "stop", "--json"]).succeeded().json();
    assert_eq!(stopped["stopped"], false);
    home.run(&["store", "verify"]).succeeded();
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_a_request_end_it_as_well() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    let events = api.events("", None);
    assert_eq!(running.interrupt(), Some(0));
    drop(events);
    let (running, api) = daemon(&home);
    assert_eq!(api.post("/shutdown", serde_json::json!({})).status, 202);
    assert_eq!(running.wait(), Some(0));
}

#[test]
fn it_does_not_start_on_a_store_that_another_program_has() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let watching = home.start(&["chats", "watch"]);
    watching.says("no relay can be reached");
    home.run(&["daemon", "start"]).refused(11, "in use");
    home.run(&["status"]).refused(11, "daemon start");
    watching.kill();
    home.run(&["daemon", "start"]).succeeded();
    home.run(&["daemon", "stop"]).succeeded();
}

#[test]
fn a_port_that_is_asked_for_is_the_one_or_none() {
    let (one, two) = (Home::new(), Home::new());
    let (_running, api) = daemon(&one);
    let port = api.port.to_string();
    two.run(&["daemon", "run", "--port", &port]).refused(1, "--port");
}
