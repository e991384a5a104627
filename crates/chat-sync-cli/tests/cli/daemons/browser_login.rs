//! A login with an extension of the browser. The test is the page, and the extension with its key.

use nostr::event::{Event, EventBuilder, FinalizeEvent, Kind, Tag};
use nostr::key::Keys;
use nostr::nips::nip44::{self, Version};
use nostr::types::time::Timestamp;
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::{Value, json};

use super::api::{Api, Events, daemon};
use crate::SECRET;
use crate::program::Home;

/// Does what an extension does, and counts it.
struct Browser {
    keys: Keys,
    asked: Vec<String>,
}

impl Browser {
    fn answer(&mut self, api: &Api, question: &Value) {
        let params = &question["params"];
        let (secret, public) = (self.keys.secret_key(), self.keys.public_key());
        let text = |at: usize| params[at].as_str().unwrap();
        let result = match question["method"].as_str().unwrap() {
            "sign_event" => {
                let template = &params[0];
                let tags: Vec<Tag> = serde_json::from_value(template["tags"].clone()).unwrap();
                let kind = u16::try_from(template["kind"].as_u64().unwrap()).unwrap();
                let event: Event = EventBuilder::new(Kind::from(kind), template["content"].as_str().unwrap())
                    .tags(tags)
                    .custom_created_at(Timestamp::from_secs(template["created_at"].as_u64().unwrap()))
                    .finalize(&self.keys)
                    .unwrap();
                json!(event)
            }
            "nip44_encrypt" => json!(nip44::encrypt(secret, &public, text(1), Version::V2).unwrap()),
            "nip44_decrypt" => json!(nip44::decrypt(secret, &public, text(1)).unwrap()),
            other => panic!("{other}"),
        };
        self.asked.push(question["method"].as_str().unwrap().to_owned());
        let id = question["id"].as_str().unwrap();
        let answer = api.post(&format!("/signer/{id}"), json!({ "result": result }));
        assert_eq!(answer.status, 204, "{answer:?}");
        let twice = api.post(&format!("/signer/{id}"), json!({ "result": result }));
        assert_eq!(twice.status, 404, "{twice:?}");
    }

    /// Answers until something else is as wanted.
    fn serve(&mut self, api: &Api, events: &mut Events, wanted: impl Fn(&str, &Value) -> bool) -> Value {
        loop {
            let (name, data) = events.next().expect("more events");
            if name == "signer" {
                self.answer(api, &data);
            } else if wanted(&name, &data) {
                return data;
            }
        }
    }
}

#[test]
fn a_key_in_the_browser_opens_the_history_once_and_stays_there() {
    let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
    let home = Home::new();
    let (running, api) = daemon(&home);
    let keys = Keys::parse(SECRET).unwrap();
    let mut browser = Browser {
        keys: keys.clone(),
        asked: Vec::new(),
    };
    let mut events = api.events("", None);
    let begun = api.post(
        "/login/extension",
        json!({ "pubkey": keys.public_key().to_hex(), "relays": [relay.url()] }),
    );
    assert_eq!(begun.status, 202, "{begun:?}");
    browser.serve(&api, &mut events, |name, data| {
        assert!(name != "login" || data["state"] != "failed", "{data}");
        name == "login" && data["state"] == "done"
    });
    assert_eq!(browser.asked, ["nip44_encrypt", "nip44_decrypt"]);
    let account = api.get("/account");
    assert_eq!(
        (&account["method"], &account["pubkey"]),
        (&"extension".into(), &keys.public_key().to_hex().into())
    );
    // The first keyring is made with the extension, and the message goes out.
    let sent = api.post("/conversations/talk/messages", json!({ "text": "hello" }));
    assert_eq!(sent.status, 201, "{sent:?}");
    browser.serve(&api, &mut events, |name, data| {
        name == "status" && data["complete"] == true && data["safe"] == 1
    });
    assert!(
        browser.asked.contains(&"sign_event".to_owned()),
        "{:?}",
        browser.asked
    );
    let asked = browser.asked.len();
    drop(events);
    assert_eq!(api.post("/shutdown", json!({})).status, 202);
    assert_eq!(running.wait(), Some(0));
    for (path, bytes) in home.snapshot() {
        assert!(
            !String::from_utf8_lossy(&bytes).contains(SECRET),
            "{}",
            path.display()
        );
    }

    // From here on no page is needed: the history keys are on this device.
    let (running, api) = daemon(&home);
    let sent = api.post(
        "/conversations/talk/messages",
        json!({ "text": "again", "wait": true }),
    );
    let state = sent.json()["state"].clone();
    assert!(state == "accepted" || state == "verified", "{sent:?}");
    let mut events = api.events("", None);
    let status = events.until("status");
    assert_eq!(status["account"]["state"], "ready");
    assert_eq!(browser.asked.len(), asked);
    drop(running);
    let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
    assert_eq!(shown["messages"].as_array().unwrap().len(), 2);
}

#[test]
fn an_extension_that_says_no_logs_nobody_in() {
    let home = Home::new();
    let (_running, api) = daemon(&home);
    let mut events = api.events("", None);
    let pubkey = Keys::parse(SECRET).unwrap().public_key().to_hex();
    let begun = api.post("/login/extension", json!({ "pubkey": pubkey }));
    assert_eq!(begun.status, 202, "{begun:?}");
    let question = events.until("signer");
    let id = question["id"].as_str().unwrap();
    let said = api.post(&format!("/signer/{id}"), json!({ "error": "User rejected" }));
    assert_eq!(said.status, 204);
    loop {
        let login = events.until("login");
        if login["state"] == "failed" {
            assert!(
                login["why"].as_str().unwrap().contains("User rejected"),
                "{login}"
            );
            break;
        }
    }
    assert_eq!(api.ask("GET", "/account", None).status, 404);
    assert_eq!(
        api.post("/login/extension", json!({ "pubkey": "nobody" })).status,
        400
    );
}

#[test]
fn a_remote_signer_is_offered_a_code() {
    let home = Home::new();
    let (_running, api) = daemon(&home);
    let offer = api
        .post("/login/qr", json!({ "relay": "ws://127.0.0.1:1" }))
        .json();
    let uri = offer["uri"].as_str().unwrap();
    assert!(uri.starts_with("nostrconnect://"), "{uri}");
    assert!(offer["svg"].as_str().unwrap().contains("<svg"), "{offer}");
    home.log_in(SECRET, &[crate::NOBODY]);
    let late = api.post("/login/qr", json!({}));
    assert_eq!((late.status, &late.json()["exit"]), (409, &json!(11)), "{late:?}");
}
