//! Fingerprints are sums: sets of as many ids with the same sum are equal by the protocol, whoever compares them.

use std::collections::BTreeSet;

use event_index::{Item, Snapshot};
use nostr::event::EventId;
use reconciler::neg::Strategy;

use super::{Player, Table, play};

const PLAYERS: [(Player, Player); 4] = [
    (Player::Ours, Player::Ours),
    (Player::Ours, Player::Reference),
    (Player::Reference, Player::Ours),
    (Player::Reference, Player::Reference),
];

fn item(created_at: u64, first: u8) -> Item {
    let mut id = [0; 32];
    id[0] = first;
    Item {
        created_at,
        id: EventId::from_byte_array(id),
    }
}

fn of_second(items: &[Item], second: u64) -> Vec<Item> {
    let found = items.iter().filter(|item| item.created_at == second);
    found.copied().collect()
}

fn fingerprint(items: &[Item]) -> [u8; 16] {
    let snapshot = Snapshot::of(items.to_vec(), 0);
    snapshot.fingerprint(0..snapshot.len())
}

/// 3 + 15 = 6 + 12: ids in an arithmetic progression do what hashes do not.
#[test]
fn ids_with_one_sum_are_missed_by_the_reference_as_they_are_by_us() {
    // Sixteen buckets of four, the first of which has the second in which the sides differ.
    let common: Vec<Item> = (1..=62).map(|n| item(1_000 + n, 100 + n as u8)).collect();
    let with = |ids: [u8; 2]| -> Vec<Item> {
        let own = ids.into_iter().map(|first| item(1_000, first));
        own.chain(common.iter().copied()).collect()
    };
    let (client, server) = (with([3, 15]), with([6, 12]));
    assert_eq!(
        fingerprint(&of_second(&client, 1_000)),
        fingerprint(&of_second(&server, 1_000))
    );
    for players in PLAYERS {
        let played = play(&Table {
            client: &client,
            server: &server,
            players,
            opening: Strategy::Plain,
            limits: (0, 0),
        });
        assert!(
            played.have.is_empty() && played.need.is_empty(),
            "{players:?} tell apart what has one fingerprint"
        );
        assert_eq!(played.rounds(), 1, "{players:?}");
    }
    // One unit more, and everyone sees it.
    let server = with([6, 13]);
    for players in PLAYERS {
        let played = play(&Table {
            client: &client,
            server: &server,
            players,
            opening: Strategy::Plain,
            limits: (0, 0),
        });
        let ids = |first: [u8; 2]| first.map(|first| item(1_000, first).id).into_iter().collect();
        let expected: (BTreeSet<_>, BTreeSet<_>) = (ids([3, 15]), ids([6, 13]));
        assert_eq!((played.have, played.need), expected, "{players:?}");
    }
}

fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Found by fuzzing: a3 and af here, a6 and ac there, in one second. A client of ours only cuts; that a range is equal is
/// said by the responder, and the reference says it of this one.
#[test]
fn the_reference_passes_over_the_collision_that_was_found() {
    let base = u64::MAX - 256;
    let seed = 65_280_u16;
    let (mut client, mut server) = (Vec::new(), Vec::new());
    for n in 0..255_u8 {
        let mut id = [0; 32];
        id[0] = n;
        id[8..16].copy_from_slice(&[0, 255, 1, 9, 10, 255, 255, 255]);
        id[30..].copy_from_slice(&seed.to_be_bytes());
        let item = Item {
            created_at: base + mix(mix(u64::from(seed) << 32 | u64::from(n))) % 2,
            id: EventId::from_byte_array(id),
        };
        if n % 3 != 1 || n % 2 == 0 {
            client.push(item);
        }
        if n % 3 != 1 || n % 2 == 1 {
            server.push(item);
        }
    }
    let opening = Strategy::RecentFirst {
        agreed: Some(client[65_357 % client.len()]),
    };
    let ids = |items: &[Item]| -> BTreeSet<EventId> { items.iter().map(|item| item.id).collect() };
    let have = &ids(&client) - &ids(&server);
    let need = &ids(&server) - &ids(&client);
    let first = |ids: BTreeSet<EventId>| -> Vec<u8> { ids.iter().map(|id| id.as_bytes()[0]).collect() };
    for responder in [Player::Ours, Player::Reference] {
        let played = play(&Table {
            client: &client,
            server: &server,
            players: (Player::Ours, responder),
            opening,
            limits: (60_000, 60_000),
        });
        assert_eq!(first(&have - &played.have), [0xa6, 0xac], "{responder:?}");
        assert_eq!(first(&need - &played.need), [0xa3, 0xaf], "{responder:?}");
        assert!(played.have.is_subset(&have) && played.need.is_subset(&need));
    }
    // The range from a3 to af, with what both hold in it: as many items, and one sum.
    let range = |items: &[Item]| -> Vec<Item> {
        let items = of_second(items, base).into_iter();
        items
            .filter(|item| (0xa3..=0xaf).contains(&item.id.as_bytes()[0]))
            .collect()
    };
    let (ours, theirs) = (range(&client), range(&server));
    assert_eq!(ours.len(), theirs.len());
    assert_ne!(ours, theirs);
    assert_eq!(fingerprint(&ours), fingerprint(&theirs));
}
