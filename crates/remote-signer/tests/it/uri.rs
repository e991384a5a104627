//! Addresses of signers.

use nostr::key::{Keys, PublicKey};
use proptest::prelude::*;
use relay_link::RelayUrl;
use remote_signer::{BunkerUri, BunkerUriError};

const KEY: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn relay() -> impl Strategy<Value = RelayUrl> {
    "wss?://[a-z]{1,8}\\.example(:[1-9][0-9]{3})?(/[a-z&=%+]{0,6})?"
        .prop_filter_map("an address of a relay", |text| text.parse().ok())
}

fn remote() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_filter_map("a secret key", |bytes| {
        let secret = nostr::key::SecretKey::from_slice(&bytes).ok()?;
        Some(Keys::new(secret).public_key())
    })
}

proptest! {
    /// Whatever is in it, an address reads back from its text, and hides its secret from `Debug`.
    #[test]
    fn an_address_reads_back(
        remote in remote(),
        relays in prop::collection::vec(relay(), 1..8),
        secret in prop::option::of("\\PC{8,40}"),
    ) {
        let uri = BunkerUri::new(remote, relays, secret.clone().map(Into::into)).unwrap();
        let text = uri.to_text();
        prop_assert_eq!(&text.parse::<BunkerUri>().unwrap(), &uri);
        prop_assert_eq!(uri.secret(), secret.as_deref());
        if let Some(secret) = secret {
            let debug = format!("{uri:?}");
            prop_assert!(!debug.contains(&secret), "{}", debug);
            prop_assert!(!uri.without_secret().to_text().contains("secret="));
        }
    }

    /// Nothing a person pastes makes the program fall over.
    #[test]
    fn any_text_is_an_address_or_an_error(text in "(bunker://)?\\PC{0,80}") {
        let _ = text.parse::<BunkerUri>();
    }
}

#[test]
fn an_address_as_signers_write_it_is_read() {
    let text = format!(
        " bunker://{KEY}?relay=wss%3A%2F%2Frelay.nsec.app&relay=wss://Relay.Nsec.App/&relay=ws://127.0.0.1:7777&\
         secret=0f6b%20&name=phone\n"
    );
    let uri: BunkerUri = text.parse().unwrap();
    assert_eq!(uri.remote().to_hex(), KEY);
    let relays: Vec<&str> = uri.relays().iter().map(RelayUrl::as_str).collect();
    assert_eq!(
        relays,
        ["wss://relay.nsec.app", "ws://127.0.0.1:7777"],
        "each once"
    );
    assert_eq!(uri.secret(), Some("0f6b "));
}

#[test]
fn an_error_says_what_to_change_and_not_the_secret() {
    let cases = [
        (
            format!("nostrconnect://{KEY}?relay=wss://a.example&secret=hush"),
            "bunker://",
        ),
        (
            format!("{KEY}?relay=wss://a.example&secret=hush"),
            "begins with bunker://",
        ),
        (
            "bunker://npub1?relay=wss://a.example&secret=hush".to_owned(),
            "64 hex digits",
        ),
        (
            format!("bunker://{}?relay=wss://a.example&secret=hush", "f".repeat(64)),
            "64 hex digits",
        ),
        (format!("bunker://{KEY}?secret=hush"), "?relay=wss://"),
        (
            format!("bunker://{KEY}?relay=https://a.example&secret=hush"),
            "wss://",
        ),
        (
            format!("bunker://{KEY}?relay=wss://a.example&secret=hush&secret=husher"),
            "copy the address",
        ),
        (
            format!(
                "bunker://{KEY}?relay=wss://a.example&secret=hush{}",
                "x".repeat(5000)
            ),
            "copy only",
        ),
    ];
    for (text, advice) in cases {
        let error = text.parse::<BunkerUri>().unwrap_err();
        assert!(error.to_string().contains(advice), "{error}");
        assert!(!format!("{error} {error:?}").contains("hush"), "{error}");
    }
    let many: Vec<String> = (0..9).map(|n| format!("relay=wss://r{n}.example")).collect();
    let many = many.join("&");
    let error = format!("bunker://{KEY}?{many}").parse::<BunkerUri>();
    assert_eq!(error, Err(BunkerUriError::TooManyRelays { relays: 9 }));
}
