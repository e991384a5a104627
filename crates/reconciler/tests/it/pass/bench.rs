//! Both ends of a pass: a relay that answers as told, and the two sides that transfer.

use std::collections::BTreeSet;
use std::time::Instant;

use event_index::{Agreement, Item};
use nostr::event::{Event, EventId};
use nostr::filter::Filter;
use nostr::key::PublicKey;
use reconciler::messages::{PassReport, Phase, Side};
use reconciler::pass::{Agreed, AuthorViews, Expected, Known, Output, Pass, Start};
use relay_link::{ClientFrame, Lesson, RelayFrame, Traffic};

use crate::fake_relay::{Habits, Pager, Responder};
use crate::strict_relay::StrictRelay;
use crate::world::{events, filter, noon, snapshot, subs};

/// Now, Unix seconds.
pub(crate) const UNIX: u64 = 1_800_000_000;

/// What a relay does with a NEG-OPEN.
pub(crate) type Refuse = Box<dyn FnMut(&ClientFrame) -> Option<Vec<RelayFrame>>>;

/// Both ends of a pass and the two sides that transfer, with their sets.
pub(crate) struct Bench {
    pub(crate) now: Instant,
    pub(crate) ours: BTreeSet<Item>,
    pub(crate) theirs: BTreeSet<Item>,
    /// Events the relay can page; empty when it has nothing to show.
    pub(crate) events: Vec<Event>,
    /// Events held here whose authors matter.
    pub(crate) held: Vec<Event>,
    pub(crate) tombstones: BTreeSet<EventId>,
    /// What the relay refused before, and what it is known to serve of the deleted.
    pub(crate) absent: BTreeSet<Item>,
    pub(crate) extra: BTreeSet<Item>,
    pub(crate) forged: u64,
    /// Ids it names and does not deliver.
    pub(crate) withheld: u64,
    /// Ids that never move, whoever asks.
    pub(crate) stuck: BTreeSet<EventId>,
    /// Answers instead of the responder; `None` lets it answer.
    pub(crate) refuse: Refuse,
    /// Answers instead of the other two.
    pub(crate) strict: Option<StrictRelay>,
    /// Whose events are compared.
    pub(crate) filter: Filter,
    pub(crate) agreed: Option<Agreement>,
    pub(crate) known: Known,
    pub(crate) settles: bool,
    /// What the uploader answers first: sent before the pass, or while it compared.
    pub(crate) sent_before: u64,
    /// Written here, and sent, while the first comparison ran.
    pub(crate) written_meanwhile: Vec<Item>,
    // What was seen.
    pub(crate) neg_opens: u32,
    pub(crate) neg_messages: u32,
    pub(crate) reqs: u32,
    pub(crate) fetched: Vec<EventId>,
    pub(crate) sent: Vec<EventId>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) refused: Option<String>,
    pub(crate) proven: bool,
    pub(crate) learned: Vec<Lesson>,
}

impl Bench {
    pub(crate) fn new(ours: &[Item], theirs: &[Item]) -> Self {
        Self {
            now: noon(),
            ours: ours.iter().copied().collect(),
            theirs: theirs.iter().copied().collect(),
            events: Vec::new(),
            held: Vec::new(),
            tombstones: BTreeSet::new(),
            absent: BTreeSet::new(),
            extra: BTreeSet::new(),
            forged: 0,
            withheld: 0,
            stuck: BTreeSet::new(),
            refuse: Box::new(|_| None),
            strict: None,
            filter: filter(),
            agreed: None,
            known: Known::default(),
            settles: true,
            sent_before: 0,
            written_meanwhile: Vec::new(),
            neg_opens: 0,
            neg_messages: 0,
            reqs: 0,
            fetched: Vec::new(),
            sent: Vec::new(),
            phases: Vec::new(),
            refused: None,
            proven: false,
            learned: Vec::new(),
        }
    }

    /// Both sides hold events, and the relay has bounds.
    pub(crate) fn strict(ours: &[Event], theirs: &[Event]) -> Self {
        let items = |events: &[Event]| events.iter().map(Item::of).collect::<Vec<_>>();
        let universe: Vec<Event> = ours.iter().chain(theirs).cloned().collect();
        let mut once: Vec<Event> = universe;
        once.sort_by_key(|event| event.id);
        once.dedup_by_key(|event| event.id);
        Self {
            strict: Some(StrictRelay::of(&once)),
            held: once,
            ..Self::new(&items(ours), &items(theirs))
        }
    }

    pub(crate) fn relay(&mut self) -> &mut StrictRelay {
        self.strict.as_mut().expect("a relay with bounds")
    }

    pub(crate) fn pages(ours: &[Event], theirs: &[Event]) -> Self {
        let items = |events: &[Event]| events.iter().map(Item::of).collect::<Vec<_>>();
        let refusal = "ERROR: bad msg: negentropy disabled";
        Self {
            events: theirs.to_vec(),
            refuse: Box::new(move |frame| match frame {
                ClientFrame::NegOpen { .. } => Some(vec![RelayFrame::Notice {
                    message: refusal.into(),
                }]),
                _ => None,
            }),
            ..Self::new(&items(ours), &items(theirs))
        }
    }

    pub(crate) fn run(&mut self) -> (PassReport, Option<Agreed>) {
        let mut pass = Pass::start(Start {
            relay: "ws://relay.example".parse().unwrap(),
            filter: self.filter.clone(),
            subs: subs(),
            known: self.known,
            unix: UNIX,
            traffic: Traffic::default(),
        });
        if let Some(agreed) = self.agreed {
            let authors = pass.author_set();
            pass.agreement_found(&Agreement { authors, ..agreed });
        }
        let mut pager = Pager::new(self.events.clone(), Habits::default());
        let (mut moved_up, mut moved_down) = (0, 0);
        let (mut have, mut need, mut shown) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..100_000 {
            let now = self.now;
            let Some(output) = pass.poll_output() else {
                self.now = pass.poll_timeout().expect("a pass that waits has a deadline");
                pass.handle_timeout(self.now);
                continue;
            };
            match output {
                Output::Snapshot => {
                    let expected = self.ours.difference(&self.absent).chain(&self.extra);
                    let held = snapshot(&expected.copied().collect::<Vec<_>>());
                    let extra = self.extra.iter().map(|item| item.id).collect();
                    pass.expects(Expected::new(self.absent.len() as u64, self.forged, extra));
                    pass.snapshot_taken(held, self.ours.len() as u64, now);
                }
                Output::Send(frame) => {
                    match &frame {
                        ClientFrame::NegOpen { .. } => self.neg_opens += 1,
                        ClientFrame::NegMsg { .. } => self.neg_messages += 1,
                        ClientFrame::Req { .. } => self.reqs += 1,
                        _ => {}
                    }
                    let answer = (self.refuse)(&frame).unwrap_or_else(|| {
                        if let Some(strict) = &mut self.strict {
                            return strict.hear(&frame, &self.theirs);
                        }
                        let theirs: Vec<Item> = self.theirs.iter().copied().collect();
                        let mut answer = pager.hear(&frame);
                        answer.extend(Responder::new(&theirs, 0).hear(&frame));
                        answer
                    });
                    for frame in answer {
                        pass.handle_frame(frame, now);
                    }
                }
                Output::Sift { epoch, ids } => {
                    let named = |item: &&Item| ids.contains(&item.id);
                    let found: Vec<Item> = self.absent.iter().filter(named).copied().collect();
                    let served = self.theirs.iter().filter(named);
                    let served = served.filter(|item| self.tombstones.contains(&item.id));
                    let served: Vec<Item> = served.copied().collect();
                    pass.view_changed(found.len() + served.len());
                    self.absent.retain(|item| !found.contains(item));
                    self.extra.extend(served);
                    let live = ids
                        .into_iter()
                        .filter(|id| !self.tombstones.contains(id) && found.iter().all(|item| item.id != *id))
                        .collect();
                    pass.sifted(epoch, live, now);
                }
                Output::Gone { epoch, ids } => {
                    self.extra.retain(|item| !ids.contains(&item.id));
                    pass.view_changed(ids.len());
                    pass.sifted(epoch, Vec::new(), now);
                }
                Output::Have(ids) => have.extend(ids),
                Output::Need(ids) => need.extend(ids),
                Output::Events(events) => {
                    shown.extend(events);
                    pass.events_taken(now);
                }
                Output::Settle if self.settles => {
                    for id in have.drain(..).filter(|id| !self.stuck.contains(id)) {
                        let item = *self
                            .ours
                            .iter()
                            .find(|item| item.id == id)
                            .expect("have ids are held");
                        moved_up += u64::from(self.theirs.insert(item));
                        self.sent.push(id);
                    }
                    for id in need.drain(..).filter(|id| !self.stuck.contains(id)) {
                        let item = *self
                            .theirs
                            .iter()
                            .find(|item| item.id == id)
                            .expect("need ids are there");
                        moved_down += u64::from(self.ours.insert(item));
                        self.fetched.push(id);
                    }
                    for event in shown
                        .drain(..)
                        .filter(|event: &Event| !self.tombstones.contains(&event.id))
                    {
                        moved_down += u64::from(self.ours.insert(Item::of(&event)));
                    }
                    if !self.events.is_empty() {
                        // What was uploaded can be paged afterwards.
                        pager = Pager::new(
                            events(2_000, 3)
                                .into_iter()
                                .filter(|event| self.theirs.contains(&Item::of(event)))
                                .collect(),
                            Habits::default(),
                        );
                    }
                    for item in self.written_meanwhile.drain(..) {
                        self.ours.insert(item);
                        moved_up += u64::from(self.theirs.insert(item));
                    }
                    moved_up += std::mem::take(&mut self.sent_before);
                    let left = self.stuck.len() as u64;
                    pass.settled(Side::Up, std::mem::take(&mut moved_up), left, now);
                    pass.withheld(self.withheld);
                    let moved_down = std::mem::take(&mut moved_down);
                    pass.settled(Side::Down, moved_down, self.withheld, now);
                }
                Output::Settle => {}
                Output::Look { after } => pass.looked(self.ours.len() as u64 > after),
                Output::SplitByAuthor(authors) => {
                    let view = pass.compared_view().expect("it is being compared");
                    let of = |author| (author, self.written_by(author));
                    let by_author = authors.into_iter().map(of).collect();
                    pass.authors_split(AuthorViews::of(&*view, &by_author).unwrap(), now);
                }
                Output::Learned(lesson) => {
                    match &lesson {
                        Lesson::NegSpoken => self.proven = true,
                        Lesson::NegRefused { why } => self.refused = Some(why.clone()),
                        _ => {}
                    }
                    self.learned.push(lesson);
                }
                Output::Phase(phase) => self.phases.push(phase),
                Output::Done { report, agreed } => {
                    assert!(pass.poll_output().is_none() && pass.poll_timeout().is_none());
                    return (report, agreed);
                }
            }
        }
        panic!("the pass does not end");
    }

    /// Our items of one author, as the store would find them.
    fn written_by(&self, author: PublicKey) -> Vec<Item> {
        let ours = self.events.iter().chain(&self.held);
        let ours = ours.filter(|event| event.pubkey == author).map(Item::of);
        let ours: BTreeSet<Item> = ours.filter(|item| self.ours.contains(item)).collect();
        ours.into_iter().collect()
    }

    pub(crate) fn confirmations(&self) -> usize {
        self.phases
            .iter()
            .filter(|phase| **phase == Phase::Confirming)
            .count()
    }
}
