//! What the shell keeps for one relay: its live subscription, its fetches, and the pass that waits for them.

use std::collections::VecDeque;
use std::time::Instant;

use actix::SpawnHandle;
use nostr::prelude::EventId;
use relay_link::{LinkState, Presence, RelayLink, SubId, Turn};
use tokio::sync::oneshot;

use crate::fetch::Fetches;
use crate::inquiry::Inquiry;
use crate::live::Live;
use crate::messages::Served;

/// One relay, as realtime sees it.
pub(crate) struct Line {
    pub(crate) link: RelayLink,
    pub(crate) live: Live,
    pub(crate) fetches: Fetches,
    /// The pass that waits for downloads.
    pub(crate) settle: Option<u64>,
    /// Events of this relay that were stored since the last answer to a pass.
    pub(crate) received: u64,
    /// Events of this relay that failed their checks on this connection.
    pub(crate) rejected: u32,
    pub(crate) timer: Option<SpawnHandle>,
    /// What it is asked beside, one after the other, and who waits for the answer.
    pub(crate) inquiries: VecDeque<(Inquiry, oneshot::Sender<Served>)>,
    pub(crate) inquiry_timer: Option<SpawnHandle>,
    presence: Presence,
}

impl Line {
    pub(crate) fn new(link: RelayLink) -> Self {
        Self {
            link,
            live: Live::default(),
            fetches: Fetches::default(),
            settle: None,
            received: 0,
            rejected: 0,
            timer: None,
            inquiries: VecDeque::new(),
            inquiry_timer: None,
            presence: Presence::default(),
        }
    }

    pub(crate) fn connected(&self) -> bool {
        self.presence.connected()
    }

    /// Takes the link's state. Returns whether a new connection stands.
    pub(crate) fn link_changed(&mut self, state: &LinkState) -> bool {
        let Some(turn) = self.presence.follow(state) else {
            return false;
        };
        self.live.disconnected();
        self.fetches.disconnected();
        for (inquiry, _) in &mut self.inquiries {
            inquiry.fail("the connection ended");
        }
        self.rejected = 0;
        if turn == Turn::Lost {
            // The pass ended with the connection; a new one asks again.
            self.settle = None;
        }
        turn == Turn::Opened
    }

    /// An event came that an inquiry asked for.
    pub(crate) fn showed(&mut self, sub: &SubId, id: EventId, now: Instant) -> bool {
        let first = self.inquiries.front_mut();
        first.is_some_and(|(inquiry, _)| inquiry.showed(sub, id, now))
    }

    /// An inquiry was answered.
    pub(crate) fn said_all(&mut self, sub: &SubId) -> bool {
        let first = self.inquiries.front_mut();
        first.is_some_and(|(inquiry, _)| inquiry.answered(sub))
    }

    /// An inquiry was refused.
    pub(crate) fn would_not_say(&mut self, sub: &SubId, reason: &str, now: Instant) {
        if let Some((inquiry, _)) = self.inquiries.front_mut() {
            inquiry.refused(sub, reason, now);
        }
    }
}
