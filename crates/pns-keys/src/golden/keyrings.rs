//! `keyring-1081.json`: single keyrings, and sets of them as a relay returns them.

use nostr::event::Event;
use serde_json::Value;

use super::{at_once, bytes_32, golden, hex, list, signer, text};
use crate::{
    DeviceSecret, KeySet, KeySetState, Keyring, KeyringError, NewKeyring, Profile, Signer, open_keyring,
    read_event_value,
};

fn event(value: &Value) -> Event {
    read_event_value(value).expect("an event")
}

#[test]
fn every_keyring_opens_or_gives_its_own_reason() {
    let data = golden("keyring-1081.json");
    let owner = signer(text(&data, "owner_secret_hex"));
    for case in list(&data["cases"]) {
        let found = at_once(open_keyring(&owner, &event(&case["event"])));
        if case["opens"] == true {
            let keyring = found.unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
            let (key, keys) = (keyring.key(Profile::Routstr), &case["keys"]);
            assert_eq!(
                hex(keyring.device().as_bytes()),
                text(keys, "device_secret_hex"),
                "{}",
                case["name"]
            );
            assert_eq!(
                key.public().to_hex(),
                text(keys, "pns_pubkey_hex"),
                "{}",
                case["name"]
            );
            assert_eq!(
                hex(key.conversation()),
                text(keys, "conversation_key_hex"),
                "{}",
                case["name"]
            );
        } else if case["opens"] == false {
            assert_eq!(
                found.expect_err(text(case, "name")).reason(),
                text(case, "reason"),
                "{}",
                case["name"]
            );
        } else {
            // Keys that are no secp256k1 secrets are refused; of a repeated name the last value counts.
            assert_eq!(
                found.is_ok(),
                case["name"] == "nsec-duplicate-key",
                "{}",
                case["name"]
            );
        }
    }
}

#[test]
fn a_set_of_keyrings_gives_one_write_key_whatever_the_order() {
    let data = golden("keyring-1081.json");
    let owner = signer(text(&data, "owner_secret_hex"));
    for set in list(&data["sets"]) {
        let mut events: Vec<Event> = list(&set["events"]).iter().map(event).collect();
        for _ in 0..events.len().max(1) {
            let keys = key_set(&owner, &events);
            let mut opened = Vec::new();
            for keyring in keys.keyrings() {
                let public = keyring.key(Profile::Routstr).public().to_hex();
                if !opened.contains(&public) {
                    opened.push(public);
                }
            }
            let expected: Vec<&str> = list(&set["opened"])
                .iter()
                .map(|key| key.as_str().expect("hex"))
                .collect();
            assert_eq!(opened, expected, "{}", set["name"]);
            // Each is read under both profiles that are written today.
            assert_eq!(keys.read().len(), 2 * expected.len(), "{}", set["name"]);
            let writing = keys.writing_key().map(|writing| writing.key.public().to_hex());
            assert_eq!(
                writing.as_deref(),
                set["writing_pubkey_hex"].as_str(),
                "{}",
                set["name"]
            );
            let state = match keys.state() {
                KeySetState::Ready => "ready",
                KeySetState::Locked => "locked",
                KeySetState::Empty => "none",
            };
            assert_eq!(state, text(set, "state"), "{}", set["name"]);
            if !events.is_empty() {
                events.rotate_left(1);
            }
        }
    }
}

fn key_set(owner: &dyn Signer, events: &[Event]) -> KeySet {
    let mut keys = KeySet::new(owner.public_key());
    for event in events {
        match at_once(open_keyring(owner, event)) {
            Ok(keyring) => {
                keys.add(keyring);
            }
            Err(error) => keys.add_unopened(event.id, error),
        }
    }
    keys
}

#[test]
fn a_new_keyring_is_written_as_the_web_app_writes_it() {
    let data = golden("keyring-1081.json");
    let case = list(&data["cases"])
        .iter()
        .find(|case| case["name"] == "as-written")
        .expect("as-written");
    let nonce = bytes_32(text(case, "nonce_hex"));
    // The signer draws the nonce first and the auxiliary randomness, zeros in the golden data, second.
    let draws = std::sync::Mutex::new(vec![[0; 32], nonce]);
    let owner = crate::LocalSigner::parse(text(&data, "owner_secret_hex"), move || {
        draws.lock().expect("one thread").pop().expect("two draws")
    })
    .expect("a secret key");
    let device =
        DeviceSecret::from_bytes(&bytes_32(text(&case["keys"], "device_secret_hex"))).expect("a secret key");
    let expected = event(&case["event"]);

    let new = NewKeyring::new(device);
    let (made, keyring) = at_once(new.create(&owner, expected.created_at.as_secs())).expect("made");
    assert_eq!(made, expected);
    assert_eq!(*keyring.to_plaintext(), text(case, "plaintext"));
    assert_eq!(keyring.id(), expected.id);
}

#[test]
fn what_is_kept_of_a_keyring_opens_it_again_without_the_signer() {
    let data = golden("keyring-1081.json");
    let owner = signer(text(&data, "owner_secret_hex"));
    for case in list(&data["cases"]).iter().filter(|case| case["opens"] == true) {
        let event = event(&case["event"]);
        let keyring =
            at_once(open_keyring(&owner, &event)).unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        let kept = Keyring::from_plaintext(&event, keyring.to_plaintext().as_bytes())
            .unwrap_or_else(|error| panic!("{}: {error}", case["name"]));
        assert_eq!(
            kept.key(Profile::Routstr).public(),
            keyring.key(Profile::Routstr).public()
        );
        assert_eq!(kept.salt(), keyring.salt());
        assert_eq!(kept.created_at(), keyring.created_at());
    }
}

#[test]
fn a_keyring_that_opens_later_is_no_longer_counted_as_locked() {
    let data = golden("keyring-1081.json");
    let owner = signer(text(&data, "owner_secret_hex"));
    let event = event(&list(&data["cases"])[0]["event"]);
    let mut keys = KeySet::new(owner.public_key());
    let silence = crate::SignerError::NoAnswer {
        signer: "the signer".into(),
        waited: std::time::Duration::from_secs(65),
    };
    keys.add_unopened(event.id, KeyringError::Signer(silence.clone()));
    assert_eq!(keys.state(), KeySetState::Locked);

    assert!(keys.add(at_once(open_keyring(&owner, &event)).expect("opens")));
    assert_eq!(keys.state(), KeySetState::Ready);
    keys.add_unopened(event.id, KeyringError::Signer(silence));
    assert_eq!(keys.unopened().count(), 0, "an open keyring does not close again");
}
