//! The set arithmetic of NIP-77, behind the two calls a session needs: [`neg`](crate::neg) over whatever holds the
//! items, opened as what is known of the relay suggests.

use std::sync::Arc;

use event_index::{Item, View};
use nostr::event::EventId;

use crate::neg::{FrameLimit, Initiator, NegError, Step, Strategy};

/// Items this much older than an agreement may be late: clocks of devices differ, and a pass takes a while.
const OVERLAP_SECS: u64 = 300;

/// A view that any thread may read.
pub type SharedView = Arc<dyn View + Send + Sync>;

/// The initiating side of one comparison.
pub(crate) struct Engine(Initiator<dyn View + Send + Sync>);

impl Engine {
    /// The engine and its first message. `frame_bytes_max` bounds every message it makes; 0 means no bound, and
    /// anything between is raised to the 4,096 that NIP-77 allows at least. `agreed_at` is when the relay was last
    /// known to hold the same, Unix seconds.
    pub(crate) fn open(
        view: SharedView,
        frame_bytes_max: u64,
        agreed_at: Option<u64>,
    ) -> Result<(Self, Vec<u8>), NegError> {
        let overlap = agreed_at.map(|at| Item {
            created_at: at.saturating_sub(OVERLAP_SECS),
            id: EventId::from_byte_array([0; 32]),
        });
        let strategy = match (overlap, view.covered()) {
            (Some(from), Some(covered)) => Strategy::Overlapping { from, covered },
            (agreed, _) => Strategy::RecentFirst { agreed },
        };
        let (initiator, message) = Initiator::open(view, strategy, FrameLimit::of(frame_bytes_max))?;
        Ok((Self(initiator), message))
    }

    /// Works through one reply. Ids may repeat those of earlier replies (N-14).
    pub(crate) fn answer(&mut self, message: &[u8]) -> Result<Step, NegError> {
        self.0.handle(message)
    }
}
