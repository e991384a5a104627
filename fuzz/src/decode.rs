//! Bytes from the network, read as a negentropy message in both roles.

use std::sync::{Arc, LazyLock};

use event_index::{Item, Snapshot};
use nostr::event::EventId;
use reconciler::neg::{FrameLimit, Initiator, NegError, Next, Responder, Step, Strategy, rewrite};

use crate::items::{mix, view};

/// Answers that one initiator takes in a row.
const ANSWERS_MAX: usize = 4;

/// Sets that are held: nothing, one item, what is listed whole, what is cut once, what is cut twice.
static VIEWS: LazyLock<[Arc<Snapshot>; 5]> = LazyLock::new(|| [0, 1, 31, 40, 700].map(held));

/// Three items to a second; small ids, which a fuzzer finds, beside long ones.
fn held(count: u64) -> Arc<Snapshot> {
    let item = |n: u64| {
        let mut id = [n as u8; 32];
        if n % 2 == 1 {
            id[..8].copy_from_slice(&mix(n).to_be_bytes());
        }
        id[31] = (n >> 8) as u8;
        Item {
            created_at: n / 3,
            id: EventId::from_byte_array(id),
        }
    };
    view(&(0..count).map(item).collect::<Vec<_>>())
}

/// The first byte chooses who reads, the others are the message.
///
/// # Panics
/// When a message makes either side panic, say more than it may, or understand something else once it is written
/// again.
pub fn run(bytes: &[u8]) {
    let Some((&choice, message)) = bytes.split_first() else {
        return;
    };
    let choice = usize::from(choice);
    let view = &VIEWS[choice % VIEWS.len()];
    let limit = [0, 4_096, 60_000][choice / 5 % 3];
    let strategy = match choice / 15 % 4 {
        0 => Strategy::Plain,
        1 => Strategy::RecentFirst { agreed: None },
        second => Strategy::RecentFirst {
            agreed: Some(Item {
                created_at: [8, 230][second - 2],
                id: EventId::from_byte_array([0; 32]),
            }),
        },
    };
    let answered = answer(view, limit, message);
    let heard = hear(view, limit, strategy, message);
    let Ok(written) = rewrite(message) else {
        assert!(heard.is_empty(), "a message that cannot be read was worked with");
        return;
    };
    assert!(written.len() <= message.len(), "writing it again made it longer");
    assert_eq!(
        rewrite(&written).ok().as_ref(),
        Some(&written),
        "it is not settled"
    );
    assert_eq!(
        answer(view, limit, &written),
        answered,
        "the responder sees a difference"
    );
    assert_eq!(
        hear(view, limit, strategy, &written),
        heard,
        "the initiator sees a difference"
    );
}

/// The most bytes that may follow from a message: a fingerprint takes 19 to send and sixteen of at most 60 to answer,
/// an id list is answered by each id once.
fn said_max(view: &Snapshot, limit: u64, message: &[u8]) -> usize {
    match limit {
        0 => message.len() * 60 + view.items().len() * 32 + 200,
        limit => limit as usize,
    }
}

fn answer(view: &Arc<Snapshot>, limit: u64, message: &[u8]) -> Option<Vec<u8>> {
    let responder = Responder::new(view.clone(), FrameLimit::of(limit));
    let answer = match responder.answer(message) {
        Ok(answer) => answer,
        Err(NegError::View(error)) => panic!("a view in memory failed: {error}"),
        Err(NegError::Malformed(_) | NegError::Version { .. }) => return None,
    };
    assert!(
        answer.len() <= said_max(view, limit, message),
        "{} bytes",
        answer.len()
    );
    assert!(
        rewrite(&answer).is_ok_and(|written| written == answer),
        "it cannot read itself"
    );
    Some(answer)
}

/// What one initiator makes of the same answer, time and again.
fn hear(view: &Arc<Snapshot>, limit: u64, strategy: Strategy, message: &[u8]) -> Vec<Step> {
    let opened = Initiator::open(view.clone(), strategy, FrameLimit::of(limit));
    let (mut initiator, _) = opened.expect("a view in memory does not fail");
    let mut steps = Vec::new();
    while steps.len() < ANSWERS_MAX {
        let step = match initiator.handle(message) {
            Ok(step) => step,
            Err(NegError::View(error)) => panic!("a view in memory failed: {error}"),
            Err(NegError::Malformed(_) | NegError::Version { .. }) => break,
        };
        assert!(step.have.len() <= view.len(), "a range is visited once");
        assert!(
            step.need.len() <= message.len() / 32,
            "ids come out of the message"
        );
        let done = match &step.next {
            Next::Send(said) => {
                assert!(
                    said.len() <= said_max(view, limit, message) * (1 + steps.len()),
                    "{} bytes",
                    said.len()
                );
                assert!(
                    rewrite(said).is_ok_and(|written| written == *said),
                    "it cannot read itself"
                );
                false
            }
            Next::Done => true,
            Next::Full => panic!("so few ids fill no step"),
        };
        steps.push(step);
        if done {
            break;
        }
    }
    steps
}
