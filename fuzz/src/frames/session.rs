//! One session, whatever the relay says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use nostr::event::EventId;
use reconciler::session::{FRAME_BYTES_MAX, Opening, Output, Session};
use relay_link::ClientFrame;

use super::relay::{HELD, Relay, history};
use super::{NOON, Scene};
use crate::script::Line;

struct Watched {
    session: Session,
    relay: Relay,
    now: Instant,
    have: BTreeSet<EventId>,
    need: BTreeSet<EventId>,
    ended: bool,
}

/// Plays the lines, then lets time pass until the session has ended.
pub(super) fn run(scene: Scene, lines: &[Line<'_>]) {
    let opening = Opening {
        filter: history(),
        sub: "compare-1".parse().expect("a legal subscription id"),
        proven: scene.proven,
        frame_bytes_max: FRAME_BYTES_MAX,
        agreed_at: scene.agreed.then_some(1_700_000_330),
    };
    let mut watched = Watched {
        session: Session::open(HELD.clone(), opening, *NOON),
        relay: Relay::new(scene.small),
        now: *NOON,
        have: BTreeSet::new(),
        need: BTreeSet::new(),
        ended: false,
    };
    watched.drain();
    for line in lines {
        if let Line::Seconds(seconds) = line {
            watched.now += Duration::from_secs(*seconds);
            watched.session.handle_timeout(watched.now);
            watched.drain();
        }
        for frame in watched.relay.say(line) {
            watched.session.handle_frame(frame, watched.now);
            watched.drain();
        }
    }
    if let Some(deadline) = watched.session.poll_timeout() {
        watched.session.handle_timeout(deadline.max(watched.now));
        watched.drain();
    }
    assert!(watched.ended, "a session waits for nothing and has not ended");
    assert!(watched.session.poll_timeout().is_none(), "an ended session waits");
    watched.relay.leave();
}

impl Watched {
    fn drain(&mut self) {
        while let Some(output) = self.session.poll_output() {
            assert!(!self.ended, "something follows the end: {output:?}");
            match output {
                Output::Send(frame) => {
                    if let ClientFrame::NegOpen { message, .. } | ClientFrame::NegMsg { message, .. } = &frame
                    {
                        assert!(message.len() as u64 <= FRAME_BYTES_MAX, "{} bytes", message.len());
                    }
                    self.relay.hear(frame);
                }
                Output::Have(ids) => named(ids, &mut self.have),
                Output::Need(ids) => named(ids, &mut self.need),
                Output::Ended(_) => self.ended = true,
            }
        }
    }
}

fn named(ids: Vec<EventId>, before: &mut BTreeSet<EventId>) {
    assert!(!ids.is_empty() && ids.is_sorted(), "sorted and never empty");
    for id in ids {
        assert!(before.insert(id), "an id is named twice");
    }
}
