//! The live subscription of one relay as a state machine: open while connected, opened again when it dies.

use std::time::{Duration, Instant};

use relay_link::SubId;

/// Sealing times lie up to 300 s back, and a device's clock may be 120 s off (DESIGN 6): an envelope published now
/// can be that old. The comparison that runs beside it covers everything older.
pub(crate) const OVERLAP: u64 = 600;
/// Stored events a relay may send when the subscription is opened again: what came while it was closed.
const STORED_MAX: usize = 500;
/// Beside a comparison, which names everything that is stored, one is enough. Not zero: relays differ in what that means.
const STORED_COMPARED: usize = 1;
/// A live REQ has to see its EOSE within this long, or it is dead although the socket is not (field guide C-5).
const EOSE_DEADLINE: Duration = Duration::from_secs(60);
/// Silence after which a live subscription is opened again, which the relay has to answer: one can be dead although its
/// socket is not (field guide C-5).
const SILENCE_MAX: Duration = Duration::from_secs(600);
/// Pause before a subscription that the relay closed is opened again, doubled each time.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// One relay's live subscription.
#[derive(Debug)]
pub struct Live {
    state: State,
    pause: Duration,
    stored: usize,
}

#[derive(Debug)]
enum State {
    /// No connection, or no key to read with.
    Off,
    Opening {
        sub: SubId,
        deadline: Instant,
        /// It takes the place of one that was only silent.
        renews: bool,
    },
    Live {
        sub: SubId,
        silent_until: Instant,
    },
    Closed {
        until: Instant,
    },
}

impl Default for Live {
    fn default() -> Self {
        Self {
            state: State::Off,
            pause: PAUSE_FIRST,
            stored: STORED_COMPARED,
        }
    }
}

impl Live {
    /// There is a connection and a key to read with, or other keys than before, and a comparison begins: it is to be
    /// opened (again) now.
    pub fn wanted(&mut self, now: Instant) {
        self.again(now);
        self.stored = STORED_COMPARED;
    }

    /// It is to be opened again now, with what was stored meanwhile: something that came was lost here.
    pub fn again(&mut self, now: Instant) {
        self.stored = STORED_MAX;
        self.state = match std::mem::replace(&mut self.state, State::Off) {
            State::Opening { sub, .. } | State::Live { sub, .. } => State::Opening {
                sub,
                deadline: now,
                renews: false,
            },
            State::Off | State::Closed { .. } => State::Closed { until: now },
        };
    }

    /// It is not wanted any more. Returns the subscription that is open, to be closed.
    pub fn off(&mut self) -> Option<SubId> {
        match std::mem::take(self).state {
            State::Opening { sub, .. } | State::Live { sub, .. } => Some(sub),
            State::Off | State::Closed { .. } => None,
        }
    }

    /// How many stored events to ask for when it is opened now.
    pub fn stored(&self) -> usize {
        self.stored
    }

    /// The REQ went out under `sub`. Returns the subscription it replaces, to be closed.
    pub fn opened(&mut self, sub: SubId, now: Instant) -> Option<SubId> {
        self.stored = STORED_MAX;
        let renews = matches!(self.state, State::Live { .. });
        let old = std::mem::replace(
            &mut self.state,
            State::Opening {
                sub,
                deadline: now + EOSE_DEADLINE,
                renews,
            },
        );
        match old {
            State::Opening { sub, .. } | State::Live { sub, .. } => Some(sub),
            State::Off | State::Closed { .. } => None,
        }
    }

    /// Whether `sub` is the open one.
    pub fn owns(&self, sub: &SubId) -> bool {
        matches!(&self.state, State::Opening { sub: open, .. } | State::Live { sub: open, .. } if open == sub)
    }

    /// Stored events are through; from here on they are new.
    pub fn stored_done(&mut self, sub: &SubId, now: Instant) {
        if self.owns(sub) {
            self.state = State::Live {
                sub: sub.clone(),
                silent_until: now + SILENCE_MAX,
            };
            self.pause = PAUSE_FIRST;
        }
    }

    /// An event came. Returns whether it came by this subscription, which is alive then.
    pub fn heard(&mut self, sub: &SubId, now: Instant) -> bool {
        if let State::Live {
            sub: open,
            silent_until,
        } = &mut self.state
            && open == sub
        {
            *silent_until = now + SILENCE_MAX;
        }
        self.owns(sub)
    }

    /// The relay closed it.
    pub fn closed(&mut self, sub: &SubId, now: Instant) {
        if self.owns(sub) {
            self.state = State::Closed {
                until: now + self.pause,
            };
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        }
    }

    /// The connection ended.
    pub fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// Whether it streams: open, and past its stored events; or being opened again after a silence, which is no news.
    pub fn is_live(&self) -> bool {
        matches!(
            self.state,
            State::Live { .. } | State::Opening { renews: true, .. }
        )
    }

    /// When [`Self::due`] turns true.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Opening { deadline, .. } => Some(*deadline),
            State::Live { silent_until, .. } => Some(*silent_until),
            State::Closed { until } => Some(*until),
            State::Off => None,
        }
    }

    /// Whether it is time to open it (again).
    pub fn due(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(name: &str) -> SubId {
        SubId::try_from(name.to_owned()).unwrap()
    }

    #[test]
    fn a_subscription_without_eose_is_opened_again() {
        let now = tokio::time::Instant::now().into_std();
        let mut live = Live::default();
        assert_eq!(live.opened(sub("a"), now), None);
        assert!(!live.due(now + EOSE_DEADLINE / 2));
        assert!(live.due(now + EOSE_DEADLINE));
        assert_eq!(
            live.opened(sub("b"), now + EOSE_DEADLINE),
            Some(sub("a")),
            "the dead one is closed"
        );
        let opened = now + EOSE_DEADLINE;
        live.stored_done(&sub("b"), opened);
        assert!(live.is_live() && !live.due(opened + EOSE_DEADLINE));
    }

    #[test]
    fn a_silent_subscription_is_opened_again_and_one_that_brings_something_is_not() {
        let now = tokio::time::Instant::now().into_std();
        let mut live = Live::default();
        live.opened(sub("a"), now);
        live.stored_done(&sub("a"), now);
        let later = now + SILENCE_MAX / 2;
        assert!(live.heard(&sub("a"), later) && !live.heard(&sub("other"), now + SILENCE_MAX));
        assert!(!live.due(later + SILENCE_MAX / 2));
        assert!(live.is_live() && live.due(later + SILENCE_MAX));
        assert_eq!(live.stored(), STORED_MAX, "with what it may have missed");
        let renewed = later + SILENCE_MAX;
        assert_eq!(live.opened(sub("b"), renewed), Some(sub("a")));
        assert!(live.is_live(), "nothing is known to be wrong");
        assert!(live.due(renewed + EOSE_DEADLINE), "unless the relay says nothing");
        live.opened(sub("c"), renewed + EOSE_DEADLINE);
        assert!(!live.is_live());
    }

    #[test]
    fn a_closed_subscription_comes_back_ever_more_slowly() {
        let mut now = tokio::time::Instant::now().into_std();
        let mut live = Live::default();
        let mut pauses = Vec::new();
        for n in 0..10 {
            let id = sub(&format!("s{n}"));
            live.opened(id.clone(), now);
            live.closed(&id, now);
            pauses.push(live.deadline().unwrap() - now);
            now = live.deadline().unwrap();
        }
        assert_eq!(pauses[..3], [2, 4, 8].map(Duration::from_secs));
        assert_eq!(pauses[9], PAUSE_MAX);
    }

    #[test]
    fn frames_of_an_older_subscription_change_nothing() {
        let now = tokio::time::Instant::now().into_std();
        let mut live = Live::default();
        live.opened(sub("old"), now);
        live.opened(sub("new"), now);
        live.closed(&sub("old"), now);
        live.stored_done(&sub("old"), now);
        assert!(live.owns(&sub("new")) && !live.is_live());
    }
}
