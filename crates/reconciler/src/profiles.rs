//! What every relay can do, as it lies in the store: one profile per relay, sealed like everything about relays.

use std::collections::BTreeMap;

use event_index::{IndexError, Store};
use relay_link::{Lesson, NegChance, RelayProfile, RelayUrl};

/// Where the first release kept which relays speak NEG: a line per relay, `proven` or the second of a refusal, then the
/// URL.
const NEG_MEMORY: &str = "neg-memory";

/// The profiles of the relays in use, read once each. Relays are few: those a person configured.
#[derive(Debug, Default)]
pub(crate) struct Profiles(BTreeMap<RelayUrl, RelayProfile>);

impl Profiles {
    /// Whether the relay's profile was read.
    pub(crate) fn knows(&self, relay: &RelayUrl) -> bool {
        self.0.contains_key(relay)
    }

    pub(crate) fn put(&mut self, relay: RelayUrl, profile: RelayProfile) {
        self.0.insert(relay, profile);
    }

    /// What is kept on disk of the relay's profile.
    pub(crate) fn kept(&self, relay: &RelayUrl) -> String {
        self.of(relay).to_json()
    }

    /// The relay is used and nothing is known of it.
    pub(crate) fn clear(&mut self, relay: &RelayUrl) {
        self.put(relay.clone(), RelayProfile::default());
    }

    /// Nothing more is to be known of the relay: it is read again when it is used again.
    pub(crate) fn forget(&mut self, relay: &RelayUrl) {
        self.0.remove(relay);
    }

    /// The relay's profile; an empty one when it was never read.
    pub(crate) fn of(&self, relay: &RelayUrl) -> RelayProfile {
        self.0.get(relay).cloned().unwrap_or_default()
    }

    /// Takes in what the relay has shown at `now`, Unix seconds. Returns whether that is worth a write.
    pub(crate) fn learn(&mut self, relay: &RelayUrl, lesson: Lesson, now: u64) -> bool {
        self.0.entry(relay.clone()).or_default().learn(lesson, now)
    }
}

/// What is known of a relay, as it was kept in the store; an empty profile when there is none, or none that can be read.
pub fn relay_profile(store: &Store, relay: &str) -> Result<RelayProfile, IndexError> {
    let kept = store.relay_profile(relay)?;
    Ok(kept.as_deref().map(RelayProfile::from_json).unwrap_or_default())
}

/// Moves what the first release knew of relays into their profiles, once. A relay whose profile knows better keeps it.
pub(crate) fn adopt(store: &Store, now: u64) -> Result<(), IndexError> {
    let Some(kept) = store.meta(NEG_MEMORY)?.filter(|kept| !kept.is_empty()) else {
        return Ok(());
    };
    for (relay, lesson, at) in first_release(&kept, now) {
        let mut profile = relay_profile(store, &relay)?;
        if profile.neg(now) == NegChance::Unknown {
            profile.learn(lesson, at);
            store.put_relay_profile(&relay, &profile.to_json())?;
        }
    }
    store.put_meta(NEG_MEMORY, &[])
}

/// Adds what a relay has shown at `now`, Unix seconds, to what is known of it in the store. To be called while no engine
/// runs on `store`: its reconciler would not know of it, and is told by [`Teach`](crate::Teach). Returns the profile.
pub fn teach(
    store: &Store,
    relay: &str,
    lessons: impl IntoIterator<Item = Lesson>,
    now: u64,
) -> Result<RelayProfile, IndexError> {
    adopt(store, now)?;
    let mut profile = relay_profile(store, relay)?;
    let mut news = false;
    for lesson in lessons {
        news |= profile.learn(lesson, now);
    }
    if news {
        store.put_relay_profile(relay, &profile.to_json())?;
    }
    Ok(profile)
}

/// Forgets what was learned about a relay.
pub(crate) fn forget(store: &Store, relay: &str) -> Result<(), IndexError> {
    if store.relay_profile(relay)?.is_none_or(|kept| kept.is_empty()) {
        return Ok(());
    }
    store.put_relay_profile(relay, "")
}

/// Lines that cannot be read are left out. A proof carried no time: it is as good as new.
fn first_release(kept: &[u8], now: u64) -> Vec<(String, Lesson, u64)> {
    let text = String::from_utf8_lossy(kept);
    let lines = text.lines().filter_map(|line| {
        let (known, relay) = line.split_once(' ')?;
        Some(match known {
            "proven" => (relay.to_owned(), Lesson::NegSpoken, now),
            at => {
                let why = "it refused to compare sets".to_owned();
                (relay.to_owned(), Lesson::NegRefused { why }, at.parse().ok()?)
            }
        })
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use event_index::{MemoryDisk, StoreKey};
    use relay_link::NEG_REFUSAL_KEPT_SECS;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn store() -> Store {
        Store::open(MemoryDisk::new().storage(), &StoreKey::from_bytes([1; 32])).unwrap()
    }

    #[test]
    fn what_the_first_release_knew_is_adopted_once() {
        let store = store();
        let refused = NOW - 3_600;
        let kept = format!(
            "proven wss://two.example\n{refused} wss://one.example\nsoon wss://three.example\nproven\n"
        );
        store.put_meta(NEG_MEMORY, kept.as_bytes()).unwrap();

        adopt(&store, NOW).unwrap();
        let neg = |relay, now| relay_profile(&store, relay).unwrap().neg(now);
        assert_eq!(neg("wss://one.example", NOW), NegChance::Unavailable);
        assert_eq!(
            neg("wss://one.example", refused + NEG_REFUSAL_KEPT_SECS),
            NegChance::Unknown
        );
        assert_eq!(neg("wss://two.example", NOW), NegChance::Proven);
        assert_eq!(neg("wss://three.example", NOW), NegChance::Unknown);

        forget(&store, "wss://two.example").unwrap();
        adopt(&store, NOW).unwrap();
        assert_eq!(neg("wss://two.example", NOW), NegChance::Unknown, "adopted once");
    }

    #[test]
    fn what_was_learned_since_counts_more_than_what_the_first_release_knew() {
        let store = store();
        let mut profile = RelayProfile::default();
        profile.learn(Lesson::NegSpoken, NOW);
        store.put_relay_profile("wss://one", &profile.to_json()).unwrap();
        store
            .put_meta(NEG_MEMORY, format!("{NOW} wss://one").as_bytes())
            .unwrap();
        adopt(&store, NOW).unwrap();
        assert_eq!(relay_profile(&store, "wss://one").unwrap(), profile);
    }

    #[test]
    fn a_lesson_is_in_the_text_that_is_to_be_kept() {
        let relay: RelayUrl = "wss://one.example".parse().unwrap();
        let mut profiles = Profiles::default();
        assert!(!profiles.knows(&relay));
        assert!(profiles.learn(&relay, Lesson::PageCap(37), NOW));
        assert_eq!(
            RelayProfile::from_json(&profiles.kept(&relay)).page_limit(NOW),
            37
        );
        assert_eq!(profiles.of(&relay).page_limit(NOW), 37);
        assert!(!profiles.learn(&relay, Lesson::PageCap(37), NOW), "nothing new");
    }
}
