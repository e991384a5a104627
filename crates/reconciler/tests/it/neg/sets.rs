//! Whatever the sets, a comparison names exactly what differs.

use proptest::prelude::*;

use super::{OURS, Opening, Player, Table, limit, opening, play, sets};
use crate::world::{history, ids};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    /// Ours with ours and with the reference in either role, under any frame limits, however ours opens.
    #[test]
    fn a_comparison_names_exactly_the_difference(
        (client, server) in sets(), opening in opening(), l in limit(), r in limit(),
    ) {
        for players in OURS {
            let table = Table { client: &client, server: &server, players, opening, limits: (l, r) };
            let played = play(&table);
            prop_assert_eq!(&played.have, &(&ids(&client) - &ids(&server)));
            prop_assert_eq!(&played.need, &(&ids(&server) - &ids(&client)));
        }
    }

    /// Opened plainly, nobody can tell ours from the reference, on either side of the wire.
    #[test]
    fn plain_messages_are_those_of_the_reference((client, server) in sets(), l in limit(), r in limit()) {
        let table = |players| Table {
            client: &client, server: &server, players, opening: Opening::Plain, limits: (l, r),
        };
        let golden = play(&table((Player::Reference, Player::Reference)));
        for players in OURS {
            prop_assert_eq!(&play(&table(players)), &golden);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Without full frames: the opening, a round for each cut into sixteen, and one to list.
    #[test]
    fn rounds_grow_with_the_logarithm_of_the_set((client, server) in sets(), opening in opening()) {
        let cuts = 1 + client.len().max(server.len()).max(1).ilog2().div_ceil(4) as usize;
        for players in OURS {
            let limits = (0, 0);
            let table = Table { client: &client, server: &server, players, opening, limits };
            let rounds = play(&table).rounds();
            prop_assert!(rounds <= 2 + cuts, "{} rounds", rounds);
            prop_assert!(rounds == 1 || ids(&client) != ids(&server));
        }
    }
}

#[test]
fn empty_and_one_sided_sets_are_told_apart() {
    let some = history(700, 3);
    for (client, server) in [(&[][..], &[][..]), (&some, &[]), (&[], &some), (&some, &some)] {
        for players in OURS {
            for limits in [(0, 0), (4_096, 4_096), (0, 5_000)] {
                let opening = Opening::RecentFirst {
                    agreed: some.get(650).copied(),
                };
                let played = play(&Table {
                    client,
                    server,
                    players,
                    opening,
                    limits,
                });
                assert_eq!(played.have, &ids(client) - &ids(server));
                assert_eq!(played.need, &ids(server) - &ids(client));
            }
        }
    }
}
