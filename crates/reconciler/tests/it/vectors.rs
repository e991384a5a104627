//! The golden exchanges of the reference implementation.

use std::collections::BTreeSet;

use event_index::Item;
use nostr::event::EventId;
use reconciler::session::{Outcome, Output, Session};
use relay_link::{ClientFrame, RelayFrame};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::session::{exchange, opening};
use crate::world::{noon, snapshot};

pub(crate) fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/negentropy.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub(crate) fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

pub(crate) fn id(hex: &Value) -> EventId {
    EventId::from_hex(hex.as_str().unwrap()).unwrap()
}

/// A literal list of `[timestamp, id]`; timestamps over 2^53 are decimal text.
fn literal(items: &Value) -> Option<Vec<Item>> {
    let time = |value: &Value| {
        value
            .as_u64()
            .unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
    };
    let items = items.as_array()?;
    Some(
        items
            .iter()
            .map(|item| Item {
                created_at: time(&item[0]),
                id: id(&item[1]),
            })
            .collect(),
    )
}

/// One side's items: literal, or a universe less what the side skips.
pub(crate) fn side(case: &Value, name: &str) -> Vec<Item> {
    if let Some(items) = case.get(name).and_then(literal) {
        return items;
    }
    let universe = &case["universe"];
    let number = |name: &str| universe[name].as_u64().unwrap();
    let seed = universe["seed"].as_str().unwrap();
    let skips = case[format!("{name}_skips")].as_array().unwrap();
    let skipped = |i: u64| {
        skips.iter().any(|skip| {
            let of = |name: &str, otherwise| skip.get(name).and_then(Value::as_u64).unwrap_or(otherwise);
            i % of("mod", 1) == of("rem", 0) && (of("from", 0)..of("to", u64::MAX)).contains(&i)
        })
    };
    let item = |i: u64| Item {
        created_at: number("base") + i / number("per_second") * number("step"),
        id: EventId::from_byte_array(Sha256::digest(format!("{seed}:{i}")).into()),
    };
    let items: Vec<Item> = (0..number("count")).filter(|i| !skipped(*i)).map(item).collect();
    assert_eq!(
        items.len() as u64,
        case[format!("{name}_count")].as_u64().unwrap()
    );
    items
}

fn named(case: &Value, what: &str) -> BTreeSet<EventId> {
    case[what].as_array().unwrap().iter().map(id).collect()
}

/// Without an agreement a session opens as the reference does; `neg::vectors` plays the exchanges to their ends.
#[test]
fn a_session_opens_with_the_golden_bytes() {
    let vectors = vectors();
    for case in vectors["cases"].as_array().unwrap() {
        let limit = case["client_frame_limit"].as_u64().unwrap_or(0);
        let mut session = Session::open(snapshot(&side(case, "client")), opening(limit), noon());
        let Some(Output::Send(ClientFrame::NegOpen { message, .. })) = session.poll_output() else {
            panic!()
        };
        assert_eq!(message, bytes(&case["messages"][0]["hex"]), "{}", case["name"]);
    }
}

/// Also those the reference itself gets wrong under frame limits.
#[test]
fn every_golden_pair_of_sets_is_compared_right() {
    for case in vectors()["cases"].as_array().unwrap() {
        let limit = |side: &str| case[format!("{side}_frame_limit")].as_u64().unwrap_or(0);
        let (client, server) = (side(case, "client"), side(case, "server"));
        let (have, need, outcome) = exchange(&client, &server, limit("client"), limit("server"));
        let name = &case["name"];
        assert!(
            matches!(outcome, Outcome::Reconciled { .. }),
            "{name}: {outcome:?}"
        );
        assert_eq!(BTreeSet::from_iter(have), named(case, "have"), "{name}");
        assert_eq!(BTreeSet::from_iter(need), named(case, "need"), "{name}");
    }
}

#[test]
fn malformed_messages_end_as_the_vectors_say() {
    let vectors = vectors();
    let items: Vec<Item> = [1_u8, 2, 3]
        .iter()
        .map(|n| Item {
            created_at: 1_789_000_000 + u64::from(*n) - 1,
            id: EventId::from_byte_array([*n; 32]),
        })
        .collect();
    let mut played = 0;
    // Those meant for a server are garbage to a client as well: whatever they do, they do not panic.
    for case in vectors["malformed"].as_array().unwrap() {
        let now = noon();
        let mut session = Session::open(snapshot(&items), opening(60_000), now);
        let Some(Output::Send(ClientFrame::NegOpen { sub, .. })) = session.poll_output() else {
            panic!()
        };
        session.handle_frame(
            RelayFrame::NegMsg {
                sub,
                message: bytes(&case["message_hex"]),
            },
            now,
        );
        let ended = std::iter::from_fn(|| session.poll_output()).find_map(|output| match output {
            Output::Ended(outcome) => Some(outcome),
            _ => None,
        });
        if case["to"] != "client" {
            continue;
        }
        let done = matches!(ended, Some(Outcome::Reconciled { .. }));
        let error = matches!(ended, Some(Outcome::Failed { .. } | Outcome::Unavailable { .. }));
        match case["expect"].as_str().unwrap() {
            "error" => assert!(error, "{}: {ended:?}", case["name"]),
            "done" => assert!(done, "{}: {ended:?}", case["name"]),
            _ => assert!(error || done, "{}: {ended:?}", case["name"]),
        }
        played += 1;
    }
    assert!(played >= 5, "only {played} cases were played");
}
