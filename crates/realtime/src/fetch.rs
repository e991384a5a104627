//! Fetching need ids from one relay, as a state machine: every id is accounted for, stored or given up with a reason.
//!
//! Ids go out in REQs of at most 100 (relays answer 300 to 1,900, some nothing beyond 997: field guide 9), several at
//! once because each costs a round trip. An answered REQ that left an id out asks again twice, then gives that id up
//! at this relay (field guide N-16). Silence frees the slot and counts as a try.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use nostr::prelude::EventId;
use relay_link::SubId;

/// Ids in one REQ.
pub(crate) const BATCH: usize = 100;
/// REQs open at once for fetching: of the six a relay should carry, one is live, one is the keyrings' (P-19).
pub(crate) const REQUESTS_MAX: usize = 4;
/// Bytes of events that may be on their way: a relay gives up a reader that lets 8 MiB pile up, or 32 (field guide C-9), and
/// other answers travel beside these.
pub(crate) const BYTES_MAX: usize = 4 << 20;
/// Ids in a REQ where a message of 40,000 bytes is an event of 60 KB.
const BATCH_MIN: usize = 5;
/// Ids in the only REQ that is open after the relay hung up amid a download, until it is known how large its events are.
const BATCH_CAUTIOUS: usize = 20;
/// How often the bytes on their way are halved, at most: to one long message.
const HALVED_MAX: u32 = 7;
/// Answers after which they are doubled again.
const ANSWERS_TRUSTED: u32 = 64;
/// Silence after which a REQ is given up (field guide 7, "page silence").
pub(crate) const SILENCE: Duration = Duration::from_secs(30);
const TRIES_MAX: u32 = 3;

/// The fetches of one relay.
#[derive(Debug, Default)]
pub struct Fetches {
    queue: VecDeque<Wanted>,
    queued: BTreeSet<EventId>,
    open: BTreeMap<SubId, Request>,
    unavailable: BTreeSet<EventId>,
    total: u64,
    done: u64,
    lost: u64,
    /// How large the last events were, in bytes of content.
    mean: Option<usize>,
    /// How often the connection ended amid a download: it may have been too much at once. A relay with less patience than
    /// most must not cut off the same download for ever.
    halved: u32,
    /// Answers since that last changed.
    trusted: u32,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    id: EventId,
    tries: u32,
    /// It counts as not delivered when it does not come.
    missed: bool,
}

#[derive(Debug)]
struct Request {
    /// In the order of ids: every event that arrives is looked up here.
    wanted: Vec<Wanted>,
    arrived: BTreeSet<EventId>,
    deadline: Instant,
}

impl Fetches {
    /// Queues ids that are neither queued nor on the wire.
    pub fn want(&mut self, ids: impl IntoIterator<Item = EventId>) {
        self.queue_all(ids, 0, true);
    }

    /// Queues ids that are asked for once, and not missed when they do not come.
    pub fn look_for(&mut self, ids: impl IntoIterator<Item = EventId>) {
        self.queue_all(ids, TRIES_MAX - 1, false);
    }

    fn queue_all(&mut self, ids: impl IntoIterator<Item = EventId>, tries: u32, missed: bool) {
        for id in ids {
            if self.queued.insert(id) {
                self.unavailable.remove(&id);
                self.queue.push_back(Wanted { id, tries, missed });
                self.total += 1;
            }
        }
    }

    /// The ids of the next REQ under the subscription id `sub`, or `None` when nothing waits or no slot is free.
    pub fn next(&mut self, sub: SubId, now: Instant) -> Option<Vec<EventId>> {
        let (requests, batch) = match self.mean {
            Some(mean) => {
                let ids = (BYTES_MAX >> self.halved) / mean.max(1);
                // Fewer requests rather than ones that are hardly worth a round trip.
                let requests = (ids / BATCH_MIN).clamp(1, REQUESTS_MAX);
                (requests, (ids / requests).clamp(1, BATCH))
            }
            None if self.halved > 0 => (1, BATCH_CAUTIOUS >> (self.halved - 1).min(4)),
            None => (REQUESTS_MAX, BATCH),
        };
        if self.queue.is_empty() || self.open.len() >= requests {
            return None;
        }
        let mut wanted: Vec<Wanted> = self.queue.drain(..self.queue.len().min(batch)).collect();
        wanted.sort_unstable_by_key(|wanted| wanted.id);
        let ids = wanted.iter().map(|wanted| wanted.id).collect();
        self.open.insert(
            sub,
            Request {
                wanted,
                arrived: BTreeSet::new(),
                deadline: now + SILENCE,
            },
        );
        Some(ids)
    }

    /// An event came under `sub`. Returns whether that request asked for it.
    pub fn arrived(&mut self, sub: &SubId, id: EventId, now: Instant) -> bool {
        let Some(request) = self.open.get_mut(sub) else {
            return false;
        };
        let asked = request
            .wanted
            .binary_search_by_key(&id, |wanted| wanted.id)
            .is_ok();
        // Only what was asked for is progress; anything else must not keep the slot (N-3).
        if asked && request.arrived.insert(id) {
            request.deadline = now + SILENCE;
        }
        asked
    }

    /// An event that was fetched has this much content: how many are asked for at once follows from it.
    pub fn weigh(&mut self, bytes: usize) {
        self.mean = Some(self.mean.map_or(bytes, |mean| (7 * mean + bytes) / 8));
    }

    /// The relay says that it sent all it has (EOSE). Returns whether the subscription was ours.
    pub fn answered(&mut self, sub: &SubId) -> bool {
        self.finish(sub, true)
    }

    /// The relay refused or dropped the request (CLOSED, or no link). Returns whether the subscription was ours.
    pub fn refused(&mut self, sub: &SubId) -> bool {
        self.finish(sub, false)
    }

    /// The link could not take the request: it goes out later, and does not count as a try.
    pub fn unsent(&mut self, sub: &SubId) {
        if let Some(request) = self.open.remove(sub) {
            self.queue.extend(request.wanted);
        }
    }

    /// Events that had arrived could not be stored: until the next pass they count as not delivered.
    pub fn lost(&mut self, events: u64) {
        self.lost += events;
    }

    /// Gives up requests that have been silent too long; returns them, to be closed.
    pub fn expire(&mut self, now: Instant) -> Vec<SubId> {
        let silent: Vec<SubId> = self
            .open
            .iter()
            .filter(|(_, request)| request.deadline <= now)
            .map(|(sub, _)| sub.clone())
            .collect();
        for sub in &silent {
            self.finish(sub, false);
        }
        silent
    }

    /// Nothing is to be fetched any more; the comparison after it is names the ids anew. Returns what is open, to be
    /// closed.
    pub fn give_up(&mut self) -> Vec<SubId> {
        std::mem::take(self).open.into_keys().collect()
    }

    /// The connection ended: nothing is on the wire, and the comparison after the next one names the ids anew.
    pub fn disconnected(&mut self) {
        *self = Self {
            halved: (self.halved + u32::from(!self.open.is_empty())).min(HALVED_MAX),
            mean: self.mean,
            ..Self::default()
        };
    }

    /// When [`Self::expire`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|request| request.deadline).min()
    }

    /// Nothing waits and nothing is on the wire.
    pub fn idle(&self) -> bool {
        self.queue.is_empty() && self.open.is_empty()
    }

    /// Ids this relay named that did not get here, since the last [`Self::begin`]: never delivered, or not stored.
    pub fn unavailable(&self) -> u64 {
        self.unavailable.len() as u64 + self.lost
    }

    /// Ids done and ids asked for, for progress.
    pub fn progress(&self) -> (u64, u64) {
        (self.done, self.total)
    }

    /// Starts the account of a new pass.
    pub fn begin(&mut self) {
        self.unavailable.clear();
        self.lost = 0;
        (self.done, self.total) = (0, self.queued.len() as u64);
    }

    fn finish(&mut self, sub: &SubId, answered: bool) -> bool {
        let Some(request) = self.open.remove(sub) else {
            return false;
        };
        self.trusted += u32::from(answered);
        if self.halved > 0 && self.trusted >= ANSWERS_TRUSTED {
            (self.halved, self.trusted) = (self.halved - 1, 0);
        }
        for mut wanted in request.wanted {
            if request.arrived.contains(&wanted.id) {
                self.queued.remove(&wanted.id);
                self.done += 1;
                continue;
            }
            // A relay that answers with fewer events than ids (a cap) has not said no to the rest, unless it sent
            // nothing at all.
            let capped = answered && !request.arrived.is_empty();
            wanted.tries += u32::from(!capped);
            if wanted.tries >= TRIES_MAX {
                self.queued.remove(&wanted.id);
                if wanted.missed {
                    self.unavailable.insert(wanted.id);
                }
                self.done += 1;
            } else {
                self.queue.push_back(wanted);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u32>) -> Vec<EventId> {
        range
            .map(|n| {
                let mut bytes = [0; 32];
                bytes[..4].copy_from_slice(&n.to_be_bytes());
                EventId::from_byte_array(bytes)
            })
            .collect()
    }

    fn sub(n: u32) -> SubId {
        SubId::try_from(format!("fetch-{n}")).unwrap()
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// A relay that answers every request with `serve` of its ids, until the fetches are idle.
    fn play(fetches: &mut Fetches, serve: impl Fn(&[EventId]) -> Vec<EventId>) -> usize {
        let mut requests = 0;
        while let Some(asked) = fetches.next(sub(requests), now()) {
            for id in serve(&asked) {
                fetches.arrived(&sub(requests), id, now());
            }
            fetches.answered(&sub(requests));
            requests += 1;
            assert!(requests < 1_000, "it ends");
        }
        requests as usize
    }

    #[test]
    fn a_thousand_ids_take_ten_requests() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..1_000));
        assert_eq!(play(&mut fetches, <[EventId]>::to_vec), 10);
        assert!(fetches.idle());
        assert_eq!((fetches.unavailable(), fetches.progress()), (0, (1_000, 1_000)));
    }

    #[test]
    fn a_capped_answer_is_asked_again_until_all_came() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..250));
        play(&mut fetches, |asked| asked[..asked.len().min(7)].to_vec());
        assert_eq!((fetches.unavailable(), fetches.idle()), (0, true));
    }

    #[test]
    fn an_id_that_never_comes_is_given_up_and_counted() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..100));
        let withheld = ids(41..42)[0];
        play(&mut fetches, |asked| {
            asked.iter().copied().filter(|id| *id != withheld).collect()
        });
        assert_eq!((fetches.unavailable(), fetches.progress()), (1, (100, 100)));
    }

    #[test]
    fn what_is_only_looked_for_is_asked_for_once_and_not_missed() {
        let mut fetches = Fetches::default();
        fetches.look_for(ids(0..100));
        assert_eq!(play(&mut fetches, |_| Vec::new()), 1);
        assert_eq!((fetches.unavailable(), fetches.progress()), (0, (100, 100)));
        assert!(fetches.idle());
    }

    #[test]
    fn a_silent_relay_frees_its_slots() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..500));
        let begin = now();
        for n in 0..4 {
            assert!(fetches.next(sub(n), begin).is_some());
        }
        assert!(fetches.next(sub(9), begin).is_none(), "four at a time");
        assert_eq!(fetches.deadline(), Some(begin + SILENCE));
        assert_eq!(fetches.expire(begin + SILENCE).len(), 4);
        assert!(fetches.next(sub(10), begin + SILENCE).is_some());
    }

    #[test]
    fn large_events_are_asked_for_in_smaller_numbers() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..1_000));
        assert_eq!(fetches.next(sub(0), now()).unwrap().len(), BATCH);
        for _ in 0..50 {
            fetches.weigh(60_000);
        }
        let asked: usize = (1..REQUESTS_MAX as u32)
            .map(|n| fetches.next(sub(n), now()).unwrap().len())
            .sum();
        assert!(asked * 60_000 <= BYTES_MAX, "{asked}");
        for _ in 0..50 {
            fetches.weigh(1_000);
        }
        fetches.answered(&sub(1));
        assert_eq!(fetches.next(sub(9), now()).unwrap().len(), BATCH);
    }

    #[test]
    fn a_relay_that_hung_up_amid_a_download_is_asked_for_little_at_first() {
        let mut fetches = Fetches::default();
        fetches.disconnected();
        fetches.want(ids(0..1_000));
        assert_eq!(
            fetches.next(sub(0), now()).unwrap().len(),
            BATCH,
            "it was idle then"
        );
        fetches.disconnected();
        fetches.want(ids(0..1_000));
        assert_eq!(fetches.next(sub(1), now()).unwrap().len(), BATCH_CAUTIOUS);
        assert_eq!(fetches.next(sub(2), now()), None);
        fetches.weigh(1_000);
        assert_eq!(fetches.next(sub(3), now()).unwrap().len(), BATCH);
    }

    #[test]
    fn a_relay_of_any_patience_is_emptied_in_the_end() {
        for patience in [40_000_000, 8_000_000, 2_000_000, 300_000, 61_000] {
            let mut fetches = Fetches::default();
            let mut missing: BTreeSet<EventId> = ids(0..500).into_iter().collect();
            let (mut cuts, mut requests) = (0, 0);
            while !missing.is_empty() {
                // Named by the comparison on each connection.
                fetches.want(missing.iter().copied());
                let mut open = Vec::new();
                while let Some(asked) = fetches.next(sub(requests), now()) {
                    open.push((sub(requests), asked));
                    requests += 1;
                }
                let under_way: usize = open.iter().map(|(_, asked)| 60_000 * asked.len()).sum();
                if under_way > patience {
                    cuts += 1;
                    fetches.disconnected();
                    assert!(cuts < 30, "{patience}: cut off for ever");
                    continue;
                }
                for (sub, asked) in open {
                    for id in &asked {
                        fetches.arrived(&sub, *id, now());
                        fetches.weigh(60_000);
                        missing.remove(id);
                    }
                    fetches.answered(&sub);
                }
            }
        }
    }

    #[test]
    fn events_nobody_asked_for_are_not_progress() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..10));
        let begin = now();
        fetches.next(sub(0), begin).unwrap();
        assert!(!fetches.arrived(&sub(0), ids(99..100)[0], begin + SILENCE / 2));
        assert_eq!(fetches.deadline(), Some(begin + SILENCE));
        assert!(fetches.arrived(&sub(0), ids(3..4)[0], begin + SILENCE / 2));
        assert_eq!(fetches.deadline(), Some(begin + SILENCE / 2 + SILENCE));
    }

    #[test]
    fn an_id_wanted_twice_is_fetched_once() {
        let mut fetches = Fetches::default();
        fetches.want(ids(0..5));
        fetches.want(ids(0..5));
        assert_eq!(fetches.next(sub(0), now()).unwrap().len(), 5);
        assert!(fetches.next(sub(1), now()).is_none());
    }
}
