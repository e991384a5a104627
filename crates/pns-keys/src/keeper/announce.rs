//! What everyone is told about the keys.

use std::time::{Duration, Instant};

use supervision::Undelivered;

use super::actor::KeeperActor;
use super::{KeyState, KeysChanged, WriteKey};
use crate::KeySetState;

/// The pause before a neighbour whose mailbox was full is told again.
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(100);

impl KeeperActor {
    /// Tells everyone, unless they have been told the same.
    pub(super) fn announce(&mut self, now: Instant) {
        let fact = self.snapshot();
        if self.announced.as_ref() == Some(&fact) && self.announce_at.is_none_or(|at| at > now) {
            return;
        }
        self.announce_at = None;
        for outlet in &self.parts.facts {
            // One that is not running asks for it, or gets it after `Restarted`.
            if let Err(Undelivered::Full) = outlet.try_send(fact.clone()) {
                self.announce_at = Some(now + ANNOUNCE_PAUSE);
            }
        }
        self.announced = Some(fact);
    }

    /// Has everyone told at the next [`Self::drive`], changed or not.
    pub(super) fn announce_again(&mut self) {
        self.announced = None;
    }

    fn snapshot(&self) -> KeysChanged {
        let write = self.keys.writing_key().map(|writing| WriteKey {
            public: writing.key.public(),
            not_before: writing.not_before,
            rumor_author: writing.key.rumor_author(self.account),
            ready: self.shelf.is_ready(&writing.keyring),
        });
        let state = self.state();
        KeysChanged {
            account: self.account,
            read: self.keys.read(),
            rumor_authors: self.keys.rumor_authors(),
            write,
            asking: matches!(state, KeyState::Asking { .. })
                || self.shelf.is_opening()
                || self.is_creating()
                || self.proving > 0,
            state,
            closed: self.shelf.closed(),
        }
    }

    pub(super) fn state(&self) -> KeyState {
        let Some(discovery) = &self.discovery else {
            return match &self.trouble {
                Some(why) => KeyState::Locked { why: why.clone() },
                None => KeyState::Loading,
            };
        };
        let searching = |why: &str| KeyState::Searching { why: why.to_owned() };
        let asking = |what: &str| KeyState::Asking {
            why: format!("the signer is being asked to {what}; approve it there if it wants you to"),
        };
        match (self.keys.state(), self.shelf.locked(), &self.trouble) {
            (KeySetState::Ready, _, _) => KeyState::Ready,
            (_, Some(why), _) => KeyState::Locked { why },
            _ if self.shelf.cannot_save() => {
                searching("your history key could not be saved and is tried again; check the disk")
            }
            _ if !self.shelf.is_empty() => asking("open your history key"),
            (_, _, Some(why)) => KeyState::Locked { why: why.clone() },
            _ if discovery.is_creating() => asking("make your first history key"),
            _ => KeyState::Searching {
                why: discovery.progress().to_string(),
            },
        }
    }
}
