//! The queue of [`Here`]: what is still to reach relays, and a person's word about it.

use std::collections::BTreeMap;

use chat_sync::{
    Account, RelayUrl, each_open, give_up, is_given_up, nowhere_else, refusal_words, relay_name, retry_now,
};
use event_index::{Delivery, DeliveryState, Standing};
use serde::{Deserialize, Serialize};

use super::here::Here;
use crate::exit::Failure;
use crate::output::one_line;
use crate::shapes::queue::{Dropped, Group, QueueShape, Retried};

/// Groups that are shown without `--all`: a screen. Relays that put numbers into their answers make many.
const GROUPS_SHOWN: usize = 20;
/// Groups that are kept apart at all; what is beyond them is counted with the last of its relay and state.
const GROUPS_MAX: usize = 10_000;
/// Ids that are named for each group without `--all`.
const IDS_SHOWN: usize = 3;

/// Which deliveries are meant: those of a message, by the beginning of its id, and of these relays; of all of them, where
/// none is named.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Chosen {
    pub(crate) id: Option<String>,
    pub(crate) relays: Vec<RelayUrl>,
}

impl Here {
    pub(crate) fn queue(&self, all: bool) -> Result<QueueShape, Failure> {
        let account = self.account_now();
        let drafts = account.store.counts()?.drafts;
        let ids_max = if all { usize::MAX } else { IDS_SHOWN };
        let mut groups: BTreeMap<(String, &'static str, Option<String>), Group> = BTreeMap::new();
        let (mut waiting, mut parked) = (0, 0);
        each_open(&account.store, &account.relays, |row| {
            let state = state_of(&row);
            match row.state {
                DeliveryState::Parked => parked += 1,
                _ => waiting += 1,
            }
            let next_try = next_try(&row);
            // Nobody refused what a person gave up.
            let reason = row.reason.filter(|_| state != "dropped");
            let mut key = (row.relay, state, reason);
            if groups.len() >= GROUPS_MAX && !groups.contains_key(&key) {
                key.2 = None;
            }
            let group = groups.entry(key.clone()).or_insert_with(|| empty(key));
            group.count += 1;
            group.next_try = [group.next_try, next_try].into_iter().flatten().min();
            if group.ids.len() < ids_max {
                group.ids.push(row.id.to_hex());
            }
        })?;
        let mut groups: Vec<Group> = groups.into_values().collect();
        // The many first; the sort keeps relays and reasons in order among equals.
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        let shown = if all {
            groups.len()
        } else {
            groups.len().min(GROUPS_SHOWN)
        };
        let more_groups = groups.len() - shown;
        groups.truncate(shown);
        Ok(QueueShape {
            drafts,
            waiting,
            parked,
            groups,
            more_groups,
        })
    }

    /// Makes deliveries due now.
    pub(crate) fn retry(&self, chosen: &Chosen) -> Result<Retried, Failure> {
        let relays = chosen_relays(&self.account_now(), &chosen.relays)?;
        found(&self.account, &relays, chosen.id.as_deref())?;
        let store = &self.account.store;
        let retried = retry_now(store, &relays, |row| begins(row, chosen.id.as_deref()))?;
        Ok(Retried { retried })
    }

    /// What [`Here::give_up`] would come to.
    pub(crate) fn give_up_preview(&self, chosen: &Chosen) -> Result<Dropped, Failure> {
        let relays = chosen_relays(&self.account_now(), &chosen.relays)?;
        let rows = found(&self.account, &relays, chosen.id.as_deref())?;
        let mut ids: Vec<_> = rows.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(Dropped {
            dropped: rows.len() as u64,
            // The relays that may hold the message are those of the account, whichever are chosen.
            on_no_relay: nowhere_else(&self.account.store, &ids, &self.relays())?,
        })
    }

    /// Gives deliveries up; with `force` also those of messages that no relay is known to have.
    pub(crate) fn give_up(&self, chosen: &Chosen, force: bool) -> Result<Dropped, Failure> {
        let Dropped { on_no_relay, .. } = self.give_up_preview(chosen)?;
        if on_no_relay > 0 && !force {
            return Err(Failure::Failed(format!(
                "{} would be on no relay as far as is known, only on this device; add --force to give up all the same",
                crate::output::plural(on_no_relay, "message")
            )));
        }
        let relays = chosen_relays(&self.account_now(), &chosen.relays)?;
        let store = &self.account.store;
        let dropped = give_up(store, &relays, |row| begins(row, chosen.id.as_deref()))?;
        Ok(Dropped { dropped, on_no_relay })
    }
}

fn empty((relay, state, reason): (String, &'static str, Option<String>)) -> Group {
    Group {
        meaning: reason
            .as_deref()
            .map(|reason| refusal_words(relay_name(&relay), reason)),
        relay,
        state: state.to_owned(),
        reason,
        count: 0,
        next_try: None,
        ids: Vec::new(),
    }
}

fn state_of(row: &Delivery) -> &'static str {
    match row.state {
        DeliveryState::Parked if is_given_up(row) => "dropped",
        state => Standing::of(Some(state), false).word(),
    }
}

/// `None` for as soon as possible, and for never; the state tells which.
fn next_try(row: &Delivery) -> Option<u64> {
    (row.next_try > 0 && row.next_try < u64::MAX).then_some(row.next_try)
}

/// The account's relays, or those of them that were named. One that the account does not use has no queue.
fn chosen_relays(account: &Account, named: &[RelayUrl]) -> Result<Vec<RelayUrl>, Failure> {
    let saved = &account.relays;
    if let Some(stranger) = named.iter().find(|relay| !saved.contains(relay)) {
        return Err(Failure::Usage(format!(
            "{stranger} is none of the account's relays; `chat-sync relays list` shows them"
        )));
    }
    Ok(if named.is_empty() {
        saved.clone()
    } else {
        named.to_vec()
    })
}

/// The open deliveries that are meant. A beginning of an id that fits none, or several messages, is a mistake.
fn found(account: &Account, relays: &[RelayUrl], id: Option<&str>) -> Result<Vec<Delivery>, Failure> {
    let mut rows = Vec::new();
    each_open(&account.store, relays, |row| {
        if begins(&row, id) {
            rows.push(row);
        }
    })?;
    let Some(id) = id else { return Ok(rows) };
    match rows.first() {
        None => Err(Failure::Usage(format!(
            "no delivery that is open begins with `{}`; `chat-sync queue list --all --json` names them",
            one_line(id)
        ))),
        Some(first) if rows.iter().any(|row| row.id != first.id) => Err(Failure::Usage(format!(
            "several messages begin with `{}`; write more of the id",
            one_line(id)
        ))),
        Some(_) => Ok(rows),
    }
}

fn begins(row: &Delivery, id: Option<&str>) -> bool {
    id.is_none_or(|id| !id.is_empty() && row.id.to_hex().starts_with(&id.to_ascii_lowercase()))
}
