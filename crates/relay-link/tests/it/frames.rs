//! What one side writes the other reads, and nothing a relay sends makes the parser panic.

use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use relay_link::{ClientFrame, FRAME_BYTES_MAX, FrameError, RelayFrame, SubId};

const AUTHOR: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

fn sub() -> impl Strategy<Value = SubId> {
    "[A-Za-z0-9_\"\\\\é-]{1,64}".prop_map(|text| text.parse().unwrap())
}

fn event() -> impl Strategy<Value = Box<Event>> {
    (
        any::<[u8; 32]>(),
        any::<u32>(),
        any::<u16>(),
        vec(vec(".*", 1..4), 0..4),
        ".*",
    )
        .prop_map(|(id, created_at, kind, tags, content)| {
            let json = serde_json::json!({
                "id": EventId::from_byte_array(id).to_hex(), "pubkey": AUTHOR, "created_at": created_at,
                "kind": kind, "tags": tags, "content": content, "sig": "ab".repeat(64),
            });
            Box::new(serde_json::from_value(json).unwrap())
        })
}

fn filter() -> impl Strategy<Value = Filter> {
    (
        option::of(any::<u32>()),
        option::of(1_usize..500),
        vec(any::<[u8; 32]>(), 0..4),
    )
        .prop_map(|(until, limit, ids)| {
            let mut filter = Filter::new().ids(ids.into_iter().map(EventId::from_byte_array));
            filter.until = until.map(|seconds| nostr::types::Timestamp::from_secs(u64::from(seconds)));
            filter.limit = limit;
            filter
        })
}

/// Shorter than the cut, which is counted in bytes.
fn prose() -> impl Strategy<Value = String> {
    ".{0,200}"
}

fn relay_frame() -> impl Strategy<Value = RelayFrame> {
    prop_oneof![
        (sub(), event()).prop_map(|(sub, event)| RelayFrame::Event { sub, event }),
        (option::of(any::<[u8; 32]>()), any::<bool>(), prose()).prop_map(|(id, accepted, reason)| {
            RelayFrame::Ok {
                id: id.map(EventId::from_byte_array),
                accepted,
                reason,
            }
        }),
        (sub(), vec("[a-z]{1,16}", 0..4)).prop_map(|(sub, hints)| RelayFrame::Eose { sub, hints }),
        (sub(), prose()).prop_map(|(sub, reason)| RelayFrame::Closed { sub, reason }),
        prose().prop_map(|message| RelayFrame::Notice { message }),
        prose().prop_map(|challenge| RelayFrame::Auth { challenge }),
        (sub(), vec(any::<u8>(), 0..300)).prop_map(|(sub, message)| RelayFrame::NegMsg { sub, message }),
        (sub(), prose(), option::of(any::<u64>())).prop_map(|(sub, reason, cap)| RelayFrame::NegErr {
            sub,
            reason,
            cap
        }),
    ]
}

fn client_frame() -> impl Strategy<Value = ClientFrame> {
    let payload = || vec(any::<u8>(), 0..300);
    prop_oneof![
        event().prop_map(ClientFrame::Event),
        (sub(), vec(filter(), 0..4)).prop_map(|(sub, filters)| ClientFrame::Req { sub, filters }),
        sub().prop_map(|sub| ClientFrame::Close { sub }),
        (sub(), filter(), payload()).prop_map(|(sub, filter, message)| ClientFrame::NegOpen {
            sub,
            filter,
            message
        }),
        (sub(), payload()).prop_map(|(sub, message)| ClientFrame::NegMsg { sub, message }),
        sub().prop_map(|sub| ClientFrame::NegClose { sub }),
        event().prop_map(ClientFrame::Auth),
    ]
}

proptest! {
    #[test]
    fn what_a_relay_writes_is_what_we_read(frame in relay_frame()) {
        prop_assert_eq!(RelayFrame::parse(&frame.encode()), Ok(frame));
    }

    #[test]
    fn what_we_write_is_what_a_relay_reads(frame in client_frame()) {
        prop_assert_eq!(ClientFrame::parse(&frame.encode()), Ok(frame));
    }

    #[test]
    fn arbitrary_text_never_panics(text in ".*", bytes in vec(any::<u8>(), 0..200)) {
        let _ = (RelayFrame::parse(&text), ClientFrame::parse(&text));
        let _ = RelayFrame::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_damaged_frame_never_panics(frame in relay_frame(), cut in any::<prop::sample::Index>(), with in ".{0,3}") {
        let text = frame.encode();
        let at = (0..=cut.index(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let _ = RelayFrame::parse(&text[..at]);
        let _ = RelayFrame::parse(&format!("{}{with}{}", &text[..at], &text[at..]));
        let _ = RelayFrame::parse(&format!("{}{with}", &text[..at]));
    }

    /// Elements nobody asked for change nothing about the ones before them.
    #[test]
    fn elements_after_the_known_ones_are_skipped(frame in relay_frame(), extra in 0_usize..6) {
        let extra = ["null", "-1", "1.5", "{\"a\":[1,{}]}", "[[],[{}]]", "true"][extra];
        let text = frame.encode();
        // A reason or a fourth element that was left out would make the extra one take its place.
        if !matches!(frame, RelayFrame::NegErr { .. } | RelayFrame::Eose { .. }) {
            let longer = format!("{},{extra}]", text.strip_suffix(']').unwrap());
            prop_assert_eq!(RelayFrame::parse(&longer), Ok(frame));
        }
    }
}

#[test]
fn what_live_relays_send_is_read() {
    let sub = || "s".parse::<SubId>().unwrap();
    let hints = |hints: &[&str]| hints.iter().map(|hint| (*hint).to_owned()).collect::<Vec<_>>();
    let neg_err = |reason: &str, cap| RelayFrame::NegErr {
        sub: sub(),
        reason: reason.into(),
        cap,
    };
    let no_id = |reason: &str| RelayFrame::Ok {
        id: None,
        accepted: false,
        reason: reason.into(),
    };
    for (text, frame) in [
        (
            r#"["OK","",false,"invalid: bad event"]"#,
            no_id("invalid: bad event"),
        ),
        (r#"["OK","",false]"#, no_id("")),
        (
            r#"["CLOSED","s"]"#,
            RelayFrame::Closed {
                sub: sub(),
                reason: String::new(),
            },
        ),
        (
            r#"["EOSE","s"]"#,
            RelayFrame::Eose {
                sub: sub(),
                hints: vec![],
            },
        ),
        (
            r#"["EOSE","s",["finish"]]"#,
            RelayFrame::Eose {
                sub: sub(),
                hints: hints(&["finish"]),
            },
        ),
        (
            r#"["EOSE","s",["more"],"x"]"#,
            RelayFrame::Eose {
                sub: sub(),
                hints: hints(&["more", "x"]),
            },
        ),
        (
            r#"["EOSE","s",{"a":1},null]"#,
            RelayFrame::Eose {
                sub: sub(),
                hints: vec![],
            },
        ),
        (
            r#"["NEG-ERR","s","blocked: too many query results",1000000]"#,
            neg_err("blocked: too many query results", Some(1_000_000)),
        ),
        (
            r#"["NEG-ERR","s","blocked: too many query results","500"]"#,
            neg_err("blocked: too many query results", Some(500)),
        ),
        (
            r#"["NEG-ERR","s","PROTOCOL-ERROR"]"#,
            neg_err("PROTOCOL-ERROR", None),
        ),
        (
            r#"["NEG-MSG","s","62"]"#,
            RelayFrame::NegMsg {
                sub: sub(),
                message: vec![0x62],
            },
        ),
        (
            r#"["NEG-MSG","s","6G"]"#,
            RelayFrame::NegMsg {
                sub: sub(),
                message: vec![],
            },
        ),
        (
            " [ \"NOTICE\" , \"hi\" ] ",
            RelayFrame::Notice { message: "hi".into() },
        ),
    ] {
        assert_eq!(RelayFrame::parse(text), Ok(frame), "{text}");
    }
}

#[test]
fn what_is_no_frame_is_named() {
    let element = |what| FrameError::Element { what };
    let long_sub = format!(r#"["EOSE","{}"]"#, "x".repeat(65));
    let long_challenge = format!(r#"["AUTH","{}"]"#, "x".repeat(1025));
    for (text, error) in [
        (r#"["COUNT","s",{}]"#, FrameError::UnknownLabel),
        (r#"["EVENT","s"]"#, element("event")),
        (r#"["EVENT","s",{"id":"secret"}]"#, element("event")),
        (r#"["EVENT"]"#, element("subscription id")),
        (r#"["EOSE",""]"#, element("subscription id")),
        (long_sub.as_str(), element("subscription id")),
        (r#"["OK","zz",true,""]"#, element("event id")),
        (r#"["OK","","yes",""]"#, element("verdict")),
        (r#"["NOTICE",{}]"#, element("message")),
        (long_challenge.as_str(), element("challenge")),
        (r#"["NEG-MSG","s"]"#, element("payload")),
    ] {
        assert_eq!(RelayFrame::parse(text), Err(error), "{text}");
        assert!(!error.to_string().contains("secret"));
    }
    for text in [
        "",
        "{}",
        "[]",
        "[1]",
        "null",
        "[\"EOSE\",\"s\"] x",
        "[\"EOSE\",\"s\"",
        "<html>",
    ] {
        let parsed = RelayFrame::parse(text);
        assert!(
            matches!(
                parsed,
                Err(FrameError::NotAFrame { .. } | FrameError::Element { .. })
            ),
            "{text}: {parsed:?}"
        );
    }
}

#[test]
fn long_prose_is_cut_between_characters() {
    let RelayFrame::Notice { message } =
        RelayFrame::parse(&format!(r#"["NOTICE","x{}"]"#, "é".repeat(1000))).unwrap()
    else {
        panic!("not a notice")
    };
    assert_eq!(message.len(), 1023, "one byte and 511 pairs");
}

#[test]
fn hints_are_bounded() {
    let many = vec!["\"more\""; 10_000].join(",");
    let text = format!(r#"["EOSE","s",[{many}],"{}"]"#, "x".repeat(100));
    let RelayFrame::Eose { hints, .. } = RelayFrame::parse(&text).unwrap() else {
        panic!("not an EOSE")
    };
    assert_eq!(hints.len(), 16);
    assert!(hints.iter().all(|hint| hint == "more"));
}

#[test]
fn a_frame_over_four_mebibytes_is_not_looked_at() {
    let text = format!(r#"["NOTICE","{}"]"#, "x".repeat(FRAME_BYTES_MAX));
    assert_eq!(
        RelayFrame::parse(&text),
        Err(FrameError::TooLong { bytes: text.len() })
    );
    let deep = "[".repeat(100_000);
    assert!(RelayFrame::parse(&deep).is_err());
    assert!(RelayFrame::parse(&format!("[\"EOSE\",\"s\",{deep}")).is_err());
}
