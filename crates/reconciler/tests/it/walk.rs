//! Paging: complete when the relay lets it be, honest when not.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nostr::event::{Event, EventId};
use reconciler::walk::{Output, PAGE_EVENTS_MAX, PAGE_SILENCE, REPEATS_MAX, Walk, WalkError, WalkOutcome};
use relay_link::{ClientFrame, RelayFrame, SubId};

use crate::fake_relay::{Habits, Pager, shown};
use crate::world::{author, event, events, filter, noon, subs};

fn start(now: Instant) -> Walk {
    Walk::start(filter(), PAGE_EVENTS_MAX, subs(), now)
}

/// What a walk handed over and how it ended.
struct Read {
    events: Vec<EventId>,
    outcome: WalkOutcome,
}

impl Read {
    fn complete(&self, expected: &[Event]) {
        assert_eq!(self.outcome.error, None);
        assert!(self.outcome.proven);
        let all: BTreeSet<EventId> = expected.iter().map(|event| event.id).collect();
        assert_eq!(self.outcome.seen, all);
        assert_eq!(self.events.len(), all.len(), "each event once");
        assert_eq!(self.events.iter().copied().collect::<BTreeSet<_>>(), all);
    }
}

/// Walks to the end. `twist` may change what the relay answers to a page, by its number from 1; an answer without an
/// EOSE or CLOSED is followed by silence.
fn read(pager: &mut Pager, twist: impl FnMut(u32, Vec<RelayFrame>) -> Vec<RelayFrame>) -> Read {
    read_of(start(noon()), pager, twist)
}

fn read_of(
    mut walk: Walk,
    pager: &mut Pager,
    mut twist: impl FnMut(u32, Vec<RelayFrame>) -> Vec<RelayFrame>,
) -> Read {
    let mut now = noon();
    let mut handed = Vec::new();
    for _ in 0..200_000 {
        now += Duration::from_millis(1);
        match walk.poll_output() {
            Some(Output::Send(frame)) => {
                let answer = pager.hear(&frame);
                for frame in twist(walk.pages(), answer) {
                    walk.handle_frame(frame, now);
                }
            }
            Some(Output::Events(events)) => {
                assert!(events.len() <= PAGE_EVENTS_MAX);
                handed.extend(events.iter().map(|event| event.id));
                walk.taken(now);
            }
            Some(Output::Ended(outcome)) => {
                assert!(
                    walk.poll_output().is_none() && walk.poll_timeout().is_none(),
                    "nothing follows the end"
                );
                return Read {
                    events: handed,
                    outcome,
                };
            }
            None => {
                now = walk.poll_timeout().expect("a walk that waits has a deadline");
                walk.handle_timeout(now);
            }
        }
    }
    panic!("the walk does not end");
}

fn read_all(events: &[Event], habits: Habits) -> (Read, Pager) {
    let mut pager = Pager::new(events.to_vec(), habits);
    (read(&mut pager, |_, answer| answer), pager)
}

fn sub_of(frames: &[RelayFrame]) -> Option<SubId> {
    frames.iter().find_map(|frame| match frame {
        RelayFrame::Eose { sub, .. } => Some(sub.clone()),
        _ => None,
    })
}

#[test]
fn everything_is_read_from_the_newest_down() {
    for count in [1, 3, 499, 500, 501, 1_300] {
        let events = events(count, 3);
        let (read, pager) = read_all(&events, Habits::default());
        read.complete(&events);
        assert!(
            read.outcome.unproven_seconds.is_empty(),
            "{count}: {:?}",
            read.outcome.unproven_seconds
        );
        let untils: Vec<_> = pager.asked.iter().filter_map(|filter| filter.until).collect();
        assert!(
            untils.windows(2).all(|pair| pair[1] < pair[0]),
            "the cursor only goes down: {untils:?}"
        );
    }
}

#[test]
fn f14_an_empty_first_page_is_asked_again_before_it_is_believed() {
    let events = events(40, 3);
    let mut pager = Pager::new(events.clone(), Habits::default());
    let empty_once = |page, answer: Vec<RelayFrame>| match (page, sub_of(&answer)) {
        (1, Some(sub)) => vec![RelayFrame::Eose {
            sub,
            hints: Vec::new(),
        }],
        _ => answer,
    };
    read(&mut pager, empty_once).complete(&events);

    let (nothing, pager) = read_all(&[], Habits::default());
    nothing.complete(&[]);
    assert_eq!(pager.asked.len(), 2);
}

#[test]
fn f15_a_page_with_a_notice_in_it_is_repeated() {
    let events = events(300, 3);
    let mut pager = Pager::new(events.clone(), Habits::default());
    let half_and_notice = |page, mut answer: Vec<RelayFrame>| {
        if page == 1 {
            answer.drain(150..answer.len() - 1);
            answer.insert(
                150,
                RelayFrame::Notice {
                    message: "error: database is locked".into(),
                },
            );
        }
        answer
    };
    read(&mut pager, half_and_notice).complete(&events);
    assert!(
        pager.asked[0].until.is_none() && pager.asked[1].until.is_none(),
        "the same page again"
    );
    assert!(pager.asked[1].limit < pager.asked[0].limit, "for less");
}

#[test]
fn a_notice_about_neg_does_not_spoil_a_page() {
    let events = events(30, 3);
    let mut pager = Pager::new(events.clone(), Habits::default());
    let complaint = |page, mut answer: Vec<RelayFrame>| {
        if page == 1 {
            answer.insert(
                0,
                RelayFrame::Notice {
                    message: "ERROR: bad msg: negentropy disabled".into(),
                },
            );
        }
        answer
    };
    read(&mut pager, complaint).complete(&events);
    assert!(pager.asked[1].until.is_some());
}

#[test]
fn f16_a_page_that_stops_is_asked_again_for_less_and_keeps_its_events() {
    let events = events(300, 3);
    let mut pager = Pager::new(events.clone(), Habits::default());
    let stops = |page, mut answer: Vec<RelayFrame>| {
        if page == 1 {
            answer.truncate(120);
        }
        answer
    };
    let read = read(&mut pager, stops);
    read.complete(&events);
    assert!(pager.asked[1].until.is_none(), "the cursor does not pass the gap");
    assert!(pager.asked[1].limit < pager.asked[0].limit);
}

#[test]
fn a_relay_that_never_finishes_a_page_ends_the_walk_unproven() {
    let events = events(300, 3);
    let mut pager = Pager::new(events, Habits::default());
    let read = read(&mut pager, |_, mut answer| {
        answer.truncate(5);
        answer
    });
    assert!(
        matches!(read.outcome.error, Some(WalkError::Unanswered { .. })),
        "{:?}",
        read.outcome.error
    );
    assert!(!read.outcome.proven);
    assert_eq!(read.outcome.pages, 1 + REPEATS_MAX);
    assert_eq!(read.events.len(), 5, "what came is kept");
}

#[test]
fn f17_a_page_closed_in_the_middle_is_repeated_and_a_closed_after_eose_is_fine() {
    let events = events(300, 3);
    let mut pager = Pager::new(events.clone(), Habits::default());
    let closes = |page, mut answer: Vec<RelayFrame>| {
        let sub = sub_of(&answer);
        match (page, sub) {
            (1, Some(sub)) => {
                answer.truncate(120);
                answer.push(RelayFrame::Closed {
                    sub,
                    reason: "get event error: context deadline exceeded".into(),
                });
            }
            (_, Some(sub)) => answer.push(RelayFrame::Closed {
                sub,
                reason: String::new(),
            }),
            _ => {}
        }
        answer
    };
    read(&mut pager, closes).complete(&events);
    assert!(pager.asked[1].until.is_none());
}

#[test]
fn f18_a_lower_cap_than_asked_is_no_end() {
    let events = events(400, 2);
    let (read, _) = read_all(
        &events,
        Habits {
            cap: 37,
            ..Habits::default()
        },
    );
    read.complete(&events);
    assert!(read.outcome.unproven_seconds.is_empty());
}

#[test]
fn f19_a_second_that_holds_more_than_a_page_is_named() {
    let mut history = events(60, 3);
    let crowded = 1_700_000_100;
    history.extend((0..1_200).map(|n| event(crowded, &format!("burst {n}"))));
    history.extend((0..30).map(|n| event(crowded + 50 + n, "later")));
    let (read, _) = read_all(&history, Habits::default());
    assert!(read.outcome.proven && read.outcome.error.is_none());
    assert_eq!(read.outcome.unproven_seconds, [crowded]);
    let below: Vec<_> = events(60, 3).iter().map(|event| event.id).collect();
    assert!(
        below.iter().all(|id| read.outcome.seen.contains(id)),
        "what lies below is read"
    );
    assert!(
        read.outcome.seen.len() < history.len(),
        "the relay shows 500 of that second"
    );
}

#[test]
fn a_crowded_oldest_second_is_named_too() {
    let crowded: Vec<Event> = (0..700).map(|n| event(5, &n.to_string())).collect();
    let (read, _) = read_all(&crowded, Habits::default());
    assert_eq!(read.outcome.unproven_seconds, [5]);
    // Below the limit asked for, but as many as pages that were cut: the cap was learned on the way.
    let mut capped: Vec<Event> = (0..50).map(|n| event(5, &n.to_string())).collect();
    capped.extend(events(100, 1));
    let (read, _) = read_all(
        &capped,
        Habits {
            cap: 37,
            ..Habits::default()
        },
    );
    assert_eq!(read.outcome.unproven_seconds, [5]);
}

#[test]
fn f20_exclusive_until_shuffled_order_and_duplicates_lose_nothing() {
    let events = events(900, 7);
    for until_excludes in [false, true] {
        for shuffled_times in [1, 3] {
            for cap in [500, 100] {
                let habits = Habits {
                    cap,
                    until_excludes,
                    shuffled_times,
                    ..Habits::default()
                };
                let (read, _) = read_all(&events, habits.clone());
                read.complete(&events);
                assert!(
                    read.outcome.unproven_seconds.is_empty(),
                    "{habits:?}: {:?}",
                    read.outcome
                );
            }
        }
    }
}

#[test]
fn f21_a_relay_that_ignores_until_is_unpageable_within_three_pages() {
    let (read, pager) = read_all(
        &events(900, 1),
        Habits {
            until_ignored: true,
            ..Habits::default()
        },
    );
    assert_eq!(read.outcome.error, Some(WalkError::Unpageable));
    assert!(!read.outcome.proven);
    assert!(pager.asked.len() <= 3, "{} pages", pager.asked.len());
    assert_eq!(read.events.len(), 500, "the newest page is kept");
}

#[test]
fn the_hint_finish_ends_the_walk() {
    let events = events(700, 3);
    let (read, pager) = read_all(
        &events,
        Habits {
            says_finish: true,
            ..Habits::default()
        },
    );
    read.complete(&events);
    assert_eq!(pager.asked.len(), 2);
}

#[test]
fn the_floor_is_second_zero() {
    let events = vec![event(0, "a"), event(0, "b"), event(1, "c")];
    let (read, _) = read_all(&events, Habits::default());
    read.complete(&events);
}

#[test]
fn forged_ids_and_foreign_events_do_not_count() {
    let good = events(5, 1);
    let mut forged = event(1_700_000_002, "x");
    forged.content = "another text under the same id".into();
    let mut foreign = event(1_700_000_003, "y");
    foreign.pubkey = nostr::key::PublicKey::from_byte_array([9; 32]);
    assert_ne!(foreign.pubkey, author());
    let mut pager = Pager::new(good.clone(), Habits::default());
    let mixed = |_, mut answer: Vec<RelayFrame>| {
        if let Some(sub) = sub_of(&answer) {
            answer.insert(0, shown(&sub, &forged));
            answer.insert(0, shown(&sub, &foreign));
        }
        answer
    };
    read(&mut pager, mixed).complete(&good);
}

#[test]
fn events_that_bring_nothing_end_a_page() {
    let now = noon();
    let mut walk = start(now);
    let Some(Output::Send(ClientFrame::Req { sub, .. })) = walk.poll_output() else {
        panic!()
    };
    let same = event(1_700_000_000, "again");
    let mut frames = 0;
    while !matches!(walk.poll_output(), Some(Output::Send(ClientFrame::Close { .. }))) {
        walk.handle_frame(shown(&sub, &same), now);
        frames += 1;
        assert!(frames < 5_000, "the page never ends");
    }
}

#[test]
fn only_useful_events_move_the_deadline_of_a_page() {
    let start_at = noon();
    let mut walk = start(start_at);
    let Some(Output::Send(ClientFrame::Req { sub, .. })) = walk.poll_output() else {
        panic!()
    };
    let later = start_at + Duration::from_secs(20);
    walk.handle_frame(
        RelayFrame::Notice {
            message: "busy".into(),
        },
        later,
    );
    assert_eq!(walk.poll_timeout(), Some(start_at + PAGE_SILENCE));
    walk.handle_frame(shown(&sub, &event(1_700_000_000, "a")), later);
    assert_eq!(walk.poll_timeout(), Some(later + PAGE_SILENCE));
    walk.handle_frame(
        shown(&sub, &event(1_700_000_000, "a")),
        later + Duration::from_secs(5),
    );
    assert_eq!(
        walk.poll_timeout(),
        Some(later + PAGE_SILENCE),
        "a duplicate is not progress"
    );
}

#[test]
fn a_slow_receiver_slows_the_walk() {
    let now = noon();
    let mut walk = start(now);
    let mut pager = Pager::new(events(5_000, 3), Habits::default());
    let mut batches = 0;
    while let Some(output) = walk.poll_output() {
        match output {
            Output::Send(frame) => {
                for frame in pager.hear(&frame) {
                    walk.handle_frame(frame, now);
                }
            }
            Output::Events(_) => batches += 1,
            Output::Ended(outcome) => panic!("{outcome:?}"),
        }
    }
    assert_eq!(
        batches, 2,
        "no third page is asked for before the first was taken"
    );
    walk.taken(now);
    assert!(matches!(
        walk.poll_output(),
        Some(Output::Send(ClientFrame::Req { .. }))
    ));
}

/// Everything from `since` to `until`.
fn stretch(events: &[Event], since: u64, until: u64, habits: Habits) -> (Read, Pager) {
    let mut pager = Pager::new(events.to_vec(), habits);
    let filter = filter().since(since.into()).until(until.into());
    let read = read_of(
        Walk::start(filter, PAGE_EVENTS_MAX, subs(), noon()),
        &mut pager,
        |_, answer| answer,
    );
    (read, pager)
}

#[test]
fn a_stretch_of_time_is_read_whole_and_nothing_beside_it() {
    let all = events(900, 3);
    let first = 1_700_000_000;
    for (since, until) in [
        (first + 40, first + 250),
        (first, first),
        (first + 299, first + 400),
        (5, 9),
    ] {
        for until_excludes in [false, true] {
            for cap in [500, 37] {
                let habits = Habits {
                    cap,
                    until_excludes,
                    ..Habits::default()
                };
                let (read, pager) = stretch(&all, since, until, habits);
                let inside = |event: &&Event| (since..=until).contains(&event.created_at.as_secs());
                read.complete(&all.iter().filter(inside).cloned().collect::<Vec<_>>());
                assert!(read.outcome.unproven_seconds.is_empty(), "{:?}", read.outcome);
                assert!(
                    pager
                        .asked
                        .iter()
                        .all(|filter| filter.since == Some(since.into()))
                );
            }
        }
    }
}

#[test]
fn a_stretch_of_a_relay_that_ignores_until_is_not_taken_for_empty() {
    let all = events(900, 1);
    let habits = Habits {
        until_ignored: true,
        ..Habits::default()
    };
    let (read, _) = stretch(&all, 1_700_000_010, 1_700_000_020, habits);
    assert_eq!(read.outcome.error, Some(WalkError::Unpageable));
    assert!(!read.outcome.proven);
}

#[test]
fn a_crowded_second_by_itself_is_named() {
    let crowded: Vec<Event> = (0..700).map(|n| event(5, &n.to_string())).collect();
    let (read, _) = stretch(&crowded, 5, 5, Habits::default());
    assert_eq!(read.outcome.unproven_seconds, [5]);
}

#[test]
fn f18_what_a_page_holds_at_most_is_learned() {
    let all = events(400, 2);
    for (cap, learned) in [(37, Some(37)), (500, None)] {
        let (read, _) = read_all(
            &all,
            Habits {
                cap,
                ..Habits::default()
            },
        );
        assert_eq!(read.outcome.page_cap, learned);
    }
}

#[test]
fn every_page_names_authors_kinds_a_limit_and_a_fresh_subscription() {
    // P-3, P-6 and P-17; the pager refuses anything else.
    let (read, pager) = read_all(&events(1_600, 3), Habits::default());
    assert!(read.outcome.proven);
    assert_eq!(pager.subs.len() as u32, read.outcome.pages);
    assert!(
        pager
            .asked
            .iter()
            .all(|filter| filter.limit == Some(PAGE_EVENTS_MAX))
    );
}

#[test]
fn a_page_answered_by_words_ends_the_walk_as_they_say() {
    let wide = "ERROR: bad req: filter must have exactly one author, p tag, or e tag";
    let too_wide = WalkError::FilterTooWide { why: wide.into() };
    let auth = "ERROR: auth-required: requested filter requires authentication";
    let rate = "rate-limited: slow down";
    for (text, notice, error) in [
        (wide, true, too_wide.clone()),
        (wide, false, too_wide),
        (auth, false, WalkError::AuthRequired),
        (rate, false, WalkError::RateLimited { why: rate.into() }),
    ] {
        let mut pager = Pager::new(events(10, 1), Habits::default());
        let read = read(&mut pager, |_, answer| match sub_of(&answer) {
            Some(_) if notice => vec![RelayFrame::Notice { message: text.into() }],
            Some(sub) => vec![RelayFrame::Closed {
                sub,
                reason: text.into(),
            }],
            None => answer,
        });
        assert_eq!(read.outcome.error, Some(error));
        assert_eq!(pager.asked.len(), 1, "not asked again: {text}");
    }
}

#[test]
fn a_subscription_too_many_is_asked_for_again() {
    // P-19: no EOSE follows the NOTICE, so the page is repeated when its time is over.
    let all = events(30, 3);
    let mut pager = Pager::new(all.clone(), Habits::default());
    let refuses_once = |page, answer| match page {
        1 => vec![RelayFrame::Notice {
            message: "ERROR: too many concurrent REQs".into(),
        }],
        _ => answer,
    };
    read(&mut pager, refuses_once).complete(&all);
}
