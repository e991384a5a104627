//! Which versions a person chose, by message: what is chosen stays chosen while messages come and go around it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Library, MessageId, Selection};

/// More choices than this in one conversation are no choices any more; the oldest are dropped.
const PICKS_MAX: usize = 1000;

/// The messages a person chose to see in one conversation, at most one at each place. A choice that is not there is
/// ignored; the newest version shows where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Picks(Vec<MessageId>);

impl Picks {
    /// Whether nothing was chosen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Library {
    /// The choices, as depths of the branch that they show. Cost: O(n log n) of the conversation, nothing without
    /// choices.
    pub fn selection(&self, conversation: &str, picks: &Picks) -> Selection {
        if picks.is_empty() {
            return Selection::new();
        }
        let Some(tree) = self.conversation(conversation) else {
            return Selection::new();
        };
        let ranks: BTreeMap<MessageId, usize> = picks
            .0
            .iter()
            .enumerate()
            .filter_map(|(rank, id)| Some((self.shown_id(id)?, rank)))
            .collect();
        let slots = tree.slots_ranked(&ranks).into_iter().enumerate();
        slots
            .map(|(depth, slot)| (depth, slot.shown()))
            .filter(|(_, shown)| ranks.contains_key(shown))
            .collect()
    }

    /// The choices after this message was chosen too: everything above it is chosen with it, so that it shows. `None`
    /// for a note, or a message that is not in this conversation.
    pub fn pick(&self, conversation: &str, picks: &Picks, id: &MessageId) -> Option<Picks> {
        let tree = self.conversation(conversation)?;
        let (mut path, mut places) = (Vec::new(), BTreeSet::new());
        let mut next = Some(self.shown_id(id)?);
        tree.shown(&self.shown_id(id)?)?;
        while let Some(shown) = next.and_then(|id| tree.shown(&id)) {
            // Parents that name each other in a circle lead nowhere; a path has each message once.
            if !places.insert(shown.parent) {
                break;
            }
            path.push(shown.id);
            next = shown.parent;
        }
        let beside = |id: &MessageId| tree.shown(id).is_some_and(|shown| places.contains(&shown.parent));
        let mut kept: Vec<MessageId> = picks
            .0
            .iter()
            .filter_map(|id| self.shown_id(id))
            .filter(|id| !beside(id))
            .collect();
        kept.extend(path.iter().rev().filter(|id| tree.versions(id).len() > 1));
        let dropped = kept.len().saturating_sub(PICKS_MAX);
        Some(Picks(kept.split_off(dropped)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Message, Parent, Role};

    fn add(library: &mut Library, id: u8, role: Role, parent: Option<u8>) {
        let mut message = Message::new("c", role, Content::new(format!("m{id}")), u64::from(id));
        message.parent = parent.map_or(Parent::Top, |parent| {
            Parent::Message(MessageId::Event([parent; 32]))
        });
        library.insert(MessageId::Event([id; 32]), u64::from(id), message);
    }

    fn branch(library: &Library, picks: &Picks) -> Vec<String> {
        let selection = library.selection("c", picks);
        let tree = library.conversation("c").unwrap();
        tree.branch(&selection)
            .iter()
            .map(|shown| shown.message.content.raw().to_owned())
            .collect()
    }

    fn id(byte: u8) -> MessageId {
        MessageId::Event([byte; 32])
    }

    #[test]
    fn a_chosen_version_shows_with_everything_above_and_below_it() {
        let mut library = Library::new();
        add(&mut library, 1, Role::User, None);
        add(&mut library, 2, Role::Assistant, Some(1));
        add(&mut library, 3, Role::User, Some(2));
        add(&mut library, 4, Role::Assistant, Some(1));
        add(&mut library, 5, Role::User, None);
        add(&mut library, 6, Role::User, Some(2));
        assert_eq!(branch(&library, &Picks::default()), ["m5"]);

        let picks = library.pick("c", &Picks::default(), &id(3)).unwrap();
        assert_eq!(branch(&library, &picks), ["m1", "m2", "m3"]);
        let other = library.pick("c", &picks, &id(4)).unwrap();
        assert_eq!(branch(&library, &other), ["m1", "m4"]);
        let back = library.pick("c", &other, &id(2)).unwrap();
        assert_eq!(
            branch(&library, &back),
            ["m1", "m2", "m3"],
            "what was chosen below is remembered"
        );
        let newest = library.pick("c", &back, &id(5)).unwrap();
        assert_eq!(branch(&library, &newest), ["m5"]);
    }

    #[test]
    fn a_choice_survives_messages_that_come_and_is_ignored_once_it_is_gone() {
        let mut library = Library::new();
        add(&mut library, 1, Role::User, None);
        add(&mut library, 2, Role::Assistant, Some(1));
        add(&mut library, 3, Role::Assistant, Some(1));
        let picks = library.pick("c", &Picks::default(), &id(2)).unwrap();
        add(&mut library, 4, Role::Assistant, Some(1));
        assert_eq!(branch(&library, &picks), ["m1", "m2"]);
        library.remove(&id(2));
        assert_eq!(branch(&library, &picks), ["m1", "m4"]);
        assert_eq!(library.pick("c", &picks, &id(2)), None, "it is not there");
    }
}
