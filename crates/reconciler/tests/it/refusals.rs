//! What relays do to NIP-77 sessions, and how each ends (field guide 1 and 8).

use std::time::Duration;

use event_index::Item;
use reconciler::session::{
    FIRST_REPLY_PROVEN, FIRST_REPLY_UNPROVEN, FRAME_BYTES_MAX, IDLE_ROUNDS_MAX, NEXT_REPLY, Opening, Outcome,
    Output, Session,
};
use relay_link::{RelayFrame, SubId};

use crate::fake_relay::Responder;
use crate::session::{open, opening, outcome, outputs, sub};
use crate::world::{history, noon, snapshot};

/// What is done about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Split,
    Page,
    PageForADay,
    Reopen,
    Authenticate,
    Pause,
    AuthorByAuthor,
}

/// Every phrase of field guide 1.1 and P-20, as it was seen.
const PHRASES: &[(&str, Action)] = &[
    ("blocked: too many query results", Action::Split),
    (
        "blocked: query matches too many records (2988225 > 1000000)",
        Action::Split,
    ),
    ("error: too many results", Action::Split),
    ("result set too large", Action::Split),
    ("blocked: results too large", Action::Split),
    ("max_sync_events exceeded", Action::Split),
    ("bad msg: negentropy disabled", Action::PageForADay),
    ("blocked: Negentropy sync is disabled", Action::PageForADay),
    ("negentropy is not supported here", Action::PageForADay),
    ("unsupported: negentropy", Action::PageForADay),
    (
        "failed to parse envelope: unknown envelope label",
        Action::PageForADay,
    ),
    ("unknown cmd", Action::PageForADay),
    ("unknown message type: NEG-OPEN", Action::PageForADay),
    ("could not parse command", Action::PageForADay),
    ("bad message type", Action::PageForADay),
    ("bad msg: what", Action::PageForADay),
    ("Command unrecognized", Action::PageForADay),
    ("Invalid enum value NEG-OPEN", Action::PageForADay),
    (
        "\"[0]\" does not match any of the allowed types",
        Action::PageForADay,
    ),
    ("Unsupported message", Action::PageForADay),
    ("closed: nip77 disabled", Action::PageForADay),
    ("closed: unknown subscription handle", Action::Reopen),
    ("error: subscription not found", Action::Reopen),
    ("CLOSED", Action::Reopen),
    ("closed: you took too long to respond!", Action::Reopen),
    (
        "auth-required: requested filter requires authentication",
        Action::Authenticate,
    ),
    ("rate-limited: too many requests", Action::Pause),
    ("too many requests", Action::Pause),
    ("too many concurrent NEG requests", Action::Pause),
    ("slow down", Action::Pause),
    (
        "bad req: filter must have exactly one author, p tag, or e tag",
        Action::AuthorByAuthor,
    ),
    ("bad req: total filter items too large", Action::AuthorByAuthor),
    ("PROTOCOL-ERROR", Action::Page),
    ("blocked: you are not welcome", Action::Page),
    ("kind not allowed: 1080", Action::Page),
    ("", Action::Page),
];

fn action(outcome: &Outcome) -> Option<Action> {
    match outcome {
        Outcome::TooBig { .. } => Some(Action::Split),
        Outcome::Unavailable { .. } => Some(Action::PageForADay),
        Outcome::Reopen { .. } => Some(Action::Reopen),
        Outcome::AuthRequired => Some(Action::Authenticate),
        Outcome::RateLimited { .. } => Some(Action::Pause),
        Outcome::FilterTooWide { .. } => Some(Action::AuthorByAuthor),
        Outcome::Failed { .. } => Some(Action::Page),
        Outcome::Reconciled { .. } | Outcome::Full { .. } => None,
    }
}

#[test]
fn every_refusal_of_the_field_guide_has_its_action() {
    for (text, expected) in PHRASES {
        for prefix in ["", "ERROR: "] {
            for shout in [false, true] {
                let reason = format!("{prefix}{text}");
                let reason = if shout { reason.to_uppercase() } else { reason };
                let now = noon();
                let mut session = open(&history(10, 1), now);
                let (sub, cap) = (sub(), None);
                session.handle_frame(
                    RelayFrame::NegErr {
                        sub,
                        reason: reason.clone(),
                        cap,
                    },
                    now,
                );
                let ended = outcome(&mut session).expect("a NEG-ERR ends the session");
                assert_eq!(action(&ended), Some(*expected), "{reason:?}: {ended:?}");
            }
        }
    }
}

#[test]
fn the_cap_is_the_number_beside_the_text_or_in_it() {
    for (reason, beside, cap) in [
        (
            "blocked: too many query results",
            Some(1_000_000),
            Some(1_000_000),
        ),
        (
            "blocked: query matches too many records (2988225 > 1000000)",
            None,
            Some(1_000_000),
        ),
        ("blocked: too many query results", None, None),
    ] {
        let now = noon();
        let mut session = open(&history(10, 1), now);
        let (sub, reason) = (sub(), reason.to_owned());
        session.handle_frame(
            RelayFrame::NegErr {
                sub,
                reason,
                cap: beside,
            },
            now,
        );
        assert_eq!(outcome(&mut session), Some(Outcome::TooBig { cap }));
    }
}

#[test]
fn f01_a_notice_that_refuses_neg_ends_the_session_at_once() {
    for text in [
        "ERROR: bad msg: negentropy disabled",
        "failed to parse envelope: unknown envelope label",
        "could not parse command",
        "Unsupported message",
    ] {
        let now = noon();
        let mut session = open(&history(10, 1), now);
        session.handle_frame(RelayFrame::Notice { message: text.into() }, now);
        assert_eq!(
            outcome(&mut session),
            Some(Outcome::Unavailable { why: text.into() })
        );
    }
}

#[test]
fn an_unrelated_notice_changes_nothing() {
    let now = noon();
    let items = history(100, 2);
    let mut session = open(&items, now);
    for text in [
        "welcome",
        "rate limited, slow down",
        "closed: bye",
        "ERROR: too many concurrent REQs",
    ] {
        session.handle_frame(RelayFrame::Notice { message: text.into() }, now);
    }
    assert_eq!(outcome(&mut session), None);
    // After the first reply a NOTICE is never about the session.
    let mut theirs = items.clone();
    theirs.remove(50);
    let relay = Responder::new(&theirs, 0);
    let mut session = open(&items, now);
    let Some(Output::Send(frame)) = session.poll_output() else {
        panic!()
    };
    session.handle_frame(relay.hear(&frame).unwrap(), now);
    session.handle_frame(
        RelayFrame::Notice {
            message: "ERROR: bad msg: negentropy disabled".into(),
        },
        now,
    );
    let answered: Vec<Output> = outputs(&mut session);
    assert!(
        !answered
            .iter()
            .any(|output| matches!(output, Output::Ended(Outcome::Unavailable { .. })))
    );
}

#[test]
fn f02_silence_after_the_opening_frees_the_session() {
    for (proven, patience) in [(false, FIRST_REPLY_UNPROVEN), (true, FIRST_REPLY_PROVEN)] {
        let now = noon();
        let mut session = Session::open(
            snapshot(&history(10, 1)),
            Opening {
                proven,
                ..opening(FRAME_BYTES_MAX)
            },
            now,
        );
        assert_eq!(session.poll_timeout(), Some(now + patience));
        session.handle_timeout(now + Duration::from_secs(patience.as_secs() - 1));
        assert_eq!(outcome(&mut session), None);
        session.handle_timeout(now + patience);
        assert!(matches!(outcome(&mut session), Some(Outcome::Unavailable { .. })));
    }
}

#[test]
fn f03_chatter_does_not_move_the_deadline() {
    let start = noon();
    let mut session = open(&history(10, 1), start);
    for second in 1..20 {
        let now = start + Duration::from_secs(second);
        session.handle_frame(
            RelayFrame::Notice {
                message: "busy".into(),
            },
            now,
        );
        let other: SubId = "other-1".parse().unwrap();
        session.handle_frame(
            RelayFrame::Closed {
                sub: other.clone(),
                reason: "error: busy".into(),
            },
            now,
        );
        session.handle_frame(
            RelayFrame::NegMsg {
                sub: other,
                message: vec![0x61],
            },
            now,
        );
        session.handle_timeout(now);
    }
    assert_eq!(session.poll_timeout(), Some(start + FIRST_REPLY_UNPROVEN));
}

#[test]
fn f04_neg_switched_off_is_not_taken_for_a_set_that_is_too_big() {
    let now = noon();
    let mut session = open(&history(10, 1), now);
    let reason = "blocked: Negentropy sync is disabled".to_owned();
    session.handle_frame(
        RelayFrame::NegErr {
            sub: sub(),
            reason: reason.clone(),
            cap: None,
        },
        now,
    );
    assert_eq!(outcome(&mut session), Some(Outcome::Unavailable { why: reason }));
}

#[test]
fn f08_a_session_the_relay_forgot_asks_to_be_reopened_and_keeps_what_it_learned() {
    let now = noon();
    // A different tenth on each side, so that more than one round is needed.
    let items = history(2_000, 3);
    let ours: Vec<Item> = items
        .iter()
        .copied()
        .enumerate()
        .filter(|(n, _)| n % 10 != 0)
        .map(|(_, i)| i)
        .collect();
    let theirs: Vec<Item> = items
        .iter()
        .copied()
        .enumerate()
        .filter(|(n, _)| n % 10 != 5)
        .map(|(_, i)| i)
        .collect();
    let relay = Responder::new(&theirs, 4096);
    let mut session = open(&ours, now);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut dropped = 0;
    let ended = loop {
        match session.poll_output().unwrap() {
            Output::Send(frame) => {
                if session.rounds() >= 3 + dropped * 3 && dropped < 3 {
                    dropped += 1;
                    let reason =
                        ["CLOSED", "closed: unknown subscription handle"][dropped as usize % 2].to_owned();
                    session.handle_frame(
                        RelayFrame::NegErr {
                            sub: sub(),
                            reason,
                            cap: None,
                        },
                        now,
                    );
                } else if let Some(reply) = relay.hear(&frame) {
                    session.handle_frame(reply, now);
                }
            }
            Output::Have(ids) => have.extend(ids),
            Output::Need(ids) => need.extend(ids),
            Output::Ended(Outcome::Reopen { .. }) => {
                session = session.reopen(snapshot(&ours), opening(FRAME_BYTES_MAX), now);
            }
            Output::Ended(outcome) => break outcome,
        }
    };
    assert_eq!(dropped, 3, "the relay forgot it three times");
    assert!(
        matches!(
            ended,
            Outcome::Reconciled {
                have: 200,
                need: 200,
                ..
            }
        ),
        "{ended:?}"
    );
    assert_eq!(
        (have.len(), need.len()),
        (200, 200),
        "each id once, over all sessions"
    );
}

#[test]
fn f08_a_closed_for_the_session_reopens_it() {
    for reason in ["", "closed: unknown subscription handle"] {
        let now = noon();
        let mut session = open(&history(10, 1), now);
        session.handle_frame(
            RelayFrame::Closed {
                sub: sub(),
                reason: reason.into(),
            },
            now,
        );
        assert!(
            matches!(outcome(&mut session), Some(Outcome::Reopen { .. })),
            "{reason:?}"
        );
    }
}

#[test]
fn f09_another_version_means_paging_and_garbage_ends_the_session() {
    for (reply, unavailable) in [
        (vec![0x62], true),
        (vec![0x60], true),
        (vec![0x62, 0, 0, 2, 1, 2, 3], true),
        (Vec::new(), false),
        (vec![0x61, 0, 0, 9], false),
        (vec![0x61, 0, 0, 2, 200], false),
    ] {
        let now = noon();
        let mut session = open(&history(10, 1), now);
        session.handle_frame(
            RelayFrame::NegMsg {
                sub: sub(),
                message: reply.clone(),
            },
            now,
        );
        let ended = outcome(&mut session).expect("the session ends");
        assert_eq!(
            matches!(ended, Outcome::Unavailable { .. }),
            unavailable,
            "{reply:02x?}: {ended:?}"
        );
        assert_eq!(
            matches!(ended, Outcome::Failed { .. }),
            !unavailable,
            "{reply:02x?}: {ended:?}"
        );
    }
}

#[test]
fn f13_rounds_that_bring_nothing_new_stop() {
    let mut now = noon();
    let mut session = open(&history(2_000, 3), now);
    // A fingerprint of everything that never matches: the session splits the range again, for ever.
    let mut reply = vec![0x61, 0, 0, 1];
    reply.extend([9; 16]);
    let mut rounds = 0;
    let ended = loop {
        now += Duration::from_secs(1);
        assert!(session.poll_timeout().is_some());
        session.handle_frame(
            RelayFrame::NegMsg {
                sub: sub(),
                message: reply.clone(),
            },
            now,
        );
        rounds += 1;
        assert!(rounds <= IDLE_ROUNDS_MAX, "it goes on for ever");
        if let Some(ended) = outcome(&mut session) {
            break ended;
        }
    };
    assert_eq!(rounds, IDLE_ROUNDS_MAX);
    assert!(matches!(ended, Outcome::Failed { .. }), "{ended:?}");
}

#[test]
fn a_relay_silent_between_rounds_is_not_held_to_lack_neg() {
    let now = noon();
    let ours = history(2_000, 3);
    let relay = Responder::new(&history(1_000, 3), 0);
    let mut session = open(&ours, now);
    let Some(Output::Send(frame)) = session.poll_output() else {
        panic!()
    };
    let later = now + Duration::from_secs(19);
    session.handle_frame(relay.hear(&frame).unwrap(), later);
    if outcome(&mut session).is_none() {
        assert_eq!(session.poll_timeout(), Some(later + NEXT_REPLY));
        session.handle_timeout(later + NEXT_REPLY);
        assert!(matches!(outcome(&mut session), Some(Outcome::Failed { .. })));
    } else {
        panic!("the sets were chosen to need more than one round");
    }
}
