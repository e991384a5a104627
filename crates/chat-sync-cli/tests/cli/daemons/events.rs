//! Events: live, in order, and none is lost over a connection that is cut.

use serde_json::Value;

use super::api::{Api, Events, daemon};
use crate::program::Home;
use crate::{NOBODY, SECRET};

fn send(api: &Api, n: usize) {
    let body = serde_json::json!({ "text": format!("message {n}") });
    assert_eq!(api.post("/conversations/talk/messages", body).status, 201);
}

fn texts(landed: &Value) -> Vec<String> {
    let messages = landed["messages"].as_array().unwrap();
    let text = |message: &Value| message["content"].as_str().unwrap().to_owned();
    messages.iter().map(text).collect()
}

fn read(events: &mut Events, count: usize) -> Vec<String> {
    let mut read = Vec::new();
    while read.len() < count {
        read.extend(texts(&events.until("landed")));
        // What was seen counts once its number has come.
        events.read_id();
    }
    read
}

#[test]
fn a_stream_that_is_cut_goes_on_where_it_was() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let mut events = api.events("?conversation=talk", None);
    assert_eq!(events.next().unwrap().0, "reload");
    let mut seen = Vec::new();
    for round in 0..4 {
        for n in 0..3 {
            send(&api, 3 * round + n);
        }
        seen.extend(read(&mut events, 3));
        let last = events.last_id.clone().unwrap();
        drop(events);
        events = api.events("?conversation=talk", Some(&last));
    }
    let expected: Vec<String> = (0..12).map(|n| format!("message {n}")).collect();
    assert_eq!(seen, expected);
}

#[test]
fn numbers_grow_and_those_of_another_daemon_mean_to_read_anew() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (running, api) = daemon(&home);
    let mut events = api.events("?conversation=talk", None);
    let mut numbers = vec![events.read_id()];
    for n in 0..3 {
        send(&api, n);
        events.until("landed");
        numbers.push(events.read_id());
    }
    let numbers: Vec<u64> = numbers.iter().map(|id| id.parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let last = events.last_id.clone().unwrap();
    running.kill();
    let (_running, api) = daemon(&home);
    let mut events = api.events("?conversation=talk", Some(&last));
    events.until("reload");
    let first: u64 = events.last_id.unwrap().parse().unwrap();
    assert!(first > numbers[3], "{first} after {numbers:?}");
}

#[test]
fn another_conversation_only_counts() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let mut events = api.events("?conversation=other", None);
    events.until("reload");
    send(&api, 1);
    loop {
        let (name, data) = events.next().unwrap();
        assert_ne!(name, "landed");
        if name == "counts" {
            let counted = &data["conversations"][0];
            assert_eq!(
                (&counted["id"], &counted["messages"]),
                (&"talk".into(), &1.into())
            );
            return;
        }
    }
}
