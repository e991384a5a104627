//! The relay's side of a comparison.

use std::sync::Arc;

use event_index::View;

use super::error::NegError;
use super::frame::Frame;
use super::frame_limit::FrameLimit;
use super::message::{self, VERSION};
use super::place::Places;

/// The side that answers. Each message alone says what to answer, so one responder serves any number of comparisons.
#[derive(Debug)]
pub struct Responder<V: View + ?Sized> {
    view: Arc<V>,
    limit: FrameLimit,
}

impl<V: View + ?Sized> Responder<V> {
    /// Answers from `view`. Without a limit an answer may list every id there is: 32 bytes each.
    pub fn new(view: Arc<V>, limit: FrameLimit) -> Self {
        Self { view, limit }
    }

    /// The answer to one message. One of another version of the protocol is answered with this version, alone.
    pub fn answer(&self, message: &[u8]) -> Result<Vec<u8>, NegError> {
        let (version, ranges) = message::open(message)?;
        match version {
            VERSION => {}
            0x60..=0x6f => return Ok(vec![VERSION]),
            theirs => return Err(NegError::Version { theirs }),
        }
        let mut frame = Frame::new(&*self.view, self.limit);
        // The count of the peer's ids is checked; the ids themselves are for the peer to compare.
        frame.answer(Places::new(&*self.view, ranges, &[]), |frame, place, _| {
            frame.list(place)
        })?;
        Ok(frame.into_bytes())
    }
}
