//! Notices a connection that looks open and is dead (field guide C-4).

use std::time::{Duration, Instant};

/// Between pings; routers forget a silent connection after 30 s at the earliest.
const PING_EVERY: Duration = Duration::from_secs(25);
/// From a ping to giving up. With the interval above a dead connection is found within 45 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// The same after the machine woke up or the network changed (C-6).
const ANSWER_WITHIN_SUSPECT: Duration = Duration::from_secs(3);

/// What to do when the time of [`Keepalive::next`] has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Wait,
    Ping,
    Dead,
}

/// The pings of one connection. Any message of the relay counts as an answer.
#[derive(Debug)]
pub(crate) struct Keepalive {
    next_ping: Instant,
    answer_by: Option<Instant>,
}

impl Keepalive {
    pub(crate) fn opened(now: Instant) -> Self {
        Self {
            next_ping: now + PING_EVERY,
            answer_by: None,
        }
    }

    /// The relay is alive.
    pub(crate) fn heard(&mut self) {
        self.answer_by = None;
    }

    /// The connection is suspect: send a ping now.
    pub(crate) fn suspect(&mut self, now: Instant) {
        self.next_ping = now + PING_EVERY;
        self.answer_by = Some(now + ANSWER_WITHIN_SUSPECT);
    }

    /// When to call [`Self::due`].
    pub(crate) fn next(&self) -> Instant {
        self.answer_by.map_or(self.next_ping, |by| by.min(self.next_ping))
    }

    pub(crate) fn due(&mut self, now: Instant) -> Action {
        if self.answer_by.is_some_and(|by| now >= by) {
            return Action::Dead;
        }
        if now < self.next_ping {
            return Action::Wait;
        }
        self.next_ping = now + PING_EVERY;
        self.answer_by.get_or_insert(now + ANSWER_WITHIN);
        Action::Ping
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn a_silent_relay_is_given_up_after_45_seconds() {
        let start = tokio::time::Instant::now().into_std();
        let mut keepalive = Keepalive::opened(start);
        assert_eq!(keepalive.next(), after(start, 25));
        assert_eq!(keepalive.due(after(start, 24)), Action::Wait);
        assert_eq!(keepalive.due(after(start, 25)), Action::Ping);
        assert_eq!(keepalive.next(), after(start, 45));
        assert_eq!(keepalive.due(after(start, 44)), Action::Wait);
        assert_eq!(keepalive.due(after(start, 45)), Action::Dead);
    }

    #[test]
    fn an_answer_buys_the_time_to_the_next_ping() {
        let start = tokio::time::Instant::now().into_std();
        let mut keepalive = Keepalive::opened(start);
        for round in 1..100 {
            assert_eq!(keepalive.due(after(start, 25 * round)), Action::Ping);
            keepalive.heard();
            assert_eq!(keepalive.next(), after(start, 25 * (round + 1)));
        }
    }

    #[test]
    fn a_suspect_connection_has_three_seconds() {
        let start = tokio::time::Instant::now().into_std();
        let mut keepalive = Keepalive::opened(start);
        keepalive.suspect(after(start, 3));
        assert_eq!(keepalive.next(), after(start, 6));
        assert_eq!(keepalive.due(after(start, 6)), Action::Dead);
    }
}
