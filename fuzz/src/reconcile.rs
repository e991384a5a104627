//! Two sets, compared by every pair of players of which one side at least is ours.

use std::collections::BTreeSet;

use arbitrary::Arbitrary;
use event_index::Item;
use nostr::event::EventId;
use reconciler::neg::Strategy;

use crate::items::{ids, mix};
use crate::player::{Played, Player, Table, play};

/// Items on both sides together: enough for three cuts into sixteen, and a hundred comparisons a second.
const ITEMS_MAX: usize = 3_000;

/// Two sets and how they are compared.
#[derive(Debug, Arbitrary)]
pub struct Input {
    limits: (Limit, Limit),
    agreed: Option<Agreed>,
    base: Base,
    tail: [u8; 8],
    runs: Vec<Run>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Limit {
    None,
    Least,
    /// This much more than the least.
    More(u8),
    Usual,
}

impl Limit {
    fn bytes(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Least => 4_096,
            Self::More(bytes) => 4_096 + u64::from(bytes) * 16,
            Self::Usual => 60_000,
        }
    }
}

/// Where the agreement lies: right at an item, or anywhere.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Agreed {
    AtItem(u16),
    Second(u16, [u8; 2]),
    Infinity,
}

/// When the first item was made.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Base {
    Zero,
    Now,
    NearInfinity,
}

/// Items that belong together.
#[derive(Debug, Clone, Copy, Arbitrary)]
struct Run {
    holder: Holder,
    count: u8,
    seed: u16,
    /// How many seconds they are spread over, less one: with 0 all of them share one.
    seconds: u8,
    ids: Ids,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Holder {
    Client,
    Server,
    Both,
    /// Both, except for every n-th item, which only one side has.
    BothBut(u8),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Ids {
    Random,
    /// They differ in their last bytes only, so that bounds are long.
    SameHead,
    /// The first byte is counted up. The last ones are random: fingerprints are sums, so ids in an arithmetic
    /// progression collide (a3 + af = a6 + ac), as hashes do not.
    Counted,
}

impl Input {
    fn sets(&self) -> (Vec<Item>, Vec<Item>) {
        let base = match self.base {
            Base::Zero => 0,
            Base::Now => 1_789_000_000,
            Base::NearInfinity => u64::MAX - 256,
        };
        let (mut client, mut server) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for run in &self.runs {
            for n in 0..u64::from(run.count) {
                if seen.len() == ITEMS_MAX {
                    return (client, server);
                }
                let item = self.item(base, *run, n);
                // An id has one time: events are what they are.
                if !seen.insert(item.id) {
                    continue;
                }
                let (ours, theirs) = match run.holder {
                    Holder::Client => (true, false),
                    Holder::Server => (false, true),
                    Holder::BothBut(nth) if n % (u64::from(nth) + 2) == 1 => (n % 2 == 0, n % 2 == 1),
                    Holder::Both | Holder::BothBut(_) => (true, true),
                };
                client.extend(ours.then_some(item));
                server.extend(theirs.then_some(item));
            }
        }
        (client, server)
    }

    fn item(&self, base: u64, run: Run, n: u64) -> Item {
        let random = mix(u64::from(run.seed) << 32 | n);
        let mut id = [0; 32];
        id[8..16].copy_from_slice(&self.tail);
        match run.ids {
            Ids::Random => id[..8].copy_from_slice(&random.to_be_bytes()),
            Ids::SameHead => id[24..].copy_from_slice(&random.to_be_bytes()),
            Ids::Counted => {
                id[0] = n as u8;
                id[24..].copy_from_slice(&random.to_be_bytes());
            }
        }
        // 255 at most, so that the last second stays below infinity.
        let second = mix(random) % (u64::from(run.seconds) + 1);
        Item {
            created_at: base + second,
            id: EventId::from_byte_array(id),
        }
    }

    fn strategy(&self, client: &[Item]) -> Strategy {
        let first = client.iter().map(|item| item.created_at).min().unwrap_or(0);
        let agreed = self.agreed.and_then(|agreed| match agreed {
            Agreed::AtItem(at) => client.get(usize::from(at) % client.len().max(1)).copied(),
            Agreed::Second(second, head) => {
                let mut id = [0; 32];
                id[..2].copy_from_slice(&head);
                Some(Item {
                    created_at: first.saturating_add(u64::from(second)),
                    id: EventId::from_byte_array(id),
                })
            }
            Agreed::Infinity => Some(Item {
                created_at: u64::MAX,
                id: EventId::from_byte_array([0; 32]),
            }),
        });
        Strategy::RecentFirst { agreed }
    }

    /// A list that begins at the agreement, and an overlap before it that reaches back to any item.
    fn overlapping(&self, client: &[Item]) -> Option<Strategy> {
        let Strategy::RecentFirst {
            agreed: Some(covered),
        } = self.strategy(client)
        else {
            return None;
        };
        let back = usize::from(self.tail[0]) % client.len().max(1);
        let from = client.get(back).copied().unwrap_or(covered).min(covered);
        Some(Strategy::Overlapping { from, covered })
    }
}

/// Compares the two sets in every way.
///
/// # Panics
/// When a comparison names anything but the difference, takes too many rounds, or when a plain one is not byte for byte
/// that of the reference.
pub fn run(input: &Input) {
    let (client, server) = input.sets();
    let limits = (input.limits.0.bytes(), input.limits.1.bytes());
    let difference = (&ids(&client) - &ids(&server), &ids(&server) - &ids(&client));
    let compare = |players, strategy| -> Played {
        let played = play(&Table {
            items: (&client, &server),
            players,
            strategy,
            limits,
        });
        assert_eq!(played.have, difference.0, "{players:?} {strategy:?}");
        assert_eq!(played.need, difference.1, "{players:?} {strategy:?}");
        played
    };
    let plain = compare((Player::Ours, Player::Ours), Strategy::Plain);
    for players in [
        (Player::Ours, Player::Reference),
        (Player::Reference, Player::Ours),
    ] {
        let other = compare(players, Strategy::Plain);
        assert!(
            other.messages == plain.messages,
            "{players:?} differ from ours alone"
        );
    }
    let equal = difference.0.is_empty() && difference.1.is_empty();
    for strategy in [Some(input.strategy(&client)), input.overlapping(&client)] {
        let Some(strategy) = strategy else { continue };
        for players in [(Player::Ours, Player::Ours), (Player::Ours, Player::Reference)] {
            let played = compare(players, strategy);
            assert!(!equal || played.rounds() == 1, "equal sets take one round");
            let most = rounds_max(&played, limits);
            assert!(
                played.rounds() <= most,
                "{} rounds, at most {most}: {strategy:?}",
                played.rounds()
            );
        }
    }
}

/// The opening, one round for each cut into sixteen, one to list; and one for each frame that was full.
fn rounds_max(played: &Played, limits: (u64, u64)) -> usize {
    let cuts = 1 + ITEMS_MAX.ilog2().div_ceil(4) as usize;
    let full = |bytes: &[u8], limit: u64| limit > 0 && bytes.len() as u64 > limit / 2;
    let pairs = played
        .messages
        .iter()
        .zip([limits.0, limits.1].into_iter().cycle());
    2 + cuts + pairs.filter(|(bytes, limit)| full(bytes, *limit)).count()
}
