//! Recent first: when all that differs is new, one round trip names it.

use event_index::Item;
use nostr::event::EventId;
use proptest::prelude::*;

use super::{Opening, Player, Table, play, view};
use crate::world::{history, id, ids};
use reconciler::neg::{FrameLimit, Initiator, RECENT_LIST_MAX};

/// 1,790,000,000 is later than any of the shared history.
const AGREED_AT: u64 = 1_790_000_000;

fn agreed() -> Opening {
    Opening::RecentFirst {
        agreed: Some(Item {
            created_at: AGREED_AT,
            id: EventId::from_byte_array([0; 32]),
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Ten new items, held by either side, among others that both got since the agreement.
    #[test]
    fn one_round_trip_names_what_is_new(
        old in 0_u64..3_000,
        both in 0_u64..=RECENT_LIST_MAX - 10,
        ours in proptest::bits::u16::masked(0x3ff),
        players in prop_oneof![Just((Player::Ours, Player::Ours)), Just((Player::Ours, Player::Reference))],
        limit in prop_oneof![Just(0_u64), Just(60_000)],
    ) {
        let shared = history(old, 7);
        let new = |n: u64| Item { created_at: AGREED_AT + n / 3, id: id(1_000_000 + n) };
        let known: Vec<Item> = (10..10 + both).map(new).collect();
        let side = |mine: bool| {
            let fresh = (0..10).filter(move |n| (ours >> n & 1 == 1) == mine).map(new);
            shared.iter().chain(&known).copied().chain(fresh).collect::<Vec<Item>>()
        };
        let (client, server) = (side(true), side(false));
        let opening = agreed();
        let played = play(&Table { client: &client, server: &server, players, opening, limits: (limit, limit) });
        prop_assert_eq!(played.rounds(), 1);
        prop_assert_eq!(played.have, &ids(&client) - &ids(&server));
        prop_assert_eq!(played.need, &ids(&server) - &ids(&client));
    }
}

/// The example of docs: 0x61, a bound, a fingerprint, then a list up to infinity.
#[test]
fn an_opening_without_news_takes_28_bytes() {
    let open = |items: &[Item]| {
        let (_, message) = Initiator::open(view(items), agreed(), FrameLimit::NONE).unwrap();
        message
    };
    let mut items = history(3_000, 7);
    let opening = open(&items);
    assert_eq!(opening.len(), 28);
    assert_eq!(
        opening[..7],
        [0x61, 0x86, 0xd5, 0xc4, 0xf7, 0x01, 0x00],
        "version, 1790000000 + 1, no id"
    );
    assert_eq!(opening[7], 1, "a fingerprint");
    assert_eq!(opening[24..], [0, 0, 2, 0], "no ids up to infinity");
    // Each new item is 32 bytes more, up to 128 of them; then buckets.
    for n in 0..RECENT_LIST_MAX {
        items.push(Item {
            created_at: AGREED_AT + n,
            id: id(1_000_000 + n),
        });
    }
    // The count takes a second byte.
    assert_eq!(open(&items).len(), 29 + 32 * 128);
    items.push(Item {
        created_at: AGREED_AT,
        id: id(2_000_000),
    });
    assert!(open(&items).len() < 500);
}

#[test]
fn a_list_that_the_smallest_frame_does_not_hold_is_cut_into_buckets() {
    let items: Vec<Item> = (0..128)
        .map(|n| Item {
            created_at: AGREED_AT + n,
            id: id(n),
        })
        .collect();
    let (_, message) = Initiator::open(view(&items), agreed(), FrameLimit::of(4_096)).unwrap();
    assert!(message.len() <= 4_096 - 200, "{} bytes", message.len());
    let played = play(&Table {
        client: &items,
        server: &items[5..],
        players: (Player::Ours, Player::Ours),
        opening: agreed(),
        limits: (4_096, 4_096),
    });
    assert_eq!(played.have, ids(&items[..5]));
}

/// An agreement that was about something else costs rounds, never ids.
#[test]
fn old_differences_are_found_by_halving() {
    let client = history(20_000, 3);
    let server: Vec<Item> = client.iter().copied().filter(|item| item.id != id(777)).collect();
    let players = (Player::Ours, Player::Reference);
    let opening = agreed();
    let played = play(&Table {
        client: &client,
        server: &server,
        players,
        opening,
        limits: (0, 0),
    });
    assert_eq!(played.have, [id(777)].into());
    assert!(played.rounds() <= 3, "{} rounds", played.rounds());
}

/// Each full frame makes the reference halve the rest again; ours goes on where it stopped, in half the rounds.
#[test]
fn full_frames_cost_no_rounds_but_their_own() {
    let client = history(20_000, 3);
    let lost = |n: usize| n % 61 == 7;
    let server: Vec<Item> = (0..)
        .zip(&client)
        .filter(|(n, _)| !lost(*n))
        .map(|(_, item)| *item)
        .collect();
    for limit in [4_096, 8_000] {
        let play = |players, opening| {
            let limits = (limit, limit);
            let table = Table {
                client: &client,
                server: &server,
                players,
                opening,
                limits,
            };
            let played = play(&table);
            assert_eq!(played.have, &ids(&client) - &ids(&server));
            let bytes: usize = played.messages.iter().map(Vec::len).sum();
            (played.rounds(), bytes)
        };
        let reference = play((Player::Reference, Player::Reference), Opening::Plain);
        let ours = play(
            (Player::Ours, Player::Reference),
            Opening::RecentFirst { agreed: None },
        );
        assert!(
            ours.0 * 2 <= reference.0 && ours.1 * 2 <= reference.1,
            "{ours:?} {reference:?}"
        );
    }
}

/// What an engine asks for after an agreement at [`AGREED_AT`] that covered everything up to this item.
fn overlapping(covered: Item) -> Opening {
    Opening::Overlapping {
        from: Item {
            created_at: AGREED_AT - 300,
            id: EventId::from_byte_array([0; 32]),
        },
        covered,
    }
}

/// `count` items right before the agreement, all in one second.
fn burst(count: u64) -> Vec<Item> {
    let mut burst: Vec<Item> = (0..count)
        .map(|n| Item {
            created_at: AGREED_AT,
            id: id(500_000 + n),
        })
        .collect();
    burst.sort_unstable();
    burst
}

#[test]
fn a_comparison_without_differences_after_a_burst_stays_below_200_bytes_each_way() {
    for count in [0, 5, 6, 100, 3_000] {
        let mut items = history(3_000, 7);
        items.extend(burst(count));
        let covered = *items.last().unwrap();
        let played = play(&Table {
            client: &items,
            server: &items,
            players: (Player::Ours, Player::Reference),
            opening: overlapping(covered),
            limits: (0, 60_000),
        });
        assert_eq!(played.rounds(), 1);
        for message in &played.messages {
            assert!(message.len() <= 200 + 32, "{count}: {} bytes", message.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Behind the last item of the agreement, in its very second or much later, and however old it was.
    #[test]
    fn one_round_trip_names_what_came_after_the_last_agreed_item(
        old in 1_u64..2_000,
        agreed in 0_u64..200,
        late in any::<bool>(),
        ours in proptest::bits::u16::masked(0x3ff),
        same_second in any::<bool>(),
        players in prop_oneof![Just((Player::Ours, Player::Ours)), Just((Player::Ours, Player::Reference))],
    ) {
        let mut shared = history(old, 7);
        shared.extend(burst(agreed));
        let covered = *shared.last().unwrap();
        // Nothing new is dated before the agreement, or everything is.
        let first = if late { covered.created_at } else { AGREED_AT + 100 };
        let new = |n: u64| {
            let created_at = first + if same_second { 0 } else { 1 + n / 3 };
            Item { created_at, id: id(1_000_000 + n) }
        };
        let side = |mine: bool| {
            let fresh = (0..1_000).map(new).filter(|item| *item > covered).take(10);
            let fresh = fresh.zip(0..).filter(move |(_, n)| (ours >> n & 1 == 1) == mine).map(|(item, _)| item);
            shared.iter().copied().chain(fresh).collect::<Vec<Item>>()
        };
        let (client, server) = (side(true), side(false));
        let opening = overlapping(covered);
        let played = play(&Table { client: &client, server: &server, players, opening, limits: (0, 60_000) });
        prop_assert_eq!(played.rounds(), 1);
        prop_assert_eq!(played.have, &ids(&client) - &ids(&server));
        prop_assert_eq!(played.need, &ids(&server) - &ids(&client));
    }
}

/// A device that sealed late put it before the last agreed item.
#[test]
fn a_late_item_in_a_short_overlap_is_named_in_the_same_round_trip() {
    let mut shared = history(3_000, 7);
    shared.extend(burst(20));
    let covered = *shared.last().unwrap();
    let mut server = shared.clone();
    let late = Item {
        created_at: AGREED_AT - 60,
        id: id(7_000_000),
    };
    server.push(late);
    let played = play(&Table {
        client: &shared,
        server: &server,
        players: (Player::Ours, Player::Reference),
        opening: overlapping(covered),
        limits: (0, 60_000),
    });
    assert_eq!((played.rounds(), played.need), (1, [late.id].into()));
}
