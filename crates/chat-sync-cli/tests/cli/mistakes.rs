//! Bad input: one clear line, the right exit code, and a store that is as it was.

use crate::program::Home;
use crate::{NOBODY, SECRET, export};

#[test]
fn a_wrong_key_leaves_no_trace() {
    let home = Home::new();
    for (key, saying) in [
        ("", "empty"),
        ("hello", "nsec1"),
        (
            "npub1sn0wdenkukak0d9dfczzeacvhkrgz92ak56egt7vdgzn8pv2wfqqhrjdv9",
            "public",
        ),
        (&SECRET[..60], "60 characters"),
        (&"0".repeat(64), "not a valid secret key"),
    ] {
        home.run_with(&["login"], key).refused(2, saying);
    }
    home.run(&["login", SECRET]).refused(2, "paste it");
    home.run(&["login", "--key-file", "/does/not/exist"])
        .refused(2, "check its path");
    assert!(!home.data().exists());
}

#[test]
fn a_key_on_the_command_line_is_not_repeated() {
    let home = Home::new();
    for args in [
        &["login", SECRET][..],
        &["whoami", SECRET],
        &["login", "--key-file", SECRET],
    ] {
        let ended = home.run(args);
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(!ended.stderr.contains(SECRET), "{ended:?}");
    }
}

#[test]
fn nobody_is_logged_in() {
    let home = Home::new();
    let file = home.file("export.json", &export());
    for args in [
        &["whoami"][..],
        &["sync"],
        &["status"],
        &["chats", "list"],
        &["chats", "show", "latest"],
        &["chats", "send", "talk", "hello"],
        &["chats", "watch"],
        &["import", file.to_str().unwrap()],
        &["logout"],
    ] {
        home.run(args).refused(10, "chat-sync login");
    }
    assert!(!home.data().exists());
}

#[test]
fn a_url_that_is_no_relay_changes_nothing() {
    let home = Home::new();
    for (url, saying) in [
        ("https://relay.example.com", "use ws:// or wss://"),
        ("relay.example.com", "write wss://relay.example.com"),
        ("wss://", "names no host"),
    ] {
        home.run_with(&["login", "--relay", url], SECRET)
            .refused(2, saying);
    }
    assert!(!home.data().exists());
    home.log_in(SECRET, &[NOBODY]);
    let before = home.snapshot();
    home.run(&["sync", "--relay", "http://host"])
        .refused(2, "use ws:// or wss://");
    assert_eq!(home.snapshot(), before);
}

#[test]
fn a_file_that_is_no_export_changes_nothing() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let before = home.snapshot();
    let broken = home.file("broken.json", &export()[..500]);
    home.run(&["import", broken.to_str().unwrap()])
        .refused(1, "not JSON");
    let other = home.file("other.json", r#"{"name":"something else"}"#);
    home.run(&["import", other.to_str().unwrap()])
        .refused(1, "not a Routstr export");
    home.run(&["import", "/does/not/exist"])
        .refused(1, "check the path");
    home.run(&["import", home.data().to_str().unwrap()])
        .refused(1, "could not be read");
    assert_eq!(home.snapshot(), before);
}

#[test]
fn a_file_with_nothing_to_take_is_a_failure() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let file = home.file(
        "export.json",
        r#"[{"id":"talk","messages":[{"role":"user"},{"role":"user","content":null}]}]"#,
    );
    let path = file.to_str().unwrap();
    for more in [&[][..], &["--dry-run"]] {
        let ended = home.run(&[&["import", path], more].concat());
        ended.refused(1, "nothing in");
        assert!(ended.stdout.contains("2 left out"), "{ended:?}");
        let ended = home.run(&[&["import", path, "--json"], more].concat());
        ended.refused(1, "all 2 entries are left out");
        let report = ended.json();
        assert_eq!((&report["added"], &report["skipped"]), (&0.into(), &2.into()));
    }
    let synced = home.file(
        "synced.json",
        r#"[{"id":"talk","messages":[{"role":"user","content":"hello","_eventId":"ab"}]}]"#,
    );
    home.run(&["import", synced.to_str().unwrap()])
        .refused(1, "`chat-sync sync` brings");
}

#[test]
fn an_unknown_conversation_is_not_made_by_reading_it() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let before = home.run(&["status", "--json"]).succeeded().json();
    home.run(&["chats", "show", "nothing-like-it"])
        .refused(1, "chats list");
    home.run(&["chats", "watch", "nothing-like-it"])
        .refused(1, "chats list");
    home.run(&["chats", "send", "latest", "hello"])
        .refused(1, "chats list");
    for blank in ["", " \t ", "\n"] {
        home.run(&["chats", "send", "talk", blank]).refused(2, "empty");
        home.run_with(&["chats", "send", "talk", "-"], blank)
            .refused(2, "empty");
    }
    home.run(&["chats", "send", "  ", "hello"])
        .refused(2, "CONVERSATION");
    home.run(&["chats", "send", "", "hello"])
        .refused(2, "CONVERSATION");
    home.run(&["chats", "send", "talk", "hello", "--parent", "12"])
        .refused(2, "copy the whole id");
    home.run(&["chats", "send", "talk", "hello", "--parent", &"ab".repeat(32)])
        .refused(1, "names no message");
    assert_eq!(home.run(&["status", "--json"]).succeeded().json(), before);
}

#[test]
fn two_programs_do_not_share_a_store() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let watching = home.start(&["chats", "watch"]);
    watching.says("no relay can be reached");
    home.run(&["status"]).refused(11, "in use");
    home.run(&["chats", "send", "talk", "hello"])
        .refused(11, "in use");
    home.run(&["logout", "--force"]).refused(11, "in use");
    watching.kill();
    home.run(&["status"]).succeeded();
}

#[test]
fn a_store_key_of_another_store_is_a_wrong_key() {
    let (home, other) = (Home::new(), Home::new());
    home.log_in(SECRET, &[NOBODY]);
    other.log_in(SECRET, &[NOBODY]);
    let key = |home: &Home| {
        home.snapshot()
            .into_iter()
            .map(|(path, _)| path)
            .find(|path| path.ends_with("store.key"))
            .unwrap()
    };
    std::fs::copy(key(&other), key(&home)).unwrap();
    home.run(&["status"]).refused(12, "another store key");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_130() {
    let home = Home::new();
    home.log_in(SECRET, &[NOBODY]);
    let watching = home.start(&["chats", "watch"]);
    watching.says("no relay can be reached");
    assert_eq!(watching.interrupt(), Some(130));
    home.run(&["status"]).succeeded();
}
