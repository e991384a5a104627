//! The client's side of a comparison.

use std::ops::ControlFlow;
use std::sync::Arc;

use event_index::View;
use nostr::event::EventId;

use super::error::NegError;
use super::frame::{Frame, Place};
use super::frame_limit::FrameLimit;
use super::message::{self, VERSION};
use super::strategy::{Cut, Strategy};

/// Ids one step names before it stops: 8 MiB. A relay that lists nothing for everything makes a client name all it has.
pub const NAMED_MAX: usize = 250_000;
/// Items looked at between two looks at [`NAMED_MAX`].
const STRIDE: u64 = 4_096;

/// The side that asks, and learns what differs. It keeps nothing between messages but what it compares.
#[derive(Debug)]
pub struct Initiator<V: View + ?Sized> {
    view: Arc<V>,
    limit: FrameLimit,
    cut: Cut,
}

/// What one message of the other side told.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// Held here, missing there; in the order of the view.
    pub have: Vec<EventId>,
    /// Held there, missing here; sorted within each range.
    pub need: Vec<EventId>,
    /// What is to be done now.
    pub next: Next,
}

/// How a comparison goes on.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this, and hand the answer to [`Initiator::handle`].
    Send(Vec<u8>),
    /// Everything that differs was named.
    Done,
    /// The step named [`NAMED_MAX`] ids and stopped: transfer those, then compare again.
    Full,
}

impl<V: View + ?Sized> Initiator<V> {
    /// Begins a comparison; the bytes are the first message. Cost: the sums of all items, which the view may know.
    pub fn open(view: Arc<V>, strategy: Strategy, limit: FrameLimit) -> Result<(Self, Vec<u8>), NegError> {
        let opening = strategy.open(&*view, limit)?;
        let cut = strategy.cut();
        Ok((Self { view, limit, cut }, opening))
    }

    /// Works through one answer. An error names nothing and ends the comparison.
    pub fn handle(&self, message: &[u8]) -> Result<Step, NegError> {
        let (version, ranges) = message::open(message)?;
        if version != VERSION {
            return Err(NegError::Version { theirs: version });
        }
        let mut frame = Frame::new(&*self.view, self.limit, self.cut);
        let (mut have, mut need, mut full) = (Vec::new(), Vec::new(), false);
        frame.answer(ranges, |frame, place, theirs| {
            compare(frame.view, &place, theirs, &mut have, &mut need)?;
            if have.len() + need.len() >= NAMED_MAX {
                full = true;
                return Ok(ControlFlow::Break(()));
            }
            Ok(frame.skip())
        })?;
        let next = match (full, frame.is_blank()) {
            (true, _) => Next::Full,
            (false, true) => Next::Done,
            (false, false) => Next::Send(frame.into_bytes()),
        };
        Ok(Step { have, need, next })
    }
}

/// Holds the items of one range against the peer's ids of it. Stops soon after [`NAMED_MAX`] ids are named.
fn compare<V: View + ?Sized>(
    view: &V,
    place: &Place,
    theirs: &[[u8; 32]],
    have: &mut Vec<EventId>,
    need: &mut Vec<EventId>,
) -> Result<(), NegError> {
    let mut theirs = theirs.to_vec();
    theirs.sort_unstable();
    theirs.dedup();
    let mut shared = vec![false; theirs.len()];
    let mut from = place.ranks.start;
    while from < place.ranks.end {
        if have.len() + need.len() >= NAMED_MAX {
            return Ok(());
        }
        let to = place.ranks.end.min(from + STRIDE);
        view.each(
            from..to,
            &mut |item| match theirs.binary_search(item.id.as_bytes()) {
                Ok(at) => shared[at] = true,
                Err(_) => have.push(item.id),
            },
        )?;
        from = to;
    }
    let missing = theirs.into_iter().zip(shared).filter(|(_, shared)| !shared);
    need.extend(missing.map(|(id, _)| EventId::from_byte_array(id)));
    Ok(())
}
