//! What an initiator still has to find out, in order.
//!
//! The reference forgets what a full frame left out and halves the rest of the universe again, on both sides of the
//! wire. Here the questions that did not fit are put in the next message, and those that a full answer left open are
//! put again. A responder cannot tell: it answers each message by itself.

use std::collections::VecDeque;

use event_index::View;

use super::asked::Asked;
use super::bound::Bound;
use super::codec::Writer;
use super::error::NegError;
use super::frame_limit::FrameLimit;
use super::message::{Ranges, Says, VERSION};
use super::named::Named;
use super::place::{Place, Places};
use super::strategy::{Cut, FINE_BELOW, FINE_ITEMS};

/// Questions kept, and parts in one message: 4 MiB, and 2 MiB. What lies behind becomes one question, to be cut anew.
const QUESTIONS_MAX: usize = 32_768;

/// Parts that are put however few the last answer had room for: an answer that listed much says little of the next.
const ROOM_LEAST: usize = 256;

/// Places whose contents are not known to be equal, in order and apart from each other.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    /// What the last message put.
    asked: Asked,
    /// What it had no room for, which lies behind all of that.
    open: VecDeque<Question>,
    /// Empty; an answer is taken in there, so that its memory serves for the next one too.
    spare: VecDeque<Question>,
    /// Parts that the last answer had room for, when it was full: what is put beyond that is put in vain.
    room: Option<usize>,
    /// The last answer left out some of what was put, or matched it.
    equal: bool,
}

#[derive(Debug)]
struct Question {
    place: Place,
    known: Known,
}

/// What is known of the sides' contents of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Nothing: its fingerprint is asked for first.
    Nothing,
    /// They differ, so that it is cut.
    Differs,
    /// They differ in most of its parts, so that it is cut into blocks at once.
    Throughout,
}

/// Parts of a place with fewer items are compared, whatever the others were like: little is saved there.
const SKIMMED_ITEMS_MIN: u64 = 4 * FINE_ITEMS;

impl Agenda {
    /// After an opening that put these.
    pub(super) fn opened(asked: Asked) -> Self {
        Self {
            asked,
            ..Self::default()
        }
    }

    /// Takes in an answer. What it says nothing of is equal, or was listed.
    pub(super) fn hear<V: View + ?Sized>(
        &mut self,
        view: &V,
        ranges: Ranges<'_>,
        named: &mut Named,
    ) -> Result<(), NegError> {
        let (mut found, mut equal) = (std::mem::take(&mut self.spare), false);
        found.clear();
        let mut places = Places::new(view, ranges, self.asked.edges());
        let mut passed = 0;
        loop {
            if let Some(place) = places.skim(SKIMMED_ITEMS_MIN)? {
                in_pieces(view, place, &mut found)?;
                continue;
            }
            let Some(says) = places.next()? else {
                break;
            };
            match says {
                Says::Skip => equal = true,
                Says::Fingerprint(_) => self.differs(places.place(), &mut passed, &mut found),
                Says::Ids(theirs) => named.compare(view, places.place(), theirs)?,
            }
            if named.is_full() {
                places.finish()?;
                break;
            }
        }
        let unanswered = found
            .iter()
            .filter(|question| question.known == Known::Nothing)
            .count();
        self.equal = equal;
        self.room = (unanswered > 0).then(|| self.asked.len().saturating_sub(unanswered));
        self.asked.clear();
        found.append(&mut self.open);
        self.spare = std::mem::replace(&mut self.open, found);
        self.bound();
        Ok(())
    }

    /// A place inside of one that was asked for is that one, cut. Otherwise the answer was full, and its last
    /// fingerprint is about everything behind: of that, only what was asked for is still in question. `passed` places that were
    /// asked for lie before those of this answer that differed so far.
    fn differs(&self, place: &Place, passed: &mut usize, found: &mut VecDeque<Question>) {
        // Places of a message ascend.
        let before = self.asked.edges()[*passed..].windows(2);
        *passed += before
            .take_while(|asked| !asked[1].closes || asked[1].item <= place.begin.item)
            .count();
        let touched = self.asked.edges()[*passed..]
            .windows(2)
            .take_while(|asked| asked[0].item < place.end.item);
        for asked in touched.filter(|asked| asked[1].closes) {
            if asked[0].item <= place.begin.item && place.end.item <= asked[1].item {
                let (place, known) = (place.clone(), Known::Differs);
                found.push_back(Question { place, known });
                return;
            }
            found.push_back(Question {
                place: asked[0].up_to(&asked[1]).within(place),
                known: Known::Nothing,
            });
        }
    }

    fn bound(&mut self) {
        if self.open.len() <= QUESTIONS_MAX {
            return;
        }
        let last = self.open.pop_back();
        self.open.truncate(QUESTIONS_MAX);
        if let (Some(last), Some(rest)) = (last, self.open.back_mut()) {
            rest.place.end = last.place.end;
            rest.place.ranks.end = last.place.ranks.end;
        }
        // What a relay makes of one answer is not to be kept room for.
        self.open.shrink_to(QUESTIONS_MAX);
    }

    /// The next message, or `None` when no question is left. The first question always fits.
    pub(super) fn ask<V: View + ?Sized>(
        &mut self,
        view: &V,
        limit: FrameLimit,
    ) -> Result<Option<Vec<u8>>, NegError> {
        if self.open.is_empty() {
            return Ok(None);
        }
        let mut writer = Writer::new(VERSION);
        let mut written = Bound::START;
        let differing = self
            .open
            .iter()
            .filter(|question| question.known != Known::Nothing)
            .count();
        let differing = Cut::differing(differing, self.equal);
        let parts_max = self
            .room
            .map_or(QUESTIONS_MAX, |room| room.clamp(ROOM_LEAST, QUESTIONS_MAX));
        while let Some(question) = self.open.front() {
            let (mark, asked) = (writer.mark(), self.asked.mark());
            let first = self.asked.is_empty();
            let place = &question.place;
            if place.begin.item != written.item {
                writer.skip(&place.begin);
            }
            let cut = match question.known {
                Known::Nothing => Cut::Whole,
                Known::Differs => differing,
                Known::Throughout => Cut::Fine,
            };
            cut.write(&mut writer, view, place, &mut self.asked)?;
            let full = limit.exceeded_by(writer.len()) || self.asked.len() > parts_max;
            if full && !first {
                writer.rewind(mark);
                self.asked.rewind(asked);
                break;
            }
            written = place.end;
            self.open.pop_front();
        }
        Ok((!self.asked.is_empty()).then(|| writer.into_bytes()))
    }
}

/// A place that differs throughout, as questions small enough to be cut into blocks.
fn in_pieces<V: View + ?Sized>(
    view: &V,
    place: Place,
    found: &mut VecDeque<Question>,
) -> Result<(), NegError> {
    let (start, count, known) = (place.ranks.start, place.count(), Known::Throughout);
    let pieces = count.div_ceil(FINE_BELOW);
    let mut rest = place;
    for piece in 1..pieces {
        // Not count * piece, which need not fit.
        let to = view.cheap_cut(start + piece * (count / pieces))?;
        if to <= rest.ranks.start || to >= rest.ranks.end {
            continue;
        }
        let (left, right) = view.beside(to)?;
        let end = Bound::between(&left, &right);
        let place = Place {
            begin: rest.begin,
            end,
            ranks: rest.ranks.start..to,
        };
        (rest.begin, rest.ranks.start) = (end, to);
        found.push_back(Question { place, known });
    }
    found.push_back(Question { place: rest, known });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::Range;
    use std::sync::atomic::{AtomicU64, Ordering};

    use event_index::{IndexError, Item, Snapshot, Sum};
    use nostr::event::EventId;

    use super::super::message;
    use super::*;

    fn hear(agenda: &mut Agenda, view: &Snapshot, message: &[u8]) {
        let (_, ranges) = message::open(message).unwrap();
        let mut named = Named::default();
        agenda.hear(view, ranges, &mut named).unwrap();
    }

    fn places(ends: &[Bound]) -> Asked {
        let begins = [Bound::START].into_iter().chain(ends.iter().copied());
        let place = |(begin, end): (Bound, &Bound)| Place {
            begin,
            end: *end,
            ranks: 0..0,
        };
        begins.zip(ends).map(place).collect()
    }

    fn open(agenda: &Agenda) -> Vec<(u64, u64, bool)> {
        let times = |question: &Question| {
            let Place { begin, end, .. } = &question.place;
            (
                begin.item.created_at,
                end.item.created_at,
                question.known == Known::Differs,
            )
        };
        agenda.open.iter().map(times).collect()
    }

    /// A relay that cannot be believed makes a client keep a bounded list, and ask for all of it.
    #[test]
    fn however_much_differs_the_questions_are_bounded_and_reach_to_the_end() {
        let view = Snapshot::default();
        let mut writer = Writer::new(VERSION);
        for second in 1..=2 * QUESTIONS_MAX as u64 {
            writer.fingerprint(&Bound::time(second), &[7; 16]);
        }
        let mut agenda = Agenda::opened(places(&[Bound::INFINITY]));
        hear(&mut agenda, &view, &writer.into_bytes());
        let questions = open(&agenda);
        assert_eq!(questions.len(), QUESTIONS_MAX);
        assert_eq!(questions[0], (0, 1, true));
        let max = QUESTIONS_MAX as u64;
        assert_eq!(questions.last(), Some(&(max - 1, 2 * max, true)));
        assert!(agenda.ask(&view, FrameLimit::NONE).unwrap().is_some());
        assert!(open(&agenda).is_empty() && agenda.asked.len() == QUESTIONS_MAX);
    }

    #[test]
    fn a_full_answer_leaves_open_what_was_asked_behind_it() {
        let view = Snapshot::default();
        let [a, b, c, d] = [10, 20, 30, 40].map(Bound::time);
        let mut agenda = Agenda::opened(places(&[a, b, c, d]));
        // Up to 10 they differ; from 15 on the relay had no more room.
        let mut writer = Writer::new(VERSION);
        writer.fingerprint(&a, &[7; 16]);
        writer.skip(&Bound::time(15));
        writer.fingerprint(&Bound::INFINITY, &[7; 16]);
        hear(&mut agenda, &view, &writer.into_bytes());
        // Nothing behind 40 was asked for, so it is no question.
        let expected = [(0, 10, true), (15, 20, false), (20, 30, false), (30, 40, false)];
        assert_eq!(open(&agenda), expected);
    }

    /// Many equal items, and how often somebody looked for a bound among them.
    #[derive(Default)]
    struct Looked(AtomicU64);

    impl View for Looked {
        fn len(&self) -> u64 {
            1_000_000
        }

        fn item(&self, rank: u64) -> Result<Item, IndexError> {
            let id = EventId::from_byte_array([0; 32]);
            Ok(Item { created_at: rank, id })
        }

        fn lower_bound(&self, bound: &Item) -> Result<u64, IndexError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(bound.created_at.min(self.len()))
        }

        fn sum(&self, _: Range<u64>) -> Result<Sum, IndexError> {
            Ok(Sum::default())
        }

        fn each(&self, range: Range<u64>, take: &mut dyn FnMut(Item)) -> Result<(), IndexError> {
            range
                .map(|rank| self.item(rank))
                .try_for_each(|item| item.map(&mut *take))
        }
    }

    #[test]
    fn where_nearly_everything_differs_the_rest_of_an_answer_is_not_looked_up() {
        const PARTS: u64 = 16;
        let size = PARTS * SKIMMED_ITEMS_MIN;
        let asked = |count: u64| {
            let place = |n: u64| Place {
                begin: if n == 0 {
                    Bound::START
                } else {
                    Bound::time(n * size)
                },
                end: Bound::time((n + 1) * size),
                ranks: n * size..(n + 1) * size,
            };
            (0..count).map(place).collect::<Asked>()
        };
        let answer = |places: u64, unequal: u64| {
            let mut writer = Writer::new(VERSION);
            let equal = Sum::default().fingerprint();
            for part in 1..=places * PARTS {
                let says = if part % 16 < unequal { [7; 16] } else { equal };
                writer.fingerprint(&Bound::time(part * size / PARTS), &says);
            }
            writer.into_bytes()
        };
        let heard = |unequal: u64| {
            let view = Looked::default();
            let mut agenda = Agenda::opened(asked(10));
            let message = answer(10, unequal);
            let (_, ranges) = message::open(&message).unwrap();
            agenda.hear(&view, ranges, &mut Named::default()).unwrap();
            let throughout = |question: &&Question| question.known == Known::Throughout;
            (agenda.open.iter().filter(throughout).count(), view.0.into_inner())
        };
        // Four places of sixteen parts are the sample; all bounds but the last of each are new.
        assert!(size < FINE_BELOW, "each is one piece");
        assert_eq!(heard(16), (6, 4 * 15));
        assert_eq!(heard(12), (6, 4 * 15));
        assert_eq!(heard(11), (0, 10 * 15));
    }

    #[test]
    fn a_large_place_that_differs_throughout_is_put_in_pieces_of_single_blocks() {
        let place = Place {
            begin: Bound::START,
            end: Bound::INFINITY,
            ranks: 0..1_000_000,
        };
        let mut found = VecDeque::new();
        in_pieces(&Looked::default(), place, &mut found).unwrap();
        let mut agenda = Agenda::opened(Asked::default());
        let mut next = 0;
        for question in &found {
            assert_eq!(question.place.ranks.start, next);
            assert!(question.place.count() <= FINE_BELOW);
            next = question.place.ranks.end;
        }
        assert_eq!((next, found[0].place.begin), (1_000_000, Bound::START));
        agenda.open = found;
        let limit = FrameLimit::of(4_096);
        let message = agenda.ask(&Looked::default(), limit).unwrap().unwrap();
        assert!(message.len() <= 4_096, "{}", message.len());
    }

    /// As many fingerprints as a message holds, all of nothing and all of one place.
    #[test]
    fn an_answer_that_stays_in_one_place_is_read_ahead_once() {
        let mut writer = Writer::new(VERSION);
        for _ in 0..100_000 {
            writer.fingerprint(&Bound::START, &[7; 16]);
        }
        let message = writer.into_bytes();
        let (_, ranges) = message::open(&message).unwrap();
        let whole = Place {
            begin: Bound::START,
            end: Bound::INFINITY,
            ranks: 0..1_000_000,
        };
        let view = Looked::default();
        let mut agenda = Agenda::opened([whole].into_iter().collect());
        // Reading ahead for each of them would be ten thousand million ranges.
        agenda.hear(&view, ranges, &mut Named::default()).unwrap();
    }

    #[test]
    fn what_did_not_fit_follows_what_the_answer_brought() {
        let view = Snapshot::default();
        let [a, b, c] = [10, 20, 30].map(Bound::time);
        let mut agenda = Agenda::opened(places(&[a]));
        let waiting = Place {
            begin: b,
            end: c,
            ranks: 0..0,
        };
        agenda.open.push_back(Question {
            place: waiting,
            known: Known::Differs,
        });
        let mut writer = Writer::new(VERSION);
        writer.skip(&Bound::time(4));
        writer.fingerprint(&a, &[7; 16]);
        hear(&mut agenda, &view, &writer.into_bytes());
        assert_eq!(open(&agenda), [(4, 10, true), (20, 30, true)]);
        // Skip to 4, nothing held up to 10, skip to 20, nothing held up to 30.
        let message = agenda.ask(&view, FrameLimit::NONE).unwrap().unwrap();
        assert_eq!(message, [0x61, 5, 0, 0, 7, 0, 2, 0, 11, 0, 0, 11, 0, 2, 0]);
        assert_eq!(agenda.asked.len(), 2);
    }
}
