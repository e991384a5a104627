//! The actor, with links over memory on paused time.

mod bench;
mod views;

use std::sync::Arc;
use std::time::Duration;

use event_index::Basis;
use reconciler::{Compare, LessonLearned, Method, Phase, StartOver, Teach};
use relay_link::{Lesson, RelayInfo};
use supervision::{Env, Lifeline, Restarted, Role, SimulatedClock};

use self::bench::{Bench, FakeRelay, on_paused_time};
use crate::windows::two_authors;
use crate::world::{author, events};

#[test]
fn a_new_connection_compares_and_the_agreement_is_on_disk_when_the_end_is_told() {
    on_paused_time(async {
        let all = events(120, 3);
        let mut bench = Bench::running(&all, &FakeRelay::holding(&all)).await;
        let (pass, report) = bench.done().await;
        assert!(report.complete && report.rounds == 1, "{report:?}");
        assert!(report.bytes_in > 0 && report.bytes_in < 1_024, "{report:?}");
        assert!(
            report.bytes_out > 0 && report.bytes_out < 1_024 + 400,
            "{report:?}"
        );
        assert_eq!(pass, bench.reconciler.last_pass());
        let agreements = bench.index.store().agreements().unwrap();
        let agreement = agreements.get(bench.url.as_str()).expect("recorded");
        assert_eq!((agreement.count, agreement.last_seq), (120, 120));
        assert_eq!(bench.relay.shelf(|shelf| shelf.neg_opens), 1);
    });
}

#[test]
fn differences_reach_the_neighbours_before_they_are_asked_to_settle() {
    on_paused_time(async {
        let all = events(2_500, 3);
        let relay = FakeRelay::holding(&all[..100]);
        let mut bench = Bench::running(&all[50..], &relay).await;
        let (_, report) = bench.done().await;
        assert!(report.complete, "{report:?}");
        assert_eq!(
            (report.have, report.need, report.sent, report.received),
            (2_400, 50, 2_400, 50)
        );
        let heard = bench.heard();
        let settle = heard.iter().position(|what| what == "settle").unwrap();
        let have: usize = heard[..settle]
            .iter()
            .filter_map(|what| what.strip_prefix("have ")?.parse::<usize>().ok())
            .sum();
        assert_eq!(have, 2_400);
        assert!(heard.iter().all(|what| {
            what.split(' ')
                .nth(1)
                .is_none_or(|n| n.parse::<usize>().unwrap() <= 1_000)
        }));
        assert!(heard.contains(&"need 50".to_owned()));
        assert_eq!(relay.shelf(|shelf| shelf.events.len()), 2_500);
        assert_eq!(bench.index.store().counts().unwrap().items, 2_500);
    });
}

#[test]
fn a_refusal_is_remembered_over_a_restart() {
    on_paused_time(async {
        let all = events(700, 3);
        let relay = FakeRelay::holding(&all);
        relay.shelf(|shelf| shelf.speaks_neg = false);
        let mut bench = Bench::running(&all[..30], &relay).await;
        let (first, report) = bench.done().await;
        assert!(report.complete && report.method == Method::Paging, "{report:?}");
        assert_eq!((report.need, report.received), (670, 670));
        assert!(bench.heard().iter().any(|what| what == "page 500"));
        assert_eq!(relay.shelf(|shelf| shelf.neg_opens), 1);

        bench.reconciler.start(
            bench.env.clone(),
            Lifeline::unwatched(Role::Reconciler),
            bench.parts.clone(),
        );
        bench.keys(true).await;
        bench.links[0].announce().unwrap();
        let (second, report) = bench.done().await;
        assert!(report.complete && second > first, "{report:?}");
        assert_eq!(relay.shelf(|shelf| shelf.neg_opens), 1, "not asked for NEG again");

        // A day later it is.
        relay.shelf(|shelf| shelf.speaks_neg = true);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let later = SimulatedClock::starting_at(1_800_000_000 + 25 * 3600);
        let env = Env {
            clock: Arc::new(later),
            ..bench.env.clone()
        };
        bench
            .reconciler
            .start(env, Lifeline::unwatched(Role::Reconciler), bench.parts.clone());
        bench.keys(true).await;
        bench.links[0].announce().unwrap();
        let (_, report) = bench.done().await;
        assert!(
            report.complete && report.method == Method::Negentropy,
            "{report:?}"
        );
    });
}

#[test]
fn starting_over_proves_everything_again_and_tries_what_a_relay_refused() {
    on_paused_time(async {
        let all = events(700, 3);
        let relay = FakeRelay::holding(&all);
        relay.shelf(|shelf| shelf.speaks_neg = false);
        let mut bench = Bench::running(&all, &relay).await;
        let (_, report) = bench.done().await;
        assert!(report.complete && report.method == Method::Paging, "{report:?}");
        relay.shelf(|shelf| shelf.speaks_neg = true);
        bench
            .reconciler
            .compare
            .send(Compare { relay: None })
            .await
            .unwrap();
        let (before, report) = bench.done().await;
        assert_eq!(report.method, Method::Paging, "what it refused is remembered");

        bench
            .reconciler
            .start_over
            .send(StartOver)
            .await
            .unwrap()
            .unwrap();
        let (pass, report) = bench.done().await;
        assert!(pass > before && report.complete, "{report:?}");
        assert_eq!(report.method, Method::Negentropy);
        let agreements = bench.index.store().agreements().unwrap();
        let agreement = agreements.get(bench.url.as_str()).expect("recorded anew");
        assert_eq!(agreement.basis, Basis::Fingerprint);
    });
}

#[test]
fn starting_over_amid_a_comparison_leaves_nothing_of_before_behind() {
    on_paused_time(async {
        let all = events(30, 3);
        let mut bench = Bench::running(&all, &FakeRelay::holding(&all)).await;
        assert!(bench.done().await.1.complete);
        let agreed = |bench: &Bench| bench.index.store().agreements().unwrap().len();
        // Nobody settles: passes compare and do not end.
        *bench.silent.lock().unwrap() = true;
        bench.relay.shelf(|shelf| shelf.events.truncate(20));
        bench
            .reconciler
            .compare
            .send(Compare { relay: None })
            .await
            .unwrap();
        bench
            .reconciler
            .start_over
            .send(StartOver)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(agreed(&bench), 0);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(agreed(&bench), 0);
    });
}

#[test]
fn what_trying_a_relay_out_has_shown_is_not_written_over() {
    on_paused_time(async {
        let all = events(100, 3);
        let mut bench = Bench::running(&all, &FakeRelay::holding(&all)).await;
        assert!(bench.done().await.1.complete);
        let url = bench.url.clone();
        let teach = |relay: &relay_link::RelayUrl, lessons: Vec<Lesson>| Teach {
            relay: relay.clone(),
            lessons,
        };
        let taught = teach(&url, vec![Lesson::PageCap(37), Lesson::NegCap(500)]);
        let known = bench.reconciler.teach.send(taught).await.unwrap().unwrap();
        assert_eq!(known.page_limit(1_800_000_000), 37);
        let kept = |bench: &Bench, url: &relay_link::RelayUrl| {
            reconciler::relay_profile(bench.index.store(), url.as_str()).unwrap()
        };
        assert_eq!(kept(&bench, &url), known, "on disk when it is answered");
        // What the running engine learns itself comes on top.
        let learned = LessonLearned {
            relay: url.clone(),
            lesson: Lesson::SubsMax(4),
        };
        bench.reconciler.lessons.send(learned).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = kept(&bench, &url);
        assert_eq!(now.page_limit(1_800_000_060), 37);
        assert!(now.subs_max_known(1_800_000_060).is_some());

        // One that is not used is read from the disk each time.
        let other: relay_link::RelayUrl = "wss://other.example".parse().unwrap();
        for lesson in [Lesson::PageCap(41), Lesson::NegCap(600)] {
            bench
                .reconciler
                .teach
                .send(teach(&other, vec![lesson]))
                .await
                .unwrap()
                .unwrap();
        }
        let known = kept(&bench, &other);
        assert_eq!(
            (known.page_limit(1_800_000_060), known.neg_cap(1_800_000_060)),
            (41, Some(600))
        );
    });
}

#[test]
fn what_a_relay_says_about_its_pages_is_kept_and_asked_for_once_a_day() {
    on_paused_time(async {
        let all = events(100, 3);
        let relay = FakeRelay::holding(&all);
        relay.shelf(|shelf| {
            shelf.speaks_neg = false;
            shelf.info = Some(RelayInfo {
                max_limit: Some(37),
                ..RelayInfo::default()
            });
        });
        let mut bench = Bench::running(&[], &relay).await;
        assert!(bench.done().await.1.complete);
        bench.heard();
        let kept = reconciler::relay_profile(bench.index.store(), bench.url.as_str()).unwrap();
        assert_eq!(kept.page_limit(1_800_000_000), 37);

        bench.reconciler.start(
            bench.env.clone(),
            Lifeline::unwatched(Role::Reconciler),
            bench.parts.clone(),
        );
        bench.keys(true).await;
        bench.links[0].announce().unwrap();
        assert!(bench.done().await.1.complete);
        let pages: Vec<_> = bench
            .heard()
            .into_iter()
            .filter(|what| what.starts_with("page"))
            .collect();
        assert_eq!(pages.first().map(String::as_str), Some("page 37"), "{pages:?}");
        assert_eq!(relay.shelf(|shelf| shelf.info_asked), 1);
    });
}

#[test]
fn a_relay_without_a_document_is_not_asked_for_it_at_every_connection() {
    on_paused_time(async {
        let relay = FakeRelay::holding(&[]);
        let mut bench = Bench::running(&[], &relay).await;
        assert!(bench.done().await.1.complete);
        let asked = || relay.shelf(|shelf| shelf.info_asked);
        assert_eq!(asked(), 1);
        for _ in 0..3 {
            bench.links[0].announce().unwrap();
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        assert_eq!(asked(), 1);
    });
}

#[test]
fn asking_an_offline_relay_ends_at_once() {
    on_paused_time(async {
        let relay = FakeRelay::holding(&[]);
        relay.shelf(|shelf| shelf.down = true);
        let mut bench = Bench::running(&[], &relay).await;
        // Asked before, while and after it is dialled.
        bench
            .reconciler
            .compare
            .send(Compare {
                relay: Some(bench.url.clone()),
            })
            .await
            .unwrap();
        let (one, report) = bench.done().await;
        assert!(
            !report.complete && report.error.unwrap().starts_with("not connected"),
            "pass {one}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (two, report) = bench.done().await;
        assert!(two > one && report.error.unwrap().contains("connection refused"));
    });
}

#[test]
fn a_lost_connection_ends_the_pass_and_the_next_one_compares_again() {
    on_paused_time(async {
        let all = events(50, 3);
        let relay = FakeRelay::holding(&all);
        relay.shelf(|shelf| shelf.hang_ups = 1);
        let mut bench = Bench::running(&all, &relay).await;
        let (one, report) = bench.done().await;
        assert!(
            report
                .error
                .as_deref()
                .is_some_and(|error| error.starts_with("connection lost")),
            "{report:?}"
        );
        assert!(!report.complete);
        let (two, report) = bench.done().await;
        assert!(two > one && report.complete, "{report:?}");
    });
}

#[test]
fn without_keys_nothing_is_compared_and_new_keys_compare_again() {
    on_paused_time(async {
        let all = events(20, 3);
        let mut bench = Bench::new(&all, &FakeRelay::holding(&all));
        bench.keys(false).await;
        bench.link();
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(bench.reconciler.last_pass(), 0);
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (_, report) = bench.done().await;
        assert!(report.error.unwrap().contains("relays are being asked"));
        bench.keys(true).await;
        assert!(bench.done().await.1.complete);
        bench.keys(true).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(
            bench.reconciler.last_pass(),
            2,
            "the same keys again change nothing"
        );
    });
}

#[test]
fn a_restarted_neighbour_makes_the_pass_start_over() {
    on_paused_time(async {
        let all = events(60, 3);
        let mut bench = Bench::running(&all[..50], &FakeRelay::holding(&all)).await;
        *bench.silent.lock().unwrap() = true;
        let transferring = loop {
            let fact = bench.told.recv().await.unwrap();
            if fact.phase == Phase::Transferring {
                break fact.pass;
            }
        };
        *bench.silent.lock().unwrap() = false;
        bench
            .reconciler
            .restarted
            .send(Restarted(Role::Uploader))
            .await
            .unwrap();
        let (pass, report) = bench.done().await;
        assert!(pass > transferring && report.complete, "{report:?}");
    });
}

#[test]
fn asking_during_a_pass_starts_one_with_a_greater_number() {
    on_paused_time(async {
        let all = events(60, 3);
        let mut bench = Bench::running(&all[..50], &FakeRelay::holding(&all)).await;
        *bench.silent.lock().unwrap() = true;
        while bench.told.recv().await.unwrap().phase != Phase::Transferring {}
        *bench.silent.lock().unwrap() = false;
        let before = bench.reconciler.last_pass();
        bench.reconciler.compare.send(Compare::default()).await.unwrap();
        let (pass, report) = bench.done().await;
        assert!(pass > before && report.complete, "{report:?}");
    });
}

#[test]
fn an_incomplete_pass_is_tried_again_by_itself() {
    on_paused_time(async {
        let all = events(60, 3);
        let mut bench = Bench::running(&all[..50], &FakeRelay::holding(&all)).await;
        *bench.silent.lock().unwrap() = true;
        let (one, report) = bench.done().await;
        assert!(report.error.unwrap().contains("no progress"));
        *bench.silent.lock().unwrap() = false;
        let (two, report) = bench.done().await;
        assert!(two > one && report.complete, "{report:?}");
    });
}

#[test]
fn a_relay_that_stays_connected_is_compared_within_a_day() {
    on_paused_time(async {
        let all = events(60, 3);
        let mut bench = Bench::running(&all, &FakeRelay::holding(&all)).await;
        let begin = tokio::time::Instant::now();
        for day in 0..2 {
            let (_, report) = bench.done().await;
            assert!(report.complete, "day {day}: {report:?}");
        }
        let passed = begin.elapsed();
        let hours = |n: u64| Duration::from_secs(n * 3600);
        assert!(passed > hours(12) && passed <= hours(24), "{passed:?}");
    });
}

#[test]
fn a_sleep_of_more_than_an_hour_is_followed_by_a_comparison_and_a_shorter_one_is_not() {
    on_paused_time(async {
        let all = events(60, 3);
        let mut bench = Bench::running(&all, &FakeRelay::holding(&all)).await;
        let (one, _) = bench.done().await;
        // The wall clock goes on while the machine sleeps, and the other one does not.
        bench.clock.shift(3_000);
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(bench.reconciler.last_pass(), one);
        bench.clock.shift(3_700);
        let woken = tokio::time::Instant::now();
        let (two, report) = bench.done().await;
        assert!(two > one && report.complete, "{report:?}");
        assert!(woken.elapsed() <= Duration::from_secs(61));
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(bench.reconciler.last_pass(), two, "once");
    });
}

#[test]
fn a_relay_that_takes_one_author_per_filter_is_compared_with_what_the_store_holds_of_each() {
    on_paused_time(async {
        let (other, all) = two_authors(20);
        let relay = FakeRelay::holding(&all);
        relay.shelf(|shelf| shelf.one_author = true);
        let mut bench = Bench::new(&all[..15], &relay);
        bench.keys_of([author(), other].into()).await;
        bench.link();
        let (_, report) = bench.done().await;
        assert!(
            report.complete && report.method == Method::Negentropy,
            "{report:?}"
        );
        assert_eq!((report.authors, report.need, report.received), (2, 5, 5));
        let opened = relay.shelf(|shelf| shelf.neg_opens);
        assert_eq!(
            opened,
            1 + 2 + 2,
            "one too wide, then one for each, and again to confirm"
        );
    });
}
