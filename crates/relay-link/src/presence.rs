//! Which connection stands, as a watcher of links learns it.

use crate::LinkState;

/// Follows [`LinkState`]s, which may skip some and repeat others, and tells what changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Presence {
    connection: Option<u64>,
}

/// What a state changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A new connection stands. What was open on an earlier one is gone.
    Opened,
    /// The connection is gone, and all that was open on it.
    Lost,
}

impl Presence {
    /// Takes a state; `None` when nothing changed for whoever uses the connection.
    pub fn follow(&mut self, state: &LinkState) -> Option<Turn> {
        let connection = match state {
            LinkState::Connected { connection } => Some(*connection),
            LinkState::Connecting | LinkState::Waiting { .. } | LinkState::Resting | LinkState::Stopped => {
                None
            }
        };
        if connection == self.connection {
            return None;
        }
        self.connection = connection;
        Some(if connection.is_some() {
            Turn::Opened
        } else {
            Turn::Lost
        })
    }

    /// Whether a connection stands.
    pub fn connected(&self) -> bool {
        self.connection.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_replaced_another_unseen_is_a_new_one() {
        let mut presence = Presence::default();
        assert_eq!(presence.follow(&LinkState::Connecting), None);
        assert_eq!(
            presence.follow(&LinkState::Connected { connection: 1 }),
            Some(Turn::Opened)
        );
        assert_eq!(presence.follow(&LinkState::Connected { connection: 1 }), None);
        assert_eq!(
            presence.follow(&LinkState::Connected { connection: 4 }),
            Some(Turn::Opened)
        );
        assert_eq!(presence.follow(&LinkState::Stopped), Some(Turn::Lost));
        assert!(!presence.connected());
    }
}
