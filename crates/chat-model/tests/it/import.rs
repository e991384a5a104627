//! Old exports of the web app.

use std::collections::BTreeSet;

use chat_model::import::{Import, ImportError, Skipped, read_saved_conversations};
use chat_model::{Inserted, Library, Message, MessageId};
use serde_json::{Value, json};

use crate::{list, text, vectors};

const NOW: u64 = 1_789_000_000;

fn export() -> String {
    let file = vectors("legacy-saved-conversations.json");
    text(&list(&file["exports"])[0]["saved_conversations"]).to_owned()
}

fn read(text: &str) -> Import {
    read_saved_conversations(text.as_bytes(), NOW).unwrap()
}

/// The rumor as the web app would write it: without the tags that only we write.
fn without_our_tags(mut message: Message, author: &str) -> String {
    message.source = None;
    String::from_utf8(message.to_rumor(author).unwrap()).unwrap()
}

#[test]
fn every_export_gives_the_uploads_of_the_web_apps_migration() {
    let file = vectors("legacy-saved-conversations.json");
    let owner = text(&file["owner_pubkey_hex"]);
    let mut messages = 0;
    for export in list(&file["exports"]) {
        let name = text(&export["name"]);
        let Some(saved) = export["saved_conversations"].as_str() else {
            continue;
        };
        let read = read_saved_conversations(saved.as_bytes(), export["now_seconds"].as_u64().unwrap());
        let imported = read.map(|import| import.messages).unwrap_or_default();
        let uploads = list(&export["uploads"]);
        assert_eq!(imported.len(), uploads.len(), "{name}");
        for (imported, upload) in imported.into_iter().zip(uploads) {
            assert_eq!(imported.conversation, text(&upload["conversation_id"]), "{name}");
            assert_eq!(
                imported.created_at,
                upload["created_at"].as_u64().unwrap(),
                "{name}"
            );
            assert_eq!(imported.role.as_str(), text(&upload["role"]), "{name}");
            assert_eq!(
                without_our_tags(imported.into(), owner),
                text(&upload["inner_json"]),
                "{name}"
            );
            messages += 1;
        }
    }
    assert!(messages >= 25, "{messages}");
}

#[test]
fn what_is_left_out_is_counted_by_reason() {
    let import = read(&export());
    assert_eq!(import.conversations, 3);
    let skipped = Skipped {
        not_conversations: 0,
        already_synced: 3,
        notes: 2,
        empty: 0,
    };
    assert_eq!(import.skipped, skipped);
    let junk = r#"[null,5,{},{"id":7,"messages":[]},{"id":"1","messages":[null,0,"",{"role":"user"},{"content":"kept"}]}]"#;
    let import = read(junk);
    assert_eq!(
        import.skipped,
        Skipped {
            not_conversations: 4,
            empty: 4,
            ..Skipped::default()
        }
    );
    assert_eq!((import.messages.len(), import.skipped.total()), (1, 8));
}

#[test]
fn the_file_may_be_the_entry_or_an_object_that_has_it() {
    let saved = export();
    let expected = read(&saved);
    let as_list: Value = serde_json::from_str(&saved).unwrap();
    let wrapped = format!(r#"{{"other":1,"saved_conversations":{saved}}}"#);
    for file in [
        wrapped,
        json!({ "saved_conversations": saved }).to_string(),
        json!(saved).to_string(),
    ] {
        assert_eq!(read(&file), expected);
    }
    // Another program sorted the keys and laid it out: parts differ in their raw text then, nothing else does.
    let pretty = read(&serde_json::to_string_pretty(&as_list).unwrap());
    assert_eq!(pretty.messages.len(), expected.messages.len());
}

#[test]
fn anything_else_is_an_error_that_says_what_was_found() {
    let error = |file: &str| read_saved_conversations(file.as_bytes(), NOW).unwrap_err();
    assert_eq!(error("[\n {]"), ImportError::NotJson { line: 2, column: 3 });
    assert!(matches!(error(""), ImportError::NotJson { .. }));
    for (file, found) in [
        ("null", "null"),
        ("7", "a number"),
        (r#"{"id":"1","messages":[]}"#, "without `saved_conversations`"),
        (r#"{"saved_conversations":null}"#, "null"),
        (r#"{"saved_conversations":"{}"}"#, "an object"),
    ] {
        let text = error(file).to_string();
        assert!(
            text.contains(found) && text.contains("expected"),
            "{file}: {text}"
        );
    }
}

#[test]
fn a_second_import_of_the_same_file_makes_no_message_twice() {
    let mut library = Library::new();
    for (pass, device) in [(0, 0), (1, 0), (2, 1)] {
        for (at, imported) in read(&export()).messages.into_iter().enumerate() {
            let id = MessageId::Event([(pass * 100 + at) as u8; 32]);
            let inserted = library.insert(id, 1_790_000_000 + device, imported.into());
            assert_eq!(inserted == Inserted::New, pass == 0);
        }
    }
    assert_eq!(library.message_count(), read(&export()).messages.len());
}

#[test]
fn source_ids_are_stable_and_distinct_within_a_conversation() {
    let twice = r#"[{"id":"5","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hi"},
        {"role":"user","content":"hi"},{"id":"m","role":"user","content":"a"},{"id":"m","role":"user","content":"b"},
        {"id":"m~1","role":"user","content":"c"},{"id":7,"role":"user","content":"d"}]},
        {"id":"5","messages":[{"role":"user","content":"hi"}]}]"#;
    let sources: Vec<String> = read(twice)
        .messages
        .into_iter()
        .map(|message| message.source)
        .collect();
    assert_eq!(sources.iter().collect::<BTreeSet<_>>().len(), 8, "{sources:?}");
    assert!(sources.iter().all(|source| source.starts_with("routstr:5:")));
    assert_eq!(
        sources[3..7],
        ["routstr:5:m", "routstr:5:m~1", "routstr:5:m~1~1", "routstr:5:7"]
    );
    assert_eq!(
        read(twice)
            .messages
            .into_iter()
            .map(|message| message.source)
            .collect::<Vec<_>>(),
        sources
    );
}

#[test]
fn a_later_export_passes_no_new_message_off_as_a_known_one() {
    let before =
        read(r#"[{"id":"5","messages":[{"role":"user","content":"a"},{"role":"user","content":"c"}]}]"#);
    // An edit in the middle moved what follows.
    let after = read(
        r#"[{"id":"5","messages":[{"role":"user","content":"a"},{"role":"user","content":"b"},{"role":"user","content":"c"}]}]"#,
    );
    let sources = |import: &Import| {
        import
            .messages
            .iter()
            .map(|m| m.source.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        sources(&before),
        [&sources(&after)[0], &sources(&after)[2]].map(String::clone)
    );
}

#[test]
fn an_export_with_half_an_emoji_is_read() {
    let import = read(r#"[{"id":"1000","messages":[{"role":"user","content":"cut \ud83d"}]}]"#);
    assert_eq!(import.messages[0].content.raw(), "cut \u{fffd}");
}

#[test]
fn messages_that_no_reader_will_show_are_counted() {
    let import = read(
        r#"[{"id":"","messages":[{"role":"user","content":"x"}]},{"id":"1","messages":[{"content":"y"}]}]"#,
    );
    assert_eq!((import.messages.len(), import.nameless), (2, 1));
    let rumor = Message::from(import.messages[0].clone()).to_rumor("aa").unwrap();
    assert_eq!(
        Message::from_rumor(&rumor, &["aa"]),
        Err(chat_model::RumorError::Conversation)
    );
}
