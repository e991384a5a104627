//! Many differences over a view that has seams: questions are cut where it is cheap, and the answer stays exact.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use event_index::{IndexError, Item, Snapshot, Sum, View};
use nostr::event::EventId;
use proptest::prelude::*;
use reconciler::neg::{FrameLimit, Initiator, Next, Responder};

use super::{Opening, mix, view};
use crate::world::{history, ids};

/// A snapshot that says its seams lie at multiples of `.1`; beyond the end when that is longer.
#[derive(Debug)]
struct Seams(Arc<Snapshot>, u64);

impl View for Seams {
    fn len(&self) -> u64 {
        View::len(&*self.0)
    }

    fn item(&self, rank: u64) -> Result<Item, IndexError> {
        self.0.item(rank)
    }

    fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
        View::lower_bound(&*self.0, bound)
    }

    fn sum(&self, range: Range<u64>) -> Result<Sum, IndexError> {
        self.0.sum(range)
    }

    fn cheap_cut(&self, rank: u64) -> Result<u64, IndexError> {
        Ok((rank.div_ceil(self.1) * self.1).min(self.len()))
    }

    fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
        self.0.each(range, take)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    /// Large enough that most of an answer is judged by its beginning.
    #[test]
    fn differences_everywhere_are_named_exactly(
        count in 110_000_u64..180_000,
        every in 300_u64..3_000,
        seed: u64,
        limit in prop_oneof![Just(0_u64), Just(60_000)],
    ) {
        let (ours, theirs) = sides(count, every, seed);
        let (have, need, rounds) = compared(&ours, &theirs, 96, limit)?;
        prop_assert!(rounds < 40, "{rounds} rounds");
        prop_assert_eq!(have, &ids(&ours) - &ids(&theirs));
        prop_assert_eq!(need, &ids(&theirs) - &ids(&ours));
    }
}

/// Two sides of a history; each lacks one item in `2 * every`.
fn sides(count: u64, every: u64, seed: u64) -> (Vec<Item>, Vec<Item>) {
    let all = history(count, 3);
    let held_by = |side: u64| -> Vec<Item> {
        let lost = |n: u64| mix(n ^ seed).is_multiple_of(every) && mix(n) % 2 == side;
        (0..)
            .zip(&all)
            .filter(|(n, _)| !lost(*n))
            .map(|(_, item)| *item)
            .collect()
    };
    (held_by(0), held_by(1))
}

/// What a comparison names as held here only and there only, and its rounds.
fn compared(
    ours: &[Item],
    theirs: &[Item],
    seam: u64,
    limit: u64,
) -> Result<(BTreeSet<EventId>, BTreeSet<EventId>, usize), TestCaseError> {
    let limit = FrameLimit::of(limit);
    let relay = Responder::new(view(theirs), limit);
    // An agreement behind everything: all of it is one question at first.
    let agreed = Some(Item {
        created_at: u64::MAX - 1,
        id: ours[0].id,
    });
    let seams = Arc::new(Seams(view(ours), seam));
    let (mut client, mut message) = Initiator::open(seams, Opening::RecentFirst { agreed }, limit).unwrap();
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    for round in 1.. {
        prop_assert!(round < 400, "the comparison does not end");
        let step = client.handle(&relay.answer(&message).unwrap()).unwrap();
        have.extend(step.have);
        need.extend(step.need);
        match step.next {
            Next::Send(next) => message = next,
            Next::Done => return Ok((have, need, round)),
            Next::Full => panic!("so few ids fill no step"),
        }
    }
    unreachable!("the rounds are bounded")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn wherever_the_seams_lie_exactly_the_difference_is_named(
        count in 2_000_u64..12_000,
        every in 20_u64..200,
        seed: u64,
        seam in prop_oneof![Just(1_u64), Just(7), Just(64), Just(256), Just(5_000), Just(1_000_000)],
        limit in prop_oneof![Just(0_u64), Just(4_096), Just(60_000)],
    ) {
        let (ours, theirs) = sides(count, every, seed);
        let (have, need, _) = compared(&ours, &theirs, seam, limit)?;
        prop_assert_eq!(have, &ids(&ours) - &ids(&theirs));
        prop_assert_eq!(need, &ids(&theirs) - &ids(&ours));
    }
}
