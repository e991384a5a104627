//! What the actor knows of one relay.

use std::time::Instant;

use actix::SpawnHandle;
use relay_link::{LinkState, RelayLink};
use tracing::Span;

use crate::cadence::Cadence;
use crate::errands::Errands;
use crate::messages::Phase;
use crate::pass::Pass;

/// One configured relay.
pub(crate) struct Relay {
    pub(crate) link: RelayLink,
    pub(crate) state: LinkState,
    /// The connection the last pass was started on.
    pub(crate) compared_on: Option<u64>,
    pub(crate) running: Option<Running>,
    /// The next pass, when nothing starts one before.
    pub(crate) again: Option<SpawnHandle>,
    pub(crate) cadence: Cadence,
    /// Somebody asked while it was connecting.
    pub(crate) asked: bool,
    /// When it was last asked for its document.
    pub(crate) info_asked: Option<Instant>,
    /// What was told last.
    pub(crate) told: Option<(u64, Phase)>,
}

/// The pass that runs.
pub(crate) struct Running {
    pub(crate) number: u64,
    pub(crate) connection: u64,
    pub(crate) core: Pass,
    /// What its last view left out, by sequence number: an agreement does not cover it.
    pub(crate) absent: Vec<u64>,
    pub(crate) timer: Option<(Instant, SpawnHandle)>,
    pub(crate) up: Errands,
    pub(crate) down: Errands,
    /// What everything that is logged about this pass is in.
    pub(crate) span: Span,
}

impl Relay {
    pub(crate) fn new(link: RelayLink) -> Self {
        Self {
            link,
            state: LinkState::Connecting,
            compared_on: None,
            running: None,
            again: None,
            cadence: Cadence::default(),
            asked: false,
            info_asked: None,
            told: None,
        }
    }

    pub(crate) fn connection(&self) -> Option<u64> {
        match self.state {
            LinkState::Connected { connection } => Some(connection),
            _ => None,
        }
    }

    /// The pass of this number, when it is the one that runs.
    pub(crate) fn pass(&mut self, number: u64) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.number == number)
    }
}
