//! `pns-events.json`: envelopes and deletions.

use std::collections::BTreeMap;

use nostr::event::Event;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{bytes, bytes_32, derived, golden, hex, list, text};
use crate::seal::envelope;
use crate::{
    ENVELOPE, OpenError, PnsKey, RUMOR_BYTES_MAX, SealError, open, open_deletion, read_event,
    read_event_value, seal, verify,
};

fn keys(data: &Value) -> BTreeMap<&str, PnsKey> {
    list(&data["keys"])
        .iter()
        .map(|set| (text(set, "name"), derived(set)))
        .collect()
}

/// The text an entry says is inside, spelled out or as repeated pieces.
fn inner(entry: &Value) -> Vec<u8> {
    if let Some(hex) = entry["inner_hex"].as_str() {
        return bytes(hex);
    }
    let inner = match entry["inner_json"].as_str() {
        Some(inner) => inner.to_owned(),
        None => list(&entry["inner_json_rule"])
            .iter()
            .map(|pair| {
                let times = usize::try_from(pair[1].as_u64().expect("a number")).expect("small");
                pair[0].as_str().expect("a text").repeat(times)
            })
            .collect(),
    };
    assert_eq!(
        hex(&Sha256::digest(inner.as_bytes())),
        text(entry, "inner_json_sha256")
    );
    inner.into_bytes()
}

fn opened(key: &PnsKey, event: &Value) -> Result<Vec<u8>, OpenError> {
    open(key, &read_event(event.to_string().as_bytes())?)
}

#[test]
fn valid_envelopes_open_to_exactly_their_text() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    for entry in list(&data["valid"]) {
        let found = opened(&keys[text(entry, "keys")], &entry["event"]);
        assert_eq!(found, Ok(inner(entry)), "{}", entry["name"]);
    }
}

#[test]
fn sealing_again_gives_the_same_event() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    for entry in list(&data["valid"]) {
        let key = &keys[text(entry, "keys")];
        let event = read_event_value(&entry["event"]).expect("an event");
        let (rumor, time) = (inner(entry), event.created_at.as_secs());
        let nonce = bytes_32(text(entry, "nonce_hex"));
        assert_eq!(
            envelope(key, &rumor, time, nonce, [0; 32]),
            Ok(event.clone()),
            "{}",
            entry["name"]
        );

        let expected = if !key.profile().writable() {
            Err(SealError::ReadOnly {
                profile: key.profile(),
            })
        } else if rumor.len() > RUMOR_BYTES_MAX {
            Err(SealError::TooLong {
                bytes: rumor.len(),
                max: RUMOR_BYTES_MAX,
            })
        } else {
            Ok(event)
        };
        assert_eq!(
            seal(key, &rumor, time, nonce, [0; 32]),
            expected,
            "{}",
            entry["name"]
        );
    }
}

#[test]
fn unusual_envelopes_open_or_say_why_not() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    for entry in list(&data["either"]) {
        let key = &keys[text(entry, "keys")];
        match opened(key, &entry["event"]) {
            Ok(found) => assert_eq!(found, inner(entry), "{}", entry["name"]),
            Err(error) => assert_ne!(error.reason(), "", "{}", entry["name"]),
        }
    }
}

#[test]
fn bytes_inside_an_envelope_are_passed_on_untouched() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    for name in [
        "lone-surrogate-escape",
        "lone-surrogate-in-parts",
        "inner-invalid-utf8",
        "bom-before-inner",
    ] {
        let entry = list(&data["either"])
            .iter()
            .find(|entry| entry["name"] == name)
            .expect(name);
        assert_eq!(
            opened(&keys[text(entry, "keys")], &entry["event"]),
            Ok(inner(entry)),
            "{name}"
        );
    }
}

#[test]
fn every_bad_envelope_gives_its_own_reason() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    for entry in list(&data["invalid"]) {
        let found = opened(&keys[text(entry, "keys")], &entry["event"]);
        let reason = text(entry, "reason");
        if reason.starts_with("inner_") {
            // The envelope is fine; what is in it is for `chat-model` to refuse.
            assert_eq!(found, Ok(inner(entry)), "{}", entry["name"]);
        } else {
            assert_eq!(
                found.expect_err(text(entry, "name")).reason(),
                reason,
                "{}",
                entry["name"]
            );
        }
    }
}

#[test]
fn a_missing_or_malformed_field_names_itself() {
    let data = golden("pns-events.json");
    let good = &list(&data["valid"])[0]["event"];
    let expected = [
        ("id", OpenError::BadId),
        ("sig", OpenError::BadSignature),
        ("pubkey", OpenError::Malformed { field: "pubkey" }),
        ("created_at", OpenError::Malformed { field: "created_at" }),
        ("kind", OpenError::Malformed { field: "kind" }),
        ("tags", OpenError::Malformed { field: "tags" }),
        ("content", OpenError::Malformed { field: "content" }),
    ];
    for (field, error) in expected {
        for wrong in [
            None,
            Some(Value::Null),
            Some(serde_json::json!({"a": 1})),
            Some(serde_json::json!([[1]])),
        ] {
            let mut event = good.as_object().expect("an object").clone();
            match wrong {
                None => event.remove(field),
                Some(wrong) => event.insert(field.to_owned(), wrong),
            };
            assert_eq!(
                read_event_value(&Value::Object(event)),
                Err(error.clone()),
                "{field}"
            );
        }
    }
    assert_eq!(
        read_event(b"{\"id\":"),
        Err(OpenError::Malformed { field: "JSON" })
    );
}

#[test]
fn only_the_history_key_itself_takes_envelopes_back() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    let known: Vec<Event> = list(&data["valid"])
        .iter()
        .map(|entry| read_event_value(&entry["event"]).expect("an event"))
        .collect();
    for entry in list(&data["deletions"]) {
        let key = &keys[text(entry, "keys")];
        let event = read_event_value(&entry["event"]).expect("an event");
        let found = open_deletion(&key.public(), &event);
        assert_eq!(found.is_ok(), entry["valid"] == true, "{}", entry["name"]);
        // `removes` lists the ids among the valid envelopes; others are kept for when they arrive.
        let targets = found.unwrap_or_default();
        let removed: Vec<String> = known
            .iter()
            .filter(|event| event.pubkey == key.public() && targets.contains(&event.id))
            .map(|event| event.id.to_hex())
            .collect();
        let expected: Vec<&str> = list(&entry["removes"])
            .iter()
            .map(|id| id.as_str().expect("hex"))
            .collect();
        assert_eq!(removed, expected, "{}", entry["name"]);
        if entry["name"] == "unknown-id-too" {
            assert_eq!(targets.len(), 2, "an id not seen yet must stay gone too");
        }
    }
}

#[test]
fn an_envelope_of_one_key_never_verifies_as_anothers() {
    let data = golden("pns-events.json");
    let keys = keys(&data);
    let event = read_event_value(&list(&data["valid"])[0]["event"]).expect("an event");
    let stranger = keys["second"].public();
    assert_eq!(
        verify(&event, &stranger, ENVELOPE),
        Err(OpenError::WrongAuthor { author: event.pubkey })
    );
    assert_eq!(verify(&event, &keys["main"].public(), ENVELOPE), Ok(()));
}
