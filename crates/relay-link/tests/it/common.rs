//! A part of the engine that writes down what the link tells it.

use std::sync::Arc;
use std::time::Duration;

use actix::prelude::*;
use relay_link::{FrameArrived, LinkChanged, LinkState, RelayFrame, RelayLink};
use supervision::Outlet;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Longer than any wait of a link; in paused time it costs nothing.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Writes down states and frames; handles a frame only when `gate` lets it.
struct Witness {
    states: mpsc::UnboundedSender<LinkState>,
    frames: mpsc::UnboundedSender<RelayFrame>,
    gate: Arc<Semaphore>,
}

impl Actor for Witness {
    type Context = Context<Self>;
}

impl Handler<LinkChanged> for Witness {
    type Result = ();

    fn handle(&mut self, changed: LinkChanged, _: &mut Self::Context) {
        let _ = self.states.send(changed.state);
    }
}

impl Handler<FrameArrived> for Witness {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, arrived: FrameArrived, _: &mut Self::Context) -> Self::Result {
        let (frames, gate) = (self.frames.clone(), Arc::clone(&self.gate));
        let taking = async move {
            gate.acquire().await.expect("the gate is never closed").forget();
            let _ = frames.send(arrived.frame);
        };
        AtomicResponse::new(Box::pin(taking.into_actor(self)))
    }
}

/// The test's side of a [`Witness`].
pub(crate) struct Seen {
    pub(crate) changes: Outlet<LinkChanged>,
    pub(crate) answers: Outlet<FrameArrived>,
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) states: mpsc::UnboundedReceiver<LinkState>,
    pub(crate) frames: mpsc::UnboundedReceiver<RelayFrame>,
}

impl Seen {
    /// A witness that takes every frame at once.
    pub(crate) fn start() -> Self {
        Self::gated(Semaphore::MAX_PERMITS / 2)
    }

    /// A witness that takes this many frames and then waits for permits.
    pub(crate) fn gated(frames_free: usize) -> Self {
        let (states, states_seen) = mpsc::unbounded_channel();
        let (frames, frames_seen) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(frames_free));
        let witness = Witness {
            states,
            frames,
            gate: Arc::clone(&gate),
        }
        .start();
        let (changes, answers) = (Outlet::empty(), Outlet::empty());
        changes.fill(witness.clone().recipient());
        answers.fill(witness.recipient());
        Self {
            changes,
            answers,
            gate,
            states: states_seen,
            frames: frames_seen,
        }
    }

    /// The next state.
    pub(crate) async fn state(&mut self) -> LinkState {
        timeout(PATIENCE, self.states.recv())
            .await
            .expect("a state within an hour")
            .expect("a witness")
    }

    /// The number of the next connection, passing over other states.
    pub(crate) async fn connected(&mut self) -> u64 {
        loop {
            if let LinkState::Connected { connection } = self.state().await {
                return connection;
            }
        }
    }

    /// Why the link waits, the next time it does.
    pub(crate) async fn waiting(&mut self) -> (std::time::Instant, String) {
        loop {
            if let LinkState::Waiting { until, why } = self.state().await {
                return (until, why);
            }
        }
    }

    /// The next frame.
    pub(crate) async fn frame(&mut self) -> RelayFrame {
        timeout(PATIENCE, self.frames.recv())
            .await
            .expect("a frame within an hour")
            .expect("a witness")
    }
}

/// A link without an actor yet.
pub(crate) fn link_to(url: &str) -> RelayLink {
    RelayLink::new(url.parse().unwrap())
}
