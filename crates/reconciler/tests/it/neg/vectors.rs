//! The golden exchanges, message by message, in both roles.

use std::collections::BTreeSet;

use event_index::Item;
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, Next, Responder};
use serde_json::Value;

use super::{OURS, Opening, Player, Table, play, view};
use crate::vectors::{bytes, id, side, vectors};

fn named(case: &Value, what: &str) -> BTreeSet<EventId> {
    case[what].as_array().unwrap().iter().map(id).collect()
}

fn limits(case: &Value) -> (u64, u64) {
    let limit = |side: &str| case[format!("{side}_frame_limit")].as_u64().unwrap_or(0);
    (limit("client"), limit("server"))
}

/// Where the reference implementations agree on the bytes, ours are those; where they differ, the crate's.
#[test]
fn plain_exchanges_are_golden() {
    let (mut golden, mut crates_own) = (0, 0);
    for case in vectors()["cases"].as_array().unwrap() {
        let (client, server) = (side(case, "client"), side(case, "server"));
        let table = |players| Table {
            client: &client,
            server: &server,
            players,
            opening: Opening::Plain,
            limits: limits(case),
        };
        let name = &case["name"];
        let messages: Vec<Vec<u8>> = if case["rust_crate"] == "same bytes" {
            golden += 1;
            let messages = case["messages"].as_array().unwrap().iter();
            messages.map(|message| bytes(&message["hex"])).collect()
        } else {
            crates_own += 1;
            play(&table((Player::Reference, Player::Reference))).messages
        };
        for players in OURS {
            let played = play(&table(players));
            assert_eq!(played.messages, messages, "{name} {players:?}");
            assert_eq!(played.have, named(case, "have"), "{name} {players:?}");
            assert_eq!(played.need, named(case, "need"), "{name} {players:?}");
        }
    }
    assert_eq!((golden, crates_own), (28, 4));
}

/// Where the bytes of the older reference differ, they do from a cut frame on, and not before.
#[test]
fn the_references_part_at_the_first_cut_frame() {
    for case in vectors()["cases"].as_array().unwrap() {
        if case["rust_crate"] == "same bytes" {
            continue;
        }
        let (client, server) = (side(case, "client"), side(case, "server"));
        let played = play(&Table {
            client: &client,
            server: &server,
            players: (Player::Ours, Player::Ours),
            opening: Opening::Plain,
            limits: limits(case),
        });
        let golden = case["messages"].as_array().unwrap().iter();
        let golden: Vec<Vec<u8>> = golden.map(|message| bytes(&message["hex"])).collect();
        let parted = played
            .messages
            .iter()
            .zip(&golden)
            .find(|(ours, theirs)| ours != theirs);
        let (ours, theirs) = parted.expect("the bytes are said to differ");
        let shared = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        // Only the fingerprint of the rest differs: bound, mode and 16 bytes at the end.
        assert_eq!(ours.len(), theirs.len(), "{}", case["name"]);
        assert!(ours.len() - shared <= 16, "{}", case["name"]);
        assert_eq!(
            ours[ours.len() - 19..ours.len() - 16],
            [0, 0, 1],
            "{}",
            case["name"]
        );
    }
}

#[test]
fn recent_first_names_the_same_in_every_vector() {
    for case in vectors()["cases"].as_array().unwrap() {
        let (client, server) = (side(case, "client"), side(case, "server"));
        let middle = client.get(client.len() * 9 / 10).copied();
        for players in [(Player::Ours, Player::Ours), (Player::Ours, Player::Reference)] {
            let played = play(&Table {
                client: &client,
                server: &server,
                players,
                opening: Opening::RecentFirst { agreed: middle },
                limits: limits(case),
            });
            assert_eq!(played.have, named(case, "have"), "{}", case["name"]);
            assert_eq!(played.need, named(case, "need"), "{}", case["name"]);
        }
    }
}

#[test]
fn malformed_messages_are_taken_as_the_vectors_say() {
    let items: Vec<Item> = [1_u8, 2, 3]
        .iter()
        .map(|n| Item {
            created_at: 1_789_000_000 + u64::from(*n) - 1,
            id: EventId::from_byte_array([*n; 32]),
        })
        .collect();
    let vectors = vectors();
    for case in vectors["malformed"].as_array().unwrap() {
        let (name, message) = (&case["name"], bytes(&case["message_hex"]));
        let expect = case["expect"].as_str().unwrap();
        let fine = if case["to"] == "client" {
            let (mut client, _) = Initiator::open(view(&items), Opening::Plain, FrameLimit::NONE).unwrap();
            let step = client.handle(&message);
            if expect == "done" {
                assert_eq!(step.as_ref().unwrap().next, Next::Done, "{name}");
            }
            step.is_ok()
        } else {
            let answer = Responder::new(view(&items), FrameLimit::NONE).answer(&message);
            if expect == "reply" {
                assert_eq!(answer.as_ref().unwrap(), &bytes(&case["reply_hex"]), "{name}");
            }
            answer.is_ok()
        };
        if expect != "either" {
            assert_eq!(fine, expect != "error", "{name}");
        }
    }
}
