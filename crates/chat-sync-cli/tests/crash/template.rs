//! Where scenes begin: devices and relays as they stand after a first day, made once and copied for every run.

use std::path::{Path, PathBuf};

use nostr::event::{Event, Kind};
use pns_keys::{PnsKey, Profile, open_keyring, seal, sign_deletion};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig};
use serde_json::{Value, json};

use crate::program::Device;
use crate::scene::Scene;

/// The account's secret key.
pub(crate) const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// A conversation's id.
pub(crate) fn chat(number: usize) -> String {
    format!("chat-{number}")
}

/// What a message says.
pub(crate) fn content(chat: usize, message: usize) -> String {
    format!("message {message} of {chat}")
}

/// What devices and relays hold before a scene.
pub(crate) struct Templates {
    folder: PathBuf,
    /// Logged in, and its keyring is on the relay.
    pub(crate) keyed: Device,
    pub(crate) keyed_relay: Vec<Event>,
    /// The same with a history that is on the relay.
    pub(crate) full: Device,
    pub(crate) full_relay: Vec<Event>,
    /// The keyring, and a history of that size of which all but the last message of each conversation is weeks old.
    pub(crate) old_relay: Vec<Event>,
    /// Deletes the last message of the first conversation of that history.
    pub(crate) deletion: Event,
}

impl Templates {
    pub(crate) fn make(folder: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        for scene in Scene::ALL {
            std::fs::write(export_path(folder, scene), export(scene)).unwrap();
        }
        let relay = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let url = relay.url();
        let everything = || {
            let kinds = [Kind::Custom(1080), Kind::Custom(1081)];
            runtime.block_on(relay.events(&kinds, &[])).unwrap()
        };

        let keyed = Device::new(folder.join("keyed"));
        keyed.must(&["login", "--relay", &url], SECRET);
        keyed.must(&["sync"], "");
        let keyed_relay = everything();

        let full = keyed.copied_to(folder.join("full"));
        let file = export_path(folder, Scene::Phone);
        full.must(&["import", file.to_str().unwrap()], "");
        full.must(&["sync"], "");
        let full_relay = everything();

        let shown = full.must(&["chats", "show", "chat-0"], "");
        let last = shown["messages"].as_array().unwrap().last().unwrap();
        let last = last["id"].as_str().unwrap().parse().unwrap();
        let account = full.open().unwrap();
        let keyring = runtime
            .block_on(open_keyring(&*account.signer, &keyed_relay[0]))
            .unwrap();
        let now = full_relay.iter().map(|event| event.created_at.as_secs()).max();
        let key = keyring.key(Profile::Routstr);
        let deletion = sign_deletion(key, &[last], now.unwrap() + 1, [7; 32]).unwrap();
        let mut old_relay = keyed_relay.clone();
        old_relay.extend(aged(key, &account.signer.public_key().to_hex(), now.unwrap()));
        Self {
            folder: folder.to_owned(),
            keyed,
            keyed_relay,
            full,
            full_relay,
            old_relay,
            deletion,
        }
    }

    /// What the scene imports.
    pub(crate) fn export(&self, scene: Scene) -> PathBuf {
        export_path(&self.folder, scene)
    }
}

/// The messages of [`Scene::OldLaptop`], as another program wrote them over the last month.
fn aged(key: &PnsKey, account: &str, now: u64) -> Vec<Event> {
    let (conversations, each) = Scene::OldLaptop.size();
    let mut events: Vec<Event> = Vec::new();
    for c in 0..conversations {
        let mut parent = "0".repeat(64);
        for m in 0..each {
            let at = now - 60 - (each - 1 - m) as u64 * 10 * 24 * 3600;
            let role = if m % 2 == 0 { "user" } else { "assistant" };
            let rumor = json!({
                "kind": 20001, "pubkey": account, "created_at": at,
                "tags": [["d", chat(c)], ["role", role], ["client", "routstr-chat"], ["e", parent]],
                "content": content(c, m),
            });
            let number = u8::try_from(events.len()).unwrap();
            let event = seal(
                key,
                rumor.to_string().as_bytes(),
                at,
                [number; 32],
                [number + 100; 32],
            )
            .unwrap();
            parent = event.id.to_hex();
            events.push(event);
        }
    }
    events
}

fn export_path(folder: &Path, scene: Scene) -> PathBuf {
    folder.join(format!("{scene:?}.json"))
}

/// An export of the old web app, questions and answers in turn.
fn export(scene: Scene) -> String {
    let (conversations, each) = scene.size();
    let conversations: Vec<Value> = (0..conversations)
        .map(|c| {
            let messages: Vec<Value> = (0..each)
                .map(|m| {
                    let role = if m % 2 == 0 { "user" } else { "assistant" };
                    let id = 1_764_001_000_000_u64 + c as u64 * 10_000_000 + m as u64 * 1_000;
                    json!({"id": id.to_string(), "role": role, "content": content(c, m)})
                })
                .collect();
            json!({"id": chat(c), "title": format!("Chat {c}"), "messages": messages})
        })
        .collect();
    serde_json::to_string(&conversations).unwrap()
}
