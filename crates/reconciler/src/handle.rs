//! What other crates hold of the reconciler.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::*;
use event_index::EventIndex;
use pns_keys::keeper::KeysChanged;
use relay_link::LinkChanged;
use supervision::{Env, Lifeline, Outlet, Restarted, Switchboard};

use crate::actor::ReconcilerActor;
use crate::messages::{
    Compare, HaveIds, LessonLearned, NeedIds, PageArrived, PassChanged, Settle, Settled, StartOver, Teach,
};

/// Reaches the reconciler from other crates, also after it was restarted. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Reconciler {
    /// Takes what links tell about themselves.
    pub links: Outlet<LinkChanged>,
    /// Takes which keys are read.
    pub keys: Outlet<KeysChanged>,
    /// Takes the answers of uploader and realtime.
    pub settled: Outlet<Settled>,
    /// Takes what others found out about relays.
    pub lessons: Outlet<LessonLearned>,
    /// Starts comparisons.
    pub compare: Outlet<Compare>,
    /// Starts over with every relay.
    pub start_over: Outlet<StartOver>,
    /// Takes what trying a relay out has shown.
    pub teach: Outlet<Teach>,
    /// Takes what the guardian tells.
    pub restarted: Outlet<Restarted>,
    /// The number of the last pass; outlives the actor.
    passes: Arc<AtomicU64>,
}

/// What the reconciler works with.
#[derive(Debug, Clone)]
pub struct ReconcilerParts {
    /// Snapshots, tombstones, agreements.
    pub index: EventIndex,
    /// To the uploader.
    pub have: Outlet<HaveIds>,
    /// To realtime.
    pub need: Outlet<NeedIds>,
    /// To realtime.
    pub pages: Outlet<PageArrived>,
    /// To the uploader.
    pub settle_up: Outlet<Settle>,
    /// To realtime.
    pub settle_down: Outlet<Settle>,
    /// To whoever wants to know how far passes are.
    pub changes: Vec<Outlet<PassChanged>>,
    /// How relays may be compared with.
    pub switches: Switchboard,
}

impl Default for Reconciler {
    fn default() -> Self {
        Self::new()
    }
}

impl Reconciler {
    /// A reconciler that is not running yet.
    pub fn new() -> Self {
        Self {
            links: Outlet::empty(),
            keys: Outlet::empty(),
            settled: Outlet::empty(),
            lessons: Outlet::empty(),
            compare: Outlet::empty(),
            start_over: Outlet::empty(),
            teach: Outlet::empty(),
            restarted: Outlet::empty(),
            passes: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Starts an incarnation and points every outlet at it: the body of the guardian's constructor. Links and the
    /// keeper have to tell their state once more, as they do after [`Restarted`]; passes that ran start over then.
    pub fn start(&self, env: Env, lifeline: Lifeline, parts: ReconcilerParts) {
        let address = ReconcilerActor::new(env, lifeline, parts, self.clone()).start();
        self.links.fill(address.clone().recipient());
        self.keys.fill(address.clone().recipient());
        self.settled.fill(address.clone().recipient());
        self.lessons.fill(address.clone().recipient());
        self.compare.fill(address.clone().recipient());
        self.start_over.fill(address.clone().recipient());
        self.teach.fill(address.clone().recipient());
        self.restarted.fill(address.recipient());
    }

    /// The number of the pass that was started last, over all relays. A pass that answers a [`Compare`] sent after
    /// this call has a greater one.
    pub fn last_pass(&self) -> u64 {
        self.passes.load(Ordering::Acquire)
    }

    pub(crate) fn next_pass(&self) -> u64 {
        self.passes.fetch_add(1, Ordering::AcqRel) + 1
    }
}
