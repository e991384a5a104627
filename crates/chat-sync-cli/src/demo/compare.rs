//! The end of the demo: what every device and the relay hold, compared with what was put in.
//!
//! The envelopes are opened here, without the engine; what the engine lists is compared as well.

use std::collections::{BTreeMap, BTreeSet};

use nostr::event::{Event, EventId};
use pns_keys::{ENVELOPE, KEYRING, KeySet};

use super::device::Device;
use super::stage::{Stage, Texts};
use crate::exit::Failure;
use crate::reader;

/// What the comparison came to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Every device and the relay hold the same events, exactly the expected messages, and list the same.
    pub(super) converged: bool,
    /// Messages that the relay holds.
    pub(super) messages: usize,
    /// Conversations that the devices list.
    pub(super) conversations: usize,
    /// Expected messages that some place does not have.
    pub(super) lost: usize,
    /// Messages that some place has more than once.
    pub(super) duplicates: usize,
}

/// What one place holds.
struct Holding {
    ids: BTreeSet<EventId>,
    copies: BTreeMap<(String, String), usize>,
}

impl Holding {
    fn of(keys: &KeySet, envelopes: &[Event]) -> Self {
        let mut copies = BTreeMap::new();
        for (_, message) in reader::open(keys, envelopes) {
            *copies
                .entry((message.conversation, message.content.raw().to_owned()))
                .or_insert(0) += 1;
        }
        Self {
            ids: envelopes.iter().map(|event| event.id).collect(),
            copies,
        }
    }
}

/// Compares every device, the relay, and what was put in.
pub(super) async fn compare(stage: &Stage, devices: &[Device]) -> Result<Outcome, Failure> {
    let Some(first) = devices.first() else {
        return Ok(Outcome::default());
    };
    let keys = reader::keys_in(&*first.account.signer, &stage.events(KEYRING).await?).await;
    let mut places = vec![Holding::of(&keys, &stage.events(ENVELOPE).await?)];
    let mut lists = Vec::new();
    for device in devices {
        places.push(Holding::of(&keys, &reader::envelopes(&device.account.store)?));
        let mut list = device.handle.conversations().await?;
        // What was read where is each device's own.
        for line in &mut list {
            line.unread = 0;
        }
        lists.push(list);
    }
    let same_lists = lists.windows(2).all(|pair| pair[0] == pair[1]);
    let listed: usize = lists[0].iter().map(|conversation| conversation.messages).sum();
    let mut outcome = judge(&places, &stage.expected);
    outcome.conversations = lists[0].len();
    outcome.converged &= same_lists && listed == stage.expected.len();
    Ok(outcome)
}

fn judge(places: &[Holding], expected: &Texts) -> Outcome {
    let missing = |text: &&(String, String)| places.iter().any(|place| !place.copies.contains_key(text));
    let lost = expected.iter().filter(missing).count();
    let twice: BTreeSet<&(String, String)> = places
        .iter()
        .flat_map(|place| {
            place
                .copies
                .iter()
                .filter(|(_, copies)| **copies > 1)
                .map(|(text, _)| text)
        })
        .collect();
    let same_ids = places.windows(2).all(|pair| pair[0].ids == pair[1].ids);
    let strangers = places
        .iter()
        .any(|place| place.copies.keys().any(|text| !expected.contains(text)));
    Outcome {
        converged: same_ids && lost == 0 && !strangers,
        messages: places.first().map_or(0, |relay| relay.copies.len()),
        conversations: 0,
        lost,
        duplicates: twice.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str) -> (String, String) {
        ("talk".to_owned(), name.to_owned())
    }

    fn holding(texts: &[(&str, usize)]) -> Holding {
        let copies: BTreeMap<_, _> = texts.iter().map(|(name, copies)| (text(name), *copies)).collect();
        let ids = texts
            .iter()
            .map(|(name, _)| EventId::from_byte_array([name.as_bytes()[0]; 32]));
        Holding {
            ids: ids.collect(),
            copies,
        }
    }

    #[test]
    fn equal_places_with_everything_converged() {
        let outcome = judge(&[holding(&[("a", 1)]), holding(&[("a", 1)])], &[text("a")].into());
        assert!(outcome.converged);
        assert_eq!((outcome.messages, outcome.lost, outcome.duplicates), (1, 0, 0));
    }

    #[test]
    fn what_one_place_lacks_is_lost() {
        let outcome = judge(
            &[holding(&[("a", 1), ("b", 1)]), holding(&[("a", 1)])],
            &[text("a"), text("b")].into(),
        );
        assert_eq!((outcome.converged, outcome.lost), (false, 1));
    }

    #[test]
    fn what_was_never_put_in_is_no_convergence() {
        let outcome = judge(&[holding(&[("a", 1), ("x", 1)])], &[text("a")].into());
        assert_eq!((outcome.converged, outcome.lost), (false, 0));
    }

    #[test]
    fn a_second_copy_is_counted_once_however_many_places_have_it() {
        let outcome = judge(&[holding(&[("a", 2)]), holding(&[("a", 3)])], &[text("a")].into());
        assert_eq!(outcome.duplicates, 1);
    }
}
