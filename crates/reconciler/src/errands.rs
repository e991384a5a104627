//! Messages to one neighbour, delivered one at a time and in order.

use std::collections::VecDeque;

use supervision::{Outlet, Undelivered};

use crate::messages::{HaveIds, NeedIds, PageArrived, Settle, Side};

/// Where each kind of errand goes.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    pub(crate) have: Outlet<HaveIds>,
    pub(crate) need: Outlet<NeedIds>,
    pub(crate) pages: Outlet<PageArrived>,
    pub(crate) settle_up: Outlet<Settle>,
    pub(crate) settle_down: Outlet<Settle>,
}

/// One message on its way.
#[derive(Debug)]
pub(crate) enum Errand {
    Have(HaveIds),
    Need(NeedIds),
    Page(PageArrived),
    Settle(Settle, Side),
}

/// What waits for one neighbour. Bounded by what a comparison names: 250,000 ids, or two pages.
#[derive(Debug, Default)]
pub(crate) struct Errands {
    waiting: VecDeque<Errand>,
    under_way: bool,
}

impl Errands {
    pub(crate) fn add(&mut self, errand: Errand) {
        self.waiting.push_back(errand);
    }

    /// The next one, unless one is under way.
    pub(crate) fn next(&mut self) -> Option<Errand> {
        let errand = if self.under_way {
            None
        } else {
            self.waiting.pop_front()
        };
        self.under_way |= errand.is_some();
        errand
    }

    /// The one under way was delivered, or never will be.
    pub(crate) fn done(&mut self) {
        self.under_way = false;
    }
}

impl Errand {
    /// Waits until the neighbour has handled it, so that a slow one slows the comparison instead of filling memory.
    pub(crate) async fn run(self, doors: Doors) -> Result<(), Undelivered> {
        match self {
            Self::Have(fact) => doors.have.send(fact).await,
            Self::Need(fact) => doors.need.send(fact).await,
            Self::Page(fact) => doors.pages.send(fact).await,
            Self::Settle(fact, Side::Up) => doors.settle_up.send(fact).await,
            Self::Settle(fact, Side::Down) => doors.settle_down.send(fact).await,
        }
    }

    pub(crate) fn is_page(&self) -> bool {
        matches!(self, Self::Page(_))
    }
}
