//! Panics on purpose, at a chosen step of a chosen actor: how tests prove that a death loses nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Role;

/// Counts the steps of actors and panics at the armed ones. In production nothing is armed and a step is a lookup
/// in an absent map.
#[derive(Debug, Default, Clone)]
pub struct Tripwire {
    armed: Option<Arc<Mutex<BTreeMap<Role, u64>>>>,
}

impl Tripwire {
    /// Never panics.
    pub fn none() -> Self {
        Self::default()
    }

    /// Panics once per role, in the handler of its `n`-th message from now (counting from 1).
    pub fn armed(steps: impl IntoIterator<Item = (Role, u64)>) -> Self {
        Self {
            armed: Some(Arc::new(Mutex::new(steps.into_iter().collect()))),
        }
    }

    /// Arms one more role, from now on: it panics in the handler of its `n`-th message. Does nothing to one that never
    /// panics.
    pub fn arm(&self, role: Role, n: u64) {
        if let Some(armed) = &self.armed {
            armed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(role, n);
        }
    }

    /// To be called at the top of a message handler.
    ///
    /// # Panics
    /// When this is the armed step of `role`.
    pub fn step(&self, role: &Role) {
        let Some(armed) = &self.armed else { return };
        let mut armed = armed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = armed.get_mut(role) else { return };
        *left -= 1;
        if *left == 0 {
            armed.remove(role);
            drop(armed);
            panic!("tripwire: {role} dies here on purpose");
        }
    }

    /// The roles that have not panicked yet.
    pub fn untouched(&self) -> Vec<Role> {
        self.armed.as_ref().map_or_else(Vec::new, |armed| {
            armed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .keys()
                .cloned()
                .collect()
        })
    }
}
