//! Whatever is put in and taken out, and wherever the power goes off, the index agrees with an ordinary set. Blocks and
//! superblocks hold eight here, so that a few hundred items cut and join both.

use std::collections::BTreeSet;

use nostr::event::EventId;
use proptest::prelude::*;
use supervision::{Entropy, SeededEntropy};

use crate::blocks::BLOCK_ITEMS_MAX;
use crate::fingerprint::Sum;
use crate::{IndexError, Item, MemoryDisk, Store, StoreKey, View};

#[derive(Debug, Clone)]
enum Step {
    /// Newer than all others: the usual case.
    Append(usize),
    /// Within a few seconds from this one on, so that many share one.
    Put(u64, usize),
    /// A run of items from this place on, or every n-th of them.
    Take(prop::sample::Index, usize, usize),
    /// Added and removed, or removed and added, in one transaction.
    PutAndTake(prop::sample::Index),
    /// What is there is put in once more.
    PutAgain,
    Rebuild,
    Reopen,
    /// The next step's n-th sync is the last; of what follows, every n-th write survives.
    CutPower(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let sizes = || prop_oneof![3 => 1..4_usize, 2 => 1..40_usize, 1 => 1..200_usize];
    prop_oneof![
        4 => sizes().prop_map(Step::Append),
        4 => (0..300_u64, sizes()).prop_map(|(second, count)| Step::Put(second, count)),
        5 => (any::<prop::sample::Index>(), sizes(), 1..4_usize)
            .prop_map(|(from, count, nth)| Step::Take(from, count, nth)),
        1 => any::<prop::sample::Index>().prop_map(Step::PutAndTake),
        1 => Just(Step::PutAgain),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Reopen),
        1 => (1..4_u64, 1..4_usize).prop_map(|(sync, nth)| Step::CutPower(sync, nth)),
    ]
}

type Set = BTreeSet<Item>;
/// What one transaction puts in (true) and takes out, in order.
type Edits = Vec<(Item, bool)>;

fn open(disk: &MemoryDisk) -> Store {
    Store::open(disk.storage(), &StoreKey::from_bytes([7; 32])).unwrap()
}

fn edits(step: &Step, set: &Set, entropy: &SeededEntropy) -> Edits {
    let item = |created_at| Item {
        created_at,
        id: EventId::from_byte_array(entropy.draw_32()),
    };
    let last = set.last().map_or(300, |item| item.created_at);
    match step {
        Step::Append(count) => (0..*count as u64)
            .map(|n| (item(last + 1 + n / 3), true))
            .collect(),
        Step::Put(second, count) => (0..*count as u64).map(|n| (item(second + n % 3), true)).collect(),
        Step::Take(from, count, nth) => {
            let from = from.index(set.len() + 1);
            let taken = set.iter().skip(from).step_by(*nth).take(*count);
            taken.map(|item| (*item, false)).collect()
        }
        Step::PutAndTake(which) => {
            let new = item(last / 2);
            let mut edits = vec![(new, true), (new, false)];
            if let Some(old) = set.iter().nth(which.index(set.len() + 1)) {
                edits.extend([(*old, false), (*old, true)]);
            }
            edits
        }
        Step::PutAgain => set.iter().map(|item| (*item, true)).collect(),
        Step::Rebuild | Step::Reopen | Step::CutPower(..) => Vec::new(),
    }
}

fn carry_out(store: &Store, step: &Step, edits: &Edits) -> Result<(), IndexError> {
    if matches!(step, Step::Rebuild) {
        return store.rebuild_index();
    }
    store.write(|writer| {
        for (item, put) in edits {
            writer.counted().seq += 1;
            let seq = writer.counted().seq;
            writer.set_item(*item, put.then_some(seq))?;
        }
        Ok(())
    })
}

/// Steps that write, what each of them does, and the sets before the first one and after each.
fn plan(steps: Vec<Step>, entropy: &SeededEntropy) -> (Vec<(Step, Edits)>, Vec<Set>) {
    let (mut plan, mut sets) = (Vec::new(), vec![Set::new()]);
    for step in steps {
        let mut set = sets[plan.len()].clone();
        let edits = edits(&step, &set, entropy);
        for (item, put) in &edits {
            if *put {
                set.insert(*item)
            } else {
                set.remove(item)
            };
        }
        plan.push((step, edits));
        sets.push(set);
    }
    (plan, sets)
}

fn compare(store: &Store, set: &Set, entropy: &SeededEntropy) -> Result<(), TestCaseError> {
    store
        .verify_index()
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let items: Vec<Item> = set.iter().copied().collect();
    let view = store.view().unwrap();
    prop_assert_eq!(view.len(), items.len() as u64);
    prop_assert_eq!(view.sum(0..view.len()).unwrap(), Sum::of(&items));
    for _ in 0..12 {
        let draw = |max: usize| u64::from_le_bytes(entropy.draw_16()[..8].try_into().unwrap()) as usize % max;
        let (one, two) = (draw(items.len() + 1), draw(items.len() + 1));
        let range = one.min(two)..one.max(two);
        let ranks = range.start as u64..range.end as u64;
        prop_assert_eq!(view.sum(ranks.clone()).unwrap(), Sum::of(&items[range.clone()]));
        let mut found = Vec::new();
        view.each(ranks, &mut |item| found.push(item)).unwrap();
        prop_assert_eq!(&found, &items[range.clone()]);
        if let Some(item) = items.get(range.start) {
            prop_assert_eq!(view.item(range.start as u64).unwrap(), *item);
            prop_assert_eq!(view.lower_bound(item).unwrap(), range.start as u64);
        }
        if let (Some(left), Some(right)) = (range.start.checked_sub(1), items.get(range.start)) {
            let beside = view.beside(range.start as u64).unwrap();
            prop_assert_eq!(beside, (items[left], *right));
            let from = draw(range.start + 1);
            let cut = view.sum_to_cut(from as u64, range.start as u64).unwrap();
            prop_assert_eq!(cut, (Sum::of(&items[from..range.start]), beside));
        }
        let cut = view.cheap_cut(range.end as u64).unwrap();
        prop_assert!(cut.abs_diff(range.end as u64) <= BLOCK_ITEMS_MAX / 2);
        prop_assert_eq!(view.sum(0..cut).unwrap(), Sum::of(&items[..cut as usize]));
        let last = cut.checked_sub(1).map(|rank| view.item(rank).unwrap());
        prop_assert_eq!(last.as_ref(), items[..cut as usize].last());
        let bound = Item {
            created_at: draw(400) as u64,
            id: EventId::from_byte_array(if one % 2 == 0 { [0; 32] } else { entropy.draw_32() }),
        };
        let expected = items.partition_point(|item| *item < bound);
        let (start, end) = (one, expected.max(one));
        let summed = view.sum_up_to(start as u64, &bound).unwrap();
        prop_assert_eq!(summed, (end as u64, Sum::of(&items[start..end])));
        prop_assert_eq!(view.lower_bound(&bound).unwrap(), expected as u64);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_a_set(seed: u64, steps in prop::collection::vec(step(), 1..40)) {
        let entropy = SeededEntropy::new(seed);
        let mut disk = MemoryDisk::new();
        let mut store = open(&disk);
        let mut set = Set::new();
        let mut cut: Option<(u64, usize)> = None;
        for step in steps {
            let mut after = set.clone();
            let edits = edits(&step, &set, &entropy);
            for (item, put) in &edits {
                if *put { after.insert(*item) } else { after.remove(item) };
            }
            match step {
                Step::CutPower(sync, nth) => cut = Some((sync, nth)),
                Step::Reopen => {
                    drop(store);
                    store = open(&disk);
                }
                _ => {
                    if let Some((sync, _)) = cut {
                        disk.cut_power_at_sync(disk.syncs() + sync);
                    }
                    let answered = carry_out(&store, &step, &edits).is_ok();
                    if let Some((_, nth)) = cut.take() {
                        disk = disk.after_power_cut(|number| number % nth == 0);
                        drop(store);
                        store = open(&disk);
                        let whole = store.snapshot().unwrap().items().iter().eq(after.iter());
                        prop_assert!(whole || !answered, "an answered step is gone");
                        set = if whole { after } else { set };
                    } else {
                        prop_assert!(answered);
                        set = after;
                    }
                    let snapshot = store.snapshot().unwrap();
                    prop_assert!(snapshot.items().iter().eq(set.iter()));
                }
            }
            compare(&store, &set, &entropy)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// Whichever sync is the last and whatever the disk wrote behind it, the index is whole, and is that of the items
    /// after the answered steps, or after the one that was cut off.
    #[test]
    fn whichever_sync_is_the_last_the_index_is_that_of_the_items(
        seed: u64,
        steps in prop::collection::vec(step().prop_filter("it writes", |step| {
            !matches!(step, Step::Reopen | Step::CutPower(..))
        }), 2..7),
    ) {
        let entropy = SeededEntropy::new(seed);
        let (plan, sets) = plan(steps, &entropy);
        let disk = MemoryDisk::new();
        let store = open(&disk);
        let first = disk.syncs() + 1;
        prop_assert!(plan.iter().all(|(step, edits)| carry_out(&store, step, edits).is_ok()));
        drop(store);
        for sync in first..=disk.syncs() {
            let disk = MemoryDisk::new();
            let store = open(&disk);
            disk.cut_power_at_sync(sync);
            let answered = plan.iter().take_while(|(step, edits)| carry_out(&store, step, edits).is_ok());
            let answered = answered.count();
            drop(store);
            let survivals: [fn(usize) -> bool; 3] = [|_| false, |_| true, |number| number % 2 == 0];
            for survives in survivals {
                let store = open(&disk.after_power_cut(survives));
                let found: Set = store.snapshot().unwrap().items().iter().copied().collect();
                let expected = &sets[answered..sets.len().min(answered + 2)];
                prop_assert!(expected.contains(&found), "power cut at sync {}", sync);
                compare(&store, &found, &entropy)?;
            }
        }
    }
}
