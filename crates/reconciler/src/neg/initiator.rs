//! The client's side of a comparison.

use std::ops::ControlFlow;
use std::sync::Arc;

use event_index::View;
use nostr::event::EventId;

use super::agenda::Agenda;
use super::error::NegError;
use super::frame::Frame;
use super::frame_limit::FrameLimit;
use super::message::{self, VERSION};
use super::named::Named;
use super::place::Places;
use super::strategy::Strategy;

/// The side that asks, and learns what differs.
#[derive(Debug)]
pub struct Initiator<V: View + ?Sized> {
    view: Arc<V>,
    limit: FrameLimit,
    /// Without one it goes on as the reference does, which keeps nothing between messages.
    agenda: Option<Agenda>,
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
    /// The step named [`NAMED_MAX`](super::NAMED_MAX) ids and stopped: transfer those, then compare again.
    Full,
}

impl<V: View + ?Sized> Initiator<V> {
    /// Begins a comparison; the bytes are the first message. Cost: the sums of all items, which the view may know.
    pub fn open(view: Arc<V>, strategy: Strategy, limit: FrameLimit) -> Result<(Self, Vec<u8>), NegError> {
        let (opening, asked) = strategy.open(&*view, limit)?;
        let agenda = match strategy {
            Strategy::Plain => None,
            Strategy::RecentFirst { .. } | Strategy::Overlapping { .. } => Some(Agenda::opened(asked)),
        };
        let initiator = Self { view, limit, agenda };
        Ok((initiator, opening))
    }

    /// Works through one answer. An error names nothing and ends the comparison.
    pub fn handle(&mut self, message: &[u8]) -> Result<Step, NegError> {
        let (version, ranges) = message::open(message)?;
        if version != VERSION {
            return Err(NegError::Version { theirs: version });
        }
        let view = &*self.view;
        let mut named = Named::default();
        let message = if let Some(agenda) = &mut self.agenda {
            agenda.hear(view, ranges, &mut named)?;
            agenda.ask(view, self.limit)?
        } else {
            let mut frame = Frame::new(view, self.limit);
            frame.answer(Places::new(view, ranges, &[]), |frame, place, theirs| {
                named.compare(view, place, theirs)?;
                Ok(if named.is_full() {
                    ControlFlow::Break(())
                } else {
                    frame.skip()
                })
            })?;
            frame.into_answer()
        };
        let next = match message {
            _ if named.is_full() => Next::Full,
            Some(message) => Next::Send(message),
            None => Next::Done,
        };
        let Named { have, need, .. } = named;
        Ok(Step { have, need, next })
    }
}
