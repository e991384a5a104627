//! The relays that an account names in its own relay list (NIP-65, kind 10002): those it writes to are used beside the
//! configured ones.
//!
//! What a reader can rely on:
//! - Only a list that the account itself signed changes anything, and only one newer than the last.
//! - The list adds and never takes away: a person's own relays stay, and one that the person removed does not come back.
//! - Where a person has no relays, none are added: nothing is meant to leave that device.
//! - A list says nothing when following it is switched off; it is then neither read nor used.

use std::collections::BTreeSet;

use event_index::{IndexError, Store};
use nostr::event::{Event, Kind};
use nostr::key::PublicKey;
use relay_link::RelayUrl;
use serde::{Deserialize, Serialize};

/// The kind of a relay list.
pub(crate) const RELAY_LIST: Kind = Kind::Custom(10002);
/// Relays added from a list. NIP-65 asks for two to four; each costs a connection and a comparison, and a list of hundreds
/// is a mistake or a nuisance.
pub const LISTED_MAX: usize = 8;
/// Where it is kept.
pub(crate) const META: &str = "relay-list";

/// What is kept about an account's relay list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RelayList {
    /// Switched off by the person.
    pub(crate) ignored: bool,
    /// Removed by the person: not added again because a list names it.
    pub(crate) unwanted: BTreeSet<String>,
    /// The newest one, as the account signed it.
    pub(crate) event: Option<Event>,
}

impl RelayList {
    /// The same while lists are followed, and one that adds nothing while they are not.
    pub(crate) fn switched(self, follows: bool) -> Self {
        let ignored = self.ignored || !follows;
        Self { ignored, ..self }
    }

    /// What is on disk. Damaged, it is an empty one: relays have the list.
    pub(crate) fn load(store: &Store) -> Result<Self, IndexError> {
        let kept = store.meta(META)?;
        let kept = kept.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(kept.unwrap_or_default())
    }

    pub(crate) fn save(&self, store: &Store) -> Result<(), IndexError> {
        store.put_meta(META, &self.to_bytes())
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and an event always serialize")
    }

    /// Takes in a list that a relay has sent. Returns whether it is `account`'s own, and newer than the one there was.
    pub(crate) fn take(&mut self, account: &PublicKey, event: &Event) -> bool {
        let own = event.kind == RELAY_LIST && event.pubkey == *account;
        // Of two in one second the lower id counts (NIP-01).
        let newer = self.event.as_ref().is_none_or(|known| {
            (event.created_at, std::cmp::Reverse(event.id)) > (known.created_at, std::cmp::Reverse(known.id))
        });
        let taken = own && newer && event.verify().is_ok();
        if taken {
            self.event = Some(event.clone());
        }
        taken
    }

    /// The relays it adds to the `configured` ones, in its order, at most [`LISTED_MAX`]. Those of another machine's own
    /// (`ws://localhost`) are none that this device can reach.
    pub(crate) fn added(&self, configured: &[RelayUrl]) -> Vec<RelayUrl> {
        let mut added: Vec<RelayUrl> = Vec::new();
        if self.ignored || configured.is_empty() {
            return added;
        }
        let tags = self.event.iter().flat_map(|event| event.tags.iter());
        for tag in tags {
            let [name, url, rest @ ..] = tag.as_slice() else {
                continue;
            };
            let written = name == "r" && rest.first().is_none_or(|marker| marker != "read");
            let Some(url) = url.parse::<RelayUrl>().ok().filter(|_| written) else {
                continue;
            };
            let known = configured.contains(&url) || added.contains(&url);
            if !known && !url.is_loopback() && !self.unwanted.contains(url.as_str()) {
                added.push(url);
            }
            if added.len() == LISTED_MAX {
                break;
            }
        }
        added
    }
}

/// The relays to use after `before` was replaced by `now`, when `used` are in use and `saved` were added by the person.
pub(crate) fn followed(
    before: &RelayList,
    now: &RelayList,
    saved: &[RelayUrl],
    used: &[RelayUrl],
) -> Vec<RelayUrl> {
    let added = before.added(saved);
    let own = used.iter().filter(|url| !added.contains(url));
    let mut relays: Vec<RelayUrl> = own.cloned().collect();
    let added = now.added(&relays);
    relays.extend(added);
    relays
}

#[cfg(test)]
mod tests {
    use nostr::prelude::{EventBuilder, FinalizeEvent, Keys, Tag, Timestamp};

    use super::*;

    fn keys(n: u8) -> Keys {
        Keys::parse(&format!("{n:02x}").repeat(32)).unwrap()
    }

    fn list(by: u8, at: u64, tags: &[&[&str]]) -> Event {
        EventBuilder::new(RELAY_LIST, "")
            .tags(tags.iter().map(|tag| Tag::parse(tag.iter().copied()).unwrap()))
            .custom_created_at(Timestamp::from_secs(at))
            .finalize(&keys(by))
            .unwrap()
    }

    fn urls(texts: &[&str]) -> Vec<RelayUrl> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn following(event: &Event) -> RelayList {
        let mut list = RelayList::default();
        assert!(list.take(&keys(1).public_key(), event));
        list
    }

    #[test]
    fn relays_that_are_written_to_are_added_once_however_they_are_spelled() {
        let list = following(&list(
            1,
            10,
            &[
                &["r", "WSS://One.Example:443/"],
                &["r", "wss://two.example", "read"],
                &["r", "wss://three.example", "write"],
                &["r", "wss://one.example"],
                &["r", "wss://mine.example/"],
                &["r", "ws://localhost:4869"],
                &["r", "https://no.relay"],
                &["r"],
                &["p", "wss://four.example"],
            ],
        ));
        let configured = urls(&["wss://mine.example"]);
        assert_eq!(
            list.added(&configured),
            urls(&["wss://one.example", "wss://three.example"])
        );
        assert_eq!(list.added(&[]), [], "a person without relays gets none");
    }

    #[test]
    fn only_a_newer_list_of_the_account_counts() {
        let account = keys(1).public_key();
        let mut kept = following(&list(1, 10, &[&["r", "wss://one.example"]]));
        let before = kept.clone();
        let mut forged = list(1, 11, &[&["r", "wss://evil.example"]]);
        forged.tags = list(1, 11, &[&["r", "wss://worse.example"]]).tags;
        let other_kind = EventBuilder::new(Kind::TextNote, "").finalize(&keys(1)).unwrap();
        let older = list(1, 9, &[]);
        for event in [
            &list(2, 12, &[]),
            &forged,
            &other_kind,
            &older,
            &kept.event.clone().unwrap(),
        ] {
            assert!(!kept.take(&account, event), "{event:?}");
        }
        assert_eq!(kept, before);
        assert!(kept.take(&account, &list(1, 11, &[])));
        assert_eq!(kept.added(&urls(&["wss://mine.example"])), []);
    }

    #[test]
    fn of_two_lists_of_one_second_every_device_takes_the_same() {
        let account = keys(1).public_key();
        let two = [list(1, 10, &[&["r", "wss://one.example"]]), list(1, 10, &[])];
        let [mut there, mut back] = [following(&two[0]), following(&two[1])];
        there.take(&account, &two[1]);
        back.take(&account, &two[0]);
        assert_eq!(there, back);
    }

    #[test]
    fn what_a_person_removed_or_switched_off_does_not_come_back() {
        let mut list = following(&list(
            1,
            10,
            &[&["r", "wss://one.example"], &["r", "wss://two.example"]],
        ));
        let configured = urls(&["wss://mine.example"]);
        list.unwanted.insert("wss://one.example".to_owned());
        assert_eq!(list.added(&configured), urls(&["wss://two.example"]));
        list.ignored = true;
        assert_eq!(list.added(&configured), []);
    }

    #[test]
    fn a_newer_list_changes_what_the_list_before_it_added_and_nothing_else() {
        let one = following(&list(
            1,
            10,
            &[&["r", "wss://one.example"], &["r", "wss://two.example"]],
        ));
        let two = following(&list(
            1,
            11,
            &[&["r", "wss://three.example"], &["r", "wss://two.example"]],
        ));
        let (mine, one_run) = ("wss://mine.example", "wss://for-this-run.example");
        let saved = urls(&[mine, "wss://two.example"]);
        let used = urls(&[mine, "wss://two.example", "wss://one.example", one_run]);
        assert_eq!(
            followed(&one, &two, &saved, &used),
            urls(&[mine, "wss://two.example", one_run, "wss://three.example"])
        );
        assert_eq!(
            followed(&one, &two, &saved, &[]),
            [],
            "nothing leaves this device"
        );
    }

    #[test]
    fn a_list_of_hundreds_adds_a_handful() {
        let many: Vec<String> = (0..300).map(|n| format!("wss://r{n}.example")).collect();
        let tags: Vec<Vec<&str>> = many.iter().map(|url| vec!["r", url.as_str()]).collect();
        let tags: Vec<&[&str]> = tags.iter().map(Vec::as_slice).collect();
        let list = following(&list(1, 10, &tags));
        let added = list.added(&urls(&["wss://mine.example"]));
        assert_eq!(added.len(), LISTED_MAX);
        assert_eq!(added[0].as_str(), "wss://r0.example", "the first ones");
    }

    #[test]
    fn it_reads_what_it_wrote_and_damage_is_no_list() {
        let list = following(&list(1, 10, &[&["r", "wss://one.example"]]));
        assert_eq!(
            serde_json::from_slice::<RelayList>(&list.to_bytes()).unwrap(),
            list
        );
        assert_eq!(
            serde_json::from_str::<RelayList>("{}").unwrap(),
            RelayList::default()
        );
    }
}
