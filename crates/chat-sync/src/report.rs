//! What one `sync` came to.

use event_index::{Basis, Counts};
use reconciler::Method;
use relay_link::RelayUrl;
use serde::{Deserialize, Serialize};
use status::Status;
use supervision::Switches;

/// What one `sync` does otherwise than the engine does anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncOptions {
    /// What is off in it is off while the comparison lasts, for the whole engine. What was left out follows afterwards.
    pub most: Switches,
    /// Forget first what comparisons have shown and what relays were found to do, so that all of it is proven again.
    pub afresh: bool,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            most: Switches::ON,
            afresh: false,
        }
    }
}

/// One full comparison with every relay. The program prints it in the `sync` shape of DESIGN 8.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncReport {
    /// Every relay agreed, and nothing waits.
    pub complete: bool,
    /// A line for each configured relay.
    pub relays: Vec<RelayReport>,
    /// How much there is of everything afterwards.
    pub counts: Counts,
    /// Why there is no key to write with, when there is none.
    pub locked: Option<String>,
    /// What keeps drafts, when something does.
    pub held: Option<String>,
}

/// What the comparison with one relay came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayReport {
    /// The relay.
    pub url: RelayUrl,
    /// How it was compared; `None` when it was not.
    pub method: Option<Method>,
    /// What `complete` rests on.
    pub basis: Option<Basis>,
    /// Round trips (or pages) of the first comparison.
    pub rounds: u32,
    /// Ids held here only, in the first comparison.
    pub have: u64,
    /// Ids held there only, in the first comparison.
    pub need: u64,
    /// Events stored.
    pub received: u64,
    /// Events the relay accepted.
    pub sent: u64,
    /// Bytes the relay sent.
    pub bytes_in: u64,
    /// Bytes sent to the relay.
    pub bytes_out: u64,
    /// The last comparison found no difference, and nothing is left.
    pub complete: bool,
    /// The relay could not be reached at all.
    pub offline: bool,
    /// What went wrong, in words for a person.
    pub error: Option<String>,
}

impl SyncReport {
    /// No relay could be reached.
    pub fn offline(&self) -> bool {
        self.relays.iter().all(|relay| relay.offline)
    }

    pub(crate) fn of(status: &Status, counts: Counts, locked: Option<String>) -> Self {
        let relays: Vec<RelayReport> = status
            .relays
            .iter()
            .map(|relay| RelayReport::of(relay, status.switches))
            .collect();
        let complete = !relays.is_empty()
            && relays.iter().all(|relay| relay.complete)
            && counts.waiting == 0
            && locked.is_none();
        Self {
            complete,
            relays,
            counts,
            locked,
            held: status.held.clone(),
        }
    }
}

impl RelayReport {
    fn of(relay: &status::RelayStatus, switches: Switches) -> Self {
        let offline = |why: &str| Self {
            url: relay.url.clone(),
            method: None,
            basis: None,
            rounds: 0,
            have: 0,
            need: 0,
            received: 0,
            sent: 0,
            bytes_in: 0,
            bytes_out: 0,
            complete: false,
            offline: true,
            error: Some(why.to_owned()),
        };
        match (&relay.report, &relay.state) {
            (_, status::RelayState::Waiting { why, .. }) => offline(why),
            (_, status::RelayState::Off) if !switches.sync => offline("synchronising is switched off"),
            (_, status::RelayState::Off) => offline("not dialled"),
            (_, status::RelayState::Connecting) => offline("no connection yet"),
            (Some(report), _) => Self {
                url: relay.url.clone(),
                method: Some(report.method),
                basis: report.complete.then_some(report.basis),
                rounds: report.rounds,
                have: report.have,
                need: report.need,
                received: report.received,
                sent: report.sent,
                bytes_in: report.bytes_in,
                bytes_out: report.bytes_out,
                complete: report.complete,
                offline: false,
                error: report.error.clone(),
            },
            (None, status::RelayState::Refused { why }) => Self {
                offline: false,
                ..offline(why)
            },
            (None, _) => Self {
                offline: false,
                ..offline("not compared")
            },
        }
    }
}
