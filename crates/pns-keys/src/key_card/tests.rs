use proptest::prelude::*;

use super::*;
use crate::{DeviceSecret, KEYRING, Profile, signing};

/// So low that a test takes no time. What it costs in earnest is tried once.
const LOG_N: u8 = 1;
const PASSPHRASE: &str = "correct horse battery staple";

/// Made by version 1. Cards are printed: what was made once has to open for ever.
const PRINTED: &str = "\
    chatkeys1qyqsqqqqevrswpc8qurswpc8qurswpc8qursjzgfpyysjzgfpyysjzgfpyysjzgfpyysjzgfpxtwmwf363vmxqu\
    rz0mqp7227yj4e3fz9qudexr6g5z30h3k7n562n8yk6k3jqycup5u2apnz6hzhwsxz6wm02readc865a2jks76fnzxklvsk9\
    k5g3x7ggnlellyr9ex9se3ms5nul79yaasr2a3mjz6y7tj260qq4mnz5al56jdt3zkke9ae9wv2ka6llyhv9wneu38mspn2d\
    sp8tagceyyja2s8k6tgkphlnyec62nzaxj3ry6h3ndsjacq3zwualat85dz3w5uddl3yd8g3hnrhe68x6c5lh2jvaz8y8lhj\
    tshhdv348k39cntynsn0akucpzpkcs";

fn account() -> DeviceSecret {
    DeviceSecret::from_bytes(&[1; 32]).unwrap()
}

fn keyring(
    account: &DeviceSecret,
    created_at: u64,
    content: &str,
    device: u8,
    salt: &str,
    tags: Vec<[String; 2]>,
) -> CardKeyring {
    let tags = tags
        .into_iter()
        .map(|tag| nostr::event::Tag::parse(tag).unwrap())
        .collect();
    let event = signing::sign(
        &account.keys(),
        KEYRING,
        tags,
        content.to_owned(),
        created_at,
        &[3; 32],
    );
    let device = DeviceSecret::from_bytes(&[device; 32]).unwrap();
    let inside = Keyring::assemble(&event, device, Zeroizing::new(salt.to_owned())).unwrap();
    CardKeyring { event, inside }
}

fn card() -> KeyCard {
    KeyCard {
        account: account().public(),
        relays: vec!["wss://relay.example.com".to_owned()],
        keyrings: vec![
            keyring(&account(), 1_789_000_000, &"QUJD".repeat(55), 5, "", vec![]),
            keyring(&account(), 1_789_000_001, "no base64", 6, "own salt", vec![]),
        ],
    }
}

fn sealed(card: &KeyCard) -> String {
    card.seal(PASSPHRASE, LOG_N, [7; SALT_BYTES], [9; NONCE_BYTES])
        .unwrap()
}

fn assert_same(left: &KeyCard, right: &KeyCard) {
    assert_eq!(left.account, right.account);
    assert_eq!(left.relays, right.relays);
    let events = |card: &KeyCard| -> Vec<_> {
        card.keyrings
            .iter()
            .map(|keyring| keyring.event.clone())
            .collect()
    };
    assert_eq!(events(left), events(right));
    let secrets = |card: &KeyCard| -> Vec<_> {
        card.keyrings
            .iter()
            .map(|keyring| (keyring.inside.id(), keyring.inside.to_plaintext()))
            .collect()
    };
    assert_eq!(secrets(left), secrets(right));
}

fn refusal(text: &str) -> KeyCardError {
    KeyCard::open(text, PASSPHRASE).unwrap_err()
}

#[test]
fn a_restored_card_gives_the_same_history_keys() {
    let card = card();
    let opened = KeyCard::open(&sealed(&card), PASSPHRASE).unwrap();
    assert_same(&opened, &card);
    assert_eq!(
        opened.keyrings[1].inside.key(Profile::Routstr).public(),
        card.keyrings[1].inside.key(Profile::Routstr).public()
    );
}

#[test]
fn a_card_that_was_printed_stays_readable() {
    let card = KeyCard {
        account: account().public(),
        relays: vec!["wss://relay.example.com".to_owned()],
        keyrings: vec![keyring(&account(), 1_789_000_000, "QUJD", 5, "", vec![])],
    };
    assert_same(&KeyCard::open(PRINTED, PASSPHRASE).unwrap(), &card);
    assert_eq!(sealed(&card), PRINTED);
}

#[test]
fn the_default_cost_opens_too() {
    let text = card()
        .seal(PASSPHRASE, KEY_CARD_LOG_N, [7; SALT_BYTES], [9; NONCE_BYTES])
        .unwrap();
    assert_same(&KeyCard::open(&text, PASSPHRASE).unwrap(), &card());
}

#[test]
fn a_card_reads_in_upper_case_and_with_line_breaks() {
    let text = sealed(&card());
    assert!(text.starts_with(KEY_CARD_PREFIX));
    let upper = text.to_ascii_uppercase();
    let (first, second) = upper.split_at(50);
    let printed = format!("\n  {first}\r\n\t{second} \n");
    assert_same(&KeyCard::open(&printed, PASSPHRASE).unwrap(), &card());
}

#[test]
fn a_passphrase_is_the_same_however_it_is_composed() {
    // NIP-49's own example: the same letters as single code points, decomposed, and with compatibility forms.
    let text = card()
        .seal("ÅΩẛ̣", LOG_N, [7; SALT_BYTES], [9; NONCE_BYTES])
        .unwrap();
    let other = "\u{212b}\u{2126}\u{1e9b}\u{323}";
    assert_same(&KeyCard::open(&text, other).unwrap(), &card());
    assert_same(&KeyCard::open(&text, "\u{c5}\u{3a9}\u{1e69}").unwrap(), &card());
}

#[test]
fn a_wrong_passphrase_is_told_from_a_wrong_text() {
    let text = sealed(&card());
    for other in [
        "",
        "Correct horse battery staple",
        "correct horse battery staple ",
    ] {
        assert_eq!(
            KeyCard::open(&text, other).unwrap_err(),
            KeyCardError::WrongPassphrase
        );
    }
}

#[test]
fn a_cut_off_card_says_how_much_is_missing() {
    let text = sealed(&card());
    for kept in KEY_CARD_PREFIX.len()..text.len() {
        let wanted = match refusal(&text[..kept]) {
            KeyCardError::WrongLength { found, wanted } if found == kept => wanted,
            other => panic!("{kept} characters: {other:?}"),
        };
        assert!(wanted > kept && wanted <= text.len());
    }
    let twice = format!("{text}{}", &text[KEY_CARD_PREFIX.len()..]);
    assert!(matches!(
        refusal(&twice),
        KeyCardError::WrongLength { .. } | KeyCardError::Mistyped
    ));
}

#[test]
fn something_else_that_was_pasted_is_named() {
    let nsec = account().to_nsec();
    assert_eq!(refusal(&nsec), KeyCardError::SecretKey);
    assert_eq!(refusal(&nsec.to_uppercase()), KeyCardError::SecretKey);
    assert_eq!(
        refusal(&format!("ncryptsec1{}", "q".repeat(152))),
        KeyCardError::EncryptedSecretKey
    );
    for (text, error) in [
        ("", KeyCardError::Empty),
        (" \n", KeyCardError::Empty),
        ("npub1qqqq", KeyCardError::NotACard),
        ("chatkey1qqqq", KeyCardError::NotACard),
        ("ключ", KeyCardError::NotACard),
    ] {
        assert_eq!(refusal(text), error, "{text:?}");
    }
    let text = sealed(&card());
    let mixed = format!("{}{}", &text[..50], text[50..].to_uppercase());
    assert_eq!(refusal(&mixed), KeyCardError::MixedCase);
}

#[test]
fn a_later_version_and_an_unreasonable_cost_are_refused_before_anything_is_computed() {
    let mut data = text::read(&sealed(&card())).unwrap();
    data[0] = 2;
    assert_eq!(
        refusal(&text::write(&data)),
        KeyCardError::UnknownVersion { version: 2 }
    );
    data[0] = VERSION;
    // 2^30 rounds would take a terabyte, 2^255 overflow a number.
    for log_n in [0, KEY_CARD_LOG_N_MAX + 1, 30, 255] {
        data[1] = log_n;
        assert_eq!(refusal(&text::write(&data)), KeyCardError::Cost { log_n });
        assert_eq!(
            card().seal(PASSPHRASE, log_n, [7; SALT_BYTES], [9; NONCE_BYTES]),
            Err(KeyCardError::Cost { log_n })
        );
    }
    // A cheaper cost than it was made with: the cipher covers the header.
    data[1] = LOG_N + 1;
    assert_eq!(refusal(&text::write(&data)), KeyCardError::WrongPassphrase);
}

#[test]
fn a_card_that_could_not_be_opened_is_not_made() {
    let mut card = card();
    let seal = |card: &KeyCard, passphrase| card.seal(passphrase, LOG_N, [7; SALT_BYTES], [9; NONCE_BYTES]);
    assert_eq!(seal(&card, ""), Err(KeyCardError::EmptyPassphrase));

    card.relays = vec!["x".repeat(KEY_CARD_BYTES_MAX)];
    assert!(matches!(
        seal(&card, PASSPHRASE),
        Err(KeyCardError::TooLarge { .. })
    ));
    card.relays = vec![];

    let stranger = DeviceSecret::from_bytes(&[2; 32]).unwrap();
    let foreign = keyring(&stranger, 1, "", 5, "", vec![]);
    let swapped = CardKeyring {
        event: card.keyrings[0].event.clone(),
        inside: card.keyrings[1].inside.clone(),
    };
    for wrong in [foreign, swapped] {
        let id = wrong.event.id;
        card.keyrings.push(wrong);
        assert_eq!(seal(&card, PASSPHRASE), Err(KeyCardError::ForeignKeyring { id }));
        card.keyrings.pop();
    }
}

#[test]
fn contents_that_are_cut_off_anywhere_are_refused() {
    let contents = contents::write(&card());
    for kept in 0..contents.len() {
        assert!(
            matches!(
                contents::read(&contents[..kept]),
                Err(KeyCardError::Unreadable(_))
            ),
            "{kept}"
        );
    }
    let more = [&contents[..], &[0]].concat();
    assert!(matches!(contents::read(&more), Err(KeyCardError::Unreadable(_))));
}

#[test]
fn a_card_shows_no_secret() {
    let card = card();
    let shown = format!("{card:?} {:?}", card.keyrings);
    for keyring in &card.keyrings {
        assert!(!shown.contains(&*keyring.inside.device().to_nsec()));
    }
    // The device secrets are fives and sixes throughout.
    for digits in ["05050505", "06060606", "5, 5, 5", "6, 6, 6", "own salt"] {
        assert!(!shown.contains(digits), "{shown}");
    }
}

fn any_keyring() -> impl Strategy<Value = CardKeyring> {
    let content = prop_oneof![
        any::<String>(),
        "[A-Za-z0-9+/]{0,80}={0,2}",
        prop::collection::vec(any::<u8>(), 0..200)
            .prop_map(|bytes| { base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes) }),
    ];
    let tags = prop::collection::vec([any::<String>(), any::<String>()], 0..3);
    (any::<u64>(), content, 1_u8..=255, any::<String>(), tags)
        .prop_filter(
            "a secret key past the order of the curve",
            |(_, _, device, _, _)| DeviceSecret::from_bytes(&[*device; 32]).is_ok(),
        )
        .prop_map(|(created_at, content, device, salt, tags)| {
            keyring(&account(), created_at, &content, device, &salt, tags)
        })
}

fn any_card() -> impl Strategy<Value = KeyCard> {
    let relays = prop::collection::vec(any::<String>(), 0..4);
    let keyrings = prop::collection::vec(any_keyring(), 0..4);
    (relays, keyrings).prop_map(|(relays, keyrings)| KeyCard {
        account: account().public(),
        relays,
        keyrings,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is on a card comes back from it, under whatever passphrase.
    #[test]
    fn every_card_survives_its_text(
        card in any_card(),
        passphrase in ".{1,20}",
        salt in any::<[u8; SALT_BYTES]>(),
        nonce in any::<[u8; NONCE_BYTES]>(),
    ) {
        let text = card.seal(&passphrase, LOG_N, salt, nonce).unwrap();
        assert_same(&KeyCard::open(&text, &passphrase).unwrap(), &card);
    }

    /// Any one character changed into any other is noticed without the passphrase, and never taken for a wrong one.
    #[test]
    fn a_changed_character_is_refused(position in any::<prop::sample::Index>(), other in "[ -~]") {
        let text = sealed(&card());
        let position = position.index(text.len());
        prop_assume!(!text[position..=position].eq_ignore_ascii_case(&other));
        let changed = format!("{}{other}{}", &text[..position], &text[position + 1..]);
        prop_assert_ne!(refusal(&changed), KeyCardError::WrongPassphrase);
    }

    /// No text brings the reader down, however much of it looks right.
    #[test]
    fn arbitrary_text_is_refused(tail in any::<String>(), begins_right in any::<bool>()) {
        let text = if begins_right { format!("{KEY_CARD_PREFIX}{tail}") } else { tail };
        prop_assert!(KeyCard::open(&text, PASSPHRASE).is_err());
    }

    /// Neither does any data under a correct checksum.
    #[test]
    fn arbitrary_data_is_refused(
        mut data in prop::collection::vec(any::<u8>(), 0..300),
        plausible in any::<bool>(),
    ) {
        if plausible && data.len() >= FRONT_BYTES + TAG_BYTES {
            let length = (data.len() - FRONT_BYTES) as u32;
            data[0] = VERSION;
            data[1] = LOG_N;
            data[2..HEADER_BYTES].copy_from_slice(&length.to_be_bytes());
        } else if let Some(log_n) = data.get_mut(1) {
            // Scrypt at its full cost is tried elsewhere.
            *log_n |= 0x80;
        }
        prop_assert!(KeyCard::open(&text::write(&data), PASSPHRASE).is_err());
    }

    /// Nor any contents.
    #[test]
    fn arbitrary_contents_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        position in any::<prop::sample::Index>(),
    ) {
        let _ = contents::read(&bytes);
        let mut near = contents::write(&card()).to_vec();
        let position = position.index(near.len());
        near.splice(position.., bytes);
        let _ = contents::read(&near);
    }
}

#[test]
fn a_card_that_is_sealed_under_a_key_made_elsewhere_is_the_same_card() {
    let (salt, nonce) = ([7; SALT_BYTES], [9; NONCE_BYTES]);
    let made = CardKey::of_passphrase(PASSPHRASE, LOG_N, salt).unwrap();
    let taken = CardKey::from_parts(made.log_n(), *made.salt(), made.key().clone()).unwrap();
    assert_eq!(card().seal_under(&taken, nonce).unwrap(), sealed(&card()));
    assert!(!format!("{taken:?}").contains(&format!("{:?}", &made.key()[..4])));
    for log_n in [0, KEY_CARD_LOG_N_MAX + 1] {
        let refused = CardKey::from_parts(log_n, salt, made.key().clone());
        assert_eq!(refused.unwrap_err(), KeyCardError::Cost { log_n });
    }
    let empty = CardKey::of_passphrase("", LOG_N, salt);
    assert_eq!(empty.unwrap_err(), KeyCardError::EmptyPassphrase);
}
