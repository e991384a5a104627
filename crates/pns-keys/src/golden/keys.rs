//! `pns-keys.json`: derivation and the spelling of secret keys.

use super::{bytes, derived, golden, hex, list, text};
use crate::{DeviceSecret, PnsKey, Profile, SecretTextError};

#[test]
fn every_profile_derives_the_web_apps_keys() {
    let data = golden("pns-keys.json");
    for case in list(&data["cases"]) {
        let key = derived(case);
        assert_eq!(
            key.public().to_hex(),
            text(case, "pns_pubkey_hex"),
            "{}",
            case["name"]
        );
        assert_eq!(
            hex(key.conversation()),
            text(case, "conversation_key_hex"),
            "{}",
            case["name"]
        );
        assert_eq!(
            key.device().to_hex(),
            text(case, "device_pubkey_hex"),
            "{}",
            case["name"]
        );

        let nsec = DeviceSecret::from_nsec(text(case, "device_nsec")).expect("an nsec");
        assert_eq!(hex(nsec.as_bytes()), text(case, "device_secret_hex"));
        assert_eq!(*nsec.to_nsec(), text(case, "device_nsec"));
    }
}

#[test]
fn an_empty_salt_is_the_default_one() {
    let data = golden("pns-keys.json");
    let defaults = list(&data["cases"]).iter().filter(|case| {
        let profile: Profile = text(case, "profile").parse().expect("a known profile");
        text(case, "salt") == profile.default_salt()
    });
    let mut profiles = std::collections::BTreeSet::new();
    for case in defaults {
        let device = DeviceSecret::from_nsec(text(case, "device_nsec")).expect("an nsec");
        let key = PnsKey::derive(derived(case).profile(), &device, "").expect("derives");
        assert_eq!(key.public().to_hex(), text(case, "pns_pubkey_hex"));
        profiles.insert(key.profile());
    }
    assert_eq!(
        profiles.len(),
        Profile::ALL.len(),
        "each profile has a case with its own salt"
    );
}

/// The web app derives keys from these. They are guessable or cut off, so they are refused here.
#[test]
fn odd_device_keys_are_refused_without_a_panic() {
    let data = golden("pns-keys.json");
    for case in list(&data["odd_devices"]) {
        assert!(
            DeviceSecret::from_nsec(text(case, "device_nsec")).is_err(),
            "{}",
            case["name"]
        );
        if let Ok(device) = <[u8; 32]>::try_from(bytes(text(case, "device_secret_hex"))) {
            assert!(DeviceSecret::from_bytes(&device).is_err(), "{}", case["name"]);
        }
    }
}

#[test]
fn an_nsec_is_read_in_either_case_and_only_as_it_is() {
    let data = golden("pns-keys.json");
    for case in list(&data["good_nsec_spellings"]) {
        let device = DeviceSecret::from_nsec(text(case, "text")).expect("a good spelling");
        assert_eq!(
            hex(device.as_bytes()),
            text(case, "device_secret_hex"),
            "{}",
            case["name"]
        );
    }
    for case in list(&data["bad_nsec"]) {
        let error = DeviceSecret::from_nsec(text(case, "text")).expect_err(text(case, "name"));
        let expected = match text(case, "name") {
            "mixed-case" => SecretTextError::MixedCase,
            "bad-checksum" | "typo-in-data" => SecretTextError::BadChecksum,
            "truncated" => SecretTextError::WrongLength {
                found: 60,
                wanted: 63,
            },
            "npub" => SecretTextError::Public { prefix: "npub" },
            "note" => SecretTextError::Public { prefix: "note" },
            "nprofile" => SecretTextError::Public { prefix: "nprofile" },
            "empty" => SecretTextError::Empty,
            _ => SecretTextError::Unrecognised,
        };
        assert_eq!(error, expected, "{}", case["name"]);
    }
}

#[test]
fn a_person_may_paste_hex_or_an_nsec_with_space_around_it() {
    let data = golden("pns-keys.json");
    for case in list(&data["bad_nsec"]) {
        let read = DeviceSecret::parse(text(case, "text"));
        match text(case, "name") {
            "leading-space" | "trailing-newline" | "hex" => assert!(read.is_ok(), "{}", case["name"]),
            _ => assert!(read.is_err(), "{}", case["name"]),
        }
    }
    let short = DeviceSecret::parse("a1da25ad").expect_err("eight digits");
    assert_eq!(short, SecretTextError::WrongLength { found: 8, wanted: 64 });
    assert_eq!(
        DeviceSecret::parse(&"0".repeat(64)),
        Err(SecretTextError::OutOfRange)
    );
    assert_eq!(
        DeviceSecret::parse("ncryptsec1qgg9947rlpvqu76pj"),
        Err(SecretTextError::Encrypted)
    );
    assert_eq!(DeviceSecret::parse(" \n"), Err(SecretTextError::Empty));
    assert_eq!(
        DeviceSecret::parse("schlüssel"),
        Err(SecretTextError::Unrecognised)
    );
}
