//! When a relay that stays connected is compared with again.

use std::time::Duration;

/// Cursors and live subscriptions miss what arrives late and back-dated; a full comparison at least every 24 hours does
/// not (field guide 7). One of them may be slept through before [`Wakes`](crate::wakes::Wakes) tells.
const AFTER_AGREEMENT: Duration = Duration::from_secs(23 * 3600);
/// While nothing arrives by itself, a comparison is how it gets here: under 1 KB each way when there is nothing new.
const WITHOUT_LIVE: Duration = Duration::from_secs(300);
/// The pause after the first pass that did not end in an agreement: F05 allows three opens a minute.
const PAUSE_FIRST: Duration = Duration::from_secs(60);
/// It doubles up to this: an event that never arrives must not cost a comparison a minute.
const PAUSE_MAX: Duration = Duration::from_secs(3600);

/// Counts passes in a row that did not end in an agreement.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    incomplete: u32,
}

impl Cadence {
    /// How long to wait after a pass. `live`: new messages arrive by themselves.
    pub(crate) fn after(&mut self, agreed: bool, live: bool) -> Duration {
        if agreed {
            self.incomplete = 0;
            return if live { AFTER_AGREEMENT } else { WITHOUT_LIVE };
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.incomplete.min(6));
        self.incomplete = self.incomplete.saturating_add(1);
        pause.min(PAUSE_MAX)
    }

    /// A new connection, new keys, or a person's word: start over with short pauses.
    pub(crate) fn reset(&mut self) {
        self.incomplete = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_passes_come_further_and_further_apart() {
        let mut cadence = Cadence::default();
        let minutes: Vec<u64> = (0..9)
            .map(|_| cadence.after(false, true).as_secs() / 60)
            .collect();
        assert_eq!(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(cadence.after(true, true), Duration::from_secs(23 * 3600));
        assert_eq!(cadence.after(false, true), PAUSE_FIRST);
        assert_eq!(cadence.after(true, false), WITHOUT_LIVE);
    }
}
