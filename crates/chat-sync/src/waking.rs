//! Whether the machine slept or its network changed, and what follows from it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay_link::Dial;
use supervision::Env;

use crate::roster::Roster;

/// How often to look, so that a dead connection is known soon after waking: this and the answer to a ping (field guide
/// C-6).
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Time that only the wall clock counted: more was slept through, less is a clock that is being set right (C-6).
const SLEEP_MIN: u64 = 10;

/// Compares both clocks from one look to the next. Setting the wall clock ahead looks the same as sleeping, and costs a
/// ping.
#[derive(Debug)]
struct Looks {
    last: (Instant, u64),
}

impl Looks {
    fn since(now: Instant, unix: u64) -> Self {
        Self { last: (now, unix) }
    }

    /// Seconds slept since the last look, when that is worth speaking of.
    fn slept(&mut self, now: Instant, unix: u64) -> Option<u64> {
        let (then, unix_then) = std::mem::replace(&mut self.last, (now, unix));
        let awake = now.saturating_duration_since(then).as_secs();
        let slept = unix.saturating_sub(unix_then).saturating_sub(awake);
        (slept > SLEEP_MIN).then_some(slept)
    }
}

/// Which addresses the machine speaks from, from one look to the next.
#[derive(Debug)]
struct Addresses(Vec<IpAddr>);

impl Addresses {
    /// Whether there is a network, and another one than at the last look. One that is gone changes nothing yet: nobody
    /// could be dialled.
    fn changed(&mut self, now: Vec<IpAddr>) -> bool {
        let before = std::mem::replace(&mut self.0, now);
        !self.0.is_empty() && self.0 != before
    }
}

/// Has every connection prove that it is alive, and every relay that is waited for dialled, whenever the machine wakes
/// up and whenever its network changed (C-7). Never ends.
pub(crate) async fn doubt_connections(env: Env, dial: Arc<dyn Dial>, roster: Roster) {
    let mut looks = Looks::since(env.clock.now(), env.clock.unix());
    let mut addresses = Addresses(dial.local_addresses());
    loop {
        actix::clock::sleep(LOOK_EVERY).await;
        let slept = looks.slept(env.clock.now(), env.clock.unix());
        let moved = addresses.changed(dial.local_addresses());
        if slept.is_none() && !moved {
            continue;
        }
        tracing::info!(
            ?slept,
            moved,
            "awake again, or in another network: connections are doubted"
        );
        for link in roster.links() {
            // A link that is being restarted dials by itself.
            let _ = link.redial();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_network_is_one_with_other_addresses_and_none_is_none() {
        let home: Vec<IpAddr> = vec!["192.168.1.7".parse().unwrap()];
        let train: Vec<IpAddr> = vec!["10.0.0.9".parse().unwrap()];
        let mut addresses = Addresses(home.clone());
        assert!(!addresses.changed(home.clone()));
        assert!(!addresses.changed(Vec::new()), "nobody to dial");
        assert!(addresses.changed(home), "the cable is back");
        assert!(addresses.changed(train.clone()) && !addresses.changed(train));
    }

    #[test]
    fn sleep_is_time_that_only_the_wall_clock_counted() {
        let begin = tokio::time::Instant::now().into_std();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let mut looks = Looks::since(begin, 1_000_000);
        assert_eq!(looks.slept(at(2), 1_000_003), None, "fractions of seconds");
        assert_eq!(looks.slept(at(3_602), 1_003_602), None, "an hour awake");
        assert_eq!(looks.slept(at(3_604), 1_004_204), Some(600));
        assert_eq!(looks.slept(at(3_606), 1_004_206), None, "said once");
        assert_eq!(looks.slept(at(3_608), 997_006), None, "a clock set back");
        assert_eq!(looks.slept(at(3_610), 997_008), None);
    }
}
