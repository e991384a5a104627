//! How long a signer is waited for.

use std::time::Duration;

/// How long a signer is waited for. The defaults fit people; tests over real sockets take less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For an answer, from when the request went out; once more for its retry; and for a relay that takes it.
    /// 65 s by default: a signer's own window for a person's approval is 60 s (field guide S-1).
    pub answer: Duration,
    /// For a person who has to open a page or scan a code. 5 minutes by default (S-1).
    pub page: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(65),
            page: Duration::from_secs(5 * 60),
        }
    }
}
