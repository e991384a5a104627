//! Sets that are too big for one session, filters that are too wide, seconds that are too full, and answers that are
//! too bad to be true.

use std::collections::BTreeSet;

use event_index::{Agreement, Basis, Item};
use nostr::event::{Event, EventId, Kind, Tags};
use nostr::key::PublicKey;
use nostr::prelude::Signature;
use nostr::types::Timestamp;
use reconciler::messages::{Method, PassReport};
use reconciler::pass::{Known, WINDOWS_MAX};
use relay_link::{Lesson, NegChance};

use crate::fake_relay::Habits;
use crate::pass::bench::{Bench, UNIX};
use crate::strict_relay::Says;
use crate::world::{author, event, events, filter};

fn level(bench: &Bench, report: &PassReport) {
    assert!(report.complete && report.error.is_none(), "{report:?}");
    assert_eq!(bench.ours, bench.theirs);
}

fn matching(bench: &Bench, filter: &nostr::filter::Filter) -> usize {
    let held = |event: &&Event| bench.theirs.contains(&Item::of(event));
    let events = bench.strict.as_ref().unwrap().universe.iter().filter(held);
    events
        .filter(|event| filter.match_event(event, nostr::filter::MatchEventOptions::new()))
        .count()
}

#[test]
fn f06_a_set_too_big_is_compared_in_windows_however_the_cap_is_said() {
    let all = events(1_000, 3);
    for says in [Says::Number, Says::Prose, Says::Nothing] {
        let mut bench = Bench::strict(&all[..990], &all[5..]);
        bench.relay().cap = Some(100);
        bench.relay().says = says;
        let (report, agreed) = bench.run();
        level(&bench, &report);
        assert_eq!(
            (report.method, report.basis),
            (Method::Negentropy, Basis::Fingerprint)
        );
        assert_eq!((report.have, report.need), (5, 10));
        assert_eq!(bench.reqs, 0, "{says:?}: nothing is paged");
        assert_eq!(
            agreed.unwrap().count,
            1_000,
            "the agreement is that of all windows together"
        );
        let accepted = bench.relay().accepted.clone();
        let top = accepted.iter().find(|filter| filter.until.is_none());
        assert!(top.is_some(), "N-7: the top window keeps its open end");
        if says != Says::Nothing {
            assert_eq!(
                bench.relay().refused.len(),
                1,
                "the cap is learned from one refusal"
            );
            assert!(bench.learned.contains(&Lesson::NegCap(100)));
            for filter in &accepted {
                assert!(
                    matching(&bench, filter) <= 90,
                    "{filter:?}: 0.8 of the cap, and what was new"
                );
            }
        }
    }
}

#[test]
fn a_cap_that_is_known_opens_windows_at_once() {
    let all = events(1_000, 3);
    let mut bench = Bench::strict(&all, &all);
    bench.relay().cap = Some(100);
    bench.known.neg_cap = Some(100);
    let (report, _) = bench.run();
    level(&bench, &report);
    assert!(bench.relay().refused.is_empty());
    assert_eq!(
        report.rounds as usize,
        bench.relay().accepted.len(),
        "one round trip each"
    );
    assert!((13..=16).contains(&report.rounds), "{report:?}");
}

#[test]
fn a_new_device_finds_its_way_into_a_relay_that_holds_too_much() {
    let all = events(700, 3);
    for says in [Says::Number, Says::Nothing] {
        let mut bench = Bench::strict(&[], &all);
        bench.relay().cap = Some(50);
        bench.relay().says = says;
        let (report, _) = bench.run();
        level(&bench, &report);
        assert_eq!((report.method, report.need), (Method::Negentropy, 700));
        let opened = bench.relay().accepted.len() + bench.relay().refused.len();
        assert!(opened < 150, "{opened} sessions in two comparisons");
    }
}

#[test]
fn events_dated_in_the_future_are_in_the_top_window() {
    let mut all = events(300, 3);
    all.push(event(UNIX + 600, "tomorrow"));
    let mut bench = Bench::strict(&all[..300], &all);
    bench.relay().cap = Some(50);
    let (report, _) = bench.run();
    level(&bench, &report);
    assert_eq!(report.need, 1);
}

#[test]
fn f07_a_second_that_is_too_big_is_paged_alone_and_the_rest_compared() {
    let crowded = 1_700_000_050;
    let mut all = events(60, 1);
    all.retain(|event| event.created_at.as_secs() != crowded);
    all.extend((0..50).map(|n| event(crowded, &format!("burst {n}"))));
    let missing: Vec<Event> = all
        .iter()
        .filter(|event| event.content != "burst 7")
        .cloned()
        .collect();
    for says in [Says::Number, Says::Prose, Says::Nothing] {
        let mut bench = Bench::strict(&missing, &all);
        bench.relay().cap = Some(10);
        bench.relay().says = says;
        let (report, agreed) = bench.run();
        level(&bench, &report);
        assert_eq!(
            report.method,
            Method::Negentropy,
            "all but one second was compared by fingerprints"
        );
        assert_eq!(report.need, 1);
        assert!(agreed.is_some() && report.unproven_seconds.is_empty());
        assert!(
            bench.fetched.is_empty(),
            "what a page showed is not fetched again"
        );
        for filter in &bench.relay().asked {
            let second = Some(Timestamp::from(crowded));
            assert_eq!((filter.since, filter.until), (second, second), "{filter:?}");
        }
    }
}

#[test]
fn a_cap_that_would_take_too_many_windows_is_paged() {
    let all = events(3_000, 1);
    let mut bench = Bench::strict(&all, &all);
    bench.relay().cap = Some(2);
    let (report, _) = bench.run();
    level(&bench, &report);
    assert_eq!(report.method, Method::Paging);
    assert!(bench.neg_opens as usize <= WINDOWS_MAX);
}

/// Events of two authors, every other one by each.
pub(crate) fn two_authors(count: u64) -> (PublicKey, Vec<Event>) {
    let other = PublicKey::from_byte_array([8; 32]);
    let by = |(n, event): (usize, Event)| {
        if n % 2 == 0 {
            event
        } else {
            by_author(other, &event)
        }
    };
    (other, events(count, 3).into_iter().enumerate().map(by).collect())
}

fn by_author(author: PublicKey, event: &Event) -> Event {
    let id = EventId::compute(
        &author,
        &event.created_at,
        &event.kind,
        &Tags::new(),
        &event.content,
    );
    let signature = Signature::from_byte_array([0; 64]);
    Event::new(
        id,
        author,
        event.created_at,
        Kind::from(1080),
        [],
        event.content.clone(),
        signature,
    )
}

const ONE_AUTHOR: &str = "ERROR: bad req: filter must have exactly one author, p tag, or e tag";

#[test]
fn a_relay_that_takes_one_author_per_filter_is_compared_author_by_author() {
    let (other, all) = two_authors(200);
    for (neg, known) in [
        (NegChance::Unknown, false),
        (NegChance::Unavailable, false),
        (NegChance::Proven, true),
    ] {
        let mut bench = Bench::strict(&all[..190], &all[4..]);
        bench.filter = filter().authors([author(), other]);
        bench.relay().one_author = Some(ONE_AUTHOR);
        bench.known = Known {
            neg,
            one_author: known,
            ..Known::default()
        };
        let (report, agreed) = bench.run();
        level(&bench, &report);
        let paged = neg == NegChance::Unavailable;
        assert_eq!(report.method == Method::Paging, paged);
        assert_eq!((report.have, report.need, report.authors), (4, 10, 2));
        assert_eq!(agreed.unwrap().count, 200, "one agreement for both");
        let learned = Lesson::OneAuthorPerFilter {
            why: ONE_AUTHOR.into(),
        };
        assert_eq!(bench.learned.contains(&learned), !known);
        let wide = |filter: &&nostr::filter::Filter| filter.authors.as_ref().unwrap().len() > 1;
        let asked_wide = bench.relay().asked.iter().filter(wide).count();
        assert_eq!(asked_wide, usize::from(paged), "a wide filter is tried once");
    }
}

#[test]
fn windows_and_single_authors_go_together() {
    let (other, all) = two_authors(400);
    let mut bench = Bench::strict(&all[7..], &all[..390]);
    bench.filter = filter().authors([author(), other]);
    bench.relay().one_author = Some("blocked: filter must have exactly one author, p tag, or e tag");
    bench.relay().cap = Some(60);
    let (report, _) = bench.run();
    level(&bench, &report);
    assert_eq!(
        (report.method, report.have, report.need),
        (Method::Negentropy, 10, 7)
    );
}

#[test]
fn a_relay_that_says_so_to_one_author_is_not_split_for_ever() {
    let all = events(20, 1);
    let mut bench = Bench::strict(&all, &all);
    bench.refuse = Box::new(|frame| match frame {
        relay_link::ClientFrame::NegOpen { sub, .. } => Some(vec![relay_link::RelayFrame::NegErr {
            sub: sub.clone(),
            reason: ONE_AUTHOR.into(),
            cap: None,
        }]),
        _ => None,
    });
    let (report, _) = bench.run();
    level(&bench, &report);
    assert_eq!((bench.neg_opens, report.method), (1, Method::Paging));
}

/// 1,200 events in one second among others; pages hold 500.
fn crowded() -> (u64, Vec<Event>) {
    let second = 1_700_000_100;
    let mut all = events(60, 3);
    all.extend((0..1_200).map(|n| event(second, &format!("burst {n}"))));
    (second, all)
}

/// Refuses the first session, so that everything is paged although the relay speaks NEG.
fn fails_once(bench: &mut Bench) {
    let mut failed = false;
    bench.refuse = Box::new(move |frame| match frame {
        relay_link::ClientFrame::NegOpen { sub, filter, .. } if !failed && filter.since.is_none() => {
            failed = true;
            let (sub, reason, cap) = (sub.clone(), "PROTOCOL-ERROR".into(), None);
            Some(vec![relay_link::RelayFrame::NegErr { sub, reason, cap }])
        }
        _ => None,
    });
}

#[test]
fn f19_a_second_too_full_for_a_page_is_unproven_without_neg() {
    let (second, all) = crowded();
    let mut bench = Bench::strict(&all[..60], &all);
    bench.known.neg = NegChance::Unavailable;
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none());
    assert_eq!(report.unproven_seconds, [second]);
    assert_eq!(bench.neg_opens, 0);
}

#[test]
fn f19_a_second_too_full_for_a_page_is_split_by_author() {
    let other = PublicKey::from_byte_array([8; 32]);
    let second = 1_700_000_100;
    let mut all = events(60, 3);
    all.extend((0..700).map(|n| {
        let event = event(second, &format!("burst {n}"));
        if n % 2 == 0 {
            event
        } else {
            by_author(other, &event)
        }
    }));
    let mut bench = Bench::strict(&all[..60], &all);
    bench.filter = filter().authors([author(), other]);
    bench.known.neg = NegChance::Unavailable;
    let (report, agreed) = bench.run();
    level(&bench, &report);
    assert!(agreed.is_some() && report.unproven_seconds.is_empty());
    assert_eq!(report.method, Method::Paging);
}

/// What a capped page leaves out of the only second it shows cannot be seen without the cap.
#[test]
fn a_page_that_shows_no_more_than_the_relay_compares_proves_nothing_about_an_overflowed_second() {
    let second = 1_700_000_100;
    let all: Vec<Event> = (0..80).map(|n| event(second, &n.to_string())).collect();
    let mut bench = Bench::strict(&[], &all);
    bench.relay().cap = Some(40);
    bench.relay().habits = Habits {
        cap: 30,
        ..Habits::default()
    };
    let (report, agreed) = bench.run();
    assert!(!report.complete && agreed.is_none(), "{report:?}");
    assert_eq!(report.unproven_seconds, [second]);
}

#[test]
fn f19_a_second_too_full_for_a_page_is_compared_by_neg() {
    let (second, all) = crowded();
    let mut bench = Bench::strict(&all[..60], &all);
    fails_once(&mut bench);
    let (report, _) = bench.run();
    level(&bench, &report);
    assert!(report.unproven_seconds.is_empty());
    assert_eq!((report.need, report.received), (1_200, 1_200));
    assert_eq!(bench.fetched.len(), 700, "what pages showed is not fetched again");
    let alone = Some(Timestamp::from(second));
    let first = &bench.relay().accepted[0];
    assert_eq!((first.since, first.until), (alone, alone));
}

fn agreement(count: u64) -> Agreement {
    Agreement {
        at: 1_700_000_400,
        count,
        fingerprint: [0; 16],
        last_seq: count,
        basis: Basis::Fingerprint,
        authors: 1,
    }
}

#[test]
fn f11_a_relay_that_compares_as_empty_but_shows_its_events_gets_nothing_again() {
    let all = events(900, 3);
    for agreed in [Some(agreement(900)), None] {
        let mut bench = Bench::strict(&all, &all);
        bench.relay().blind = true;
        bench.agreed = agreed;
        let (report, agreed) = bench.run();
        level(&bench, &report);
        assert!(bench.sent.is_empty(), "nothing is sent again");
        assert_eq!((report.method, report.have), (Method::Paging, 0));
        assert_eq!(
            agreed.unwrap().basis,
            Basis::Pages,
            "its NEG proves nothing in this pass"
        );
        assert_eq!(bench.neg_opens, 1);
        let probes: Vec<_> = bench
            .relay()
            .asked
            .iter()
            .filter(|filter| filter.ids.is_some())
            .collect();
        assert_eq!(probes.len(), 1);
        assert!(probes[0].ids.as_ref().unwrap().len() <= 20);
    }
}

#[test]
fn f35_a_relay_that_was_wiped_gets_everything_again() {
    let all = events(900, 3);
    for kept in [0, 100] {
        let mut bench = Bench::strict(&all, &all[..kept]);
        bench.agreed = Some(agreement(900));
        let (report, _) = bench.run();
        level(&bench, &report);
        assert_eq!(
            (report.method, report.sent),
            (Method::Negentropy, 900 - kept as u64)
        );
        let sent: BTreeSet<EventId> = bench.sent.iter().copied().collect();
        assert_eq!(sent.len(), 900 - kept, "each once");
        assert_eq!(bench.reqs, 1, "asked once whether it is really gone");
    }
}

#[test]
fn a_few_missing_events_are_sent_without_asking() {
    let all = events(900, 3);
    let mut bench = Bench::strict(&all, &all[10..]);
    bench.agreed = Some(agreement(890));
    let (report, _) = bench.run();
    level(&bench, &report);
    assert_eq!((bench.reqs, report.sent), (0, 10));
}

#[test]
fn a_relay_that_does_not_say_whether_it_lost_anything_is_paged() {
    let all = events(300, 3);
    let mut bench = Bench::strict(&all, &all);
    bench.relay().blind = true;
    bench.agreed = Some(agreement(300));
    bench.refuse = Box::new(|frame| match frame {
        relay_link::ClientFrame::Req { sub, filters } if filters[0].ids.is_some() => {
            let (sub, reason) = (sub.clone(), "error: ids are not indexed".into());
            Some(vec![relay_link::RelayFrame::Closed { sub, reason }])
        }
        _ => None,
    });
    let (report, _) = bench.run();
    level(&bench, &report);
    assert!(bench.sent.is_empty());
}
