//! What relays do not take, in words. Works on the store alone, without an engine.

use std::borrow::Cow;
use std::collections::BTreeMap;

use event_index::{IndexError, Parked, Store};
use pns_keys::keeper::open_keyrings;
use relay_link::RelayUrl;
use serde::{Deserialize, Serialize};

use crate::queue::GIVEN_UP;
use crate::refusal_words::{refusal_brief, refusal_words, relay_name};

/// Messages that one relay does not take, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The relay.
    pub relay: RelayUrl,
    /// How many messages.
    pub count: u64,
    /// Why, in a few words, as `too large`.
    pub brief: Cow<'static, str>,
    /// Why, in a sentence.
    pub meaning: String,
    /// What the relay said about one of them.
    pub reason: Option<String>,
    /// When the first of them is tried again, Unix seconds; `None` for never by itself.
    pub next_try: Option<u64>,
    /// A person gave them up; the relay was not asked.
    pub given_up: bool,
}

/// What these relays do not take: relay by relay, the many first. Cost: a look at every delivery, when anything is
/// parked; blocks on the disk.
pub fn refusals(store: &Store, relays: &[RelayUrl]) -> Result<Vec<Refusal>, IndexError> {
    let mut found = Vec::new();
    for relay in relays {
        let mut kinds: BTreeMap<&'static str, Refusal> = BTreeMap::new();
        for group in store.parked(relay.as_str())? {
            let Parked {
                reason,
                count,
                next_try,
            } = group;
            let said = reason.as_deref().unwrap_or_default();
            let brief = refusal_brief(said);
            let kind = kinds.entry(brief).or_insert_with(|| Refusal {
                relay: relay.clone(),
                count: 0,
                brief: Cow::Borrowed(brief),
                meaning: refusal_words(relay_name(relay.as_str()), said),
                given_up: said == GIVEN_UP,
                next_try: None,
                reason: reason.clone(),
            });
            kind.count += count;
            kind.next_try = [kind.next_try, next_try].into_iter().flatten().min();
        }
        let mut kinds: Vec<Refusal> = kinds.into_values().collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        found.extend(kinds);
    }
    Ok(found)
}

/// On how many of these relays the history key is that is on the fewest, and on how many it should be; `None` while
/// there is no key. A message is safe only where its key is (DESIGN 6).
pub fn keyring_copies(store: &Store, relays: &[RelayUrl]) -> Result<Option<(usize, usize)>, IndexError> {
    let relays: Vec<String> = relays.iter().map(ToString::to_string).collect();
    let copies = store.keyring_copies(&open_keyrings(store)?, &relays)?;
    Ok(copies.map(|copies| (copies, Store::copies_wanted(&relays))))
}
