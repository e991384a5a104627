//! NIP-77 sessions: they name exactly the difference, and every refusal has its outcome.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use event_index::Item;
use nostr::event::EventId;
use proptest::prelude::*;
use reconciler::session::{FRAME_BYTES_MAX, Opening, Outcome, Output, Session};
use relay_link::{ClientFrame, RelayFrame, SubId};

use crate::fake_relay::Responder;
use crate::world::{filter, history, id, ids, noon, snapshot};

pub(crate) fn opening(frame_bytes_max: u64) -> Opening {
    Opening {
        filter: filter(),
        sub: sub(),
        proven: false,
        frame_bytes_max,
        agreed_at: None,
    }
}

pub(crate) fn sub() -> SubId {
    "compare-1".parse().unwrap()
}

pub(crate) fn open(items: &[Item], now: Instant) -> Session {
    Session::open(snapshot(items), opening(FRAME_BYTES_MAX), now)
}

pub(crate) fn outputs(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll_output()).collect()
}

pub(crate) fn outcome(session: &mut Session) -> Option<Outcome> {
    outputs(session).into_iter().find_map(|output| match output {
        Output::Ended(outcome) => Some(outcome),
        _ => None,
    })
}

/// Runs a whole session; returns what it named and how it ended.
pub(crate) fn exchange(
    ours: &[Item],
    theirs: &[Item],
    our_limit: u64,
    their_limit: u64,
) -> (Vec<EventId>, Vec<EventId>, Outcome) {
    let now = noon();
    let relay = Responder::new(theirs, their_limit);
    let mut session = Session::open(snapshot(ours), opening(our_limit), now);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    loop {
        match session
            .poll_output()
            .expect("a session that waits for nothing has ended")
        {
            Output::Send(frame) => {
                if let ClientFrame::NegOpen { message, filter, .. } = &frame {
                    assert!(filter.limit.is_none(), "strfry honours a limit in a NEG filter");
                    assert!(our_limit == 0 || message.len() as u64 <= our_limit);
                }
                if let ClientFrame::NegMsg { message, .. } = &frame {
                    assert!(our_limit == 0 || message.len() as u64 <= our_limit);
                }
                if let Some(reply) = relay.hear(&frame) {
                    session.handle_frame(reply, now);
                }
            }
            Output::Have(ids) => have.extend(ids),
            Output::Need(ids) => need.extend(ids),
            Output::Ended(outcome) => return (have, need, outcome),
        }
    }
}

/// Few different times, so that ids decide bounds.
fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (0..40_u64, 0..900_u64).prop_map(|(second, n)| Item {
        created_at: second + n % 3,
        id: id(n),
    });
    proptest::collection::vec(item, 0..700).prop_map(|items| {
        let mut seen = BTreeSet::new();
        items.into_iter().filter(|item| seen.insert(item.id)).collect()
    })
}

fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(FRAME_BYTES_MAX), 4096..9000_u64]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever each side holds and however small the frames are, one session names exactly the difference, and
    /// each id once (F12).
    #[test]
    fn a_session_names_exactly_the_difference(ours in items(), theirs in items(), l in limit(), r in limit()) {
        // An id has one time: events are what they are.
        let time = |item: &Item| Item { created_at: u64::from(item.id.as_bytes()[0]) % 40, id: item.id };
        let ours: Vec<Item> = ours.iter().map(time).collect();
        let theirs: Vec<Item> = theirs.iter().map(time).collect();
        let (have, need, outcome) = exchange(&ours, &theirs, l, r);
        let ended = matches!(outcome, Outcome::Reconciled { .. });
        prop_assert!(ended, "{outcome:?}");
        prop_assert_eq!(have.len(), have.iter().collect::<BTreeSet<_>>().len());
        prop_assert_eq!(need.len(), need.iter().collect::<BTreeSet<_>>().len());
        prop_assert_eq!(BTreeSet::from_iter(have), &ids(&ours) - &ids(&theirs));
        prop_assert_eq!(BTreeSet::from_iter(need), &ids(&theirs) - &ids(&ours));
    }

    /// Bytes of any kind end a session or carry it on; they never panic.
    #[test]
    fn no_reply_panics(reply in proptest::collection::vec(any::<u8>(), 0..300), version in any::<bool>()) {
        let mut reply = reply;
        if version {
            reply.insert(0, 0x61);
        }
        let mut session = open(&history(100, 3), noon());
        session.handle_frame(RelayFrame::NegMsg { sub: sub(), message: reply }, noon());
        outputs(&mut session);
    }
}

#[test]
fn equal_sets_take_one_round_and_under_a_kilobyte_each_way() {
    for count in [0, 1, 31, 32, 5_000] {
        let items = history(count, 7);
        let (have, need, outcome) = exchange(&items, &items, FRAME_BYTES_MAX, 500_000);
        assert_eq!(
            outcome,
            Outcome::Reconciled {
                rounds: 1,
                have: 0,
                need: 0
            }
        );
        assert!(have.is_empty() && need.is_empty());
        let mut session = open(&items, noon());
        let Some(Output::Send(ClientFrame::NegOpen { message, .. })) = session.poll_output() else {
            panic!()
        };
        assert!(message.len() < 1024, "{} bytes for {count} items", message.len());
        assert!(Responder::new(&items, 0).answer(&message).len() < 1024);
    }
}

/// When the relay agreed yesterday, what is new is compared first: one round names it, whichever side has it.
#[test]
fn a_session_after_an_agreement_names_what_is_new_in_one_round() {
    let mut items = history(5_000, 1);
    for item in &mut items {
        item.created_at *= 10;
    }
    let (ours, theirs) = (&items[..4_995], [&items[..4_990], &items[4_995..]].concat());
    let mut session = Session::open(
        snapshot(ours),
        Opening {
            // The clocks differ by less than the overlap, so the new items may even be older than the agreement.
            agreed_at: Some(items[4_990].created_at + 60),
            ..opening(FRAME_BYTES_MAX)
        },
        noon(),
    );
    let Some(Output::Send(frame)) = session.poll_output() else {
        panic!()
    };
    let reply = Responder::new(&theirs, 0).hear(&frame).unwrap();
    session.handle_frame(reply, noon());
    let expected = Outcome::Reconciled {
        rounds: 1,
        have: 5,
        need: 5,
    };
    assert_eq!(outcome(&mut session), Some(expected));
}

#[test]
fn an_ended_session_says_nothing_more() {
    let now = noon();
    let mut session = open(&history(10, 1), now);
    session.handle_frame(
        RelayFrame::NegErr {
            sub: sub(),
            reason: "error: x".into(),
            cap: None,
        },
        now,
    );
    assert!(outcome(&mut session).is_some());
    session.handle_frame(
        RelayFrame::NegMsg {
            sub: sub(),
            message: vec![0x61],
        },
        now,
    );
    session.handle_timeout(now + Duration::from_secs(3600));
    session.close();
    assert!(outputs(&mut session).is_empty());
    assert_eq!(session.poll_timeout(), None);
}
