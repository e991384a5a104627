//! Getting keyrings to relays that lack them, as a state machine that performs no I/O.
//!
//! Per connected relay and keyring: send the same bytes, wait for OK, ask for it back by id. A relay *holds* a keyring
//! once it has returned it from what it stored; an OK or a live echo is only a reason to ask. Whatever goes wrong is
//! tried again after a growing pause, for as long as the relay is connected. Spec: field guide rules 1 and 5, U-1, U-3,
//! S-11.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use nostr::event::EventId;
use relay_link::OkClass;

/// An OK or a read-back that takes longer is no answer (field guide U-1).
const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// The pause before the next attempt doubles from the first to the second of these (field guide U-8).
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_MAX: Duration = Duration::from_secs(15 * 60);
/// Keyrings under way to one relay at a time. There is nearly always one keyring, so this only bounds a restore.
const UNDER_WAY_MAX: usize = 4;

/// What to carry out, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output<R> {
    /// Send the keyring's event.
    Send(R, EventId),
    /// Ask for the keyring by its id.
    ReadBack(R, EventId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SendAt(Instant),
    Sent { until: Instant },
    ReadBackNow,
    Asked { until: Instant },
    Held,
}

#[derive(Debug)]
struct RelayCopy {
    step: Step,
    failures: u32,
}

/// Decides what to send where. `R` names a relay.
#[derive(Debug)]
pub(super) struct Publisher<R> {
    relays: BTreeMap<R, BTreeMap<EventId, RelayCopy>>,
}

impl<R: Ord + Clone> Publisher<R> {
    /// Nothing is known about any relay.
    pub(super) fn new() -> Self {
        Self {
            relays: BTreeMap::new(),
        }
    }

    /// `relay` has a fresh connection: what it holds is to be found out.
    pub(super) fn connected(&mut self, relay: &R) {
        self.relays.insert(relay.clone(), BTreeMap::new());
    }

    /// Nothing is on its way to `relay` any more; the next connection starts over.
    pub(super) fn disconnected(&mut self, relay: &R) {
        self.relays.remove(relay);
    }

    /// `id` is new to this device and wanted on every relay connected now.
    pub(super) fn wanted_everywhere(&mut self, id: EventId, now: Instant) {
        for copies in self.relays.values_mut() {
            copies.entry(id).or_insert(RelayCopy {
                step: Step::SendAt(now),
                failures: 0,
            });
        }
    }

    /// `relay` listed its keyrings to the end, and those of `known` that it did not list are to be sent to it.
    pub(super) fn listed(&mut self, relay: &R, known: impl IntoIterator<Item = EventId>, now: Instant) {
        if let Some(copies) = self.relays.get_mut(relay) {
            for id in known {
                copies.entry(id).or_insert(RelayCopy {
                    step: Step::SendAt(now),
                    failures: 0,
                });
            }
        }
    }

    /// `relay` returned `id` from what it has stored.
    pub(super) fn held(&mut self, relay: &R, id: EventId) {
        if let Some(copies) = self.relays.get_mut(relay) {
            copies.insert(
                id,
                RelayCopy {
                    step: Step::Held,
                    failures: 0,
                },
            );
        }
    }

    /// `relay` passed `id` on as news, which does not say that it is stored.
    pub(super) fn echoed(&mut self, relay: &R, id: EventId) {
        if let Some(copies) = self.relays.get_mut(relay) {
            copies.entry(id).or_insert(RelayCopy {
                step: Step::ReadBackNow,
                failures: 0,
            });
        }
    }

    /// `relay` answered the event. A late OK settles it as well as one in time.
    pub(super) fn ok(&mut self, relay: &R, id: EventId, accepted: bool, reason: &str, now: Instant) {
        let Some(copy) = self.copy(relay, id) else { return };
        match (copy.step, OkClass::classify(accepted, reason)) {
            (Step::SendAt(_) | Step::Sent { .. }, OkClass::Stored) => copy.step = Step::ReadBackNow,
            (Step::Sent { .. }, OkClass::PermanentHere | OkClass::OurBug | OkClass::Settled) => {
                copy.fail(now);
                copy.step = Step::SendAt(now + PAUSE_MAX);
            }
            (Step::Sent { .. }, _) => copy.fail(now),
            _ => {}
        }
    }

    /// What was asked of `relay` about `id` could not be sent, was refused, or brought nothing.
    pub(super) fn failed(&mut self, relay: &R, id: EventId, now: Instant) {
        if let Some(copy) = self.copy(relay, id)
            && copy.step != Step::Held
        {
            copy.fail(now);
        }
    }

    /// The relays that have returned `id` on their present connection.
    pub(super) fn holders(&self, id: &EventId) -> BTreeSet<R> {
        let holds = |copies: &BTreeMap<EventId, RelayCopy>| {
            copies.get(id).is_some_and(|copy| copy.step == Step::Held)
        };
        self.relays
            .iter()
            .filter(|(_, copies)| holds(copies))
            .map(|(relay, _)| relay.clone())
            .collect()
    }

    /// Gives up on answers that are overdue.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        for copy in self.relays.values_mut().flat_map(BTreeMap::values_mut) {
            match copy.step {
                // It may have been stored all the same; some relays never say so.
                Step::Sent { until } if until <= now => copy.step = Step::ReadBackNow,
                Step::Asked { until } if until <= now => copy.fail(now),
                _ => {}
            }
        }
    }

    /// The next thing to carry out, if any.
    pub(super) fn poll_output(&mut self, now: Instant) -> Option<Output<R>> {
        for (relay, copies) in &mut self.relays {
            if copies.values().filter(|copy| copy.until().is_some()).count() >= UNDER_WAY_MAX {
                continue;
            }
            for (id, copy) in copies {
                let until = now + ANSWER_WAIT;
                match copy.step {
                    Step::SendAt(at) if at <= now => {
                        copy.step = Step::Sent { until };
                        return Some(Output::Send(relay.clone(), *id));
                    }
                    Step::ReadBackNow => {
                        copy.step = Step::Asked { until };
                        return Some(Output::ReadBack(relay.clone(), *id));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    /// When to call [`Self::handle_timeout`] next. Room that frees up is told by the answer that frees it.
    pub(super) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        let at = |copy: &RelayCopy| match copy.step {
            Step::SendAt(at) => Some(at).filter(|at| *at > now),
            _ => copy.until(),
        };
        self.relays
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(at)
            .min()
    }

    fn copy(&mut self, relay: &R, id: EventId) -> Option<&mut RelayCopy> {
        self.relays.get_mut(relay)?.get_mut(&id)
    }
}

impl RelayCopy {
    fn until(&self) -> Option<Instant> {
        match self.step {
            Step::Sent { until } | Step::Asked { until } => Some(until),
            _ => None,
        }
    }

    fn fail(&mut self, now: Instant) {
        let pause = PAUSE_FIRST
            .saturating_mul(2_u32.saturating_pow(self.failures))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        self.step = Step::SendAt(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "any instant will do as a start")]
    fn start() -> Instant {
        Instant::now()
    }

    fn id(n: u8) -> EventId {
        EventId::from_byte_array([n; 32])
    }

    fn outputs(core: &mut Publisher<&'static str>, now: Instant) -> Vec<Output<&'static str>> {
        std::iter::from_fn(|| core.poll_output(now)).collect()
    }

    fn connected() -> Publisher<&'static str> {
        let mut core = Publisher::new();
        core.connected(&"a");
        core
    }

    #[test]
    fn an_accepted_keyring_is_read_back_before_the_relay_counts() {
        let (mut core, now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        assert_eq!(outputs(&mut core, now), [Output::Send("a", id(1))]);
        core.ok(&"a", id(1), true, "", now);
        assert!(core.holders(&id(1)).is_empty());
        assert_eq!(outputs(&mut core, now), [Output::ReadBack("a", id(1))]);
        core.held(&"a", id(1));
        assert_eq!(core.holders(&id(1)), BTreeSet::from(["a"]));
        assert_eq!(core.poll_timeout(now), None);
    }

    #[test]
    fn a_duplicate_is_stored_whether_ok_is_true_or_false() {
        let (mut core, now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        outputs(&mut core, now);
        core.ok(&"a", id(1), false, "Duplicate: already have it", now);
        assert_eq!(outputs(&mut core, now), [Output::ReadBack("a", id(1))]);
    }

    #[test]
    fn u01_a_swallowed_ok_is_looked_into_and_then_sent_again() {
        let (mut core, now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        outputs(&mut core, now);
        let later = core.poll_timeout(now).expect("it waits for OK");
        assert_eq!(later, now + ANSWER_WAIT);
        core.handle_timeout(later);
        assert_eq!(
            outputs(&mut core, later),
            [Output::ReadBack("a", id(1))],
            "it may be there"
        );
        core.handle_timeout(later + ANSWER_WAIT);
        assert_eq!(outputs(&mut core, later + ANSWER_WAIT), [], "a pause comes first");
        let again = later + ANSWER_WAIT + PAUSE_FIRST;
        assert_eq!(outputs(&mut core, again), [Output::Send("a", id(1))]);
    }

    #[test]
    fn u02_a_late_ok_settles_it() {
        let (mut core, now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        outputs(&mut core, now);
        core.failed(&"a", id(1), now);
        assert_eq!(outputs(&mut core, now), []);
        core.ok(&"a", id(1), true, "", now);
        assert_eq!(outputs(&mut core, now), [Output::ReadBack("a", id(1))]);
    }

    #[test]
    fn u03_a_relay_that_accepts_and_forgets_never_counts_and_is_tried_ever_more_rarely() {
        let (mut core, mut now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            assert_eq!(outputs(&mut core, now), [Output::Send("a", id(1))]);
            core.ok(&"a", id(1), true, "", now);
            assert_eq!(outputs(&mut core, now), [Output::ReadBack("a", id(1))]);
            core.failed(&"a", id(1), now);
            let next = core.poll_timeout(now).expect("it is tried again");
            pauses.push(next.duration_since(now).as_secs());
            now = next;
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert!(core.holders(&id(1)).is_empty());
    }

    #[test]
    fn only_what_a_relay_lacks_is_sent_to_it() {
        let (mut core, now) = (connected(), start());
        core.held(&"a", id(1));
        core.echoed(&"a", id(2));
        core.listed(&"a", [id(1), id(2), id(3)], now);
        assert_eq!(
            outputs(&mut core, now),
            [Output::ReadBack("a", id(2)), Output::Send("a", id(3))]
        );
    }

    #[test]
    fn a_restore_of_many_goes_out_a_few_at_a_time() {
        let (mut core, now) = (connected(), start());
        core.listed(&"a", (0..10).map(id), now);
        assert_eq!(outputs(&mut core, now).len(), UNDER_WAY_MAX);
        core.ok(&"a", id(0), false, "blocked: kind 1081", now);
        assert_eq!(outputs(&mut core, now), [Output::Send("a", id(4))]);
    }

    #[test]
    fn a_disconnection_forgets_what_was_under_way() {
        let (mut core, now) = (connected(), start());
        core.wanted_everywhere(id(1), now);
        outputs(&mut core, now);
        core.disconnected(&"a");
        assert_eq!(core.poll_timeout(now), None);
        core.connected(&"a");
        core.listed(&"a", [id(1)], now);
        assert_eq!(outputs(&mut core, now), [Output::Send("a", id(1))]);
    }
}
