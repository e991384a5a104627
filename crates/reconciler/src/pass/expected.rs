//! What the relay is expected to hold beside the items, and what the comparison found to be otherwise.

use std::collections::BTreeSet;

use nostr::event::EventId;

use super::{IDS_PER_MESSAGE, Output, Pass};

/// How the view that is compared differs from the items held here.
#[derive(Debug, Clone, Default)]
pub struct Expected {
    /// How many items the relay refused: not in the view, and not safe there.
    pub absent: u64,
    /// How many events in the view failed their checks: the relay has something that was never taken.
    pub forged: u64,
    /// What is in the view and not held here.
    pub extra: BTreeSet<EventId>,
    /// What the relay named and did not deliver intact, in the transfers that were settled last.
    withheld: u64,
}

impl Expected {
    /// A view without exceptions but these.
    pub fn new(absent: u64, forged: u64, extra: BTreeSet<EventId>) -> Self {
        let withheld = 0;
        Self {
            absent,
            forged,
            extra,
            withheld,
        }
    }

    /// What a person is told when it is the relay that cannot be level.
    pub(super) fn shortcoming(&self) -> Option<String> {
        match (self.withheld, self.forged) {
            (0, 0) => None,
            (0, 1) => Some("it serves an event that fails its checks".to_owned()),
            (0, forged) => Some(format!("it serves {forged} events that fail their checks")),
            (1, _) => Some(
                "an event that it names did not come, or not intact; other relays may have it".to_owned(),
            ),
            (withheld, _) => Some(format!(
                "{withheld} events that it names did not come, or not intact; other relays may have them"
            )),
        }
    }

    /// Whether a relay that holds this holds what is held here, and nothing that is to be had.
    pub(super) fn is_level(&self) -> bool {
        self.absent == 0 && self.forged == 0
    }
}

impl Pass {
    /// How the view is made. To be told before [`Pass::snapshot_taken`].
    pub fn expects(&mut self, expected: Expected) {
        let withheld = self.expected.withheld;
        self.expected = Expected { withheld, ..expected };
    }

    /// So many ids that the relay named were not delivered intact in the transfers that are settled now. To be told
    /// before [`Pass::settled`]; it replaces what was told before.
    pub fn withheld(&mut self, ids: u64) {
        self.expected.withheld = ids;
    }

    /// So many of the ids that this comparison named turned out to be no difference but a part of what the relay is
    /// expected to hold, and the next view has them. To be told before [`Pass::sifted`]: one confirming comparison finds
    /// out whether that view matches.
    pub fn view_changed(&mut self, ids: usize) {
        self.tally.placed += ids as u64;
    }

    /// The ids that are held here. The others were expected at the relay although they are not, and it lacks them: they
    /// are asked to be forgotten, as ids are asked to be sifted.
    pub(super) fn held_of(&mut self, ids: &[EventId]) -> Vec<EventId> {
        let (gone, held): (Vec<EventId>, Vec<EventId>) =
            ids.iter().partition(|id| self.expected.extra.contains(*id));
        for ids in gone.chunks(IDS_PER_MESSAGE) {
            self.sifting += 1;
            self.outputs.push_back(Output::Gone {
                epoch: self.epoch,
                ids: ids.to_vec(),
            });
        }
        held
    }
}
