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
    },
    Live {
        sub: SubId,
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
            State::Opening { sub, .. } | State::Live { sub } => State::Opening { sub, deadline: now },
            State::Off | State::Closed { .. } => State::Closed { until: now },
        };
    }

    /// How many stored events to ask for when it is opened now.
    pub fn stored(&self) -> usize {
        self.stored
    }

    /// The REQ went out under `sub`. Returns the subscription it replaces, to be closed.
    pub fn opened(&mut self, sub: SubId, now: Instant) -> Option<SubId> {
        self.stored = STORED_MAX;
        let old = std::mem::replace(
            &mut self.state,
            State::Opening {
                sub,
                deadline: now + EOSE_DEADLINE,
            },
        );
        match old {
            State::Opening { sub, .. } | State::Live { sub } => Some(sub),
            State::Off | State::Closed { .. } => None,
        }
    }

    /// Whether `sub` is the open one.
    pub fn owns(&self, sub: &SubId) -> bool {
        matches!(&self.state, State::Opening { sub: open, .. } | State::Live { sub: open } if open == sub)
    }

    /// Stored events are through; from here on they are new.
    pub fn stored_done(&mut self, sub: &SubId) {
        if self.owns(sub) {
            self.state = State::Live { sub: sub.clone() };
            self.pause = PAUSE_FIRST;
        }
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

    /// Whether it streams: open, and past its stored events.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Live { .. })
    }

    /// When [`Self::due`] turns true.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Opening { deadline, .. } => Some(*deadline),
            State::Closed { until } => Some(*until),
            State::Off | State::Live { .. } => None,
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
        live.stored_done(&sub("b"));
        assert!(live.is_live() && live.deadline().is_none());
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
        live.stored_done(&sub("old"));
        assert!(live.owns(&sub("new")) && !live.is_live());
    }
}
