//! Relays that come, go and refuse while a daemon runs.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::json;

use super::api::{Api, daemon};
use crate::SECRET;
use crate::program::Home;

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

/// Waits for a status that is as wanted.
fn until(api: &Api, wanted: impl Fn(&serde_json::Value) -> bool) {
    let mut events = api.events("", None);
    loop {
        let status = events.until("status");
        if wanted(&status) {
            return;
        }
    }
}

#[test]
fn a_relay_that_is_added_while_the_daemon_runs_is_filled() {
    let (one, two) = (relay(), relay());
    let home = Home::new();
    home.log_in(SECRET, &[&one.url()]);
    let (_running, api) = daemon(&home);
    home.run(&["chats", "send", "talk", "hello"]).succeeded();
    let added = home.run(&["relays", "add", &two.url(), "--json"]).succeeded();
    assert_eq!(added.json()["relays"], json!([one.url(), two.url()]));
    assert!(added.stderr.contains("holds everything now"), "{added:?}");
    until(&api, |status| {
        status["safe"] == 1 && status["relays"].as_array().unwrap().len() == 2
    });
    home.run(&["relays", "add", &two.url()]).refused(2, "already");

    let removed = api.ask("DELETE", &format!("/relays?url={}", one.url()), None);
    assert_eq!(removed.json()["relays"], json!([two.url()]), "{removed:?}");
    assert_eq!(removed.json()["only_here"], 0);
    let last = api.ask("DELETE", &format!("/relays?url={}", two.url()), None);
    assert_eq!(
        (last.status, last.json()["exit"].clone()),
        (500, json!(1)),
        "{last:?}"
    );
    assert_eq!(api.get("/relays")["relays"].as_array().unwrap().len(), 1);
    assert_eq!(api.get("/account")["relays"], json!([two.url()]));
    until(&api, |status| status["relays"].as_array().unwrap().len() == 1);
}

#[test]
fn a_relay_is_tried_out_while_the_daemon_runs() {
    let one = relay();
    let home = Home::new();
    home.log_in(SECRET, &[&one.url()]);
    let (_running, api) = daemon(&home);
    let tested = api.post("/relays/test", json!({}));
    assert_eq!(tested.json()["relays"][0]["reachable"], true, "{tested:?}");
    let tested = home.run(&["relays", "test", "--json"]).succeeded().json();
    assert_eq!(tested["relays"][0]["negentropy"]["speaks"], true, "{tested}");
    home.run(&["relays", "test", crate::NOBODY, "-q"])
        .refused(4, "no relay could be reached");
}

#[test]
fn what_a_relay_refused_goes_out_when_a_person_says_so() {
    let (one, two) = (relay(), relay());
    let home = crate::queue::device(&one, &two.url(), 2);
    let (_running, api) = daemon(&home);
    until(&api, |status| status["parked"] == 2 && status["waiting"] == 0);
    let retried = api.post("/queue/retry", json!({ "all": true })).json();
    assert_eq!(retried["retried"], 2, "{retried}");
    until(&api, |status| status["safe"] == 3 && status["parked"] == 0);
}
