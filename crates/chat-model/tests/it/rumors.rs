//! Every entry of pns-events.json, from the decrypted text on.

use chat_model::{Message, RUMOR_BYTES_MAX};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{list, text, vectors};

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

/// The decrypted text, spelled out, by rule or as bytes.
fn inner(entry: &Value) -> Option<Vec<u8>> {
    if let Some(inner) = entry["inner_json"].as_str() {
        return Some(inner.as_bytes().to_vec());
    }
    if let Some(rule) = entry["inner_json_rule"].as_array() {
        let piece = |pair: &Value| text(&pair[0]).repeat(pair[1].as_u64().unwrap() as usize);
        let inner = rule.iter().map(piece).collect::<String>();
        assert_eq!(hex(&Sha256::digest(&inner)), text(&entry["inner_json_sha256"]));
        return Some(inner.into_bytes());
    }
    let digits = entry["inner_hex"].as_str()?.as_bytes();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    Some(digits.chunks(2).map(byte).collect())
}

/// The pubkeys that may have written it, as the key set says.
fn authors(file: &Value, entry: &Value) -> [String; 2] {
    let keys = list(&file["keys"])
        .iter()
        .find(|keys| keys["name"] == entry["keys"])
        .unwrap();
    [&keys["owner_pubkey_hex"], &keys["device_pubkey_hex"]].map(|key| text(key).to_owned())
}

fn check_decoded(name: &str, message: &Message, decoded: &Value) {
    assert_eq!(message.conversation, text(&decoded["conversation_id"]), "{name}");
    assert_eq!(message.role.as_str(), text(&decoded["role"]), "{name}");
    assert_eq!(
        message.parent.to_tag().as_deref(),
        decoded["parent"].as_str(),
        "{name}"
    );
    assert_eq!(message.model.as_deref(), decoded["model"].as_str(), "{name}");
    assert_eq!(message.sats, decoded["sats"].as_f64(), "{name}");
    assert_eq!(
        message.created_at,
        decoded["created_at"].as_u64().unwrap(),
        "{name}"
    );
    let kind = if message.content.is_parts() {
        "parts"
    } else {
        "text"
    };
    assert_eq!(kind, text(&decoded["content_kind"]), "{name}");
    if let Some(digest) = decoded["content_sha256"].as_str() {
        assert_eq!(hex(&Sha256::digest(message.content.raw())), digest, "{name}");
        assert_eq!(
            message.content.raw().len() as u64,
            decoded["content_bytes"].as_u64().unwrap(),
            "{name}"
        );
    } else if message.content.is_parts() {
        assert_eq!(
            message.content.parts().unwrap(),
            list(&decoded["content"]),
            "{name}"
        );
    } else {
        assert_eq!(message.content.raw(), text(&decoded["content"]), "{name}");
    }
}

#[test]
fn every_valid_rumor_is_read_and_comes_back_byte_for_byte() {
    let file = vectors("pns-events.json");
    let mut large = 0;
    for entry in list(&file["valid"]) {
        let name = text(&entry["name"]);
        let inner = inner(entry).unwrap();
        let authors = authors(&file, entry);
        let message = Message::from_rumor(&inner, &authors).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_decoded(name, &message, &entry["decoded"]);
        if entry["written_by"] == "web-app" {
            assert_eq!(
                message.client.as_deref(),
                Some(chat_model::CLIENT_ROUTSTR),
                "{name}"
            );
            assert_eq!(message.to_rumor(&authors[0]).unwrap(), inner, "{name}");
        }
        large += usize::from(inner.len() > RUMOR_BYTES_MAX);
    }
    assert!(list(&file["valid"]).len() >= 78 && large > 0);
}

#[test]
fn rumors_that_readers_disagree_on_lose_nothing_here() {
    let file = vectors("pns-events.json");
    for entry in list(&file["either"]) {
        let name = text(&entry["name"]);
        let Some(inner) = inner(entry) else { continue };
        let message = Message::from_rumor(&inner, &authors(&file, entry));
        let message = message.unwrap_or_else(|error| panic!("{name}: {error}"));
        if entry["decoded"].is_object() {
            check_decoded(name, &message, &entry["decoded"]);
        }
    }
}

#[test]
fn every_invalid_rumor_is_dropped_for_its_reason() {
    let file = vectors("pns-events.json");
    let mut checked = 0;
    for entry in list(&file["invalid"]) {
        let reason = text(&entry["reason"]);
        if !reason.starts_with("inner_") {
            continue;
        }
        let inner = inner(entry).unwrap();
        let error = Message::from_rumor(&inner, &authors(&file, entry)).unwrap_err();
        assert_eq!(error.reason(), reason, "{}", entry["name"]);
        checked += 1;
    }
    assert!(checked >= 30, "{checked}");
}

#[test]
fn both_the_account_and_the_device_key_may_have_written_it() {
    let file = vectors("pns-events.json");
    let entry = &list(&file["valid"])[0];
    let authors = authors(&file, entry);
    let message = Message::from_rumor(&inner(entry).unwrap(), &authors).unwrap();
    for author in &authors {
        assert_eq!(
            Message::from_rumor(&message.to_rumor(author).unwrap(), &authors).unwrap(),
            message
        );
    }
}
