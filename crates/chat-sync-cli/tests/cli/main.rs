//! The program, from outside: what it prints, what it ends with, what it leaves on disk.

mod program;

mod accounts;
mod chats;
mod configuration;
mod daemons;
mod deletions;
mod forgetting;
mod keys;
mod logins;
mod mistakes;
mod queue;
mod receipts;
mod relay_list;
mod relays;
mod stores;
mod switches;
mod syncing;

/// The secret key of a test account, and the same as nsec.
const SECRET: &str = "0101010101010101010101010101010101010101010101010101010101010101";
/// Nobody listens there: TCP port 1 of this machine.
const NOBODY: &str = "ws://127.0.0.1:1";

/// The text of a browser's `saved_conversations` entry.
fn export() -> String {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/vectors/legacy-saved-conversations.json"
    );
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let exports = vectors["exports"].as_array().unwrap();
    let export = exports.iter().find(|case| case["name"] == "export").unwrap();
    export["saved_conversations"].as_str().unwrap().to_owned()
}
