//! Passes: one round when nothing differs, confirmed when something did, and never complete by assumption.

pub(crate) mod bench;

use std::time::Duration;

use event_index::{Agreement, Basis};
use reconciler::messages::{Method, Phase};
use reconciler::pass::{AUTH_PAUSE, Known, Output, Pass, REFUSALS_MAX, REOPENS_MAX, Start, TRANSFER_SILENCE};
use relay_link::{ClientFrame, NegChance, RelayFrame, Traffic};

use self::bench::{Bench, UNIX};
use crate::fake_relay::{Habits, Pager};
use crate::world::{events, filter, history, ids, noon, snapshot, subs};

fn knowing(neg: NegChance) -> Known {
    Known {
        neg,
        ..Known::default()
    }
}

#[test]
fn equal_sets_cost_one_round_and_end_complete() {
    for count in [0, 5, 3_000] {
        let items = history(count, 5);
        let mut bench = Bench::new(&items, &items);
        let (report, agreed) = bench.run();
        assert_eq!((bench.neg_opens, bench.neg_messages, bench.reqs), (1, 0, 0));
        assert!(report.complete && report.error.is_none(), "{report:?}");
        assert_eq!(
            (
                report.rounds,
                report.have,
                report.need,
                report.received,
                report.sent
            ),
            (1, 0, 0, 0, 0)
        );
        assert_eq!(
            (report.method, report.basis),
            (Method::Negentropy, Basis::Fingerprint)
        );
        assert_eq!(bench.confirmations(), 0);
        assert!(bench.proven);
        let agreed = agreed.expect("an agreement is recorded");
        let all = snapshot(&items);
        assert_eq!((agreed.count, agreed.last_seq), (count, count));
        assert_eq!(agreed.fingerprint, all.fingerprint(0..all.len()));
    }
}

#[test]
fn differences_are_transferred_and_confirmed_once() {
    let items = history(1_000, 5);
    let mut bench = Bench::new(&items[..990], &items[3..]);
    let (report, agreed) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!(
        (report.have, report.need, report.sent, report.received),
        (3, 10, 3, 10)
    );
    assert_eq!(bench.confirmations(), 1);
    assert_eq!(bench.neg_opens, 2);
    assert_eq!(agreed.unwrap().count, 1_000);
    assert_eq!(bench.ours, bench.theirs);
    assert!(bench.phases.contains(&Phase::Transferring));
}

#[test]
fn what_is_left_is_not_complete() {
    let items = history(100, 5);
    let mut bench = Bench::new(&items, &items[1..]);
    bench.stuck = ids(&items[..1]);
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none(), "{report:?}");
    assert_eq!((report.have, report.sent), (1, 0));
    assert!(
        bench.neg_opens <= 2,
        "nothing moved, so asking again and again is pointless"
    );

    // Also when the sets are equal, but a side still holds something back.
    let mut bench = Bench::new(&items, &items);
    bench.stuck = ids(&history(101, 5)[100..]);
    assert!(!bench.run().0.complete);
}

#[test]
fn ids_deleted_here_are_neither_fetched_nor_counted() {
    let items = history(100, 5);
    let mut bench = Bench::new(&items[2..], &items);
    bench.tombstones = ids(&items[..2]);
    let (report, agreed) = bench.run();
    assert!(report.complete && agreed.is_some(), "{report:?}");
    assert_eq!((report.need, report.received), (0, 0));
    assert!(bench.fetched.is_empty());
    // Where it keeps them is known from then on.
    assert_eq!((bench.confirmations(), bench.extra.len()), (1, 2));
    assert_eq!(agreed.unwrap().count, 100);
    let opened = bench.neg_opens;
    assert!(bench.run().0.complete);
    assert_eq!((bench.neg_opens - opened, bench.neg_messages), (1, 0));
}

/// It kept a thousand deleted events of two, and refused five hundred of ours.
#[test]
fn a_relay_that_keeps_deleted_events_and_refused_others_is_compared_in_one_round() {
    let all = history(6_000, 5);
    let mut bench = Bench::new(&all[2_000..], &[&all[..1_000], &all[2_000..5_500]].concat());
    bench.extra = all[..1_000].iter().copied().collect();
    bench.absent = all[5_500..].iter().copied().collect();
    let (report, agreed) = bench.run();
    assert_eq!((report.rounds, report.have, report.need), (1, 0, 0));
    assert_eq!((bench.neg_opens, bench.neg_messages), (1, 0));
    assert_eq!(agreed.expect("what was expected is there").count, 4_500);
    assert!(!report.complete, "five hundred are not safe there");
}

#[test]
fn what_was_refused_and_is_there_is_found_and_confirmed() {
    let all = history(100, 5);
    let mut bench = Bench::new(&all, &all);
    bench.absent = all[40..50].iter().copied().collect();
    let (report, agreed) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!((report.need, report.received, bench.confirmations()), (0, 0, 1));
    assert_eq!(agreed.unwrap().count, 100);
    assert!(bench.absent.is_empty() && bench.fetched.is_empty());
}

#[test]
fn what_was_deleted_there_too_is_no_longer_expected() {
    let all = history(100, 5);
    let mut bench = Bench::new(&all[10..], &all[4..]);
    bench.tombstones = ids(&all[..10]);
    bench.extra = all[..10].iter().copied().collect();
    let (report, agreed) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!((report.have, report.sent, bench.confirmations()), (0, 0, 1));
    assert_eq!((bench.extra.len(), agreed.unwrap().count), (6, 96));
    assert!(bench.sent.is_empty());
}

#[test]
fn events_that_failed_their_checks_are_expected_and_never_complete() {
    let all = history(100, 5);
    let mut bench = Bench::new(&all[1..], &all);
    bench.extra = all[..1].iter().copied().collect();
    bench.forged = 1;
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_some(), "{report:?}");
    assert_eq!((report.rounds, report.need), (1, 0));
    assert!(
        report
            .error
            .unwrap()
            .contains("serves an event that fails its checks")
    );
}

#[test]
fn f10_ids_that_never_come_end_the_pass_with_their_number() {
    let all = history(100, 5);
    let mut bench = Bench::new(&all[3..], &all);
    bench.stuck = ids(&all[..3]);
    bench.withheld = 3;
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none(), "{report:?}");
    assert!(
        report
            .error
            .unwrap()
            .starts_with("3 events that it names did not come")
    );
}

#[test]
fn f01_a_relay_without_neg_is_paged_and_remembered() {
    let all = events(800, 3);
    let mut bench = Bench::pages(&all[..700], &all[100..]);
    let (report, agreed) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!((report.method, report.basis), (Method::Paging, Basis::Pages));
    assert_eq!(
        (report.have, report.need, report.sent, report.received),
        (100, 100, 100, 100)
    );
    assert_eq!(
        bench.refused.as_deref(),
        Some("ERROR: bad msg: negentropy disabled")
    );
    assert_eq!(
        bench.neg_opens, 1,
        "not asked again, neither in this pass nor for a day"
    );
    assert_eq!(bench.confirmations(), 1, "uploads are confirmed by a second walk");
    assert_eq!(agreed.unwrap().basis, Basis::Pages);

    let mut bench = Bench {
        known: knowing(NegChance::Unavailable),
        ..Bench::pages(&all, &all)
    };
    let (report, _) = bench.run();
    assert!(report.complete);
    assert_eq!((bench.neg_opens, bench.confirmations()), (0, 0));
}

#[test]
fn downloads_by_pages_need_no_second_walk() {
    let all = events(400, 3);
    let mut bench = Bench::pages(&all[..10], &all);
    let (report, _) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!(
        (report.need, report.received, bench.confirmations()),
        (390, 390, 0)
    );
}

#[test]
fn f02_a_relay_silent_on_neg_is_paged_after_twenty_seconds() {
    let all = events(50, 3);
    let mut bench = Bench::pages(&all, &all);
    bench.refuse = Box::new(|frame| matches!(frame, ClientFrame::NegOpen { .. }).then(Vec::new));
    let start = bench.now;
    let (report, _) = bench.run();
    assert!(report.complete && report.method == Method::Paging, "{report:?}");
    assert_eq!(bench.now - start, Duration::from_secs(20));
    assert!(bench.refused.is_some());
}

#[test]
fn a_proven_relay_that_is_slow_once_is_not_remembered_as_without_neg() {
    let all = events(50, 3);
    let mut bench = Bench::pages(&all, &all);
    bench.known = knowing(NegChance::Proven);
    bench.refuse = Box::new(|frame| matches!(frame, ClientFrame::NegOpen { .. }).then(Vec::new));
    assert!(bench.run().0.complete);
    assert_eq!(bench.refused, None);
}

#[test]
fn f05_a_relay_that_limits_the_rate_is_opened_once_and_left_alone() {
    let items = history(10, 1);
    let mut bench = Bench::new(&items, &items);
    bench.refuse = Box::new(|frame| match frame {
        ClientFrame::NegOpen { sub, .. } => Some(vec![RelayFrame::NegErr {
            sub: sub.clone(),
            reason: "rate-limited: too many requests".into(),
            cap: None,
        }]),
        _ => None,
    });
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none());
    assert!(report.error.unwrap().contains("rate-limited: too many requests"));
    assert_eq!((bench.neg_opens, bench.reqs), (1, 0));
}

#[test]
fn f08_a_relay_that_forgets_every_session_is_reopened_three_times_then_paged() {
    let all = events(60, 3);
    let mut bench = Bench::pages(&all, &all);
    bench.refuse = Box::new(|frame| match frame {
        ClientFrame::NegOpen { sub, .. } => Some(vec![RelayFrame::NegErr {
            sub: sub.clone(),
            reason: "CLOSED".into(),
            cap: None,
        }]),
        _ => None,
    });
    let (report, _) = bench.run();
    assert!(report.complete && report.method == Method::Paging, "{report:?}");
    assert_eq!(bench.neg_opens, 1 + REOPENS_MAX);
    assert_eq!(bench.refused, None, "the next pass tries NEG again");
}

#[test]
fn f09_another_version_is_paged_without_a_loop() {
    let all = events(60, 3);
    let mut bench = Bench::pages(&all, &all);
    bench.refuse = Box::new(|frame| match frame {
        ClientFrame::NegOpen { sub, .. } => Some(vec![RelayFrame::NegMsg {
            sub: sub.clone(),
            message: vec![0x62],
        }]),
        _ => None,
    });
    let (report, _) = bench.run();
    assert!(report.complete && report.method == Method::Paging, "{report:?}");
    assert_eq!(bench.neg_opens, 1);
    assert!(bench.refused.is_some());
}

#[test]
fn a_relay_to_which_every_part_is_too_big_is_paged_before_long() {
    let all = events(60, 3);
    let mut bench = Bench::pages(&all, &all);
    bench.refuse = Box::new(|frame| match frame {
        ClientFrame::NegOpen { sub, .. } => Some(vec![RelayFrame::NegErr {
            sub: sub.clone(),
            reason: "blocked: too many query results".into(),
            cap: Some(50),
        }]),
        _ => None,
    });
    let (report, _) = bench.run();
    assert!(report.complete && report.method == Method::Paging, "{report:?}");
    assert_eq!((bench.neg_opens, bench.refused), (1 + REFUSALS_MAX, None));
}

#[test]
fn authentication_is_waited_for_once() {
    let items = history(10, 1);
    for (refusals, complete) in [(1, true), (9, false)] {
        let mut bench = Bench::new(&items, &items);
        let mut left = refusals;
        bench.refuse = Box::new(move |frame| match frame {
            ClientFrame::NegOpen { sub, .. } if left > 0 => {
                left -= 1;
                let reason = "auth-required: requested filter requires authentication".into();
                Some(vec![RelayFrame::NegErr {
                    sub: sub.clone(),
                    reason,
                    cap: None,
                }])
            }
            _ => None,
        });
        let start = bench.now;
        let (report, _) = bench.run();
        assert_eq!(report.complete, complete, "{report:?}");
        assert_eq!(bench.neg_opens, 2);
        assert_eq!(bench.now - start, AUTH_PAUSE);
    }
}

#[test]
fn an_unpageable_relay_names_nothing_as_missing() {
    let all = events(700, 1);
    let mut bench = Bench::pages(&all, &all[650..]);
    let newest = all[650..].to_vec();
    bench.refuse = Box::new(move |frame| match frame {
        ClientFrame::NegOpen { .. } => Some(vec![RelayFrame::Notice {
            message: "Unsupported message".into(),
        }]),
        ClientFrame::Req { .. } => Some(
            Pager::new(
                newest.clone(),
                Habits {
                    until_ignored: true,
                    ..Habits::default()
                },
            )
            .hear(frame),
        ),
        _ => None,
    });
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none());
    assert!(
        report
            .error
            .as_deref()
            .is_some_and(|error| error.contains("until")),
        "{report:?}"
    );
    assert!(
        bench.sent.is_empty(),
        "650 events would have been sent again for nothing"
    );
}

#[test]
fn transfers_without_progress_end_with_an_error() {
    let items = history(10, 1);
    let mut bench = Bench::new(&items, &items[1..]);
    bench.settles = false;
    let start = bench.now;
    let (report, agreed) = bench.run();
    assert_eq!(bench.now - start, TRANSFER_SILENCE);
    assert!(!report.complete && agreed.is_none());
    assert!(report.error.unwrap().contains("no progress"));
}

#[test]
fn a_failed_pass_closes_what_it_opened() {
    let items = history(10, 1);
    let mut pass = Pass::start(Start {
        relay: "ws://relay.example".parse().unwrap(),
        filter: filter(),
        subs: subs(),
        known: Known::default(),
        unix: UNIX,
        traffic: Traffic {
            bytes_in: 100,
            bytes_out: 50,
            ..Traffic::default()
        },
    });
    pass.snapshot_taken(snapshot(&items), snapshot(&items).last_seq(), noon());
    pass.observe(Traffic {
        bytes_in: 103,
        bytes_out: 57,
        ..Traffic::default()
    });
    pass.fail("connection lost: broken".into());
    let outputs: Vec<Output> = std::iter::from_fn(|| pass.poll_output()).collect();
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Send(ClientFrame::NegClose { .. })))
    );
    let Some(Output::Done { report, agreed: None }) = outputs.last() else {
        panic!("{outputs:?}")
    };
    assert_eq!((report.bytes_in, report.bytes_out), (3, 7));
    assert_eq!(report.error.as_deref(), Some("connection lost: broken"));
}

#[test]
fn what_moved_before_the_comparison_needs_no_other_one() {
    let items = history(100, 5);
    let mut bench = Bench::new(&items, &items);
    bench.sent_before = 3;
    let (report, agreed) = bench.run();
    assert!(report.complete && agreed.is_some(), "{report:?}");
    assert_eq!((bench.neg_opens, report.sent), (1, 0));
}

#[test]
fn what_moved_while_it_compared_is_confirmed() {
    let items = history(100, 5);
    let mut bench = Bench::new(&items[..90], &items[..90]);
    bench.written_meanwhile = items[90..].to_vec();
    let (report, agreed) = bench.run();
    assert!(report.complete, "{report:?}");
    assert_eq!(
        (bench.neg_opens, report.rounds, report.have, report.sent),
        (2, 1, 0, 10)
    );
    assert_eq!(agreed.unwrap().count, 100);
}

/// The agreement on record decides what is compared first, unless it was about other authors.
#[test]
fn a_pass_opens_after_the_last_agreement() {
    let items = history(3_000, 5);
    let opening = |authors: Option<u32>| {
        let mut pass = Pass::start(Start {
            relay: "ws://relay.example".parse().unwrap(),
            filter: filter(),
            subs: subs(),
            known: knowing(NegChance::Proven),
            unix: UNIX,
            traffic: Traffic::default(),
        });
        if let Some(other) = authors {
            let authors = pass.author_set() ^ other;
            pass.agreement_found(&Agreement {
                at: 1_800_000_000,
                count: 3_000,
                fingerprint: [0; 16],
                last_seq: 3_000,
                basis: Basis::Fingerprint,
                authors,
            });
        }
        pass.snapshot_taken(snapshot(&items), snapshot(&items).last_seq(), noon());
        std::iter::from_fn(|| pass.poll_output())
            .find_map(|output| match output {
                Output::Send(ClientFrame::NegOpen { message, .. }) => Some(message.len()),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(opening(Some(0)), 28);
    assert_eq!(opening(Some(1)), opening(None));
    assert!(opening(None) > 300);
}
