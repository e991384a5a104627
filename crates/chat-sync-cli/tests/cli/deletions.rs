//! `chats delete`: preview, confirmation, exit codes, and who still serves what.

use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy, Taking};
use serde_json::{Value, json};

use crate::program::Home;
use crate::{NOBODY, SECRET};

fn relay() -> EmbeddedRelay {
    EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap()
}

/// A device with a conversation of three messages, which `relays` that can be reached have.
fn device(relays: &[&str]) -> Home {
    let home = Home::new();
    home.log_in(SECRET, relays);
    for text in ["one", "two", "three"] {
        home.run(&["chats", "send", "talk", text]).succeeded();
    }
    home.run(&["chats", "send", "other", "stays"]).succeeded();
    home.run(&["sync"]);
    home
}

fn conversations(home: &Home) -> Vec<String> {
    let list = home.run(&["chats", "list", "--json"]).succeeded().json();
    let lines = list["conversations"].as_array().unwrap().iter();
    lines
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_conversation_is_deleted_here_and_at_its_relay_and_on_the_other_device() {
    let relay = relay();
    let url = relay.url();
    let (laptop, phone) = (device(&[&url]), Home::new());
    phone.log_in(SECRET, &[&url]);
    phone.run(&["sync"]).succeeded();
    assert_eq!(conversations(&phone).len(), 2);

    let preview = laptop
        .run(&["chats", "delete", "talk", "--dry-run", "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (
            &preview["dry_run"],
            &preview["messages"],
            &preview["events"],
            &preview["deletions"]
        ),
        (&json!(true), &json!(3), &json!(3), &json!(1)),
        "{preview}"
    );
    assert_eq!(preview["relays"], json!([{ "url": url, "known": 3 }]));
    let said = laptop
        .run(&["chats", "delete", "talk", "--dry-run"])
        .succeeded()
        .stdout;
    assert!(
        said.contains("3 messages") && said.contains("3 of 3 known to be there"),
        "{said}"
    );
    laptop.run(&["chats", "delete", "talk"]).refused(2, "--yes");
    laptop
        .run(&["chats", "delete", "nothing", "--yes"])
        .refused(1, "no conversation");
    assert_eq!(conversations(&laptop).len(), 2, "so far somebody only looked");

    let deleted = laptop
        .run(&["chats", "delete", "talk", "--yes", "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&deleted["complete"], &deleted["here_only"], &deleted["messages"]),
        (&json!(true), &json!(false), &json!(3)),
        "{deleted}"
    );
    assert_eq!(
        deleted["relays"],
        json!([{ "url": url, "deletions": "accepted", "reason": null, "serves": 0, "error": null }])
    );
    assert_eq!(conversations(&laptop), ["other"]);
    let report = laptop.run(&["sync", "--json"]).succeeded().json();
    assert_eq!(
        (&report["complete"], &report["messages"]),
        (&json!(true), &json!(1)),
        "{report}"
    );
    phone.run(&["sync"]).succeeded();
    assert_eq!(conversations(&phone), ["other"]);
}

#[test]
fn a_relay_that_is_not_reached_is_named_and_told_later() {
    let here = relay();
    let home = device(&[&here.url()]);
    home.run(&["relays", "add", NOBODY]).succeeded();
    let ended = home.run(&["chats", "delete", "talk", "--yes", "--json"]);
    ended.refused(
        3,
        "127.0.0.1:1 could not be asked and is told when it can be reached",
    );
    let deleted = ended.json();
    assert_eq!(deleted["complete"], false);
    let relays = deleted["relays"].as_array().unwrap();
    let of = |url: &str| relays.iter().find(|relay| relay["url"] == url).unwrap();
    assert_eq!(
        (&of(&here.url())["deletions"], &of(&here.url())["serves"]),
        (&json!("accepted"), &json!(0))
    );
    let missed = of(NOBODY);
    assert_eq!(
        (&missed["deletions"], &missed["serves"]),
        (&json!("waiting"), &Value::Null)
    );
    assert!(missed["error"].is_string(), "{missed}");
    assert_eq!(conversations(&home), ["other"], "here it is gone at once");
    let queue = home.run(&["queue", "list", "--json"]).succeeded().json();
    let group = &queue["groups"][0];
    assert_eq!(
        (&group["relay"], &group["count"]),
        (&json!(NOBODY), &json!(1)),
        "the deletion waits for it: {queue}"
    );
}

#[test]
fn a_relay_that_goes_on_serving_what_was_deleted_is_named_in_words_and_in_json() {
    let (honest, stubborn) = (relay(), relay());
    let doors = [&stubborn, &stubborn].map(|relay| Proxy::start(&relay.url(), Fault::None).unwrap());
    // One says yes to the deletion and forgets it, the other refuses it; both go on serving.
    let urls = [honest.url(), doors[0].url(), doors[1].url()];
    let home = device(&[&urls[0], &urls[1], &urls[2]]);
    home.run(&["sync"]).succeeded();
    doors[0].set_taking(Taking::Forgets);
    doors[1].set_taking(Taking::RefusesKind(5));

    let ended = home.run(&["chats", "delete", "talk", "--yes", "--json"]);
    ended.refused(3, "still serves 3");
    let deleted = ended.json();
    assert_eq!(
        (&deleted["complete"], &deleted["messages"]),
        (&json!(false), &json!(3)),
        "{deleted}"
    );
    let relays = deleted["relays"].as_array().unwrap();
    let of = |url: &str| relays.iter().find(|relay| relay["url"] == url).unwrap();
    for (url, told, serves) in [
        (&urls[0], "accepted", 0),
        (&urls[1], "accepted", 3),
        (&urls[2], "refused", 3),
    ] {
        let one = of(url);
        assert_eq!(
            (&one["deletions"], &one["serves"]),
            (&json!(told), &json!(serves)),
            "{one}"
        );
    }
    assert_eq!(of(&urls[2])["reason"], "blocked: event kind is blocked by relay");
    assert_eq!(conversations(&home), ["other"]);
    // Nothing comes back, however often it is compared with those that serve it.
    for _ in 0..2 {
        home.run(&["sync"]);
        assert_eq!(conversations(&home), ["other"]);
    }
}

#[test]
fn one_message_is_deleted_by_its_id_and_drafts_go_without_a_word_to_relays() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let sent = home
        .run(&["chats", "send", "talk", "one", "--json"])
        .succeeded()
        .json();
    home.run(&["chats", "send", "talk", "two"]).succeeded();
    let id = sent["id"].as_str().unwrap();
    let said = home.run(&["chats", "delete", id, "--yes"]).succeeded().stdout;
    assert!(
        said.contains("1 message of") && said.contains("1 draft that was never sent"),
        "{said}"
    );
    let show = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    let left = show["messages"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["content"]), (1, &json!("two")), "{show}");
    let deleted = home
        .run(&["chats", "delete", "latest", "--yes", "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&deleted["complete"], &deleted["drafts"], &deleted["relays"]),
        (&json!(true), &json!(1), &json!([]))
    );
    assert!(conversations(&home).is_empty());
    assert_eq!(home.run(&["status", "--json"]).succeeded().json()["waiting"], 0);
}

#[test]
fn what_is_dropped_here_only_comes_back_with_the_next_sync() {
    let relay = relay();
    let home = device(&[&relay.url()]);
    let dropped = home
        .run(&["chats", "delete", "talk", "--here-only", "--yes", "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&dropped["here_only"], &dropped["dropped"], &dropped["kept"]),
        (&json!(true), &json!(3), &json!(0)),
        "{dropped}"
    );
    assert_eq!(conversations(&home), ["other"]);
    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(
        status["complete"], false,
        "less is here than relays agreed on: {status}"
    );
    home.run(&["sync"]).succeeded();
    assert_eq!(conversations(&home).len(), 2);

    home.run(&["chats", "send", "new", "never sent", "--relay", NOBODY])
        .succeeded();
    let ended = home.run(&["chats", "delete", "new", "--here-only", "--yes"]);
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.stderr.contains("1 message stayed"), "{ended:?}");
}
