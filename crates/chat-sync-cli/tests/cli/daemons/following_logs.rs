//! `daemon logs --follow`: a file a day, and one line after the other.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::program::Home;

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[test]
fn following_goes_on_in_the_file_of_the_next_day() {
    let home = Home::new();
    let logs = home.data().join("logs");
    fs::create_dir_all(&logs).unwrap();
    let day = |day: u32| logs.join(format!("chat-sync-2026-11-{day}.log"));
    append(&day(28), "long ago\n");
    append(&day(29), "one\ntwo\n");
    let following = home.start(&["daemon", "logs", "--follow", "-n", "1"]);
    assert_eq!(following.line(), "two");
    append(&day(29), "three\nhalf");
    assert_eq!(following.line(), "three");
    // Both are there before anybody looks: what the old day still had comes first, and half a line is one when its day is
    // over.
    append(&day(29), " a line");
    append(&day(30), "four\n");
    assert_eq!(following.line(), "half a line");
    assert_eq!(following.line(), "four");
    append(&day(30), "five\n");
    assert_eq!(following.line(), "five");
    // A day on which nothing was said has no file.
    append(&logs.join("chat-sync-2026-12-02.log"), "six\n");
    assert_eq!(following.line(), "six");
}

#[test]
fn following_begins_before_the_first_day() {
    let home = Home::new();
    fs::create_dir_all(home.data()).unwrap();
    append(&home.data().join("daemon.log"), "starting\n");
    let following = home.start(&["daemon", "logs", "--follow"]);
    assert_eq!(following.line(), "starting");
    fs::create_dir_all(home.data().join("logs")).unwrap();
    append(&home.data().join("logs/chat-sync-2026-11-30.log"), "begun\n");
    assert_eq!(following.line(), "begun");
}
