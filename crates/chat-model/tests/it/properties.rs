//! Promises for any input.

use chat_model::{
    CREATED_AT_MAX, Content, Library, Message, MessageId, Parent, Part, Role, Selection, Tombstone,
    UNKNOWN_MODEL,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::shuffled;

const AUTHOR: &str = "57b92b0bc7c4d8c5a9716c56a09e3b730c94a853f16dad0692876cbe38e43195";

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        vec(any::<char>(), 0..40).prop_map(String::from_iter),
        "\\PC{0,40}",
        "[\\[{}\\]\",:\\\\ud83]{0,40}"
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let parts = vec(any_text(), 1..4).prop_map(|texts| {
        let parts: Vec<_> = texts
            .iter()
            .map(|text| serde_json::json!({ "type": "text", "text": text }))
            .collect();
        serde_json::to_string(&parts).unwrap()
    });
    prop_oneof![any_text(), parts].prop_map(Content::new)
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just("user"), Just("assistant"), Just("system"), Just("tool")].prop_map(Role::from)
}

fn parent() -> impl Strategy<Value = Parent> {
    prop_oneof![
        Just(Parent::Absent),
        Just(Parent::Top),
        any::<[u8; 32]>().prop_map(|id| Parent::from_tag(&MessageId::Event(id).to_string())),
        any_text().prop_map(|text| Parent::from_tag(&text)),
    ]
}

fn part() -> impl Strategy<Value = Part> {
    (1..=u32::MAX, any::<u32>(), any::<[u8; 32]>()).prop_map(|(count, place, whole)| Part {
        index: place % count + 1,
        count,
        whole,
    })
}

prop_compose! {
    /// A message as a rumor can hold it.
    fn message()(
        conversation in any_text().prop_filter("a conversation has a name", |name| !name.is_empty()),
        role in role(),
        content in content(),
        parent in parent(),
        model in any_text(),
        client in option::of(any_text()),
        sats in option::of(any::<f64>().prop_filter("a number", |sats| sats.is_finite())),
        created_at in 0..=CREATED_AT_MAX,
        source in option::of(any_text().prop_filter("a source has a name", |name| !name.is_empty())),
        part in option::of(part()),
    ) -> Message {
        let model = (role == Role::Assistant).then_some(model);
        Message { conversation, role, content, parent, model, client, sats, created_at, source, part }
    }
}

proptest! {
    /// What is written is read back, whatever a person typed.
    #[test]
    fn a_rumor_comes_back_equal(message in message()) {
        let rumor = message.to_rumor(AUTHOR).unwrap();
        prop_assert_eq!(Message::from_rumor(&rumor, &[AUTHOR]).unwrap(), message);
    }

    #[test]
    fn a_draft_comes_back_equal(mut message in message(), local in option::of(any::<[u8; 16]>())) {
        if let Some(local) = local {
            message.parent = Parent::Message(MessageId::Local(local));
        }
        prop_assert_eq!(Message::from_draft(&message.to_draft()).unwrap(), message);
    }

    /// The model of an answer is never left out.
    #[test]
    fn an_answer_without_a_model_names_an_unknown_one(mut message in message()) {
        message.role = Role::Assistant;
        message.model = None;
        let read = Message::from_rumor(&message.to_rumor(AUTHOR).unwrap(), &[AUTHOR]).unwrap();
        prop_assert_eq!(read.model.as_deref(), Some(UNKNOWN_MODEL));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..300), message in message(), at in any::<prop::sample::Index>()) {
        let _ = Message::from_rumor(&bytes, &[AUTHOR]);
        let _ = Message::from_draft(&bytes);
        let _ = chat_model::import::read_saved_conversations(&bytes, 1);
        let mut rumor = message.to_rumor(AUTHOR).unwrap();
        let at = at.index(rumor.len());
        rumor[at] = rumor[at].wrapping_add(bytes.first().copied().unwrap_or(1));
        if let Ok(read) = Message::from_rumor(&rumor, &[AUTHOR]) {
            let _ = (read.content.plain(), read.content.parts());
        }
    }

    /// The half of an emoji anywhere in a text costs that half only.
    #[test]
    fn a_lone_surrogate_costs_nothing_but_itself(before in any_text(), after in any_text(), unit in 0xd800u32..0xe000) {
        let quoted = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
        prop_assume!(!before.ends_with(['"', '\\']) && !after.starts_with('"') && !before.starts_with('"') && !after.ends_with(['"', '\\']));
        let content = format!("\"{}\\u{unit:04x}{}\"", quoted(&before), quoted(&after));
        let rumor = format!(r#"{{"kind":20001,"pubkey":"{AUTHOR}","created_at":1,"tags":[["d","c"]],"content":{content}}}"#);
        let read = Message::from_rumor(rumor.as_bytes(), &[AUTHOR]).unwrap();
        prop_assert_eq!(read.content.raw(), format!("{before}\u{fffd}{after}"));
    }
}

/// What happens to a library: copies of few messages in few seconds, replies, notes, and removals.
#[derive(Debug, Clone)]
enum Step {
    Insert(MessageId, u64, Box<Message>),
    Remove(MessageId),
}

/// Copy `copy` of message `n`.
fn copy_id(n: u8, copy: u8) -> MessageId {
    // Ids in no order that follows from the message's number.
    let mut id = [n.wrapping_mul(97) ^ copy.wrapping_mul(59); 32];
    id[30..].copy_from_slice(&[n, copy]);
    MessageId::Event(id)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let inserts = vec(
        (
            role(),
            0..4u64,
            option::of((0..20u8, 0..3u8)),
            any::<bool>(),
            vec((0..3u8, 0..50u64), 1..3),
        ),
        1..20,
    );
    let removals = vec((0..20u8, 0..3u8), 0..4);
    (inserts, removals).prop_map(|(inserts, removals)| {
        let mut steps: Vec<Step> = removals
            .into_iter()
            .map(|(n, copy)| Step::Remove(copy_id(n, copy)))
            .collect();
        for (n, (role, second, parent, sourced, copies)) in inserts.into_iter().enumerate() {
            let n = n as u8;
            let mut message = Message::new("chat", role, Content::new(format!("m{n}")), second);
            message.parent = match parent {
                // A parent was there before its reply, so it has a lower number.
                Some((parent, copy)) if n > 0 => Parent::Message(copy_id(parent % n, copy)),
                Some(_) => Parent::Top,
                None => Parent::Absent,
            };
            message.source = sourced.then(|| format!("s{}", u32::from(n) * 7 % 20));
            let copies = if sourced { copies } else { copies[..1].to_vec() };
            steps.extend(copies.into_iter().map(|(copy, outer)| {
                let mut message = message.clone();
                // Each device names the copy of the parent that it made itself.
                if let (true, Some((parent, _)), true) = (sourced, parent, n > 0) {
                    message.parent = Parent::Message(copy_id(parent % n, copy));
                }
                Step::Insert(copy_id(n, copy), outer + u64::from(copy) * 100, Box::new(message))
            }));
        }
        // One id is one event: it cannot come with two outer times.
        let mut seen = std::collections::BTreeSet::new();
        steps.retain(|step| match step {
            Step::Insert(id, ..) => seen.insert(*id),
            Step::Remove(_) => true,
        });
        steps
    })
}

/// What happens to a library that somebody looks at all the while: pieces, messages that are kept elsewhere, drafts that get
/// their events, and removals of which more or less is remembered.
#[derive(Debug, Clone)]
enum Change {
    Insert(u8, u8),
    Draft(u8),
    Rename(u8, u8),
    Remove(u8, u8),
    Forget(u8, u8),
    Bury(u8, u8, bool),
    PassOver(u8, u8),
}

/// How many messages [`changes`] are about.
const TOLD: u8 = 8;

prop_compose! {
    fn told_one(n: u8)(
        role in prop_oneof![4 => Just("user"), 4 => Just("assistant"), 1 => Just("system")],
        second in 0..3u64,
        parent in option::weighted(0.8, (0..TOLD, any::<bool>())),
        sourced in any::<bool>(),
        piece in option::of(1..3u32),
    ) -> Message {
        let words = piece.map_or_else(|| format!("m{n}"), |piece| ["left", "right"][piece as usize - 1].to_owned());
        let mut message = Message::new("chat", Role::from(role), Content::new(words), second);
        message.parent = match parent {
            None => Parent::Absent,
            Some((parent, true)) => Parent::Message(draft_id(parent)),
            Some((parent, false)) => Parent::Message(copy_id(parent, 0)),
        };
        message.source = sourced.then(|| format!("s{}", u32::from(n) * 7 % 20));
        message.part = piece.map(|index| Part { index, count: 2, whole: Sha256::digest(b"leftright").into() });
        message
    }
}

fn told() -> impl Strategy<Value = Vec<Message>> {
    (0..TOLD).map(told_one).collect::<Vec<_>>()
}

fn draft_id(n: u8) -> MessageId {
    MessageId::Local([n; 16])
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let copy = || (0..TOLD, 0..2u8);
    let change = prop_oneof![
        8 => copy().prop_map(|(n, copy)| Change::Insert(n, copy)),
        2 => (0..TOLD).prop_map(Change::Draft),
        2 => copy().prop_map(|(n, copy)| Change::Rename(n, copy)),
        1 => copy().prop_map(|(n, copy)| Change::Remove(n, copy)),
        1 => copy().prop_map(|(n, copy)| Change::Forget(n, copy)),
        1 => (copy(), any::<bool>()).prop_map(|((n, copy), known)| Change::Bury(n, copy, known)),
        3 => copy().prop_map(|(n, copy)| Change::PassOver(n, copy)),
    ];
    vec(change, 1..16)
}

fn change(library: &mut Library, messages: &[Message], change: &Change) {
    let message = |n: u8| messages[usize::from(n)].clone();
    let outer = |n: u8, copy: u8| u64::from(n) + u64::from(copy) * 100;
    match *change {
        Change::Insert(n, copy) => drop(library.insert(copy_id(n, copy), outer(n, copy), message(n))),
        Change::Draft(n) => drop(library.insert(draft_id(n), 0, message(n))),
        Change::Rename(n, copy) => drop(library.rename(draft_id(n), copy_id(n, copy), outer(n, copy))),
        Change::Remove(n, copy) => drop(library.remove(&copy_id(n, copy))),
        Change::Forget(n, copy) => library.forget(&copy_id(n, copy)),
        Change::Bury(n, copy, known) => {
            library.bury(copy_id(n, copy), known.then(|| Tombstone::of(&message(n))));
        }
        Change::PassOver(n, copy) => library.pass_over(copy_id(n, copy), Tombstone::of(&message(n))),
    }
}

fn after(steps: &[Step]) -> Library {
    let mut library = Library::new();
    for step in steps {
        match step.clone() {
            Step::Insert(id, outer, message) => {
                library.insert(id, outer, *message);
            }
            Step::Remove(id) => {
                library.remove(&id);
            }
        }
    }
    library
}

/// Everything a library shows.
fn shown(library: &Library) -> Vec<String> {
    let mut lines = Vec::new();
    for summary in library.conversations() {
        lines.push(format!(
            "{} {} {} {}",
            summary.id, summary.title, summary.messages, summary.updated_at
        ));
        let chat = library.conversation(&summary.id).unwrap();
        for m in chat.messages() {
            let held = library.get(&m.id).unwrap();
            lines.push(format!(
                "{} {:?} {}/{} {:?} {}",
                m.id,
                m.parent,
                m.version,
                m.versions,
                held.aliases,
                m.message.content.raw()
            ));
        }
        let branch: Vec<_> = chat.branch(&Selection::new()).iter().map(|m| m.id).collect();
        lines.push(format!("{branch:?} {:?}", chat.notes().len()));
    }
    lines
}

proptest! {
    /// What is shown depends on the set of messages and removals, not on their order.
    #[test]
    fn the_order_of_arrival_does_not_matter(steps in steps(), seeds in vec(any::<u64>(), 4)) {
        let expected = shown(&after(&steps));
        for seed in seeds {
            prop_assert_eq!(&shown(&after(&shuffled(&steps, seed))), &expected);
        }
    }

    /// A library asked in between answers as one that was not: no cache outlives what it came from.
    #[test]
    fn asking_changes_nothing(steps in steps()) {
        let mut asked = Library::new();
        for step in &steps {
            match step.clone() {
                Step::Insert(id, outer, message) => drop(asked.insert(id, outer, *message)),
                Step::Remove(id) => drop(asked.remove(&id)),
            }
            let _ = shown(&asked);
        }
        prop_assert_eq!(shown(&asked), shown(&after(&steps)));
    }

    /// Nor whatever else happens to it.
    #[test]
    fn asking_changes_nothing_whatever_comes_and_goes(messages in told(), changes in changes()) {
        let (mut asked, mut unasked) = (Library::new(), Library::new());
        for each in &changes {
            change(&mut asked, &messages, each);
            change(&mut unasked, &messages, each);
            let _ = shown(&asked);
        }
        prop_assert_eq!(shown(&asked), shown(&unasked));
    }

    /// Every message is in exactly one place, and is found by each of its ids.
    #[test]
    fn no_message_is_lost_or_shown_twice(steps in steps()) {
        let library = after(&steps);
        let listed: Vec<_> = library.conversations().iter().flat_map(|summary| {
            library.conversation(&summary.id).unwrap().messages().iter().map(|m| m.id).collect::<Vec<_>>()
        }).collect();
        prop_assert_eq!(listed.len(), library.message_count());
        for step in &steps {
            if let Step::Insert(id, _, message) = step {
                let here = library.get(id);
                prop_assert!(here.is_some() || library.is_removed(id));
                if let Some(held) = here {
                    prop_assert!(listed.contains(&held.id) || message.role == Role::System);
                }
            }
        }
    }
}
