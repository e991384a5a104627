//! What holds for every key, every text and every damage.

use nostr::event::{Event, EventId};
use pns_keys::{
    DELETED_IDS_MAX, DeviceSecret, ENVELOPE, OpenError, PnsKey, Profile, RUMOR_BYTES_MAX, SealError,
    deletion_targets, open, open_deletion, open_verified, read_event, seal, sign_deletion,
};
use proptest::prelude::*;

fn device() -> impl Strategy<Value = DeviceSecret> {
    any::<[u8; 32]>().prop_filter_map("not a secret key", |bytes| DeviceSecret::from_bytes(&bytes).ok())
}

fn writable_key() -> impl Strategy<Value = PnsKey> {
    (
        device(),
        prop_oneof![Just(Profile::Routstr), Just(Profile::NipPns)],
        ".{0,40}",
    )
        .prop_map(|(device, profile, salt)| PnsKey::derive(profile, &device, &salt).expect("derives"))
}

/// Sizes around the borders of NIP-44's padding, and some in between.
fn rumor() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        1..600_usize,
        Just(32),
        Just(33),
        Just(256),
        Just(257),
        Just(RUMOR_BYTES_MAX)
    ];
    size.prop_flat_map(|size| proptest::collection::vec(any::<u8>(), size))
}

fn fixed_key(profile: Profile) -> PnsKey {
    PnsKey::derive(
        profile,
        &DeviceSecret::from_bytes(&[5; 32]).expect("a secret key"),
        "",
    )
    .expect("derives")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What was sealed comes out, byte for byte, and the outside says nothing but author, kind, time and size.
    #[test]
    fn what_is_sealed_comes_out_again(
        key in writable_key(), rumor in rumor(), time in 0..4_102_444_800_u64, nonce: [u8; 32], aux: [u8; 32],
    ) {
        let event = seal(&key, &rumor, time, nonce, aux).expect("seals");
        prop_assert_eq!(event.kind, ENVELOPE);
        prop_assert!(event.tags.is_empty());
        prop_assert_eq!(event.pubkey, key.public());
        prop_assert_eq!(event.created_at.as_secs(), time);
        let sent = serde_json::to_vec(&event).expect("JSON");
        prop_assert!(sent.len() < 65_536, "{} bytes do not fit a default strfry", sent.len());
        let received = read_event(&sent).expect("an event");
        prop_assert_eq!(open(&key, &received), Ok(rumor.clone()));
        prop_assert_eq!(open_verified(&key, &received), Ok(rumor));
    }

    /// Changed JSON is refused or means the same event; nothing panics.
    #[test]
    fn a_changed_event_never_opens_to_something_else(at in any::<prop::sample::Index>(), byte: u8) {
        let key = fixed_key(Profile::Routstr);
        let event = seal(&key, b"the same text", 1_789_000_000, [1; 32], [2; 32]).expect("seals");
        let mut json = serde_json::to_vec(&event).expect("JSON");
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(changed) = read_event(&json)
            && let Ok(found) = open(&key, &changed)
        {
            prop_assert_eq!(found, b"the same text".to_vec());
            prop_assert_eq!(changed.id, event.id);
        }
    }

    /// A payload changed in one character never decrypts, also where the signature is not looked at.
    #[test]
    fn a_changed_payload_never_decrypts(at in any::<prop::sample::Index>(), byte in 0x20..0x7f_u8, cut in any::<bool>()) {
        let key = fixed_key(Profile::NipPns);
        let sealed = seal(&key, &[b'x'; 300], 1_789_000_000, [1; 32], [2; 32]).expect("seals");
        let mut content = sealed.content.clone().into_bytes();
        let at = at.index(content.len());
        if cut { content.truncate(at) } else { content[at] = byte }
        let content = String::from_utf8(content).expect("ASCII");
        prop_assume!(content != sealed.content);
        let event = Event::new(
            sealed.id, sealed.pubkey, sealed.created_at, sealed.kind, sealed.tags.clone(), content, sealed.sig,
        );
        prop_assert!(matches!(open_verified(&key, &event), Err(OpenError::Payload(_))));
        prop_assert_eq!(open(&key, &event), Err(OpenError::BadId));
    }

    /// Whatever text stands where a payload should, it is an error and not a panic.
    #[test]
    fn any_text_in_place_of_a_payload_is_an_error(content in "([A-Za-z0-9+/]{4}){0,80}={0,2}|\\PC{0,200}") {
        let key = fixed_key(Profile::RoutstrFirst);
        let sealed = seal(&fixed_key(Profile::Routstr), b"x", 1, [1; 32], [2; 32]).expect("seals");
        let event = Event::new(
            sealed.id, key.public(), sealed.created_at, sealed.kind, [], content, sealed.sig,
        );
        prop_assert!(matches!(open_verified(&key, &event), Err(OpenError::Payload(_))));
    }

    /// A deletion names its ids in order, once each, and only its author can have signed it.
    #[test]
    fn a_deletion_names_its_ids(key in writable_key(), ids in proptest::collection::vec(any::<[u8; 32]>(), 1..20)) {
        let mut ids: Vec<EventId> = ids.into_iter().map(EventId::from_byte_array).collect();
        let event = sign_deletion(&key, &ids, 1_789_000_000, [0; 32]).expect("signs");
        prop_assert_eq!(event.tags.iter().last().map(|tag| tag.as_slice().to_vec()),
            Some(vec!["k".to_owned(), "1080".to_owned()]));
        let repeated = [ids.clone(), ids.clone()].concat();
        let twice = sign_deletion(&key, &repeated, 1_789_000_000, [0; 32]).expect("signs");
        let mut seen = std::collections::BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        prop_assert_eq!(open_deletion(&key.public(), &event), Ok(ids.clone()));
        prop_assert_eq!(deletion_targets(&twice), ids);
        prop_assert_eq!(open(&key, &event), Err(OpenError::WrongKind { kind: 5 }));
    }
}

#[test]
fn one_byte_more_than_fits_is_refused_with_both_numbers() {
    let key = fixed_key(Profile::Routstr);
    let long = vec![b'x'; RUMOR_BYTES_MAX + 1];
    let error = seal(&key, &long, 1, [1; 32], [2; 32]).expect_err("too long");
    assert_eq!(
        error,
        SealError::TooLong {
            bytes: 40_001,
            max: 40_000
        }
    );
    assert_eq!(seal(&key, b"", 1, [1; 32], [2; 32]), Err(SealError::Empty));
}

#[test]
fn read_only_profiles_write_nothing_and_take_their_own_back() {
    for profile in [Profile::RoutstrEarly, Profile::RoutstrFirst] {
        let key = fixed_key(profile);
        assert_eq!(
            seal(&key, b"x", 1, [1; 32], [2; 32]),
            Err(SealError::ReadOnly { profile })
        );
        let id = EventId::from_byte_array([1; 32]);
        let deletion = sign_deletion(&key, &[id], 1, [2; 32]).expect("signs");
        assert_eq!(open_deletion(&key.public(), &deletion), Ok(vec![id]));
    }
}

#[test]
fn a_deletion_stays_within_what_relays_take() {
    let key = fixed_key(Profile::Routstr);
    let id = EventId::from_byte_array([0xff; 32]);
    let full = sign_deletion(&key, &[id; DELETED_IDS_MAX], 1, [2; 32]).expect("signs");
    assert!(serde_json::to_vec(&full).expect("JSON").len() < 65_536);
    for ids in [0, DELETED_IDS_MAX + 1] {
        let error = sign_deletion(&key, &vec![id; ids], 1, [2; 32]).expect_err("refused");
        assert_eq!(
            error,
            SealError::DeletedIds {
                ids,
                max: DELETED_IDS_MAX
            }
        );
    }
}

#[test]
fn another_profile_of_the_same_device_opens_nothing() {
    let (today, draft) = (fixed_key(Profile::Routstr), fixed_key(Profile::NipPns));
    let event = seal(&today, b"x", 1, [1; 32], [2; 32]).expect("seals");
    assert_eq!(
        open(&draft, &event),
        Err(OpenError::WrongAuthor {
            author: today.public()
        })
    );
}
