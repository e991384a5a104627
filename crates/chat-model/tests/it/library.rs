//! Aliases, drafts, removals and finding.

use chat_model::{
    Content, FindError, Inserted, Library, Message, MessageId, Parent, Removed, Role, Selection, Tombstone,
};

fn event(n: u8) -> MessageId {
    MessageId::Event([n; 32])
}

fn local(n: u8) -> MessageId {
    MessageId::Local([n; 16])
}

fn say(words: &str, created_at: u64, parent: Parent) -> Message {
    let role = if words.starts_with('a') {
        Role::Assistant
    } else {
        Role::User
    };
    let mut message = Message::new("chat", role, Content::new(words), created_at);
    message.parent = parent;
    message.source = Some(format!("src-{words}"));
    message
}

fn branch(library: &Library) -> Vec<String> {
    let Some(chat) = library.conversation("chat") else {
        return Vec::new();
    };
    chat.branch(&Selection::new())
        .iter()
        .map(|shown| shown.message.content.raw().to_owned())
        .collect()
}

#[test]
fn copies_with_one_source_are_one_message_and_the_earliest_is_canonical() {
    let mut library = Library::new();
    assert_eq!(
        library.insert(event(5), 50, say("q", 1, Parent::Top)),
        Inserted::New
    );
    assert_eq!(
        library.insert(event(9), 50, say("q", 1, Parent::Top)),
        Inserted::Alias { of: event(5) }
    );
    assert_eq!(
        library.insert(event(9), 50, say("q", 1, Parent::Top)),
        Inserted::Duplicate
    );
    let earlier = library.insert(event(7), 40, say("q", 1, Parent::Top));
    assert_eq!(earlier, Inserted::Canonical { before: event(5) });
    for id in [event(5), event(7), event(9)] {
        assert_eq!(library.resolve(&id), Some(event(7)));
    }
    assert_eq!(library.get(&event(9)).unwrap().aliases, [event(5), event(9)]);
    assert_eq!(library.message_count(), 1);
}

#[test]
fn a_reply_to_any_copy_hangs_off_the_message() {
    let mut library = Library::new();
    library.insert(event(10), 60, say("a1", 2, Parent::Message(event(2))));
    library.insert(event(11), 60, say("a2", 3, Parent::Message(event(1))));
    library.insert(event(2), 50, say("q", 1, Parent::Top));
    assert_eq!(branch(&library), ["q", "a1"]);
    library.insert(event(1), 40, say("q", 1, Parent::Top));
    assert_eq!(branch(&library), ["q", "a2"]);
    assert_eq!(
        library
            .conversation("chat")
            .unwrap()
            .shown(&event(11))
            .unwrap()
            .versions,
        2
    );
}

#[test]
fn the_pieces_of_a_long_text_are_not_copies_of_each_other() {
    let mut library = Library::new();
    for index in 1..=3 {
        let mut piece = say("long", 1, Parent::Top);
        piece.part = Some(chat_model::Part {
            index,
            count: 3,
            whole: [1; 32],
        });
        assert_eq!(library.insert(event(index as u8), 5, piece), Inserted::New);
    }
    assert_eq!(library.message_count(), 3);
}

#[test]
fn a_draft_keeps_its_place_when_it_gets_its_event_id() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    // Two answers composed in one second, and a reply to the first of them.
    library.insert(local(1), 0, say("a-first", 2, Parent::Message(event(1))));
    library.insert(local(2), 0, say("a-second", 2, Parent::Message(event(1))));
    library.insert(local(3), 0, say("r", 3, Parent::Message(local(2))));
    let before = branch(&library);
    assert_eq!(before, ["q", "a-second", "r"]);
    assert_eq!(library.get(&local(2)).unwrap().outer_time, None);

    // The event ids sort the other way round.
    assert_eq!(library.rename(local(1), event(9), 20), Some(event(9)));
    assert_eq!(library.rename(local(2), event(8), 20), Some(event(8)));
    assert_eq!(branch(&library), before);
    assert_eq!(library.resolve(&local(2)), Some(event(8)));
    assert_eq!(library.get(&local(2)).unwrap().outer_time, Some(20));
    assert_eq!(
        library.insert(local(2), 0, say("a-second", 2, Parent::Top)),
        Inserted::Duplicate
    );
}

#[test]
fn an_event_that_comes_back_before_the_rename_is_the_draft() {
    let mut library = Library::new();
    library.insert(local(1), 0, say("q", 1, Parent::Top));
    let back = library.insert(event(1), 10, say("q", 1, Parent::Top));
    assert_eq!(back, Inserted::Canonical { before: local(1) });
    assert_eq!(library.rename(local(1), event(1), 10), Some(event(1)));

    let mut sourceless = say("q2", 2, Parent::Top);
    sourceless.source = None;
    library.insert(local(2), 0, sourceless.clone());
    library.insert(event(2), 10, sourceless);
    assert_eq!(library.message_count(), 3);
    assert_eq!(library.rename(local(2), event(2), 10), Some(event(2)));
    assert_eq!(
        (library.message_count(), library.resolve(&local(2))),
        (2, Some(event(2)))
    );
}

#[test]
fn an_alias_read_from_disk_may_come_before_or_after_its_event() {
    for alias_first in [true, false] {
        let mut library = Library::new();
        let told = |library: &mut Library| library.rename(local(1), event(1), 10);
        if alias_first {
            assert_eq!(told(&mut library), None);
        }
        library.insert(local(2), 0, say("a", 2, Parent::Message(local(1))));
        library.insert(event(1), 10, say("q", 1, Parent::Top));
        if !alias_first {
            assert_eq!(told(&mut library), Some(event(1)));
        }
        assert_eq!(branch(&library), ["q", "a"]);
        library.remove(&event(1));
        assert!(library.resolve(&local(1)).is_none());
    }
}

#[test]
fn aliases_that_name_each_other_end() {
    let mut library = Library::new();
    library.rename(local(1), event(1), 5);
    library.rename(event(1), local(1), 5);
    library.rename(local(2), local(2), 5);
    assert_eq!(library.resolve(&local(1)), None);
    assert_eq!(library.resolve(&local(2)), None);
}

#[test]
fn replies_to_a_removed_message_hang_off_its_nearest_live_ancestor() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    library.insert(event(2), 11, say("a", 2, Parent::Message(event(1))));
    library.insert(event(3), 12, say("r", 3, Parent::Message(event(2))));
    let Removed { ids, tombstone, .. } = library.remove(&event(2)).unwrap();
    assert_eq!(ids, [event(2)]);
    assert_eq!(tombstone.parent, Parent::Message(event(1)));
    assert_eq!(branch(&library), ["q", "r"]);
    // An offline device replied to it meanwhile.
    library.insert(event(4), 13, say("late", 4, Parent::Message(event(2))));
    assert_eq!(branch(&library), ["q", "late"]);
    library.remove(&event(1));
    assert_eq!(branch(&library), ["late"]);
}

#[test]
fn a_removed_message_and_all_its_copies_stay_away() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    library.insert(event(2), 20, say("q", 1, Parent::Top));
    assert_eq!(library.remove(&event(2)).unwrap().ids, [event(1), event(2)]);
    assert_eq!(
        library.insert(event(1), 10, say("q", 1, Parent::Top)),
        Inserted::Removed
    );
    assert_eq!(
        library.insert(event(3), 5, say("q", 1, Parent::Top)),
        Inserted::Removed
    );
    assert!(library.is_removed(&event(3)));
    assert_eq!((library.message_count(), library.conversation_count()), (0, 0));
    assert_eq!(library.conversations(), []);
}

#[test]
fn a_removal_that_comes_before_its_message_holds() {
    let mut library = Library::new();
    library.insert(event(2), 20, say("q", 1, Parent::Top));
    assert_eq!(library.remove(&event(1)), None);
    assert_eq!(library.message_count(), 1, "nothing says yet that it is a copy");
    assert_eq!(
        library.insert(event(1), 10, say("q", 1, Parent::Top)),
        Inserted::Removed
    );
    assert_eq!(library.message_count(), 0);
}

#[test]
fn a_tombstone_from_disk_works_like_the_removal() {
    let mut library = Library::new();
    let tombstone = Tombstone {
        conversation: "chat".into(),
        parent: Parent::Message(event(1)),
        source: Some("src-a".into()),
        part: None,
    };
    library.insert(event(3), 12, say("r", 3, Parent::Message(event(2))));
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    assert_eq!(branch(&library), ["q"]);
    library.bury(event(2), Some(tombstone));
    assert_eq!(branch(&library), ["q", "r"]);
    assert_eq!(
        library.insert(event(7), 12, say("a", 2, Parent::Top)),
        Inserted::Removed
    );
}

#[test]
fn a_reply_to_something_removed_unseen_is_placed_by_the_order() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    library.insert(event(3), 12, say("a", 3, Parent::Message(event(2))));
    assert_eq!(branch(&library), ["q"]);
    library.remove(&event(2));
    assert_eq!(branch(&library), ["q", "a"]);
}

#[test]
fn a_draft_removed_while_it_was_sealed_takes_its_event_with_it() {
    let mut library = Library::new();
    library.insert(local(1), 0, say("q", 1, Parent::Top));
    library.remove(&local(1));
    assert_eq!(library.rename(local(1), event(1), 10), None);
    assert!(library.is_removed(&event(1)));
}

#[test]
fn a_title_follows_what_becomes_the_first_message() {
    let mut library = Library::new();
    let title = |library: &Library| library.summary("chat").unwrap().title;
    library.insert(event(3), 10, say("third", 30, Parent::Absent));
    assert_eq!(title(&library), "third");
    library.insert(event(4), 10, say("fourth", 40, Parent::Absent));
    assert_eq!(title(&library), "third");
    library.insert(event(1), 10, say("first", 10, Parent::Absent));
    assert_eq!(title(&library), "first");
    library.remove(&event(1));
    assert_eq!(title(&library), "third");
    assert_eq!(library.summary("chat").unwrap().updated_at, 40);
    library.remove(&event(4));
    assert_eq!(library.summary("chat").unwrap().updated_at, 30);
}

#[test]
fn a_clock_behind_hides_no_message() {
    let mut library = Library::new();
    // The reply is older than what it replies to, which has no parent itself.
    library.insert(event(1), 10, say("q", 10, Parent::Absent));
    library.insert(event(2), 11, say("a", 20, Parent::Message(event(3))));
    library.insert(event(3), 12, say("r", 30, Parent::Absent));
    let chat = library.conversation("chat").unwrap();
    let parent = |id| chat.shown(&id).unwrap().parent;
    assert_eq!((parent(event(2)), parent(event(3))), (Some(event(3)), None));
}

#[test]
fn a_person_finds_a_conversation_by_id_prefix_title_or_latest() {
    let mut library = Library::new();
    for (n, (id, words, at)) in [
        ("1789-a", "Cashu mints", 1),
        ("1789-b", "Éclairs", 3),
        ("latest-news", "mints again", 2),
    ]
    .into_iter()
    .enumerate()
    {
        library.insert(
            event(n as u8),
            10,
            Message::new(id, Role::User, Content::new(words), at),
        );
    }
    let find = |selector: &str| library.find(selector).map(|found| found.id);
    assert_eq!(find("1789-a").as_deref(), Ok("1789-a"));
    assert_eq!(find("latest").as_deref(), Ok("1789-b"));
    assert_eq!(find("late").as_deref(), Ok("latest-news"));
    assert_eq!(find("éCLAIR").as_deref(), Ok("1789-b"));
    assert_eq!(find("nowhere"), Err(FindError::NotFound));
    assert_eq!(find(""), Err(FindError::NotFound));
    let Err(FindError::Ambiguous { candidates }) = find("mints") else {
        panic!("two titles match")
    };
    let ids: Vec<_> = candidates.iter().map(|candidate| candidate.id.as_str()).collect();
    assert_eq!(ids, ["latest-news", "1789-a"]);
    let error = find("1789").unwrap_err().to_string();
    assert!(
        error.contains("1789-b, 1789-a") && !error.contains("clair"),
        "{error}"
    );
}

#[test]
fn debug_prints_no_words() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("secret", 1, Parent::Top));
    let summary = library.summary("chat").unwrap();
    let printed = format!(
        "{library:?} {summary:?} {:?} {:?}",
        library.get(&event(1)),
        library.conversation("chat")
    );
    let removed = format!("{:?}", library.remove(&event(1)));
    assert!(
        !printed.contains("secret") && !removed.contains("secret"),
        "{printed} {removed}"
    );
}

#[test]
fn a_title_follows_a_parent_found_within_the_first_second() {
    // By source id alone the reply would come before its question.
    let (question, reply) = (say("z", 1, Parent::Top), say("b", 1, Parent::Message(event(2))));
    let title = |library: &Library| library.summary("chat").unwrap().title;
    for by_removal in [false, true] {
        let mut library = Library::new();
        library.insert(event(1), 10, question.clone());
        library.insert(event(3), 12, reply.clone());
        assert_eq!(title(&library), "b");
        if by_removal {
            let parent = Parent::Message(event(1));
            let tombstone = Tombstone {
                conversation: "chat".into(),
                parent,
                source: None,
                part: None,
            };
            library.bury(event(2), Some(tombstone));
        } else {
            library.insert(event(2), 20, question.clone());
        }
        assert_eq!(title(&library), "z");
    }
}

#[test]
fn a_title_follows_a_message_that_comes_back_into_a_later_second() {
    let title = |library: &Library| library.summary("chat").unwrap().title;
    // Either the message that was kept elsewhere comes, or another copy of it.
    for back in [event(2), event(4)] {
        let mut library = Library::new();
        library.insert(event(1), 10, say("z", 1, Parent::Top));
        library.insert(event(3), 12, say("b", 1, Parent::Message(event(2))));
        let elsewhere = say("a", 2, Parent::Message(event(1)));
        library.pass_over(event(2), Tombstone::of(&elsewhere));
        assert_eq!(title(&library), "z", "it leads from the reply to the question");
        library.insert(back, 20, elsewhere);
        assert_eq!(title(&library), "b", "by source id alone the reply comes first");
    }
}

#[test]
fn a_removed_copy_leads_to_its_own_parent_whenever_it_was_removed() {
    // Each device's copy of the answer names that device's copy of the question; one of those never arrived.
    let steps: [&dyn Fn(&mut Library); 3] = [
        &|library| {
            library.insert(event(2), 10, say("a", 2, Parent::Message(event(1))));
        },
        &|library| {
            library.insert(event(3), 20, say("a", 2, Parent::Message(event(11))));
        },
        &|library| {
            library.remove(&event(2));
        },
    ];
    for order in [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 0, 1], [2, 1, 0], [1, 2, 0]] {
        let mut library = Library::new();
        library.insert(event(4), 30, say("r", 4, Parent::Message(event(3))));
        for step in order {
            steps[step](&mut library);
        }
        let parent = library
            .conversation("chat")
            .unwrap()
            .shown(&event(4))
            .unwrap()
            .parent;
        assert_eq!(parent, Some(event(11)), "{order:?}");
    }
}

#[test]
fn deleting_takes_every_version_every_copy_and_every_note() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    library.insert(event(2), 11, say("a", 2, Parent::Message(event(1))));
    library.insert(event(3), 12, say("b", 3, Parent::Message(event(1))));
    library.insert(event(4), 20, say("a", 2, Parent::Message(event(1))));
    let mut note = say("n", 4, Parent::Message(event(3)));
    note.role = Role::System;
    library.insert(event(5), 21, note);
    library.insert(local(1), 0, say("d", 6, Parent::Message(event(3))));
    let mut elsewhere = say("x", 9, Parent::Top);
    elsewhere.conversation = "other".into();
    library.insert(event(6), 22, elsewhere);

    let doomed = library.doomed("chat").unwrap();
    assert_eq!(
        (
            doomed.messages,
            doomed.versions,
            doomed.aliases(),
            doomed.drafts()
        ),
        (4, 1, 1, 1)
    );
    let mut ids: Vec<MessageId> = doomed.ids().collect();
    ids.sort();
    assert_eq!(ids, [event(1), event(2), event(3), event(4), event(5), local(1)]);
    assert_eq!(library.message_count(), 5, "nothing changed");

    // One message by any of its ids: its other versions stay.
    let one = library.doomed(&event(4).to_string()).unwrap();
    assert_eq!((one.message, one.messages), (Some(event(2)), 1));
    assert_eq!(one.ids().collect::<Vec<_>>(), [event(2), event(4)]);
    assert_eq!(library.doomed("nothing"), Err(FindError::NotFound));
    assert_eq!(library.doomed(&event(77).to_string()), Err(FindError::NotFound));
}

#[test]
fn deleting_one_part_of_a_long_text_takes_all_of_them() {
    let mut library = Library::new();
    let piece = |words: &str, at: u64, place: &str, parent: Parent, whole: &str| {
        let mut message = say(words, at, parent);
        message.role = Role::User;
        message.part = chat_model::Part::from_tag(place, &whole.repeat(32));
        message
    };
    library.insert(event(1), 10, piece("1", 1, "1/3", Parent::Top, "0f"));
    library.insert(
        event(2),
        11,
        piece("2", 2, "2/3", Parent::Message(event(1)), "0f"),
    );
    library.insert(
        event(3),
        12,
        piece("3", 3, "3/3", Parent::Message(event(2)), "0f"),
    );
    // Another text behind it, a version of its middle, and a reply.
    library.insert(
        event(4),
        13,
        piece("4", 4, "1/3", Parent::Message(event(3)), "0f"),
    );
    library.insert(
        event(5),
        14,
        piece("5", 5, "2/3", Parent::Message(event(1)), "aa"),
    );
    library.insert(event(6), 15, say("a", 6, Parent::Message(event(3))));
    for n in 1..=3 {
        let mut ids: Vec<MessageId> = library.doomed(&event(n).to_string()).unwrap().ids().collect();
        ids.sort();
        assert_eq!(ids, [event(1), event(2), event(3)], "by part {n}");
    }
    for n in 4..=6 {
        let ids: Vec<MessageId> = library.doomed(&event(n).to_string()).unwrap().ids().collect();
        assert_eq!(ids, [event(n)]);
    }
}

#[test]
fn copies_that_go_with_a_removed_one_are_told_once() {
    let mut library = Library::new();
    library.insert(event(2), 20, say("q", 1, Parent::Top));
    library.remove(&event(1));
    assert!(library.take_late().is_empty());
    // What was removed turns out to be a copy of what is here.
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    let late: Vec<Vec<MessageId>> = library.take_late().into_iter().map(|late| late.ids).collect();
    assert_eq!(late, [[event(2)]], "its own id was removed by whoever removed it");
    library.insert(event(3), 30, say("q", 1, Parent::Top));
    assert_eq!(library.take_late()[0].ids, [event(3)]);
    library.insert(event(3), 30, say("q", 1, Parent::Top));
    assert!(library.take_late().is_empty());
}

#[test]
fn what_is_forgotten_may_come_back() {
    let mut library = Library::new();
    library.insert(event(1), 10, say("q", 1, Parent::Top));
    library.insert(event(2), 20, say("q", 1, Parent::Top));
    library.forget(&event(2));
    assert_eq!((library.message_count(), library.resolve(&event(1))), (0, None));
    assert_eq!(
        library.insert(event(2), 20, say("q", 1, Parent::Top)),
        Inserted::New
    );
    assert_eq!(branch(&library), ["q"]);
}

#[test]
fn each_copy_is_remembered_with_its_own_parent() {
    let mut library = Library::new();
    library.insert(event(2), 10, say("a", 2, Parent::Message(event(1))));
    library.insert(event(3), 20, say("a", 2, Parent::Message(event(11))));
    let removed = library.remove(&event(3)).unwrap();
    let parents: Vec<(MessageId, Parent)> = removed
        .tombstones()
        .map(|(id, tombstone)| (id, tombstone.parent))
        .collect();
    assert_eq!(
        parents,
        [
            (event(2), Parent::Message(event(1))),
            (event(3), Parent::Message(event(11)))
        ]
    );
}
