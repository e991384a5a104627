//! Every tree, title and list of threads.json, in many orders of arrival.

use chat_model::{Content, Library, Message, MessageId, Parent, Role, Selection};
use serde_json::Value;

use crate::{ids, list, shuffled, text, vectors};

const ARRIVALS: u64 = 60;

fn message(entry: &Value) -> (MessageId, Message) {
    let conversation = entry["conversation"].as_str().unwrap_or("chat");
    let content = match &entry["content"] {
        Value::String(text) => text.clone(),
        parts => parts.to_string(),
    };
    let role = Role::from(text(&entry["role"]));
    let created_at = entry["created_at"].as_u64().unwrap();
    let mut message = Message::new(conversation, role, Content::new(content), created_at);
    message.parent = entry["parent"].as_str().map_or(Parent::Absent, Parent::from_tag);
    (text(&entry["id"]).parse().unwrap(), message)
}

fn messages(thread: &Value) -> Vec<(MessageId, Message)> {
    list(&thread["messages"]).iter().map(message).collect()
}

fn library(messages: &[(MessageId, Message)]) -> Library {
    let mut library = Library::new();
    for (id, message) in messages {
        library.insert(*id, message.created_at, message.clone());
    }
    library
}

fn selection(view: &Value) -> Selection {
    let pick = |pair: &Value| {
        (
            pair[0].as_u64().unwrap() as usize,
            text(&pair[1]).parse().unwrap(),
        )
    };
    list(&view["selected"]).iter().map(pick).collect()
}

fn branch(library: &Library, selection: &Selection) -> Vec<MessageId> {
    let conversation = library.conversation("chat");
    conversation.map_or(Vec::new(), |chat| {
        chat.branch(selection).iter().map(|shown| shown.id).collect()
    })
}

fn check_view(name: &str, library: &Library, view: &Value) {
    let selection = selection(view);
    assert_eq!(branch(library, &selection), ids(&view["branch"]), "{name}");
    let slots = library
        .conversation("chat")
        .map(|chat| chat.slots(&selection))
        .unwrap_or_default();
    assert_eq!(slots.len(), list(&view["slots"]).len(), "{name}");
    for (slot, expected) in slots.iter().zip(list(&view["slots"])) {
        assert_eq!(slot.versions, ids(&expected["versions"]), "{name}");
        assert_eq!(
            slot.shown_index as u64,
            expected["shown_index"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(slot.shown().to_string(), text(&expected["shown"]), "{name}");
        let parent = slot.parent.map_or("0".repeat(64), |parent| parent.to_string());
        assert_eq!(parent, text(&expected["parent"]), "{name}");
    }
    let labels = library
        .conversation("chat")
        .map(|chat| chat.branch(&selection))
        .unwrap_or_default();
    assert_eq!(labels.len(), list(&view["labels"]).len(), "{name}");
    for (shown, slot) in labels.iter().zip(&slots) {
        assert_eq!(
            (shown.version, shown.versions),
            (slot.shown_index + 1, slot.versions.len()),
            "{name}"
        );
        assert_eq!(shown.parent, slot.parent, "{name}");
    }
}

fn title(library: &Library) -> String {
    library
        .summary("chat")
        .map_or(chat_model::NEW_CONVERSATION.to_owned(), |summary| summary.title)
}

#[test]
fn every_tree_is_shown_as_expected_in_any_order_of_arrival() {
    let file = vectors("threads.json");
    let mut views = 0;
    for thread in list(&file["threads"]) {
        let name = text(&thread["name"]);
        let messages = messages(thread);
        for seed in 0..ARRIVALS {
            let library = library(&shuffled(&messages, seed));
            for view in thread["views"].as_array().into_iter().flatten() {
                check_view(name, &library, view);
                views += 1;
            }
            if let Some(expected) = thread["title"].as_str() {
                assert_eq!(title(&library), expected, "{name}");
            }
        }
    }
    assert!(views > 60 * 40);
}

#[test]
fn loops_of_notes_end_and_keep_what_is_shown_for_sure() {
    let file = vectors("threads.json");
    let mut checked = 0;
    for thread in list(&file["threads"]) {
        if thread["must_terminate"] != true {
            continue;
        }
        let messages = messages(thread);
        let expected = ids(&thread["branch_starts_with"]);
        let shown = branch(&library(&messages), &Selection::new());
        assert!(shown.starts_with(&expected), "{}", thread["name"]);
        for seed in 0..ARRIVALS {
            assert_eq!(
                branch(&library(&shuffled(&messages, seed)), &Selection::new()),
                shown
            );
        }
        checked += 1;
    }
    assert_eq!(checked, 2);
}

#[test]
fn a_tie_is_settled_the_same_way_in_any_order_of_arrival() {
    let file = vectors("threads.json");
    for thread in list(&file["ambiguous"]) {
        let messages = messages(thread);
        for view in list(&thread["views"]) {
            let selection = selection(view);
            let shown = branch(&library(&messages), &selection);
            assert!(
                list(&view["any_of"]).iter().any(|any| ids(any) == shown),
                "{}",
                thread["name"]
            );
            for seed in 0..300 {
                assert_eq!(branch(&library(&shuffled(&messages, seed)), &selection), shown);
            }
        }
    }
}

#[test]
fn every_title_is_the_web_apps() {
    let file = vectors("threads.json");
    for entry in list(&file["titles"]) {
        let messages = messages(entry);
        for seed in 0..4 {
            assert_eq!(
                title(&library(&shuffled(&messages, seed))),
                text(&entry["title"]),
                "{}",
                entry["name"]
            );
        }
    }
    assert!(list(&file["titles"]).len() >= 28);
}

#[test]
fn the_list_of_conversations_shows_the_newest_activity_first() {
    let file = vectors("threads.json");
    for entry in list(&file["lists"]) {
        let messages = messages(entry);
        for seed in 0..ARRIVALS {
            let library = library(&shuffled(&messages, seed));
            let summaries = library.conversations();
            assert_eq!(summaries.len(), list(&entry["chats"]).len());
            for (summary, expected) in summaries.iter().zip(list(&entry["chats"])) {
                assert_eq!(summary.id, text(&expected["conversation"]));
                assert_eq!(summary.title, text(&expected["title"]));
                assert_eq!(summary.updated_at, expected["updated_at"].as_u64().unwrap());
                let chat = library.conversation(&summary.id).unwrap();
                let all: Vec<MessageId> = chat.messages().iter().map(|shown| shown.id).collect();
                assert_eq!(all, ids(&expected["messages"]));
                assert_eq!(summary.messages, all.len());
            }
        }
    }
}
