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
fn what_lands_while_nobody_listens_is_told_when_the_reader_is_back() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let mut events = api.events("?conversation=talk", None);
    send(&api, 0);
    assert_eq!(read(&mut events, 1), ["message 0"]);
    let last = events.last_id.clone().unwrap();
    drop(events);
    for n in 1..4 {
        send(&api, n);
    }
    let mut events = api.events("?conversation=talk", Some(&last));
    let (mut seen, mut reloads) = (Vec::new(), 0);
    while seen.len() < 3 {
        let (name, data) = events.next().unwrap();
        match name.as_str() {
            "landed" => seen.extend(texts(&data)),
            "reload" => reloads += 1,
            _ => {}
        }
    }
    assert_eq!(
        (seen.join(", ").as_str(), reloads),
        ("message 1, message 2, message 3", 0)
    );
}

#[test]
fn a_conversation_that_nobody_followed_is_to_be_read_anew_and_nothing_else() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    let mut events = api.events("?conversation=other", None);
    send(&api, 0);
    events.until("counts");
    let last = events.read_id();
    drop(events);
    let mut events = api.events("?conversation=talk", Some(&last));
    assert_eq!(
        events.until("reload"),
        serde_json::json!({ "conversation": "talk" })
    );
    send(&api, 1);
    assert_eq!(read(&mut events, 1), ["message 1"]);
}

#[test]
fn a_conversation_that_is_deleted_is_counted_as_gone() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let (_running, api) = daemon(&home);
    send(&api, 0);
    let mut events = api.events("?conversation=talk", None);
    events.until("reload");
    api.get("/conversations");
    assert_eq!(api.ask("DELETE", "/conversations/talk", None).status, 200);
    // In whichever order they come.
    let (mut removed, mut gone) = (false, false);
    while !(removed && gone) {
        let (name, data) = events.next().unwrap();
        match name.as_str() {
            "removed" => removed = data["ids"].as_array().unwrap().len() == 1,
            "counts" => {
                let counted = &data["conversations"][0];
                gone = (&counted["id"], &counted["updated_at"]) == (&"talk".into(), &0.into());
            }
            _ => {}
        }
    }
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
