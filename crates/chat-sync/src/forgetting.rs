//! Forgetting old messages on this device while the engine runs, as `forget_after_days` says, and bringing back what it
//! says no more.
//!
//! What is forgotten is fetched again when a person wants it back, so nothing is forgotten, and nothing brought back, while
//! nothing may be fetched. Days begin at midnight UTC: the window moves once a day.

use std::sync::Arc;
use std::time::Duration;

use chat_model::MessageId;
use event_index::{IndexError, Item, Stretch};
use nostr::event::EventId;
use pns_keys::keeper::open_keyrings;
use realtime::Dropped;
use reconciler::Compare;
use relay_link::CLOCK_SKEW_MAX;
use status::{RelayState, Status};
use supervision::Days;

use crate::desk::Desk;

/// Messages forgotten or brought back in one transaction: others wait that long for the disk.
const MESSAGES_AT_ONCE: usize = 500;
/// What comes together is looked at together.
const SETTLED: Duration = Duration::from_secs(1);
/// How often to look whether another day has begun: sleep does not delay it for longer.
const LOOK_EVERY: Duration = Duration::from_secs(3600);
const DAY: u64 = 24 * 3600;

/// Messages that were sealed before this second are older than so many whole days.
fn window_begins(unix: u64, days: Days) -> u64 {
    (unix - unix % DAY).saturating_sub(days.as_secs())
}

/// What the last round was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Round {
    before: Option<u64>,
    /// Every relay was level then: what was not forgotten is not to be.
    complete: bool,
    /// Items that are older than that.
    old: u64,
    items: u64,
    forgotten: u64,
}

/// Where forgetting stands. One round at a time.
#[derive(Debug, Default)]
pub(crate) struct Window {
    last: Option<Round>,
    /// Something is to come again, and no sync has waited for it yet.
    recalled: bool,
}

impl Desk {
    /// Forgets at the start, with every day that begins, when much has come, and when the switch is turned. Never ends.
    pub(crate) async fn keep_window(self: Arc<Self>) {
        let (mut switches, mut status) = (self.switches.subscribe(), self.status.clone());
        loop {
            switches.mark_unchanged();
            let may = self.may_fetch();
            if may {
                tokio::select! {
                    biased;
                    turned = switches.changed() => match turned {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                    reached = status.wait_for(shows_the_time) => if reached.is_err() { return },
                }
                self.forget_due().await;
            }
            let watched = if may { self.window.lock().await.last } else { None };
            let changed = |status: &Status| {
                watched.is_some_and(|last| {
                    let counts = &status.counts;
                    let moved = counts.items != last.items || counts.forgotten != last.forgotten;
                    status.complete && (moved || !last.complete)
                })
            };
            tokio::select! {
                biased;
                turned = switches.changed() => if turned.is_err() { return },
                told = status.wait_for(changed) => {
                    if told.is_err() {
                        return;
                    }
                    drop(told);
                    actix::clock::sleep(SETTLED).await;
                }
                () = actix::clock::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is forgotten can be fetched again, and what is to come again comes.
    fn may_fetch(&self) -> bool {
        let switches = self.switches.now();
        self.wiring.dials && switches.sync && switches.downloads
    }

    /// Messages that were sealed before this second are to be forgotten; `None` when none is.
    fn window_begins(&self) -> Option<u64> {
        let days = self.switches.now().forget_after_days?;
        Some(window_begins(self.env.clock.unix(), days))
    }

    /// Brings back what is not to be forgotten any more. Returns whether the comparisons so far do not know of it.
    pub(crate) async fn recall_due(&self) -> bool {
        if !self.may_fetch() {
            return false;
        }
        let mut window = self.window.lock().await;
        match self.recall(self.window_begins().unwrap_or_default()).await {
            Ok(recalled) => std::mem::take(&mut window.recalled) || recalled > 0,
            Err(error) => {
                tracing::warn!(%error, "what is not to be forgotten any more could not be brought back");
                false
            }
        }
    }

    /// Forgets what is due, and brings back what is not to be forgotten any more.
    pub(crate) async fn forget_due(&self) {
        let (skew, complete) = {
            let status = self.status.borrow();
            // A relay that is connected shows whether this machine's clock is right.
            if !self.may_fetch() || !shows_the_time(&status) {
                return;
            }
            (status.clock_skew, status.complete)
        };
        if skew.is_some_and(|skew| skew.unsigned_abs() > CLOCK_SKEW_MAX) {
            tracing::warn!("this machine's clock is wrong: no message is forgotten by it");
            return;
        }
        let mut window = self.window.lock().await;
        let round = self.round(complete, &mut window).await;
        window.last = match round {
            Ok(round) => Some(round),
            Err(error) => {
                tracing::warn!(%error, "old messages could not be forgotten, or brought back; tried again in an hour");
                None
            }
        };
    }

    /// Brings back and forgets, as far as that is due since the last round.
    async fn round(&self, complete: bool, window: &mut Window) -> Result<Round, IndexError> {
        let before = self.window_begins();
        let (store, at) = (Arc::clone(&self.store), before.unwrap_or_default());
        let read = move || Ok::<_, IndexError>((store.counts()?, store.items_before(at)?));
        let (counts, old) = self.env.workers.run(read).await?;
        let now = Round {
            before,
            complete,
            old,
            items: counts.items,
            forgotten: counts.forgotten,
        };
        if let Some(last) = window.last {
            if counts.forgotten < last.forgotten {
                // Some are to come again, because a relay turned out not to have them.
                self.compare_all().await;
            }
            if last.before == before && last.complete && last.old >= old {
                return Ok(Round {
                    complete: true,
                    ..now
                });
            }
        }
        let recalled = self.recall(before.unwrap_or_default()).await?;
        window.recalled |= recalled > 0;
        let forgotten = match before {
            Some(before) => self.forget(before).await?,
            None => 0,
        };
        if recalled + forgotten > 0 {
            tracing::info!(recalled, forgotten, "old messages");
        }
        if recalled > 0 {
            self.compare_all().await;
        }
        Ok(Round {
            forgotten: (counts.forgotten + forgotten).saturating_sub(recalled),
            items: counts.items.saturating_sub(recalled),
            ..now
        })
    }

    /// Has everything come again that was sealed at `from` or later. Returns how many messages that is.
    async fn recall(&self, from: u64) -> Result<u64, IndexError> {
        let (mut recalled, mut after) = (0, None);
        loop {
            let store = Arc::clone(&self.store);
            let look = move || store.forgotten_from(from, after, MESSAGES_AT_ONCE);
            let Stretch { ids, next } = self.env.workers.run(look).await?;
            if !ids.is_empty() {
                recalled += self.index.recall(ids).await? as u64;
            }
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        if recalled > 0 {
            self.tell_gone(Vec::new()).await;
        }
        Ok(recalled)
    }

    /// Forgets what is safe and was sealed before `before`. Returns how many messages that is.
    async fn forget(&self, before: u64) -> Result<u64, IndexError> {
        let (mut forgotten, mut after): (_, Option<Item>) = (0, None);
        loop {
            let (store, relays) = (Arc::clone(&self.store), self.roster.names());
            let look = move || {
                // Without the history key no copy can be read.
                if !store.keyrings_safe(&relays, &open_keyrings(&store)?)? {
                    return Ok(Stretch::default());
                }
                store.forgettable(before, &relays, after, MESSAGES_AT_ONCE)
            };
            let Stretch { ids, next } = self.env.workers.run(look).await?;
            if !ids.is_empty() {
                let gone = self.index.forget(ids, before, self.roster.names()).await?;
                forgotten += gone.len() as u64;
                self.tell_gone(gone).await;
            }
            match next {
                Some(next) => after = Some(next),
                None => return Ok(forgotten),
            }
        }
    }

    async fn compare_all(&self) {
        // One that is being restarted compares anyway.
        let _ = self.reconciler.compare.send(Compare { relay: None }).await;
    }

    /// Has whoever shows conversations look at what is left.
    async fn tell_gone(&self, gone: Vec<EventId>) {
        let names = gone.iter().map(|id| MessageId::Event(id.to_bytes()));
        // A reader that is being started again reads the disk.
        let _ = self.realtime.dropped.send(Dropped(names.collect())).await;
    }
}

fn shows_the_time(status: &Status) -> bool {
    let live = |state: &RelayState| matches!(state, RelayState::Live | RelayState::Compared);
    status.relays.iter().any(|relay| live(&relay.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_whole_days_and_begins_at_midnight() {
        let days = |days| Days::new(days).unwrap();
        let midnight = 20_000 * DAY;
        assert_eq!(window_begins(midnight, days(1)), midnight - DAY);
        assert_eq!(window_begins(midnight + 5, days(1)), midnight - DAY);
        assert_eq!(window_begins(midnight + DAY - 1, days(30)), midnight - 30 * DAY);
        assert_eq!(window_begins(DAY, days(30)), 0);
    }
}
