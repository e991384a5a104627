//! Reading and writing without a relay.

use serde_json::Value;

use crate::program::Home;
use crate::{NOBODY, SECRET, export};

fn import(home: &Home, more: &[&str]) -> Value {
    let file = home.file("export.json", &export());
    let args = [&["import", file.to_str().unwrap(), "--json"], more].concat();
    home.run(&args).succeeded().json()
}

#[test]
fn a_message_is_kept_without_any_relay() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let sent = home
        .run(&["chats", "send", "talk", "hello", "--json"])
        .succeeded()
        .json();
    assert_eq!(sent["id"].as_str().unwrap().len(), 32, "its local id: {sent}");
    assert_eq!(
        (&sent["conversation"], &sent["state"]),
        (&Value::from("talk"), &Value::from("draft"))
    );

    let status = home.run(&["status", "--json"]).succeeded().json();
    assert_eq!(status["waiting"], 1, "{status}");
    assert_eq!(status["drafts"], 1);
    assert_eq!(status["messages"], 1);
    assert_eq!(status["conversations"], 1);
    assert_eq!(status["complete"], false);
    assert_eq!(status["relays"][0]["state"], "off", "status never dials");

    let sync = home.run(&["sync", "--json"]);
    sync.refused(4, "no relay could be reached");
    let report = sync.json();
    assert_eq!(
        (&report["complete"], &report["waiting"]),
        (&Value::from(false), &Value::from(1))
    );
    assert_eq!(report["relays"][0]["method"], Value::Null);
    assert!(report["relays"][0]["error"].is_string(), "{report}");
}

#[test]
fn what_was_written_reads_back_in_order() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let question = home
        .run(&["chats", "send", "talk", "Best tea?", "--json"])
        .succeeded()
        .json();
    home.run(&[
        "chats",
        "send",
        "latest",
        "Assam.",
        "--role",
        "assistant",
        "--model",
        "gpt-5",
    ])
    .succeeded();
    let parent = question["id"].as_str().unwrap();
    let retry = [
        "chats",
        "send",
        "tal",
        "-",
        "--role",
        "assistant",
        "--model",
        "gpt-5",
        "--parent",
        parent,
    ];
    home.run_with(&retry, "Darjeeling.\n").succeeded();

    let show = home
        .run(&["chats", "show", "best te", "--json"])
        .succeeded()
        .json();
    assert_eq!(
        (&show["id"], &show["title"]),
        (&Value::from("talk"), &Value::from("Best tea?"))
    );
    let messages = show["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 2, "two versions at one place: {show}");
    assert_eq!(messages[0]["content"], "Best tea?");
    assert_eq!(messages[0]["parent"], Value::Null);
    // Written within one second, which of the two is newer is for their ids to say.
    let shown = messages[1]["content"].as_str().unwrap();
    assert!(
        ["Assam.", "Darjeeling."].contains(&shown),
        "stdin without the line break: {show}"
    );
    assert_eq!(
        (&messages[1]["version"], &messages[1]["versions"]),
        (&Value::from(2), &Value::from(2))
    );
    assert_eq!(
        (&messages[1]["role"], &messages[1]["model"]),
        (&Value::from("assistant"), &Value::from("gpt-5"))
    );
    assert_eq!(messages[1]["parent"], messages[0]["id"]);
    assert_eq!(messages[1]["state"], "draft");

    let transcript = home.run(&["chats", "show", "talk"]).succeeded().stdout;
    assert!(
        transcript.contains("assistant (2/2)") && transcript.contains(shown),
        "{transcript}"
    );
}

#[test]
fn an_import_adds_each_message_once() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let foreseen = import(&home, &["--dry-run"]);
    assert_eq!(
        home.run(&["status", "--json"]).succeeded().json()["messages"],
        0,
        "only looked"
    );
    let first = import(&home, &["--from", "routstr"]);
    for key in ["added", "known", "skipped", "too_long", "conversations"] {
        assert_eq!(first[key], foreseen[key], "{key}");
    }
    assert!(first["added"].as_u64().unwrap() > 10, "{first}");
    assert_eq!(
        (&first["known"], &first["conversations"]),
        (&Value::from(0), &Value::from(3))
    );

    let again = import(&home, &[]);
    assert_eq!(
        (&again["added"], &again["known"]),
        (&Value::from(0), &first["added"])
    );
    assert_eq!(import(&home, &["--dry-run"])["known"], first["added"]);
    let file = home.file("export.json", &export());
    let told = home.run(&["import", file.to_str().unwrap()]).succeeded().stdout;
    let line = format!(
        "0 messages added, {} here already (3 conversations in the file)",
        first["added"]
    );
    assert!(told.contains(&line), "{told}");
    assert_eq!(
        home.run(&["status", "--json"]).succeeded().json()["messages"],
        first["added"]
    );
}

#[test]
fn a_long_id_is_short_on_the_screen_and_whole_in_json() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let id = "long".repeat(50);
    let said = home.run(&["chats", "send", &id, "pay\u{202e}load"]).succeeded();
    assert!(
        said.stderr
            .contains(&format!("began a new conversation \"{id}\""))
            && said.stderr.contains("no relay can be reached"),
        "{said:?}"
    );
    let again = home.run(&["chats", "send", "long", "more"]).succeeded();
    assert!(!again.stderr.contains("new conversation"), "{again:?}");
    let quiet = home
        .run(&["-q", "-q", "chats", "send", "other", "hello"])
        .succeeded();
    assert_eq!(quiet.stderr, "");

    let list = home.run(&["chats", "list"]).succeeded().stdout;
    assert!(
        list.contains(&format!("{}…  payload", &id[..35])) && !list.contains(&id),
        "{list}"
    );
    let json = home.run(&["chats", "list", "--json"]).succeeded().json();
    let conversations = json["conversations"].as_array().unwrap();
    assert!(
        conversations.iter().any(|line| line["id"] == id.as_str()),
        "{json}"
    );
    let status = home.run(&["status"]).succeeded().stdout;
    assert!(status.contains("no history key yet"), "{status}");
}

#[test]
fn a_nameless_conversation_gets_a_name() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let file = home.file(
        "export.json",
        r#"[{"id":"","messages":[{"role":"user","content":"who am I?"}]}]"#,
    );
    let ended = home.run(&["import", file.to_str().unwrap()]).succeeded();
    assert!(ended.stderr.contains("`unnamed`"), "{ended:?}");
    let show = home
        .run(&["chats", "show", "unnamed", "--json"])
        .succeeded()
        .json();
    assert_eq!(show["messages"][0]["content"], "who am I?");
}

#[test]
fn a_text_of_200_kilobytes_reads_back_as_it_was_written_on_another_device_too() {
    let relay = relay_lab::EmbeddedRelay::start(relay_lab::EmbeddedRelayConfig::default()).unwrap();
    let (laptop, phone) = (Home::new(), Home::new());
    for home in [&laptop, &phone] {
        home.log_in(SECRET, &[&relay.url()]);
    }
    let lines: Vec<String> = (0..13_000).map(|n| format!("line {n}: \"ß\"\n")).collect();
    let text = lines.concat();
    let text = text.trim_end();
    assert!(text.len() > 200_000);
    laptop.run_with(&["chats", "send", "talk", "-"], text).succeeded();
    for home in [&laptop, &phone] {
        home.run(&["sync"]).succeeded();
        let shown = home.run(&["chats", "show", "talk", "--json"]).succeeded().json();
        let messages = shown["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 1);
        assert!(messages[0]["content"] == text, "another text");
    }
}
