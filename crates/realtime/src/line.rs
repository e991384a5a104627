//! What the shell keeps for one relay: its live subscription, its fetches, and the pass that waits for them.

use actix::SpawnHandle;
use relay_link::{LinkState, Presence, RelayLink, Turn};

use crate::fetch::Fetches;
use crate::live::Live;

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
        self.rejected = 0;
        if turn == Turn::Lost {
            // The pass ended with the connection; a new one asks again.
            self.settle = None;
        }
        turn == Turn::Opened
    }
}
