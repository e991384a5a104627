//! Bytes from the network: whatever they are, they end, and cost little.

use proptest::prelude::*;
use reconciler::neg::{
    FrameLimit, Initiator, MESSAGE_BYTES_MAX, Malformed, NAMED_MAX, NegError, Next, Responder,
};

use super::{Opening, Player, Table, play, sets, view};
use crate::world::history;

/// How a message is spoilt.
#[derive(Debug, Clone)]
enum Spoilt {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index),
}

impl Spoilt {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<prop::sample::Index>;
        prop_oneof![
            4 => (at(), 1..=u8::MAX).prop_map(|(at, bits)| Self::Flip(at, bits)),
            1 => at().prop_map(Self::Cut),
            2 => (at(), proptest::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            1 => (at(), at()).prop_map(|(from, to)| Self::Repeat(from, to)),
        ]
    }

    fn apply(&self, message: &mut Vec<u8>) {
        if message.is_empty() {
            return;
        }
        let len = message.len();
        match self {
            Self::Flip(at, bits) => message[at.index(len)] ^= bits,
            Self::Cut(at) => message.truncate(at.index(len)),
            Self::Insert(at, bytes) => {
                drop(message.splice(at.index(len)..at.index(len), bytes.iter().copied()));
            }
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                message.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

#[test]
fn what_breaks_the_protocol_behind_a_full_answer_is_an_error_too() {
    let items = history(2_000, 3);
    let most: Vec<_> = items.iter().copied().step_by(2).collect();
    // Sixteen fingerprints that differ, of which each is answered by sixteen.
    let (_, mut message) = Initiator::open(view(&most), Opening::Plain, FrameLimit::NONE).unwrap();
    let limit = FrameLimit::of(4_096);
    let relay = Responder::new(view(&items), limit);
    let client = || Initiator::open(view(&items), Opening::Plain, limit).unwrap().0;
    assert!(
        relay.answer(&message).is_ok_and(|answer| answer.len() > 3_000),
        "it is full"
    );
    assert!(client().handle(&message).is_ok());
    message.push(0x81);
    let cut_short = |error| matches!(error, NegError::Malformed(Malformed::CutShort));
    assert!(relay.answer(&message).is_err_and(cut_short));
    assert!(client().handle(&message).is_err_and(cut_short));
}

/// Both roles take it, and what they say stays within their limits.
fn swallow(message: &[u8], items: u64) {
    let view = view(&history(items, 3));
    for limit in [0, 4_096] {
        let (mut client, _) = Initiator::open(view.clone(), Opening::Plain, FrameLimit::of(limit)).unwrap();
        let server = Responder::new(view.clone(), FrameLimit::of(limit));
        let step = client.handle(message).ok();
        if let Some(step) = &step {
            assert!(step.have.len() as u64 <= items, "a range is visited once");
            assert!(
                step.need.len() <= message.len() / 32,
                "ids come out of the message"
            );
        }
        let asked = step.and_then(|step| match step.next {
            Next::Send(bytes) => Some(bytes),
            _ => None,
        });
        for said in asked.into_iter().chain(server.answer(message).ok()) {
            // A fingerprint takes 19 bytes to send and sixteen of at most 60 to answer; a list each id here once.
            let most = message.len() * 60 + items as usize * 32 + 200;
            assert!(
                said.len() <= if limit == 0 { most } else { 4_096 },
                "{} bytes",
                said.len()
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_end(mut message in proptest::collection::vec(any::<u8>(), 0..600), version in any::<bool>()) {
        if version {
            message.insert(0, 0x61);
        }
        swallow(&message, 300);
    }

    /// Small numbers make valid ranges out of noise more often.
    #[test]
    fn any_ranges_end(ranges in proptest::collection::vec((0..4_u8, 0..3_u8, 0..3_u8, any::<[u8; 16]>()), 0..40)) {
        let mut message = vec![0x61];
        for (time, prefix, mode, noise) in ranges {
            message.extend([time, prefix]);
            message.extend(&noise[..prefix.into()]);
            message.push(mode);
            match mode {
                1 => message.extend(noise),
                2 => {
                    message.push(1);
                    message.extend([noise, noise].concat());
                }
                _ => {}
            }
        }
        swallow(&message, 300);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A client that keeps questions takes one spoilt answer after the other, and stays within its frames.
    #[test]
    fn a_conversation_of_spoilt_answers_stays_small(
        (client, server) in sets(), spoilt in proptest::collection::vec(Spoilt::any(), 30),
    ) {
        let opening = Opening::RecentFirst { agreed: None };
        let (mut client, mut message) = Initiator::open(view(&client), opening, FrameLimit::of(4_096)).unwrap();
        let server = Responder::new(view(&server), FrameLimit::of(5_000));
        for spoilt in spoilt {
            let mut answer = server.answer(&message).unwrap();
            spoilt.apply(&mut answer);
            match client.handle(&answer) {
                Ok(step) => match step.next {
                    Next::Send(next) => message = next,
                    Next::Done | Next::Full => break,
                },
                Err(error) => prop_assert!(!matches!(error, NegError::View(_))),
            }
            prop_assert!(message.len() <= 4_096);
        }
    }

    /// Messages of real comparisons, spoilt in up to four places.
    #[test]
    fn spoilt_messages_end((client, server) in sets(), spoilt in proptest::collection::vec(Spoilt::any(), 1..5)) {
        let played = play(&Table {
            client: &client,
            server: &server,
            players: (Player::Ours, Player::Ours),
            opening: Opening::Plain,
            limits: (4_096, 5_000),
        });
        for mut message in played.messages {
            for spoilt in &spoilt {
                spoilt.apply(&mut message);
            }
            swallow(&message, 300);
        }
    }
}

#[test]
fn another_version_is_an_error_of_its_own_and_is_answered_with_ours() {
    let (mut client, _) = Initiator::open(view(&[]), Opening::Plain, FrameLimit::NONE).unwrap();
    let server = Responder::new(view(&[]), FrameLimit::NONE);
    for theirs in [0x60, 0x62, 0x6f] {
        let error = client.handle(&[theirs]).unwrap_err();
        assert!(
            matches!(error, NegError::Version { theirs: found } if found == theirs),
            "{error}"
        );
        assert_eq!(server.answer(&[theirs, 9, 9]).unwrap(), [0x61]);
    }
    assert!(matches!(
        server.answer(&[0x70]),
        Err(NegError::Version { theirs: 0x70 })
    ));
}

#[test]
fn ranges_out_of_order_are_refused() {
    // A second range that ends before the first one, and a time that runs over.
    let backwards = [0x61, 8, 1, 0xff, 0, 1, 1, 0x11, 0];
    let behind = [0x61, 0, 0, 0, 2, 0, 0];
    let server = Responder::new(view(&[]), FrameLimit::NONE);
    let answer = |message: &[u8]| server.answer(message);
    assert!(matches!(
        answer(&backwards),
        Err(NegError::Malformed(Malformed::Backwards))
    ));
    assert!(matches!(
        answer(&behind),
        Err(NegError::Malformed(Malformed::Time))
    ));
}

#[test]
fn a_message_longer_than_any_frame_is_refused_unread() {
    let server = Responder::new(view(&[]), FrameLimit::NONE);
    let long = vec![0x61; MESSAGE_BYTES_MAX + 1];
    assert!(matches!(
        server.answer(&long),
        Err(NegError::Malformed(Malformed::TooLong(_)))
    ));
}

/// A relay that lists nothing for everything cannot make a client collect all it holds.
#[test]
fn a_step_stops_when_it_named_enough() {
    let held = crate::world::many(NAMED_MAX as u64 + 50_000);
    let (mut client, _) = Initiator::open(view(&held), Opening::Plain, FrameLimit::NONE).unwrap();
    let step = client.handle(&[0x61, 0, 0, 2, 0]).unwrap();
    assert_eq!(step.next, Next::Full);
    assert!(
        (NAMED_MAX..NAMED_MAX + 5_000).contains(&step.have.len()),
        "{}",
        step.have.len()
    );
}
