//! The relays of an account: which they are, and what is known of each. No engine is needed for any of it. What is known
//! can be read while one runs. A list that is changed meanwhile is handed to it: [`Handle::set_relays`](crate::Handle::set_relays).

use event_index::{Agreement, IndexError, Store};
use reconciler::relay_profile;
use relay_link::{RelayProfile, RelayUrl};
use serde::{Deserialize, Serialize};

use crate::Account;
use crate::relay_list::RelayList;

/// One relay of an account, as far as it is known without asking it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KnownRelay {
    /// Its address.
    pub url: RelayUrl,
    /// It is used because the account's relay list (NIP-65) names it, not because it was added here.
    pub listed: bool,
    /// The last comparison that matched.
    pub agreement: Option<Agreement>,
    /// What it can do.
    pub profile: RelayProfile,
}

/// Why the list of relays stays as it was.
#[derive(Debug, thiserror::Error)]
pub enum RelayListError {
    /// It is on the list.
    #[error("{0} is one of the account's relays already; nothing was changed")]
    Known(RelayUrl),
    /// It is not on the list.
    #[error(
        "{0} is not one of the account's relays; nothing was changed, `chat-sync relays list` shows them"
    )]
    Unknown(RelayUrl),
    /// Without a relay nothing leaves this device and nothing comes to it.
    #[error(
        "no relay would be left, and messages would stay on this device alone; add another one first, or give --force"
    )]
    Last,
    /// Messages that are forgotten here (`forget_after_days`) are not known to be on any relay that would be left.
    #[error(
        "{messages} older messages are forgotten on this device, and not known to be on any relay that would be left; nothing \
         was changed. `chat-sync sync --switch forget_after_days=off` brings them back first, or give --force"
    )]
    OnlyThere {
        /// How many.
        messages: u64,
    },
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] IndexError),
}

/// What became of taking relays off the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Messages that are not known to be on any relay that is left. They stay on this device, and the next comparison
    /// sends them.
    pub only_here: u64,
}

impl Account {
    /// What is known of each of its relays, in their order. Blocks on the disk.
    pub fn known_relays(&self) -> Result<Vec<KnownRelay>, IndexError> {
        let mut agreements = self.store.agreements()?;
        let saved = self.saved_relays()?;
        let added = RelayList::load(&self.store)?.added(&saved);
        let known = self.relays.iter().map(|url| {
            Ok(KnownRelay {
                url: url.clone(),
                listed: added.contains(url),
                agreement: agreements.remove(url.as_str()),
                profile: relay_profile(&self.store, url.as_str())?,
            })
        });
        known.collect()
    }

    /// Puts relays at the end of the saved list: all of them, or none when one is on it already. One that is named twice
    /// is added once.
    pub fn add_relays(&mut self, relays: &[RelayUrl]) -> Result<(), RelayListError> {
        let mut list = self.saved_relays()?;
        let before = list.len();
        for url in relays {
            match list.iter().position(|known| known == url) {
                Some(at) if at < before => return Err(RelayListError::Known(url.clone())),
                Some(_) => {}
                None => list.push(url.clone()),
            }
        }
        let mut own = RelayList::load(&self.store)?;
        if relays.iter().any(|url| own.unwanted.remove(url.as_str())) {
            own.save(&self.store)?;
        }
        self.save_relays(&list)
    }

    /// Takes relays off the saved list: all of them, or none when one is not on it, or when none would be left and
    /// `force` is not given, or none that has what is forgotten here. Everything that was known of them is forgotten: one that is added again is compared anew.
    /// Messages stay on this device, and on the relays that have them.
    pub fn remove_relays(&mut self, relays: &[RelayUrl], force: bool) -> Result<Removed, RelayListError> {
        let mut list = self.saved_relays()?;
        let mut own = RelayList::load(&self.store)?;
        let added = own.added(&list);
        let known = |url: &&RelayUrl| list.contains(url) || added.contains(url);
        if let Some(unknown) = relays.iter().find(|url| !known(url)) {
            return Err(RelayListError::Unknown(unknown.clone()));
        }
        list.retain(|url| !relays.contains(url));
        if list.is_empty() && !force {
            return Err(RelayListError::Last);
        }
        let left = self.relays.iter().filter(|url| !relays.contains(url));
        let left: Vec<String> = left.map(ToString::to_string).collect();
        let messages = self.store.forgotten_beyond(&left)?;
        if messages > 0 && !force {
            return Err(RelayListError::OnlyThere { messages });
        }
        // First, so that one that the list names as well does not come back between the steps.
        own.unwanted.extend(relays.iter().map(ToString::to_string));
        own.save(&self.store)?;
        self.save_relays(&list)?;
        for url in relays {
            // An agreement without the queue beside it would call messages safe there that never arrived.
            self.store.forget_relay(url.as_str())?;
        }
        let left: Vec<String> = self.relays.iter().map(ToString::to_string).collect();
        let messages = self.store.counts()?.messages;
        let reached = if left.is_empty() {
            0
        } else {
            self.store.reached(&left)?
        };
        Ok(Removed {
            only_here: messages.saturating_sub(reached),
        })
    }

    /// Follows the account's relay list (NIP-65) from now on, or no longer: the relays it added are then used no more. What
    /// is known of it is kept.
    pub fn follow_relay_list(&mut self, follow: bool) -> Result<(), IndexError> {
        let mut own = RelayList::load(&self.store)?;
        own.ignored = !follow;
        own.save(&self.store)?;
        self.follows_list = follow;
        self.relays = in_use(&self.store)?;
        Ok(())
    }

    /// The account with its relays as they are saved now, and its relay list followed or not as is saved now: for another
    /// engine on a store that stayed open.
    pub fn read_again(mut self) -> Result<Self, IndexError> {
        self.relays = in_use(&self.store)?;
        self.follows_list = !RelayList::load(&self.store)?.ignored;
        Ok(self)
    }

    /// The relays that the account's relay list adds to those that this run uses: a newer list was read since it began.
    pub fn newly_listed(&self) -> Result<Vec<RelayUrl>, IndexError> {
        if !self.follows_list || !self.switches.nip65_relays {
            return Ok(Vec::new());
        }
        let mut new = in_use(&self.store)?;
        new.retain(|url| !self.relays.contains(url));
        Ok(new)
    }

    /// The saved list, whatever relays this run uses.
    fn saved_relays(&self) -> Result<Vec<RelayUrl>, IndexError> {
        saved(&self.store)
    }

    fn save_relays(&mut self, list: &[RelayUrl]) -> Result<(), RelayListError> {
        let texts: Vec<String> = list.iter().map(ToString::to_string).collect();
        self.store.set_relays(&texts)?;
        self.relays = in_use(&self.store)?;
        Ok(())
    }
}

pub(crate) fn saved(store: &Store) -> Result<Vec<RelayUrl>, IndexError> {
    let saved = store.relays()?;
    Ok(distinct(saved.iter().filter_map(|url| url.parse().ok())))
}

/// Each relay once, however often and in whatever spelling it was given (field guide C-12).
pub(crate) fn distinct(relays: impl IntoIterator<Item = RelayUrl>) -> Vec<RelayUrl> {
    let mut once: Vec<RelayUrl> = Vec::new();
    for relay in relays {
        if !once.contains(&relay) {
            once.push(relay);
        }
    }
    once
}

/// The saved relays, and those that the account's relay list adds.
pub(crate) fn in_use(store: &Store) -> Result<Vec<RelayUrl>, IndexError> {
    let mut relays = saved(store)?;
    let added = RelayList::load(store)?.added(&relays);
    relays.extend(added);
    Ok(relays)
}
