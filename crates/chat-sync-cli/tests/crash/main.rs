//! F45: the program dies at every durable step, by a list, and costs repeated work and nothing else.
//!
//! Each run plays one scene in programs of their own, and one of them dies right before or right after a step of the list
//! ([`points`]); sometimes the one that follows dies too. Then it goes on, and everything must be there exactly once, in
//! order, under every name it ever had. `kill.rs` kills at moments that nobody chose.
//!
//! `CRASH_RUNS` is how many runs, `CRASH_SEED` names them; docs/TESTING.md says more.

// A release build has no crash points.
#![cfg(all(unix, debug_assertions))]

mod points;
mod program;
mod scene;
mod template;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use supervision::{Entropy, SeededEntropy};

use scene::{Phase, Play, Scene};
use template::Templates;

/// Every point once is about three times as many; a build on every push takes these.
const RUNS: u64 = 40;
const SEED: u64 = 45;
/// A run mostly waits for programs and relays.
const AT_ONCE: usize = 4;
/// One in so many runs asks a device that was not there.
const PHONES: u64 = 4;

/// A point of one phase of one scene, and how often a run without a death reaches it.
#[derive(Debug, Clone)]
struct Target {
    scene: Scene,
    phase: usize,
    point: String,
    times: u64,
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

/// Plays a scene without a death. What it reaches is what can be died at.
fn record(scene: Scene, templates: &Templates) -> Vec<Target> {
    let folder = tempfile::tempdir().unwrap();
    let mut play = Play::begin(scene, templates, folder.path());
    let mut targets = Vec::new();
    for (number, phase) in scene.phases().iter().enumerate() {
        play.play(*phase, None);
        if *phase != Phase::Deletion {
            targets.extend(play.device().points().into_iter().map(|(point, times)| Target {
                scene,
                phase: number,
                point,
                times,
            }));
        }
    }
    play.check(Some(folder.path()));
    targets
}

/// Plays a scene in which the program dies at a target. Returns whether it did.
fn die(target: &Target, run: u64, seed: u64, templates: &Templates) -> bool {
    let chance = SeededEntropy::new(seed.wrapping_mul(1_000_003).wrapping_add(run));
    let pick = |below: u64| u64::from_le_bytes(chance.draw_16()[..8].try_into().unwrap()) % below;
    let at = format!("{}:{}", target.point, 1 + pick(target.times));
    println!("run {run}: {:?} phase {} dies {at}", target.scene, target.phase);
    let folder = tempfile::tempdir().unwrap();
    let mut play = Play::begin(target.scene, templates, folder.path());
    let mut died = false;
    for (number, phase) in target.scene.phases().iter().enumerate() {
        if number == target.phase {
            died = play.play(*phase, Some(&at));
            // The one that puts things right may die as well, at the first point of the same kind.
            if died && pick(4) == 0 {
                play.play(*phase, Some(&format!("{}:1", target.point)));
            }
        }
        play.play(*phase, None);
    }
    play.check(run.is_multiple_of(PHONES).then(|| folder.path()));
    died
}

#[test]
fn f45_dead_at_every_durable_step_and_every_message_is_there_exactly_once() {
    let (runs, seed) = (number("CRASH_RUNS", RUNS), number("CRASH_SEED", SEED));
    println!("CRASH_SEED={seed} CRASH_RUNS={runs}");
    let folder = tempfile::tempdir().unwrap();
    let templates = Templates::make(folder.path());

    let mut targets = Vec::new();
    for scene in Scene::ALL {
        let reached = record(scene, &templates);
        let names: BTreeSet<String> = reached.iter().map(|target| target.point.clone()).collect();
        let listed: BTreeSet<String> = points::of(scene).into_iter().collect();
        let sometimes = points::sometimes(scene).into_iter().collect();
        let unlisted: Vec<_> = names
            .difference(&listed)
            .filter(|point| !BTreeSet::contains(&sometimes, *point))
            .collect();
        let passed_over: Vec<_> = listed.difference(&names).collect();
        assert!(
            unlisted.is_empty() && passed_over.is_empty(),
            "the crash point list of {scene:?} lacks {unlisted:?}, and {passed_over:?} was not reached"
        );
        targets.extend(reached);
    }

    // A seed walks through all targets in an order of its own, again and again.
    let order = SeededEntropy::new(seed);
    targets.sort_by_cached_key(|_| order.draw_16());
    println!("{} targets", targets.len());
    let (next, died, failures) = (AtomicUsize::new(0), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let run = next.fetch_add(1, Ordering::Relaxed);
                    if run as u64 >= runs {
                        return;
                    }
                    let target = &targets[run % targets.len()];
                    let play = AssertUnwindSafe(|| die(target, run as u64, seed, &templates));
                    match std::panic::catch_unwind(play) {
                        Ok(dead) => {
                            died.fetch_add(usize::from(dead), Ordering::Relaxed);
                        }
                        Err(_) => failures.lock().unwrap().push(format!("run {run}: {target:?}")),
                    }
                }
            });
        }
    });
    let (failures, died) = (failures.into_inner().unwrap(), died.into_inner());
    println!("{died} of {runs} died where they were told to");
    assert!(failures.is_empty(), "CRASH_SEED={seed}: {failures:#?}");
    // How frames and commits fall together differs a little from run to run, so a few get past their point.
    assert!(died as u64 * 10 >= runs * 9, "only {died} of {runs} died");
}
