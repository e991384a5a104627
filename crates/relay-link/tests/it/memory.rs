//! Relays that live in memory, in a time that jumps.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use actix::prelude::*;
use futures_util::future::BoxFuture;
use relay_link::{
    ClientFrame, Connection, Dial, DialError, MemoryEnd, RelayFrame, RelayLink, RelayLinkActor, RelayUrl,
    memory_pair,
};
use supervision::{Env, Lifeline, Role, SeededEntropy, SimulatedClock, Tripwire, Workers};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::common::Seen;

pub(crate) const FAR: &str = "wss://relay.example.com";

pub(crate) fn run(test: impl Future<Output = ()>) {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime")
    };
    System::with_tokio_rt(runtime).block_on(test);
}

pub(crate) fn env() -> Env {
    Env {
        clock: Arc::new(SimulatedClock::starting_at(1_800_000_000)),
        entropy: Arc::new(SeededEntropy::new(1)),
        workers: Workers::inline(),
        tripwire: Tripwire::none(),
    }
}

/// Opens memory connections, hands their other ends to the test, and notes when it was asked.
#[derive(Clone)]
pub(crate) struct Switchboard {
    ends: mpsc::UnboundedSender<MemoryEnd>,
    dials: Arc<Mutex<Vec<Instant>>>,
    pub(crate) failing: Arc<Mutex<Option<DialError>>>,
    pub(crate) silent: Arc<AtomicBool>,
}

impl Switchboard {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<MemoryEnd>) {
        let (ends, ends_out) = mpsc::unbounded_channel();
        let (dials, failing, silent) = <(Arc<Mutex<_>>, Arc<Mutex<_>>, Arc<_>)>::default();
        (
            Self {
                ends,
                dials,
                failing,
                silent,
            },
            ends_out,
        )
    }

    pub(crate) fn dials(&self) -> Vec<Instant> {
        self.dials.lock().unwrap().clone()
    }
}

impl Dial for Switchboard {
    fn dial(&self, _: &RelayUrl) -> BoxFuture<'static, Result<Connection, DialError>> {
        self.dials.lock().unwrap().push(Instant::now());
        if self.silent.load(Ordering::Relaxed) {
            return Box::pin(futures_util::future::pending());
        }
        let failing = self.failing.lock().unwrap().clone();
        let ends = self.ends.clone();
        Box::pin(async move {
            if let Some(error) = failing {
                return Err(error);
            }
            let (connection, end) = memory_pair();
            let _ = ends.send(end);
            Ok(connection)
        })
    }
}

pub(crate) fn start(link: &RelayLink, board: &Switchboard, seen: &Seen) {
    let lifeline = Lifeline::unwatched(Role::Link(link.url().to_string()));
    RelayLinkActor::new(
        env(),
        lifeline,
        link,
        Arc::new(board.clone()),
        vec![seen.changes.clone()],
    )
    .start();
}

pub(crate) fn req(sub: &str) -> ClientFrame {
    ClientFrame::Req {
        sub: sub.parse().unwrap(),
        filters: vec![],
    }
}

pub(crate) fn eose(sub: &str) -> RelayFrame {
    RelayFrame::Eose {
        sub: sub.parse().unwrap(),
        hints: vec![],
    }
}
