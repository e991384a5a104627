//! What a person is told about where messages are, by the real program and over real sockets.

use chat_sync::refusal_words;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, Fault, Proxy, Taking};
use serde_json::{Value, json};

use crate::SECRET;
use crate::program::Home;

/// A relay, and the door before it.
struct Behind {
    _relay: EmbeddedRelay,
    door: Proxy,
}

impl Behind {
    fn new() -> Self {
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let door = Proxy::start(&relay.url(), Fault::None).unwrap();
        Self { _relay: relay, door }
    }

    fn name(&self) -> String {
        self.door.url().trim_start_matches("ws://").to_owned()
    }
}

/// A device whose history key is on all of these.
fn device(relays: &[Behind]) -> Home {
    let home = Home::new();
    let urls: Vec<String> = relays.iter().map(|relay| relay.door.url()).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    home.log_in(SECRET, &urls);
    home.run(&["sync"]).succeeded();
    home
}

fn status(home: &Home) -> Value {
    home.run(&["status", "--json"]).succeeded().json()
}

#[test]
fn each_of_three_relays_is_named_with_what_it_does_to_a_message_that_is_not_safe() {
    let mut relays = [Behind::new(), Behind::new(), Behind::new()];
    // They are told about in the order of their addresses.
    relays.sort_by_key(|relay| relay.door.url());
    let home = device(&relays);
    relays[0].door.set_taking(Taking::RefusesKind(1080));
    relays[1].door.set_taking(Taking::Forgets);
    home.run(&["chats", "send", "talk", "milk"]).succeeded();
    let mut seen = status(&home);
    for _ in 0..4 {
        if seen["refused"].as_array().unwrap().len() == 2 {
            break;
        }
        home.run(&["sync"]);
        seen = status(&home);
    }
    let [refusing, forgetting, healthy] = [0, 1, 2].map(|n: usize| relays[n].name());
    let sentence = format!(
        "1 message, 0 safe on at least 2 relays, 1 refused by {refusing}: it does not take such messages, 1 refused by \
         {forgetting}: it accepts messages and forgets them"
    );
    assert_eq!(seen["summary"], sentence, "{seen}");
    assert_eq!(
        (&seen["safe"], &seen["complete"], &seen["parked"]),
        (&json!(0), &json!(false), &json!(1)),
        "{seen}"
    );
    assert_eq!(
        seen["warning"],
        "only 1 of 3 relays keep your messages; add another one that does"
    );
    let trouble = |n: usize| seen["relays"][n]["trouble"].as_str();
    assert_eq!(
        trouble(0),
        Some("does not keep 1 message: blocked: event kind is blocked by relay")
    );
    assert!(
        trouble(1)
            .unwrap()
            .ends_with("it accepts messages and forgets them")
    );
    assert_eq!(trouble(2), None);

    let text = home.run(&["status"]).succeeded().stdout;
    assert_eq!(text.lines().next(), Some(sentence.as_str()), "{text}");
    for words in [
        format!("{refusing}, 1 message: {refusing} does not take this message; other relays may"),
        "reason: blocked: event kind is blocked by relay".to_owned(),
        format!("{forgetting}, 1 message: {forgetting} says yes to this message and does not keep it"),
        "warning   only 1 of 3 relays".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }

    let shown = home
        .run(&["chats", "show", "talk", "--receipts", "--json"])
        .succeeded()
        .json();
    let message = &shown["messages"][0];
    assert_eq!(
        (&message["state"], &message["safe"]),
        (&json!("verified"), &json!(false))
    );
    let deliveries = message["deliveries"].as_array().unwrap();
    let states: Vec<&Value> = deliveries.iter().map(|delivery| &delivery["state"]).collect();
    assert_eq!(states, ["parked", "parked", "verified"]);
    for (delivery, relay) in deliveries.iter().zip(&relays) {
        assert_eq!(delivery["url"], relay.door.url());
        assert!(
            delivery["at"].as_u64().is_some_and(|at| at > 1_700_000_000),
            "{delivery}"
        );
    }
    assert_eq!(deliveries[0]["reason"], "blocked: event kind is blocked by relay");
    assert!(deliveries[0]["next_try"].as_u64() > deliveries[0]["at"].as_u64());
    assert_eq!(
        (&deliveries[2]["reason"], &deliveries[2]["next_try"]),
        (&Value::Null, &Value::Null)
    );
    let text = home
        .run(&["chats", "show", "talk", "--receipts"])
        .succeeded()
        .stdout;
    assert!(
        text.contains("  not safe yet\n")
            && text.contains(&format!("  {forgetting}: parked since "))
            && text.contains(&format!("  {healthy}: verified since ")),
        "{text}"
    );
    let plain = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(
        (
            &plain["messages"][0]["state"],
            plain["messages"][0].get("deliveries")
        ),
        (&json!("verified"), None),
        "receipts are for who asks"
    );
}

/// What relays say, one of each class of the field guide's table 3.1 that leaves something to tell; true where the
/// message is put aside.
const SAID: [(&str, bool); 9] = [
    ("rate-limited: you are noting too much", false),
    ("auth-required: event marked as protected", true),
    ("error: could not connect to the database", false),
    ("invalid: created_at too late", false),
    ("invalid: created_at too early", true),
    ("invalid: bad event id", true),
    ("invalid: event too large: 65973", true),
    ("pow: 28 bits needed. (12)", true),
    ("deleted: user requested deletion", true),
];

#[test]
fn every_class_of_refusal_is_told_in_its_sentence() {
    let relays = SAID.map(|_| Behind::new());
    let home = device(&relays);
    for (relay, (said, _)) in relays.iter().zip(SAID) {
        relay.door.set_taking(Taking::Refuses(said.to_owned()));
    }
    home.run(&["chats", "send", "talk", "milk"]);
    let text = home.run(&["sync"]).stdout;
    let list = home.run(&["queue", "list", "--json"]).succeeded().json();
    let seen = status(&home);
    for (relay, (said, parked)) in relays.iter().zip(SAID) {
        let sentence = refusal_words(&relay.name(), said);
        let of_relay = |group: &&Value| group["relay"] == relay.door.url();
        let group = list["groups"].as_array().unwrap().iter().find(of_relay);
        let group = group.unwrap_or_else(|| panic!("nothing of {said}: {list}"));
        assert_eq!(
            (&group["reason"], &group["meaning"], &group["state"]),
            (
                &json!(said),
                &json!(sentence),
                &json!(if parked { "parked" } else { "waiting" })
            ),
        );
        let refused = seen["refused"].as_array().unwrap().iter().find(of_relay);
        assert_eq!(
            refused.map(|refused| &refused["meaning"]),
            parked.then_some(&json!(sentence))
        );
        assert_eq!(text.contains(&sentence), parked, "{said}: {text}");
    }
    assert_eq!((&seen["waiting"], &seen["safe"]), (&json!(1), &json!(0)));
}
