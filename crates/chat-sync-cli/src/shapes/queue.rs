//! `queue`.

use serde::{Deserialize, Serialize};

/// `queue list`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct QueueShape {
    pub(crate) drafts: u64,
    pub(crate) waiting: u64,
    pub(crate) parked: u64,
    pub(crate) groups: Vec<Group>,
    pub(crate) more_groups: usize,
}

/// Deliveries to one relay that wait for the same reason.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) relay: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) meaning: Option<String>,
    pub(crate) count: u64,
    pub(crate) next_try: Option<u64>,
    pub(crate) ids: Vec<String>,
}

/// `queue retry`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Retried {
    pub(crate) retried: u64,
}

/// `queue drop`; what it would come to, when it is only asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Dropped {
    pub(crate) dropped: u64,
    pub(crate) on_no_relay: u64,
}
