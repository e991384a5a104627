//! `queue`: what has not arrived, why, and a person's word about it.

use std::sync::Arc;

use chat_sync::DataDir;
use event_index::DeliveryState;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::{Value, json};
use supervision::{Entropy, SystemEntropy};

use crate::program::Home;
use crate::{NOBODY, SECRET};

const TOO_LARGE: &str = "invalid: event too large: 65973";
const DAY: u64 = 86_400;

/// A device with three messages that one relay has, and that are to go to another too, which refused the first
/// `refused` of them.
pub(crate) fn device(relay: &EmbeddedRelay, other: &str, refused: usize) -> Home {
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["sync"]).succeeded();
    home.run(&["relays", "add", other, "--no-wait"]).succeeded();
    refuse(&home, other, TOO_LARGE, refused);
    home
}

/// Writes down that `relay` refused the first `count` messages, as an engine does that was told so.
fn refuse(home: &Home, relay: &str, reason: &str, count: usize) {
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
    let account = DataDir::new(home.data()).open(&entropy).unwrap();
    let ids: Vec<_> = account.store.events_after(0, 10).unwrap();
    let ids: Vec<_> = ids.into_iter().map(|(_, event)| event.id).collect();
    account.store.enqueue(relay, &ids).unwrap();
    let mut rows = account.store.deliveries(relay, 0, count).unwrap();
    assert_eq!(rows.len(), count);
    for row in &mut rows {
        row.state = DeliveryState::Parked;
        row.next_try = 4_000_000_000 - DAY;
        row.reason = Some(reason.to_owned());
    }
    account.store.set_deliveries(rows).unwrap();
}

fn listed(home: &Home) -> Value {
    home.run(&["queue", "list", "--json"]).succeeded().json()
}

/// The one group in this state.
fn group(list: &Value, state: &str) -> Value {
    let groups = list["groups"].as_array().unwrap().iter();
    let mut found = groups.filter(|group| group["state"] == state);
    let one = found
        .next()
        .unwrap_or_else(|| panic!("no {state}: {list}"))
        .clone();
    assert!(found.next().is_none(), "several {state}: {list}");
    one
}

#[test]
fn the_queue_says_what_has_not_arrived_where_and_why() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = device(&relay, NOBODY, 1);
    let list = listed(&home);
    assert_eq!(
        (
            &list["drafts"],
            &list["waiting"],
            &list["parked"],
            &list["more_groups"]
        ),
        (&json!(0), &json!(2), &json!(1), &json!(0)),
        "{list}"
    );
    let parked = group(&list, "parked");
    assert_eq!(parked["relay"], NOBODY);
    assert_eq!(parked["reason"], TOO_LARGE);
    assert_eq!(parked["next_try"], 4_000_000_000 - DAY);
    assert!(
        parked["meaning"]
            .as_str()
            .unwrap()
            .starts_with("this message is too large for 127.0.0.1:1;")
    );
    assert_eq!(group(&list, "waiting")["count"], 2);
    let text = home.run(&["queue", "list"]).succeeded().stdout;
    assert!(
        text.contains("too large for 127.0.0.1:1") && text.contains(TOO_LARGE),
        "{text}"
    );
}

#[test]
fn a_refused_message_is_due_now_when_a_person_says_so() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = device(&relay, NOBODY, 1);
    home.run(&["queue", "retry"]).refused(2, "--all");
    home.run(&["queue", "retry", "ffffffffffffffffffffffff"])
        .refused(2, "no delivery");
    home.run(&["queue", "retry", "--relay", "ws://elsewhere"])
        .refused(2, "none of the account's");
    let id = group(&listed(&home), "parked")["ids"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let retried = home
        .run(&["queue", "retry", &id[..16], "--json"])
        .succeeded()
        .json();
    assert_eq!(retried, json!({ "retried": 1 }));
    let list = listed(&home);
    assert_eq!(
        (&list["waiting"], &list["parked"]),
        (&json!(3), &json!(0)),
        "{list}"
    );
}

#[test]
fn what_is_retried_reaches_a_relay_that_takes_it_now() {
    let [relay, other] = [(); 2].map(|()| EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap());
    let home = device(&relay, &other.url(), 3);
    let report = home.run(&["sync", "--json"]).json();
    assert_eq!(
        (&report["complete"], &report["parked"]),
        (&json!(false), &json!(3)),
        "{report}"
    );
    home.run(&["queue", "retry", "--all"]).succeeded();
    let report = home.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["parked"]),
        (&json!(true), &json!(0)),
        "{report}"
    );
    assert_eq!(listed(&home)["groups"], json!([]));
    assert_eq!(home.run(&["queue", "list"]).succeeded().stdout, "nothing waits\n");
}

#[test]
fn a_delivery_is_given_up_at_its_relay_and_taken_back() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = device(&relay, NOBODY, 1);
    home.run(&["queue", "drop", "--yes"]).refused(2, "--relay");
    home.run(&["queue", "drop", "--relay", NOBODY])
        .refused(2, "--yes");
    assert_eq!(listed(&home)["waiting"], 2, "nothing was given up so far");
    let dropped = home
        .run(&["queue", "drop", "--relay", NOBODY, "--yes", "--json"])
        .succeeded()
        .json();
    assert_eq!(dropped, json!({ "dropped": 3, "on_no_relay": 0 }));
    let given_up = group(&listed(&home), "dropped");
    assert_eq!(
        (&given_up["count"], &given_up["next_try"]),
        (&json!(3), &Value::Null)
    );
    let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 3, "they stay here");
    home.run(&["queue", "retry", "--relay", NOBODY]).succeeded();
    let waiting = group(&listed(&home), "waiting");
    assert_eq!(
        (&waiting["count"], &waiting["reason"], &waiting["meaning"]),
        (&json!(3), &Value::Null, &Value::Null),
        "nobody refused them"
    );
}

#[test]
fn a_message_that_is_nowhere_else_is_given_up_by_force_only() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    home.log_in(SECRET, &[&relay.url()]);
    home.run(&["chats", "send", "talk", "one"]).succeeded();
    home.run(&["sync"]).succeeded();
    refuse(&home, &relay.url(), "blocked: not today", 1);
    let url = relay.url();
    home.run(&["queue", "drop", "--relay", &url, "--yes"])
        .refused(1, "on no relay");
    assert_eq!(group(&listed(&home), "parked")["count"], 1);
    let dropped = home
        .run(&["queue", "drop", "--relay", &url, "--yes", "--force", "--json"])
        .succeeded()
        .json();
    assert_eq!(dropped, json!({ "dropped": 1, "on_no_relay": 1 }));
}
