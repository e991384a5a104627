//! One pass, whatever the relay says and however long our own parts take.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use event_index::{Agreement, Basis};
use nostr::event::EventId;
use nostr::key::PublicKey;
use reconciler::SubIds;
use reconciler::messages::Side;
use reconciler::pass::{AuthorViews, Expected, IDS_PER_MESSAGE, Known, Output, Pass, Start};
use reconciler::walk::PAGE_EVENTS_MAX;
use relay_link::{NegChance, Traffic};

use super::relay::{HELD, Relay, history};
use super::{NOON, Scene};
use crate::script::Line;

/// Deadlines after the last line: three confirmations of four sessions and as many pages as there are seconds, each
/// repeated, need fewer.
const DEADLINES_MAX: usize = 2_000;

/// What a neighbour owes the pass.
#[derive(Debug)]
enum Owed {
    Snapshot,
    Sifted(u32, Vec<EventId>),
    Gone(u32, usize),
    Authors(Vec<PublicKey>),
    EventsTaken,
    Settled(Side),
    Looked,
}

struct Watched {
    scene: Scene,
    pass: Pass,
    relay: Relay,
    now: Instant,
    owed: VecDeque<Owed>,
    done: bool,
}

/// Plays the lines, then lets neighbours answer and time pass until the pass is done.
pub(super) fn run(scene: Scene, lines: &[Line<'_>]) {
    let stem = "compare".parse().expect("a legal subscription id");
    let start = Start {
        relay: "wss://relay.example".parse().expect("a legal address"),
        filter: history(),
        subs: SubIds::from_stem(stem),
        known: Known {
            recent_first: true,
            neg: match scene {
                Scene { pages: true, .. } => NegChance::Unavailable,
                Scene { proven: true, .. } => NegChance::Proven,
                _ => NegChance::Unknown,
            },
            neg_cap: scene.cap.then_some(30),
            // Small, so that a second may hold more than a page.
            page_limit: 20,
            one_author: scene.one,
            neg_failed: false,
        },
        unix: 1_700_000_400,
        traffic: Traffic::default(),
    };
    let mut watched = Watched {
        scene,
        pass: Pass::start(start),
        relay: Relay::new(scene.small),
        now: *NOON,
        owed: VecDeque::new(),
        done: false,
    };
    if scene.agreed {
        watched.pass.agreement_found(&Agreement {
            at: 1_700_000_330,
            count: 1,
            fingerprint: [0; 16],
            last_seq: 0,
            basis: Basis::Fingerprint,
            authors: watched.pass.author_set(),
        });
    }
    watched.drain();
    for line in lines {
        watched.play(line);
    }
    watched.finish();
}

impl Watched {
    fn play(&mut self, line: &Line<'_>) {
        match line {
            Line::Seconds(seconds) => {
                self.now += Duration::from_secs(*seconds);
                self.pass.handle_timeout(self.now);
                self.drain();
            }
            Line::Answer => self.answer(),
            _ => {}
        }
        for frame in self.relay.say(line) {
            self.pass.handle_frame(frame, self.now);
            self.drain();
        }
    }

    fn finish(&mut self) {
        for _ in 0..DEADLINES_MAX {
            while !self.owed.is_empty() {
                self.answer();
            }
            match self.pass.poll_timeout() {
                Some(_) if self.done => panic!("a pass that is done waits"),
                Some(deadline) => {
                    self.now = self.now.max(deadline);
                    self.pass.handle_timeout(self.now);
                    self.drain();
                }
                None if self.owed.is_empty() => break,
                None => {}
            }
        }
        assert!(self.done, "the pass does not end");
        self.relay.leave();
        self.pass.fail("too late".to_owned());
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.pass.poll_output() {
            assert!(!self.done, "something follows the end: {output:?}");
            match output {
                Output::Snapshot => self.owed.push_back(Owed::Snapshot),
                Output::Send(frame) => self.relay.hear(frame),
                Output::Sift { epoch, ids } => {
                    assert!(!ids.is_empty() && ids.len() <= IDS_PER_MESSAGE);
                    self.owed.push_back(Owed::Sifted(epoch, ids));
                }
                Output::Have(ids) | Output::Need(ids) => {
                    assert!(!ids.is_empty() && ids.len() <= IDS_PER_MESSAGE);
                }
                Output::Events(events) => {
                    assert!(!events.is_empty() && events.len() <= PAGE_EVENTS_MAX);
                    assert!(events.iter().all(nostr::event::Event::verify_id), "a forged id");
                    self.owed.push_back(Owed::EventsTaken);
                }
                Output::Settle => self.owed.extend([Side::Up, Side::Down].map(Owed::Settled)),
                Output::Look { .. } => self.owed.push_back(Owed::Looked),
                Output::Gone { epoch, ids } => {
                    assert!(!ids.is_empty() && ids.len() <= IDS_PER_MESSAGE);
                    self.owed.push_back(Owed::Gone(epoch, ids.len()));
                }
                Output::SplitByAuthor(authors) => self.owed.push_back(Owed::Authors(authors)),
                Output::Learned(_) | Output::Phase(_) => {}
                Output::Done { report, agreed } => {
                    assert!(
                        agreed.is_none() || report.complete,
                        "an agreement that is not complete"
                    );
                    assert!(
                        !report.complete || report.error.is_none(),
                        "complete with an error"
                    );
                    self.done = true;
                }
            }
            while !self.scene.slow && !self.owed.is_empty() {
                self.answer_one();
            }
        }
    }

    fn answer(&mut self) {
        self.answer_one();
        self.drain();
    }

    fn answer_one(&mut self) {
        let Some(owed) = self.owed.pop_front() else {
            return;
        };
        let Scene {
            deleted, moved, left, ..
        } = self.scene;
        match owed {
            Owed::Snapshot => {
                if self.scene.absent {
                    let held: Vec<EventId> = HELD.items().iter().map(|item| item.id).collect();
                    let extra = held.into_iter().take(9).collect();
                    self.pass.expects(Expected::new(2, 1, extra));
                }
                self.pass.snapshot_taken(HELD.clone(), 1, self.now);
            }
            Owed::Gone(epoch, ids) => {
                self.pass.view_changed(ids);
                self.pass.sifted(epoch, Vec::new(), self.now);
            }
            Owed::Authors(authors) => {
                if let Some(view) = self.pass.compared_view() {
                    let items = authors.into_iter().map(|author| (author, HELD.items().to_vec()));
                    let views = AuthorViews::of(&*view, &items.take(1).collect());
                    let views = views.expect("a view in memory does not fail");
                    self.pass.authors_split(views, self.now);
                }
            }
            Owed::Sifted(epoch, ids) => {
                let live = if deleted { Vec::new() } else { ids };
                if deleted {
                    self.pass.view_changed(1);
                }
                self.pass.withheld(u64::from(left));
                self.pass.sifted(epoch, live, self.now);
            }
            Owed::EventsTaken => self.pass.events_taken(self.now),
            Owed::Settled(side) => self
                .pass
                .settled(side, u64::from(moved), u64::from(left), self.now),
            Owed::Looked => self.pass.looked(moved && left),
        }
    }
}
